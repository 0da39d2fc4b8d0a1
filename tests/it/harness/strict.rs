//! A reader of HTTP/1.1 that forgives nothing: what it takes for one message every recipient does (RFC 9112).

/// How the end of a body is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// There is no body.
    None,
    Length,
    Chunked,
    /// Until the connection closes: responses only.
    Close,
}

/// One message. Texts hold one character a byte (Latin-1).
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    /// The first line.
    pub start: String,
    /// Names and values as they stand, in their order.
    pub headers: Vec<(String, String)>,
    pub framing: Framing,
    /// Without chunk framing.
    pub body: Vec<u8>,
    pub trailers: Vec<(String, String)>,
}

/// What bytes begin with.
#[derive(Debug)]
pub enum Step {
    /// A message of so many bytes.
    Whole(Message, usize),
    /// The beginning of one.
    Partial,
}

impl std::fmt::Debug for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let headers: Vec<String> =
            self.headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        write!(f, "<{} | {} | {:?}>", self.start, headers.join(" | "), latin1(&self.body))
    }
}

impl Message {
    /// The first header of that name, of any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name));
        found.next().map(|(_, value)| value.as_str())
    }

    /// The word of the first line at that place, from 0.
    pub fn word(&self, at: usize) -> &str {
        self.start.split(' ').nth(at).unwrap_or_default()
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// The message whose request line is `start` and so on.
pub fn request(bytes: &[u8]) -> Result<Step, String> {
    let Some((start, headers, at)) = head(bytes)? else { return Ok(Step::Partial) };
    let words: Vec<&str> = start.split(' ').collect();
    let well = words.len() == 3 && is_token(words[0]) && !words[1].is_empty() && words[2] == "HTTP/1.1";
    if !well || words[1].bytes().any(|byte| byte < 0x21 || byte == 0x7f) {
        return Err(format!("a request line {start:?}"));
    }
    if count(&headers, "host") != 1 {
        return Err(format!("not one Host: {headers:?}"));
    }
    let framing = framing(&headers)?.unwrap_or(Framing::None);
    body(bytes, at, start, headers, framing, false)
}

/// Whether these bytes are the head of a request whose body waits for `100 Continue`.
pub fn awaits_100(bytes: &[u8]) -> bool {
    let Ok(Some((_, headers, _))) = head(bytes) else { return false };
    let expects = |(name, value): &(String, String)| {
        name.eq_ignore_ascii_case("expect") && value.eq_ignore_ascii_case("100-continue")
    };
    headers.iter().any(expects)
}

/// A response; `bodiless` if the request was a HEAD, `ended` once no more bytes can come.
pub fn response(bytes: &[u8], bodiless: bool, ended: bool) -> Result<Step, String> {
    let Some((start, headers, at)) = head(bytes)? else { return Ok(Step::Partial) };
    let status = start.strip_prefix("HTTP/1.1 ").or(start.strip_prefix("HTTP/1.0 "));
    let status = status.and_then(|rest| rest.get(..3)?.parse::<u16>().ok());
    let status = status.ok_or_else(|| format!("a status line {start:?}"))?;
    let framing = match framing(&headers)? {
        _ if bodiless || status < 200 || status == 204 || status == 304 => Framing::None,
        reported => reported.unwrap_or(Framing::Close),
    };
    body(bytes, at, start, headers, framing, ended)
}

/// Every request in these bytes, and how many bytes are left: the beginning of one that was never completed.
pub fn requests(bytes: &[u8]) -> Result<(Vec<Message>, usize), String> {
    let (mut found, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        match request(&bytes[at..])? {
            Step::Whole(message, length) => {
                found.push(message);
                at += length;
            }
            Step::Partial => break,
        }
    }
    Ok((found, bytes.len() - at))
}

/// Every response in bytes that have ended.
pub fn responses(bytes: &[u8]) -> Result<Vec<Message>, String> {
    let (mut found, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        match response(&bytes[at..], false, true)? {
            Step::Whole(message, length) => {
                found.push(message);
                at += length;
            }
            Step::Partial => return Err(format!("a response broke off: {:?}", latin1(&bytes[at..]))),
        }
    }
    Ok(found)
}

/// One character a byte.
pub fn latin1(bytes: &[u8]) -> String {
    bytes.iter().map(|&byte| char::from(byte)).collect()
}

/// The bytes of `latin1`.
pub fn bytes_of(text: &str) -> Vec<u8> {
    text.chars().map(|c| u8::try_from(u32::from(c)).expect("one byte a character")).collect()
}

type Head = (String, Vec<(String, String)>, usize);

fn head(bytes: &[u8]) -> Result<Option<Head>, String> {
    let Some((first, mut at)) = line(bytes, 0)? else { return Ok(None) };
    let mut headers = Vec::new();
    loop {
        let Some((text, next)) = line(bytes, at)? else { return Ok(None) };
        at = next;
        if text.is_empty() {
            return Ok(Some((first, headers, at)));
        }
        headers.push(field(&text)?);
    }
}

/// A line without its end, and where the next one begins. A lone CR or LF is an error.
fn line(bytes: &[u8], from: usize) -> Result<Option<(String, usize)>, String> {
    let rest = &bytes[from..];
    let Some(end) = rest.iter().position(|&byte| matches!(byte, b'\r' | b'\n')) else { return Ok(None) };
    match (rest[end], rest.get(end + 1)) {
        (b'\r', Some(b'\n')) => Ok(Some((latin1(&rest[..end]), from + end + 2))),
        (b'\r', None) => Ok(None),
        _ => Err(format!("a lone CR or LF after {:?}", latin1(&rest[..end]))),
    }
}

fn field(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or_else(|| format!("a line without a colon: {text:?}"))?;
    let value = value.trim_matches([' ', '\t']);
    if !is_token(name) || value.bytes().any(|byte| (byte < 0x20 && byte != b'\t') || byte == 0x7f) {
        return Err(format!("a header line {text:?}"));
    }
    Ok((name.to_owned(), value.to_owned()))
}

fn is_token(text: &str) -> bool {
    let special = "!#$%&'*+-.^_`|~";
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || special.contains(c))
}

