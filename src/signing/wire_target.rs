//! The target of a signed request as it is sent: in the one spelling that every reader takes for the same.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, percent_decode, percent_encode};

/// What the parts of a query are written without: the signature's own form escapes all but the unreserved characters
/// (RFC 3986 §2.3).
const IN_QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// What no path may hold. Everything else of it stays as it is written.
const IN_PATH: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'<')
    .add(b'>')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// Path and query in origin form, as they are sent with a signature. The path keeps its spelling, but for what no URI may
/// hold, which is escaped. The query gets the spelling that is signed (a `+` is a blank, and `%20` one for all readers), so
/// that nobody on the way has to agree with us about what else it could be. `None` with a fragment: there is no such target;
/// and with a query that is not UTF-8, which the signature's own form cannot say.
pub fn wire_target(target: &[u8]) -> Option<String> {
    if target.contains(&b'#') {
        return None;
    }
    let (path, query) = match target.iter().position(|byte| *byte == b'?') {
        Some(at) => (target.get(..at)?, target.get(at + 1..)?),
        None => (target, &[][..]),
    };
    let mut out = percent_encode(path, IN_PATH).to_string();
    let mut mark = '?';
    for pair in query.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()) {
        out.push(mark);
        mark = '&';
        match pair.iter().position(|byte| *byte == b'=') {
            // Some take it for `&`: as a part of a value it would no longer be one.
            _ if pair.contains(&b';') => out.push_str(&percent_encode(pair, IN_PATH).to_string()),
            Some(at) => {
                out.push_str(&part(pair.get(..at)?)?);
                out.push('=');
                out.push_str(&part(pair.get(at + 1..)?)?);
            }
            None => out.push_str(&part(pair)?),
        }
    }
    Some(out)
}

/// The name or value of a parameter. With an escape that is none it says different things to different readers: only what
/// no URI may hold is escaped. `None` where it is not UTF-8: what is signed then is not what is sent.
fn part(text: &[u8]) -> Option<String> {
    if !has_true_escapes(text) {
        return Some(percent_encode(text, IN_PATH).to_string());
    }
    let text: Cow<'_, [u8]> = match text.contains(&b'+') {
        true => text.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect(),
        false => text.into(),
    };
    let text: Cow<'_, [u8]> = percent_decode(&text).into();
    std::str::from_utf8(&text).ok().map(|text| percent_encode(text.as_bytes(), IN_QUERY).to_string())
}

fn has_true_escapes(text: &[u8]) -> bool {
    let mut rest = text;
    while let Some(at) = rest.iter().position(|byte| *byte == b'%') {
        match rest.get(at + 1..at + 3) {
            Some(digits) if digits.iter().all(u8::is_ascii_hexdigit) => {}
            _ => return false,
        }
        rest = rest.get(at + 3..).unwrap_or_default();
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_sent_in_the_spelling_that_is_signed_and_means_what_it_meant() {
        for (target, sent) in [
            ("/", "/"),
            ("/docs/_search", "/docs/_search"),
            ("/docs/_search?", "/docs/_search"),
            ("/docs/_search?pretty&size=5", "/docs/_search?pretty&size=5"),
            ("/docs/_search?q=red+shoes", "/docs/_search?q=red%20shoes"),
            ("/docs/_search?q=red%2bshoes%2F", "/docs/_search?q=red%2Bshoes%2F"),
            ("/docs/_search?q=title:\"a,b\"=c", "/docs/_search?q=title%3A%22a%2Cb%22%3Dc"),
            ("/_search?filter_path=hits.*,took&&a=", "/_search?filter_path=hits.%2A%2Ctook&a="),
            ("/_search?a=1;b=2", "/_search?a=1;b=2"),
            ("/_search?a=%zz+1&b=%2", "/_search?a=%zz+1&b=%2"),
            ("/_search?q=caf\u{e9}", "/_search?q=caf%C3%A9"),
        ] {
            assert_eq!(wire_target(target.as_bytes()).as_deref(), Some(sent), "{target}");
        }
    }

    #[test]
    fn a_path_keeps_its_spelling_but_for_what_no_uri_may_hold() {
        for (target, sent) in [
            ("/a,b*/_search", "/a,b*/_search"),
            ("/%3Clogs-%7bnow%2Fd%7D%3E/_search", "/%3Clogs-%7bnow%2Fd%7D%3E/_search"),
            ("/<logs-{now}>/_search", "/%3Clogs-%7Bnow%7D%3E/_search"),
            ("//a/../b", "//a/../b"),
            ("/\u{4f60}", "/%E4%BD%A0"),
        ] {
            assert_eq!(wire_target(target.as_bytes()).as_deref(), Some(sent), "{target}");
        }
        assert_eq!(wire_target(b"/caf\xe9?q=a").as_deref(), Some("/caf%E9?q=a"));
        assert_eq!(wire_target(b"/docs/_search?q=caf%E9"), None, "another signature would be expected");
        assert_eq!(wire_target(b"/docs/_search?q=\xe9"), None);
        assert_eq!(wire_target(b"/a#b"), None);
    }
}
