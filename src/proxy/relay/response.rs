//! [`Response`]: the head of a response that every reader reads in the same way, from its own bytes.

use http::HeaderMap;

use super::lines::{self, End, Lines, Names};
use super::request::MOST_LINES;

/// What has come of a response.
#[derive(Debug)]
pub(in crate::proxy) enum Reading<'a> {
    /// Not all of its head.
    Partial,
    /// Its head, which may go on as it is.
    Plain(Response<'a>),
    /// It is handled by hyper.
    Other,
}

/// Limits on the head of a response.
#[derive(Clone, Copy, Debug)]
pub(in crate::proxy) struct Limits {
    pub(in crate::proxy) lines: usize,
    pub(in crate::proxy) bytes: usize,
}

/// The head of a response that may go on as it is.
#[derive(Debug)]
pub(in crate::proxy) struct Response<'a> {
    /// With its empty line.
    pub(in crate::proxy) head: &'a [u8],
    pub(in crate::proxy) status: u16,
    pub(in crate::proxy) framing: Framing,
    /// The upstream keeps the connection.
    pub(in crate::proxy) keeps: bool,
    /// There is a header in it of those that a search's response gets.
    pub(in crate::proxy) has_own: bool,
    /// What stands behind the status.
    pub(in crate::proxy) reason: &'a str,
    /// How long its status line is, where that goes on as it is.
    start: Option<usize>,
    lines: Vec<Line<'a>>,
    /// The names of lines that come again, as they were written.
    connection: Option<&'a str>,
    coding: Option<&'a str>,
}

/// How the end of a body is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::proxy) enum Framing {
    /// So many bytes.
    Length(u64),
    Chunked,
    /// Until the connection ends.
    Close,
}

/// A line that goes on.
#[derive(Debug)]
pub(in crate::proxy) struct Line<'a> {
    pub(in crate::proxy) name: &'a str,
    pub(in crate::proxy) value: &'a [u8],
    start: usize,
    end: usize,
    /// As it is.
    is_kept: bool,
}

/// Reads what has come, where `before` bytes have been read in vain. `bodiless`: the request is a HEAD.
pub(in crate::proxy) fn read(bytes: &[u8], before: usize, bodiless: bool, limits: Limits) -> Reading<'_> {
    let head = match lines::end(bytes, before) {
        End::At(end) => bytes.get(..end).unwrap_or_default(),
        End::None if bytes.len() <= limits.bytes => return Reading::Partial,
        End::None | End::Odd => return Reading::Other,
    };
    // A parser may pass over empty lines before it.
    if !head.starts_with(b"HTTP/1.1 ") {
        return Reading::Other;
    }
    let mut space = [const { std::mem::MaybeUninit::uninit() }; MOST_LINES];
    let mut parsed = httparse::Response::new(&mut []);
    let config = httparse::ParserConfig::default();
    let read = config.parse_response_with_uninit_headers(&mut parsed, head, &mut space);
    if read != Ok(httparse::Status::Complete(head.len())) {
        return Reading::Other;
    }
    let (Some(1), Some(status @ 200..), Some(reason)) = (parsed.version, parsed.code, parsed.reason) else {
        return Reading::Other;
    };
    let first =
        parsed.headers.first().map_or(head.len() - 2, |first| lines::offset(head, first.name.as_bytes()));
    let mut response = Response {
        head,
        status,
        framing: Framing::Close,
        keeps: true,
        has_own: false,
        reason,
        start: None,
        lines: Vec::with_capacity(parsed.headers.len()),
        connection: None,
        coding: None,
    };
    response.start(first);
    match response.take(parsed.headers, limits) && response.frame(bodiless) {
        true => Reading::Plain(response),
        false => Reading::Other,
    }
}

impl<'a> Response<'a> {
    /// The status line.
    fn start(&mut self, end: usize) {
        let length = "HTTP/1.1 200 ".len() + self.reason.len() + "\r\n".len();
        if end == length && self.head.get(12) == Some(&b' ') {
            self.start = Some(end);
        }
    }

