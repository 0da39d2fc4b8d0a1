//! [`Request`]: the head of a request that every reader reads in the same way, from its own bytes.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use super::lines::{self, Lines, Names};
use crate::body::{self, Body};
use crate::proxy::host;
use crate::proxy::spelling::Spelling;
use crate::search::Head;
use crate::upstream::{HOP, is_odd};

/// The most header lines; heads with more are read by hyper.
pub(super) const MOST_LINES: usize = 48;
/// The longest target that a `Uri` holds.
const LONGEST_TARGET: usize = 32 << 10;

/// How the message that begins what has come is to be handled.
#[derive(Debug)]
pub(super) enum Reading<'a> {
    /// It may go on as it is, if it is no search.
    Plain(Request<'a>),
    /// It is handled by hyper, alone: it ends after so many bytes.
    Message(u64),
    /// It is handled by hyper, with all that follows it on this connection.
    Rest,
}

/// The head of a request that may go on as it is.
#[derive(Debug)]
pub(super) struct Request<'a> {
    head: &'a [u8],
    /// What its body is long.
    pub(super) length: u64,
    pub(super) method: Method,
    target: &'a str,
    lines: Vec<Line>,
    /// Of target and headers, as limits count them.
    pub(super) bytes: usize,
    /// It says to us how a search is to be ranked.
    pub(super) has_own: bool,
}

/// What becomes of a line.
#[derive(Clone, Copy, Debug)]
struct Line {
    start: u32,
    end: u32,
    /// Where its value stands, and how long that and its name are.
    at: u32,
    value: u32,
    name: u16,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Goes on as it is.
    Kept,
    /// Goes on in the form that all lines have.
    Rewritten,
    Host,
    /// Belongs to the connection, or says to us how a search is to be ranked.
    Dropped,
}

/// Which headers decide about a message.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Meaning {
    None,
    Host,
    Connection,
    KeepAlive,
    Length,
    /// What we are told about ranking.
    Own,
    /// Something that only hyper's way handles.
    Special,
    /// Something that may change what the connection is, or where the message ends.
    Unclear,
}

fn meaning(name: &str, value: &[u8]) -> Meaning {
    let is = |other: &str| name.eq_ignore_ascii_case(other);
    match name.len() {
        2 if is("te") => Meaning::Special,
        4 if is("host") => Meaning::Host,
        6 if is("expect") => Meaning::Special,
        7 if is("upgrade") => Meaning::Unclear,
        7 if is("trailer") || is("baggage") => Meaning::Special,
        8 if is("x-rerank") => Meaning::Own,
        10 if is("connection") => Meaning::Connection,
        10 if is("keep-alive") => Meaning::KeepAlive,
        12 if is("content-type") && is_grpc(value) => Meaning::Special,
        14 if is("content-length") => Meaning::Length,
        14 if is("http2-settings") || is("content_length") => Meaning::Special,
        16 if is("proxy-connection") => Meaning::Special,
        17 if is("transfer-encoding") => Meaning::Unclear,
        17 if is("transfer_encoding") => Meaning::Special,
        13 if is(HOP) => Meaning::Special,
        9.. if name.get(..9).is_some_and(|start| start.eq_ignore_ascii_case("x-rerank-")) => Meaning::Own,
        _ => Meaning::None,
    }
}

fn is_grpc(value: &[u8]) -> bool {
    value.get(..16).is_some_and(|start| start.eq_ignore_ascii_case(b"application/grpc"))
}

