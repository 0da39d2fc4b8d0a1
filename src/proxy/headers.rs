//! Which headers belong to one connection only, and removing them without disturbing the others.

use http::header::{
    CONNECTION, CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};

/// The comma-separated tokens of every line of a header.
fn tokens<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a [u8]> {
    headers
        .get_all(name)
        .into_iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .map(<[u8]>::trim_ascii)
        .filter(|token| !token.is_empty())
}

/// What a head says about the connection that it came over, found in one pass over its names.
#[derive(Debug, Clone, Copy)]
pub struct Hop {
    /// All of the headers are end-to-end, as they mostly are between peers that keep their connections.
    end_to_end: bool,
    upgrade: bool,
    codings: usize,
    lengths: usize,
    /// The only coding, if there is one, is the chunked one.
    chunked: bool,
    /// The sender withholds the body until it gets `100 Continue`.
    pub expects_continue: bool,
    /// There is a single length, of 0.
    pub says_empty: bool,
}

impl Hop {
    /// Reads these headers.
    pub fn of(headers: &HeaderMap) -> Self {
        let mut hop = Self {
            end_to_end: true,
            upgrade: false,
            codings: 0,
            lengths: 0,
            chunked: true,
            expects_continue: false,
            says_empty: false,
        };
        for (name, value) in headers {
            hop.see(name, value);
        }
        hop.end_to_end &= hop.lengths <= 1;
        hop.says_empty &= hop.lengths == 1;
        hop
    }

    fn see(&mut self, name: &HeaderName, value: &HeaderValue) {
        let value = value.as_bytes();
        match name.as_str() {
            "content-length" => {
                self.lengths += 1;
                self.says_empty = value == b"0";
                self.end_to_end &= !value.is_empty() && value.iter().all(u8::is_ascii_digit);
            }
            "transfer-encoding" => {
                self.codings += 1;
                self.chunked = value.eq_ignore_ascii_case(b"chunked");
                self.end_to_end = false;
            }
            "expect" => self.expects_continue |= value.eq_ignore_ascii_case(b"100-continue"),
            "upgrade" => (self.upgrade, self.end_to_end) = (true, false),
            // What is kept of it in any case; every gRPC call has it.
            "te" => self.end_to_end &= value == b"trailers",
            name => self.end_to_end &= !is_hop_by_hop(name),
        }
    }

    /// Whether the chunked coding, if any, is the only transfer coding of the body. Others are removed nowhere on the
    /// way, and in a list of them two readers may see two different ends (RFC 9112 §6.1).
    pub fn only_chunked(self) -> bool {
        self.codings == 0 || (self.codings == 1 && self.chunked)
    }

    /// Whether the sender wants to switch protocols. Not to cleartext HTTP/2: requests inside such a tunnel would
    /// pass by the proxy unseen, and a client that wants it may as well begin with it.
    pub fn asks_upgrade(self, headers: &HeaderMap) -> bool {
        let asked = || tokens(headers, &CONNECTION).any(|token| token.eq_ignore_ascii_case(b"upgrade"));
        let mut protocols = tokens(headers, &UPGRADE).peekable();
        self.upgrade
            && asked()
            && protocols.peek().is_some()
            && protocols.all(|token| !token.to_ascii_lowercase().starts_with(b"h2c"))
    }

    /// The end-to-end headers of those that it is of, in their order. `upgrade` keeps what a switch of protocols
    /// needs.
    pub fn end_to_end(self, headers: HeaderMap, upgrade: bool) -> HeaderMap {
        if self.end_to_end { headers } else { without_hop_by_hop(&headers, upgrade) }
    }
}

/// The length that a message declares; `None` if it declares none, or several (RFC 9110 §8.6), or if the chunked
/// coding counts instead.
fn declared_length(headers: &HeaderMap) -> Option<HeaderValue> {
    if headers.contains_key(TRANSFER_ENCODING) {
        return None;
    }
    let mut lengths = tokens(headers, &CONTENT_LENGTH);
    let first = lengths.next().filter(|length| length.iter().all(u8::is_ascii_digit))?;
    lengths.all(|length| length == first).then(|| HeaderValue::from_bytes(first).ok()).flatten()
}

fn without_hop_by_hop(headers: &HeaderMap, upgrade: bool) -> HeaderMap {
    let nominated: Vec<HeaderName> =
        tokens(headers, &CONNECTION).filter_map(|token| HeaderName::from_bytes(token).ok()).collect();
    let wants_trailers = tokens(headers, &TE).any(|token| token.eq_ignore_ascii_case(b"trailers"));
    let length = declared_length(headers);
    let mut kept = HeaderMap::with_capacity(headers.len());
    for (name, value) in headers {
        match name {
            &CONTENT_LENGTH => {
                if let Some(length) = &length {
                    kept.insert(CONTENT_LENGTH, length.clone());
                }
            }
            &CONNECTION if upgrade && !kept.contains_key(CONNECTION) => {
                let alone = value.as_bytes().eq_ignore_ascii_case(b"upgrade");
                let value = if alone { value.clone() } else { HeaderValue::from_static("upgrade") };
                kept.insert(CONNECTION, value);
            }
            &UPGRADE if upgrade => {
                kept.append(UPGRADE, value.clone());
            }
            &TE if wants_trailers => {
                kept.insert(TE, HeaderValue::from_static("trailers"));
            }
            // Declares what the chunked framing on the other side will carry as well.
            &TRAILER => {
                kept.append(TRAILER, value.clone());
            }
            name if is_hop_by_hop(name.as_str()) || nominated.contains(name) => {}
            name => {
                kept.append(name, value.clone());
            }
        }
    }
    kept
}