fn count(headers: &[(String, String)], name: &str) -> usize {
    headers.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name)).count()
}

/// `None` where no header tells it.
fn framing(headers: &[(String, String)]) -> Result<Option<Framing>, String> {
    let reported: Vec<&(String, String)> = headers
        .iter()
        .filter(|(name, _)| {
            let lower = name.to_ascii_lowercase().replace('_', "-");
            lower == "content-length" || lower == "transfer-encoding"
        })
        .collect();
    match reported[..] {
        [] => Some(None),
        [(name, value)] if name.eq_ignore_ascii_case("transfer-encoding") => {
            value.eq_ignore_ascii_case("chunked").then_some(Some(Framing::Chunked))
        }
        [(name, value)] if name.eq_ignore_ascii_case("content-length") => {
            let plain = !value.is_empty() && value.len() < 20 && value.bytes().all(|b| b.is_ascii_digit());
            plain.then_some(Some(Framing::Length))
        }
        _ => None,
    }
    .ok_or_else(|| format!("ambiguous framing: {reported:?}"))
}

fn body(
    bytes: &[u8],
    mut at: usize,
    start: String,
    headers: Vec<(String, String)>,
    framing: Framing,
    ended: bool,
) -> Result<Step, String> {
    let mut message = Message { start, headers, framing, body: Vec::new(), trailers: Vec::new() };
    match framing {
        Framing::None => {}
        Framing::Close if ended => {
            message.body = bytes[at..].to_vec();
            at = bytes.len();
        }
        Framing::Close => return Ok(Step::Partial),
        Framing::Length => {
            let length: usize = message.header("content-length").unwrap().parse().unwrap();
            let Some(body) = bytes.get(at..at + length) else { return Ok(Step::Partial) };
            message.body = body.to_vec();
            at += length;
        }
        Framing::Chunked => match chunks(bytes, &mut at, &mut message)? {
            true => {}
            false => return Ok(Step::Partial),
        },
    }
    Ok(Step::Whole(message, at))
}

/// False if the last chunk has not come.
fn chunks(bytes: &[u8], at: &mut usize, message: &mut Message) -> Result<bool, String> {
    loop {
        let Some((size, next)) = line(bytes, *at)? else { return Ok(false) };
        let hex = (1..=8).contains(&size.len()) && size.bytes().all(|b| b.is_ascii_hexdigit());
        let size = usize::from_str_radix(&size, 16).ok().filter(|_| hex);
        let size = size.ok_or_else(|| format!("a chunk size in {:?}", latin1(&bytes[*at..next])))?;
        *at = next;
        if size == 0 {
            break;
        }
        let Some(chunk) = bytes.get(*at..*at + size + 2) else { return Ok(false) };
        let data = chunk.strip_suffix(b"\r\n").ok_or("a chunk longer than its size")?;
        message.body.extend_from_slice(data);
        *at += size + 2;
    }
    loop {
        let Some((text, next)) = line(bytes, *at)? else { return Ok(false) };
        *at = next;
        if text.is_empty() {
            return Ok(true);
        }
        message.trailers.push(field(&text)?);
    }
}