/// Reads a whole head, with its empty line. [`lines::end`] has found that.
pub(super) fn read(head: &[u8]) -> Reading<'_> {
    let mut space = [const { std::mem::MaybeUninit::uninit() }; MOST_LINES];
    let mut parsed = httparse::Request::new(&mut []);
    let read = parsed.parse_with_uninit_headers(head, &mut space);
    if read != Ok(httparse::Status::Complete(head.len())) {
        return Reading::Rest;
    }
    let (Some(method), Some(target), Some(version)) = (parsed.method, parsed.path, parsed.version) else {
        return Reading::Rest;
    };
    let Ok(method) = Method::from_bytes(method.as_bytes()) else { return Reading::Rest };
    let headers = &*parsed.headers;
    // A parser passes over empty lines before the method.
    if !head.starts_with(method.as_str().as_bytes()) || method == Method::CONNECT {
        return Reading::Rest;
    }
    let mut is_plain = version == 1 && is_plain(target);
    let (mut length, mut hosts, mut bytes, mut has_own) = (None, 0, target.len(), false);
    let mut all = Vec::with_capacity(headers.len());
    let mut names = Names::default();
    for (at, header) in headers.iter().enumerate() {
        let httparse::Header { name, value } = *header;
        let start = lines::offset(head, name.as_bytes());
        let next = headers.get(at + 1).map(|next| lines::offset(head, next.name.as_bytes()));
        let end = next.unwrap_or(head.len() - 2);
        bytes += name.len() + value.len() + ": \r\n".len();
        is_plain &= !names.again(headers, at);
        let kept = || written(head, start, end, name, value);
        let kind = match meaning(name, value) {
            Meaning::None => kept(),
            Meaning::Host => {
                hosts += 1;
                is_plain &= host::is_host(value);
                Kind::Host
            }
            Meaning::Connection => {
                is_plain &= value.eq_ignore_ascii_case(b"keep-alive");
                Kind::Dropped
            }
            Meaning::KeepAlive => Kind::Dropped,
            Meaning::Own => {
                has_own = true;
                Kind::Dropped
            }
            Meaning::Length => match (lines::length(value), length) {
                (Some(this), None) => {
                    length = Some(this);
                    kept()
                }
                _ => return Reading::Rest,
            },
            Meaning::Special => {
                is_plain = false;
                Kind::Dropped
            }
            Meaning::Unclear => return Reading::Rest,
        };
        let at = if value.is_empty() { start + name.len() } else { lines::offset(head, value) };
        let (name, value) = (short(name.len()), word(value.len()));
        all.push(Line { start: word(start), end: word(end), at: word(at), value, name, kind });
    }
    let length = length.unwrap_or(0);
    if !is_plain || hosts != 1 {
        return Reading::Message(length.saturating_add(head.len() as u64));
    }
    Reading::Plain(Request { head, length, method, target, lines: all, bytes, has_own })
}

/// Whether a target is a path that a `Uri` holds as it is.
fn is_plain(target: &str) -> bool {
    let held = |byte: u8| !is_odd(byte) && byte > b' ' && byte != 0x7f;
    target.starts_with('/') && target.len() <= LONGEST_TARGET && target.bytes().all(held)
}

/// How a line goes on.
fn written(head: &[u8], start: usize, end: usize, name: &str, value: &[u8]) -> Kind {
    let colon = start + name.len();
    let is_written = match value.is_empty() {
        true => end == colon + ":\r\n".len(),
        false => head.get(colon + 1) == Some(&b' ') && end == colon + ": ".len() + value.len() + "\r\n".len(),
    };
    match is_written {
        true => Kind::Kept,
        false => Kind::Rewritten,
    }
}