fn is_hop_by_hop(name: &str) -> bool {
    matches!(
        name,
        "connection"
            | "keep-alive"
            | "proxy-connection"
            | "te"
            | "transfer-encoding"
            | "upgrade"
            | "http2-settings"
            // Recipients that take `_` for `-` would see a second framing in these.
            | "content_length"
            | "transfer_encoding"
    )
}

/// Sets a header in the place where it already stands, or last; the others keep their order.
pub fn replace(headers: &mut HeaderMap, name: &HeaderName, value: Option<HeaderValue>) {
    let there = headers.get_all(name).iter().count();
    match (there, value) {
        (0, None) => {}
        (0, Some(value)) => drop(headers.insert(name, value)),
        (1, Some(value)) => headers.get_mut(name).into_iter().for_each(|old| *old = value.clone()),
        (_, value) => *headers = rebuilt(headers, name, value),
    }
}

/// `HeaderMap` itself fills a gap with the last name.
fn rebuilt(headers: &HeaderMap, name: &HeaderName, value: Option<HeaderValue>) -> HeaderMap {
    let mut out = HeaderMap::with_capacity(headers.len() + 1);
    for (other, kept) in headers {
        match (other == name, &value) {
            (false, _) => drop(out.append(other, kept.clone())),
            (true, Some(value)) => drop(out.insert(name, value.clone())),
            (true, None) => {}
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asks_upgrade(headers: &HeaderMap) -> bool {
        Hop::of(headers).asks_upgrade(headers)
    }

    fn only_chunked(headers: &HeaderMap) -> bool {
        Hop::of(headers).only_chunked()
    }

    fn map(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    fn flat(headers: &HeaderMap) -> Vec<(&str, &str)> {
        headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect()
    }

    fn flat_owned(headers: &HeaderMap) -> Vec<String> {
        flat(headers).iter().map(|(name, value)| format!("{name}: {value}")).collect()
    }

    #[test]
    fn what_is_for_one_hop_goes_and_the_rest_keeps_its_order() {
        let headers = map(&[
            ("a", "1"),
            ("connection", "close, X-Mine"),
            ("b", "2"),
            ("x-mine", "3"),
            ("keep-alive", "timeout=5"),
            ("te", "gzip, trailers"),
            ("transfer-encoding", "chunked"),
            ("trailer", "x-sum"),
            ("b", "4"),
            ("upgrade", "websocket"),
            ("proxy-connection", "x"),
            ("c", "5"),
        ]);
        let kept = Hop::of(&headers).end_to_end(headers.clone(), false);
        let expected =
            [("a", "1"), ("b", "2"), ("b", "4"), ("te", "trailers"), ("trailer", "x-sum"), ("c", "5")];
        assert_eq!(flat(&kept), expected);
    }

    #[test]
    fn an_upgrade_is_passed_on_when_asked_but_never_to_cleartext_http2() {
        let websocket = map(&[("connection", "keep-alive, Upgrade"), ("upgrade", "websocket")]);
        assert!(asks_upgrade(&websocket));
        let kept = Hop::of(&websocket).end_to_end(websocket, true);
        assert_eq!(flat(&kept), [("connection", "upgrade"), ("upgrade", "websocket")]);
        assert!(!asks_upgrade(&map(&[("connection", "upgrade"), ("upgrade", "h2c")])));
        assert!(!asks_upgrade(&map(&[("upgrade", "websocket")])));
    }

    #[test]
    fn of_what_frames_a_message_at_most_one_length_goes_on() {
        let kept = |lines| flat_owned(&Hop::of(&map(lines)).end_to_end(map(lines), false));
        assert_eq!(kept(&[("content-length", "5"), ("content-length", "5")]), ["content-length: 5"]);
        assert_eq!(kept(&[("content-length", "5, 5")]), ["content-length: 5"]);
        assert_eq!(kept(&[("content-length", "5"), ("content_length", "7")]), ["content-length: 5"]);
        for lines in [
            &[("content-length", "0"), ("content-length", "30")][..],
            &[("content-length", "+5")],
            &[("content-length", "5"), ("transfer-encoding", "chunked")],
        ] {
            assert!(kept(lines).is_empty(), "{lines:?}");
        }
    }

    #[test]
    fn only_the_chunked_coding_alone_is_taken() {
        assert!(only_chunked(&map(&[])));
        assert!(only_chunked(&map(&[("transfer-encoding", "Chunked")])));
        for codings in ["gzip, chunked", "identity, chunked", "chunked, chunked", ", chunked", "gzip", ""] {
            assert!(!only_chunked(&map(&[("transfer-encoding", codings)])), "{codings}");
        }
        let twice = [("transfer-encoding", "chunked"), ("transfer-encoding", "chunked")];
        assert!(!only_chunked(&map(&twice)));
    }

    #[test]
    fn replacing_a_header_moves_no_other() {
        let value = |value| Some(HeaderValue::from_static(value));
        let mut headers = map(&[("a", "1"), ("content-length", "9"), ("b", "2"), ("a", "4")]);
        replace(&mut headers, &CONTENT_LENGTH, value("3"));
        assert_eq!(flat(&headers), [("a", "1"), ("a", "4"), ("content-length", "3"), ("b", "2")]);
        replace(&mut headers, &TE, None);
        replace(&mut headers, &TE, value("trailers"));
        replace(&mut headers, &HeaderName::from_static("a"), value("5"));
        assert_eq!(flat(&headers), [("a", "5"), ("content-length", "3"), ("b", "2"), ("te", "trailers")]);
        replace(&mut headers, &HeaderName::from_static("a"), None);
        assert_eq!(flat(&headers), [("content-length", "3"), ("b", "2"), ("te", "trailers")]);
    }
}
