//! [`RawTarget`]: the target of a request that `http::Uri` cannot hold.
//!
//! Clients write more into a target than RFC 3986 allows: `curl` sends the `"` of `?q="red shoes"` as it is. Such a
//! target goes beside the request's `Uri`, as an extension; in that stands a [`STAND_IN`] for each byte it might reject,
//! so that both have one length.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{Extensions, Uri};
use percent_encoding::percent_encode_byte;

/// Stands for a byte that may not be in a `Uri`. No path that means something holds one.
pub const STAND_IN: u8 = b'!';

/// Whether a byte of a target may be more than a `Uri` can hold: what no URI may contain (RFC 3986 §2), a fragment,
/// which a `Uri` would drop, and what is not ASCII. White space and control characters are not in question: they end a
/// target, or make it none.
pub const fn is_odd(byte: u8) -> bool {
    matches!(byte, b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}' | b'#' | 0x80..)
}

/// A target in origin form, with bytes for which [`is_odd`] holds. An extension of the request whose target it is.
#[derive(Clone, PartialEq, Eq)]
pub struct RawTarget {
    text: Arc<str>,
    /// The bytes are no UTF-8: each is one character.
    latin1: bool,
}

impl RawTarget {
    /// Of these bytes. What is no UTF-8 is read as Latin-1, as Elasticsearch reads it.
    pub fn new(bytes: &[u8]) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) => Self { text: text.into(), latin1: false },
            Err(_) => {
                let text: String = bytes.iter().map(|&byte| char::from(byte)).collect();
                Self { text: text.into(), latin1: true }
            }
        }
    }

    /// The path, and the query without its `?` if there is one.
    pub fn path_and_query(&self) -> (&str, Option<&str>) {
        match self.text.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (&self.text, None),
        }
    }

    /// Path and query.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it has a fragment, which no target should: databases differ in what they make of it.
    pub fn has_fragment(&self) -> bool {
        self.text.contains('#')
    }

    /// Another target that was made out of this one's text.
    pub fn changed(&self, text: &str) -> Self {
        Self { text: text.into(), latin1: self.latin1 }
    }

    /// The bytes as they are to be sent; `None` if a change has put in a character that they cannot hold.
    pub(super) fn bytes(&self) -> Option<Vec<u8>> {
        match self.latin1 {
            true => self.text.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect(),
            false => Some(self.text.as_bytes().to_vec()),
        }
    }

    /// What stands for it in a `Uri`: as many bytes. `None` if there is no such thing.
    pub fn stand_in(&self) -> Option<PathAndQuery> {
        let stand_in = |byte: u8| if is_odd(byte) { STAND_IN } else { byte };
        let bytes: Vec<u8> = self.bytes()?.into_iter().map(stand_in).collect();
        PathAndQuery::from_maybe_shared(Bytes::from(bytes)).ok()
    }

    /// The same for HTTP/2, where only what a `Uri` holds can be written: if need be with escapes. `None` with a
    /// fragment: escaped, that would be a part of the path.
    pub(super) fn escaped(&self) -> Option<PathAndQuery> {
        if self.has_fragment() {
            return None;
        }
        if !self.latin1
            && let Ok(all) = self.text.parse()
        {
            return Some(all);
        }
        let mut text = String::with_capacity(self.text.len() + 16);
        for byte in self.bytes()? {
            match is_odd(byte) {
                true => text.push_str(percent_encode_byte(byte)),
                false => text.push(char::from(byte)),
            }
        }
        text.parse().ok()
    }
}

/// The path that goes before a request's target instead of the upstream's own. An extension of the request.
#[derive(Clone, Debug, Default)]
pub struct OwnPrefix {
    /// With its slash before and none behind, or empty; `None`: the upstream's.
    pub prefix: Option<Arc<str>>,
    /// The target is nothing more: its `/` was not there.
    pub ends: bool,
}

/// Path and query of a request.
pub fn as_str<'a>(uri: &'a Uri, extensions: &'a Extensions) -> &'a str {
    match extensions.get::<RawTarget>() {
        Some(raw) => raw.as_str(),
        None => uri.path_and_query().map_or("/", PathAndQuery::as_str),
    }
}

/// The same with another path and query, made out of those that are there; the authority stays. `None` if there is no
/// such thing.
pub fn replaced(uri: Uri, extensions: &mut Extensions, target: &str) -> Option<Uri> {
    let path = match extensions.get::<RawTarget>() {
        None => target.parse().ok(),
        Some(raw) => {
            let raw = raw.changed(target);
            let path = raw.stand_in();
            extensions.insert(raw);
            path
        }
    };
    with_path(uri, path?)
}

/// With another path and query.
pub fn with_path(uri: Uri, path: PathAndQuery) -> Option<Uri> {
    let mut parts = uri.into_parts();
    parts.path_and_query = Some(path);
    if parts.authority.is_none() {
        parts.scheme = None;
    }
    Uri::from_parts(parts).ok()
}

impl fmt::Debug for RawTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // It may hold the text of a query.
        f.debug_struct("RawTarget").field("length", &self.text.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use http::Uri;

    use super::*;

    #[test]
    fn whatever_is_not_odd_a_uri_holds_as_it_is() {
        for byte in 0x21..0x7f {
            for place in ["/a?b", "/ab?"] {
                let text = format!("{place}{}", char::from(byte)).replace("b?", "?");
                let uri = text.parse::<Uri>().map(|uri| uri.to_string());
                assert!(
                    is_odd(byte) || uri.as_deref().is_ok_and(|uri| uri == text),
                    "{text:?} became {uri:?}"
                );
            }
        }
        assert!(!is_odd(STAND_IN));
    }

    #[test]
    fn every_target_has_a_stand_in_of_its_length() {
        let bytes: Vec<u8> = (0x21..0x7f).chain(0x80..=0xff).collect();
        for bytes in [&bytes[..], "/\u{4f60}\u{597d}?q=\"caf\u{e9}\"".as_bytes(), b"/?q=\"caf\xe9\""] {
            let bytes = [b"/", bytes].concat();
            let target = RawTarget::new(&bytes);
            assert_eq!(target.bytes().unwrap(), bytes);
            assert_eq!(target.stand_in().unwrap().as_str().len(), bytes.len());
            assert_eq!(target.changed(target.as_str()), target);
        }
    }

    #[test]
    fn what_is_no_utf8_is_latin1() {
        let target = RawTarget::new(b"/i/_search?q=caf\xe9");
        assert_eq!(target.path_and_query(), ("/i/_search", Some("q=caf\u{e9}")));
        let changed = target.changed("/i/_search?q=caf\u{e9}&size=50");
        assert_eq!(changed.bytes().unwrap(), b"/i/_search?q=caf\xe9&size=50");
        assert_eq!(target.changed("/\u{4f60}").bytes(), None);
        assert_eq!(target.escaped().unwrap(), "/i/_search?q=caf%E9");
        assert_eq!(RawTarget::new(b"/{a}?q=\"b\"").escaped().unwrap(), "/%7Ba%7D?q=%22b%22");
        assert_eq!(RawTarget::new(b"/{a}?b").escaped().unwrap(), "/{a}?b");
        assert_eq!(RawTarget::new(b"/a#b").escaped(), None);
    }

    #[test]
    fn it_shows_nothing_of_itself() {
        assert!(!format!("{:?}", RawTarget::new(b"/?q=\"secret\"")).contains("secret"));
    }
}