/// Lines are shorter than the buffer that a head is read into.
fn word(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

fn short(length: usize) -> u16 {
    u16::try_from(length).unwrap_or(u16::MAX)
}

impl Request<'_> {
    /// As the dialects read it. No header makes a search of what is none; whether one makes none of what is one, is
    /// found where searches are handled.
    pub(super) fn seen<'a>(&'a self, none: &'a HeaderMap) -> Head<'a> {
        let (path, query) = match memchr::memchr(b'?', self.target.as_bytes()) {
            Some(at) => (self.target.get(..at).unwrap_or_default(), self.target.get(at + 1..)),
            None => (self.target, None),
        };
        Head { method: &self.method, path, query, headers: none }
    }

    fn name(&self, line: &Line) -> &[u8] {
        let start = line.start as usize;
        self.head.get(start..start + usize::from(line.name)).unwrap_or_default()
    }

    fn value(&self, line: &Line) -> &[u8] {
        let start = line.at as usize;
        self.head.get(start..start + line.value as usize).unwrap_or_default()
    }

    /// The value of the first line of this name.
    pub(super) fn value_of(&self, name: &[u8]) -> Option<&[u8]> {
        let is =
            |line: &&Line| usize::from(line.name) == name.len() && self.name(line).eq_ignore_ascii_case(name);
        self.lines.iter().find(is).map(|line| self.value(line))
    }

    fn headers(&self) -> Option<HeaderMap> {
        let mut headers = HeaderMap::with_capacity(self.lines.len());
        for line in &self.lines {
            let value = HeaderValue::from_bytes(self.value(line)).ok()?;
            headers.append(HeaderName::from_bytes(self.name(line)).ok()?, value);
        }
        Some(headers)
    }

    /// Its head as an HTTP library has it.
    pub(super) fn made(&self) -> Option<http::Request<Body>> {
        let mut request = http::Request::new(body::empty());
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.target.parse().ok()?;
        *request.headers_mut() = self.headers()?;
        Some(request)
    }

    /// How the names in it are written.
    pub(super) fn spelling(&self) -> Spelling {
        let name = |line: &Line| line.start as usize..line.start as usize + usize::from(line.name);
        Spelling::new(Bytes::copy_from_slice(self.head), 0..0, self.lines.iter().map(name))
    }

    /// How many header lines it has.
    pub(super) fn count(&self) -> usize {
        self.lines.len()
    }

    /// Writes it as it goes upstream, with this `Host` in place of the client's, and this mark.
    pub(super) fn write(&self, host: Option<&[u8]>, mark: Option<&[u8]>, out: &mut Vec<u8>) {
        let first = self.lines.first().map_or(self.head.len() - 2, |line| line.start as usize);
        let mut lines = Lines::new(self.head, out);
        lines.keep(0..first);
        for line in &self.lines {
            match (line.kind, host) {
                (Kind::Kept, _) => lines.keep(line.start as usize..line.end as usize),
                (Kind::Dropped, _) => {}
                (Kind::Host, Some(host)) => lines.write(&[self.name(line), b": ", host, b"\r\n"]),
                (Kind::Host, None) | (Kind::Rewritten, _) => {
                    write_field(&mut lines, self.name(line), self.value(line));
                }
            }
        }
        match mark {
            Some(mark) => lines.end(&[HOP.as_bytes(), b": ", mark, b"\r\n"]),
            None => lines.end(&[]),
        }
    }
}