    /// Takes the lines; false if one of them is not plain.
    fn take(&mut self, headers: &[httparse::Header<'a>], limits: Limits) -> bool {
        let (mut names, mut length, mut bytes) = (Names::default(), None, 0);
        for (at, header) in headers.iter().enumerate() {
            let httparse::Header { name, value } = *header;
            bytes += name.len() + value.len() + ": \r\n".len();
            if names.again(headers, at) {
                return false;
            }
            let is = |other: &str| name.eq_ignore_ascii_case(other);
            match name.len() {
                2 if is("te") => return false,
                7 if is("trailer") || is("upgrade") => return false,
                10 if is("keep-alive") => continue,
                10 if is("connection") => {
                    let keeps = value.eq_ignore_ascii_case(b"keep-alive");
                    if self.connection.is_some() || !(keeps || value.eq_ignore_ascii_case(b"close")) {
                        return false;
                    }
                    (self.connection, self.keeps) = (Some(name), keeps);
                    continue;
                }
                14 if is("content-length") => match (lines::length(value), length) {
                    (Some(this), None) => length = Some(this),
                    _ => return false,
                },
                14 if is("content_length") || is("http2-settings") => return false,
                16 if is("proxy-connection") => return false,
                17 if is("transfer-encoding") => {
                    if self.coding.is_some() || !value.eq_ignore_ascii_case(b"chunked") {
                        return false;
                    }
                    self.coding = Some(name);
                    continue;
                }
                17 if is("transfer_encoding") => return false,
                13 if is("server-timing") => self.has_own = true,
                8.. if starts_like_own(name) => self.has_own = true,
                _ => {}
            }
            self.keep(headers, at);
        }
        self.framing = match (self.coding, length) {
            (Some(_), Some(_)) => return false,
            (Some(_), None) => Framing::Chunked,
            (None, Some(length)) => Framing::Length(length),
            (None, None) => Framing::Close,
        };
        headers.len() <= limits.lines && bytes <= limits.bytes
    }

    /// Keeps a line.
    fn keep(&mut self, headers: &[httparse::Header<'a>], at: usize) {
        let Some(httparse::Header { name, value }) = headers.get(at).copied() else { return };
        let start = lines::offset(self.head, name.as_bytes());
        let next = headers.get(at + 1).map(|next| lines::offset(self.head, next.name.as_bytes()));
        let end = next.unwrap_or(self.head.len() - 2);
        let colon = start + name.len();
        let is_kept =
            end == colon + ": ".len() + value.len() + "\r\n".len() && self.head.get(colon + 1) == Some(&b' ');
        self.lines.push(Line { name, value, start, end, is_kept });
    }

    /// Sees to it that a response without a body has none; false if its lines say otherwise.
    fn frame(&mut self, bodiless: bool) -> bool {
        let empty = matches!(self.status, 204 | 304);
        match (bodiless, empty, self.framing) {
            (false, false, _) => true,
            (_, _, Framing::Chunked) => false,
            // What is not sent with it, hyper leaves out.
            (false, true, Framing::Length(_)) => false,
            (true, _, Framing::Length(_)) | (_, _, Framing::Close) => {
                self.framing = Framing::Length(0);
                true
            }
        }
    }

    /// The lines that go on.
    pub(in crate::proxy) fn lines(&self) -> &[Line<'a>] {
        &self.lines
    }

    /// Writes it as the client gets it, with these headers after its own. `closes`: its connection ends with this response.
    pub(super) fn write(&self, added: &HeaderMap, closes: bool, out: &mut Vec<u8>) {
        let mut lines = Lines::new(self.head, out);
        match self.start {
            Some(end) => lines.keep(0..end),
            None => {
                let code = self.head.get(9..12).unwrap_or_default();
                lines.write(&[b"HTTP/1.1 ", code, b" ", self.reason.as_bytes(), b"\r\n"]);
            }
        }
        for Line { name, value, start, end, is_kept } in &self.lines {
            match is_kept {
                true => lines.keep(*start..*end),
                false => lines.write(&[name.as_bytes(), b": ", value, b"\r\n"]),
            }
        }
        for (name, value) in added {
            lines.write(&[name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"]);
        }
        if closes {
            lines.write(&[self.connection.unwrap_or("connection").as_bytes(), b": close\r\n"]);
        }
        match self.framing {
            Framing::Length(_) => lines.end(&[]),
            Framing::Chunked | Framing::Close => {
                let name = self.coding.unwrap_or("transfer-encoding");
                lines.end(&[name.as_bytes(), b": chunked\r\n"]);
            }
        }
    }
}

fn starts_like_own(name: &str) -> bool {
    name.get(..8).is_some_and(|start| start.eq_ignore_ascii_case("x-rerank"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { lines: 10, bytes: 1000 };

    /// What a client gets of a head; `None` where it is hyper's.
    fn written(head: &str, bodiless: bool, closes: bool) -> Option<String> {
        let Reading::Plain(response) = read(head.as_bytes(), 0, bodiless, LIMITS) else { return None };
        let mut out = Vec::new();
        response.write(&HeaderMap::new(), closes, &mut out);
        String::from_utf8(out).ok()
    }

    #[test]
    fn its_lines_come_in_their_order_and_framing_is_our_own() {
        for (head, expected) in [
            (
                "HTTP/1.1 200 OK\r\nA: 1\r\nContent-Length: 2\r\n",
                "HTTP/1.1 200 OK\r\nA: 1\r\nContent-Length: 2\r\n",
            ),
            (
                "HTTP/1.1 404\r\na:1\r\nb:\r\n",
                "HTTP/1.1 404 \r\na: 1\r\nb: \r\ntransfer-encoding: chunked\r\n",
            ),
            (
                "HTTP/1.1 299 So so\r\nTransfer-ENCODING: Chunked\r\nKeep-Alive: a\r\nA: 1\r\n",
                "HTTP/1.1 299 So so\r\nA: 1\r\nTransfer-ENCODING: chunked\r\n",
            ),
            ("HTTP/1.1 204 No Content\r\nConnection: keep-alive\r\n", "HTTP/1.1 204 No Content\r\n"),
        ] {
            assert_eq!(
                written(&format!("{head}\r\n"), false, false),
                Some(format!("{expected}\r\n")),
                "{head}"
            );
        }
        let closing = written("HTTP/1.1 200 OK\r\nCONNECTION: keep-alive\r\nA: 1\r\n\r\n", false, true);
        let expected = "HTTP/1.1 200 OK\r\nA: 1\r\nCONNECTION: close\r\ntransfer-encoding: chunked\r\n\r\n";
        assert_eq!(closing.as_deref(), Some(expected));
        let head = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n";
        assert_eq!(written(head, true, false).as_deref(), Some(head));
    }

    #[test]
    fn what_is_added_comes_after_its_own_lines() {
        let head = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nA: 1\r\n\r\n";
        let Reading::Plain(response) = read(head.as_bytes(), 0, false, LIMITS) else { panic!("it is plain") };
        assert!(!response.has_own);
        let added = HeaderMap::from_iter([(http::header::ETAG, http::HeaderValue::from_static("b"))]);
        let mut out = Vec::new();
        response.write(&added, true, &mut out);
        let expected = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nA: 1\r\netag: b\r\nconnection: close\r\n\r\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
        for own in ["Server-Timing: a", "X-Rerank-Status: a", "x-rerank: b"] {
            let head = format!("HTTP/1.1 200 OK\r\n{own}\r\n\r\n");
            let Reading::Plain(response) = read(head.as_bytes(), 0, false, LIMITS) else {
                panic!("it is plain")
            };
            assert!(response.has_own, "{own}");
        }
    }

    #[test]
    fn what_is_special_or_unclear_is_hypers() {
        for lines in [
            "Content-Length: 2\r\nContent-Length: 2\r\n",
            "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n",
            "Content-Length: x\r\n",
            "Transfer-Encoding: identity\r\n",
            "Trailer: a\r\n",
            "Connection: close, x\r\n",
            "A: 1\r\nB: 2\r\na: 3\r\n",
            "A: 1\nB: 2\r\n",
            "Content_Length: 2\r\n",
            &"A: b\r\n".repeat(11),
            &format!("A: {}\r\n", "b".repeat(1000)),
        ] {
            assert_eq!(written(&format!("HTTP/1.1 200 OK\r\n{lines}\r\n"), false, false), None, "{lines:?}");
        }
        for start in
            ["HTTP/1.0 200 OK", "HTTP/1.1 103 Early Hints", "HTTP/1.1 101 Switching", "HTTP/1.1 20 OK", "x"]
        {
            assert_eq!(written(&format!("{start}\r\n\r\n"), false, false), None, "{start}");
        }
        assert_eq!(written("HTTP/1.1 304 X\r\nContent-Length: 2\r\n\r\n", false, false), None);
        assert_eq!(written("HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n", true, false), None);
        assert!(written("\r\nHTTP/1.1 200 OK\r\n\r\n", false, false).is_none());
        assert!(matches!(read(&[b'x'; 1001], 0, false, LIMITS), Reading::Other));
        assert!(matches!(read(b"HTTP/1.1 200 OK\r\nA", 0, false, LIMITS), Reading::Partial));
    }
}
