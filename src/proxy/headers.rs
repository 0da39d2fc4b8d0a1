//! Which headers belong to one connection only, and taking them out without disturbing the others.

use http::header::{
    CONNECTION, CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const HTTP2_SETTINGS: HeaderName = HeaderName::from_static("http2-settings");

/// The comma-separated tokens of every line of a header.
fn tokens<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a [u8]> {
    headers
        .get_all(name)
        .into_iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .map(<[u8]>::trim_ascii)
        .filter(|token| !token.is_empty())
}

/// Whether the sender wants to switch protocols. Not to cleartext HTTP/2: requests inside such a tunnel would
/// pass by the proxy unseen, and a client that wants it may as well begin with it.
pub fn asks_upgrade(headers: &HeaderMap) -> bool {
    let asked = tokens(headers, &CONNECTION).any(|token| token.eq_ignore_ascii_case(b"upgrade"));
    let mut protocols = tokens(headers, &UPGRADE).peekable();
    asked
        && protocols.peek().is_some()
        && protocols.all(|token| !token.to_ascii_lowercase().starts_with(b"h2c"))
}

/// Whether the chunked coding, if any, is all that was done to the body for its transfer. Others are taken off
/// nowhere on the way, and a list of them is where two readers see two ends (RFC 9112 §6.1).
pub fn only_chunked(headers: &HeaderMap) -> bool {
    let mut lines = headers.get_all(TRANSFER_ENCODING).iter();
    let first = lines.next().is_none_or(|value| value.as_bytes().eq_ignore_ascii_case(b"chunked"));
    first && lines.next().is_none()
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

/// The end-to-end headers, in their order. `upgrade` keeps what a switch of protocols needs.
pub fn end_to_end(headers: HeaderMap, upgrade: bool) -> HeaderMap {
    if is_end_to_end(&headers) { headers } else { without_hop_by_hop(&headers, upgrade) }
}

/// Whether all of them go on as they are, as they mostly do between peers that keep their connections.
fn is_end_to_end(headers: &HeaderMap) -> bool {
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter().map(HeaderValue::as_bytes);
    let first = lengths.next();
    let clear = first.is_none_or(|length| !length.is_empty() && length.iter().all(u8::is_ascii_digit));
    clear && lengths.next().is_none() && !headers.keys().any(is_hop_by_hop)
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
            name if is_hop_by_hop(name) || nominated.contains(name) => {}
            name => {
                kept.append(name, value.clone());
            }
        }
    }
    kept
}

fn is_hop_by_hop(name: &HeaderName) -> bool {
    [&CONNECTION, &KEEP_ALIVE, &PROXY_CONNECTION, &TE, &TRANSFER_ENCODING, &UPGRADE, &HTTP2_SETTINGS]
        .contains(&name)
        || is_mistakable(name)
}

/// Recipients that take `_` for `-` would see a second framing in these.
fn is_mistakable(name: &HeaderName) -> bool {
    ["content_length", "transfer_encoding"].contains(&name.as_str())
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
        let kept = end_to_end(headers, false);
        let expected =
            [("a", "1"), ("b", "2"), ("b", "4"), ("te", "trailers"), ("trailer", "x-sum"), ("c", "5")];
        assert_eq!(flat(&kept), expected);
    }

    #[test]
    fn an_upgrade_is_passed_on_when_asked_but_never_to_cleartext_http2() {
        let websocket = map(&[("connection", "keep-alive, Upgrade"), ("upgrade", "websocket")]);
        assert!(asks_upgrade(&websocket));
        let kept = end_to_end(websocket, true);
        assert_eq!(flat(&kept), [("connection", "upgrade"), ("upgrade", "websocket")]);
        assert!(!asks_upgrade(&map(&[("connection", "upgrade"), ("upgrade", "h2c")])));
        assert!(!asks_upgrade(&map(&[("upgrade", "websocket")])));
    }

    #[test]
    fn of_what_frames_a_message_at_most_one_length_goes_on() {
        let kept = |lines| flat_owned(&end_to_end(map(lines), false));
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