fn write_field(lines: &mut Lines<'_>, name: &[u8], value: &[u8]) {
    match value.is_empty() {
        true => lines.write(&[name, b":\r\n"]),
        false => lines.write(&[name, b": ", value, b"\r\n"]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(head: &str) -> &'static str {
        let bytes: Vec<u8> = head.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
        if lines::end(&bytes, 0) == lines::End::Odd {
            return "rest";
        }
        match read(&bytes) {
            Reading::Plain(_) => "plain",
            Reading::Message(_) => "message",
            Reading::Rest => "rest",
        }
    }

    fn of_lines(lines: &str) -> &'static str {
        kind(&format!("POST /a HTTP/1.1\r\nHost: a\r\n{lines}\r\n"))
    }

    #[test]
    fn only_what_every_reader_reads_alike_goes_on_as_it_is() {
        for lines in [
            "",
            "Connection: keep-alive\r\nKeep-Alive: timeout=5\r\n",
            "Content-Length: 0\r\n",
            "Content-Length:  17 \r\nAccept: */*\r\nX:\r\nY:\t\u{e9} \r\n",
            "Set: a\r\nset: b\r\n",
            "X-Rerank: off\r\nx-rerank-query: a\r\n",
        ] {
            assert_eq!(of_lines(lines), "plain", "{lines:?}");
        }
        for target in ["/", "//a", "/a?b=%zz&[0]=c", "/!$&'()*+,;=:@~"] {
            assert_eq!(kind(&format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n")), "plain", "{target}");
        }
    }

    #[test]
    fn what_is_special_is_handled_by_hyper_as_one_message() {
        for lines in [
            "Host: a\r\n",
            "Connection: close\r\n",
            "Connection: keep-alive, X-Mine\r\nX-Mine: 1\r\n",
            "TE: trailers\r\n",
            "Trailer: x\r\n",
            "Expect: 100-continue\r\nContent-Length: 2\r\n",
            "Content_Length: 2\r\n",
            "Transfer_Encoding: chunked\r\n",
            "Proxy-Connection: keep-alive\r\n",
            "HTTP2-Settings: a\r\n",
            "Baggage: a=b\r\n",
            "x-rerankd-hop: a\r\n",
            "content-type: Application/gRPC+proto\r\n",
            "A: 1\r\nB: 2\r\na: 3\r\n",
        ] {
            assert_eq!(of_lines(lines), "message", "{lines:?}");
        }
        for head in [
            "GET /a HTTP/1.0\r\nHost: a\r\n\r\n",
            "GET /a HTTP/1.1\r\n\r\n",
            "GET /a HTTP/1.1\r\nHost: a b\r\n\r\n",
            "GET * HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET http://h/a HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET /a?q=\"b\" HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET /\u{e9} HTTP/1.1\r\nHost: a\r\n\r\n",
        ] {
            assert_ne!(kind(head), "plain", "{head:?}");
        }
    }

    #[test]
    fn where_the_message_may_end_in_two_places_all_that_comes_is_hypers() {
        for lines in [
            "Transfer-Encoding: chunked\r\n",
            "Transfer-Encoding: identity\r\n",
            "Content-Length: 2\r\nContent-Length: 2\r\n",
            "Content-Length: 2, 2\r\n",
            "Content-Length: +2\r\n",
            "Content-Length: 02\r\n",
            "Content-Length:\r\n",
            "Content-Length : 2\r\n",
            "X: a\r\n Content-Length: 2\r\n",
            "X: a\nContent-Length: 2\r\n",
            "X: a\rContent-Length: 2\r\n",
            "X\r\n",
            "X: a\0b\r\n",
            "Upgrade: websocket\r\n",
        ] {
            assert_eq!(of_lines(lines), "rest", "{lines:?}");
        }
        for head in [
            "CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET /a HTTP/2.0\r\nHost: a\r\n\r\n",
            "PRI * HTTP/2.0\r\n\r\n",
            "GET /a\r\n\r\n",
            "GET  /a HTTP/1.1\r\nHost: a\r\n\r\n",
            "\r\nGET /a HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n",
        ] {
            assert_eq!(kind(head), "rest", "{head:?}");
        }
        let many = "A: b\r\n".repeat(MOST_LINES);
        assert_eq!(of_lines(&many), "rest");
    }

    #[test]
    fn its_lines_go_on_in_their_order_with_the_databases_host() {
        let head = "GET /a?b HTTP/1.1\r\nhOsT:  client \r\nConnection: keep-alive\r\nA: 1\r\nX-ReRank: off\r\nB:2\r\nC: \r\n\r\n";
        let Reading::Plain(request) = read(head.as_bytes()) else { panic!("it is plain") };
        let mut out = Vec::new();
        request.write(Some(b"db:1"), None, &mut out);
        assert_eq!(out, b"GET /a?b HTTP/1.1\r\nhOsT: db:1\r\nA: 1\r\nB: 2\r\nC:\r\n\r\n");
        out.clear();
        request.write(None, Some(b"m"), &mut out);
        let expected = "GET /a?b HTTP/1.1\r\nhOsT: client\r\nA: 1\r\nB: 2\r\nC:\r\nx-rerankd-hop: m\r\n\r\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
