use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// The characters that are not escaped in a path segment.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~')
    .remove(b'!')
    .remove(b'$')
    .remove(b'&')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'*')
    .remove(b'+')
    .remove(b',')
    .remove(b';')
    .remove(b'=')
    .remove(b':')
    .remove(b'@');

/// A path below which a database is found: `/es`, `/search/eu`. Empty where it stands at the root.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PathPrefix {
    /// Percent-encoded; begins with a slash and does not end with one, or is empty.
    text: String,
    /// Decoded.
    segments: Vec<Vec<u8>>,
}

/// Not a valid prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadPrefix;

impl PathPrefix {
    /// Reads `/a/b`, also `a/b/` and with escapes. Steps up or on the spot, queries and control characters are rejected:
    /// servers differ in what they make of them.
    pub fn parse(text: &str) -> Result<Self, BadPrefix> {
        let mut prefix = Self::default();
        for written in text.split('/').filter(|segment| !segment.is_empty()) {
            let segment = decoded(written);
            let odd = |byte: &u8| byte.is_ascii_control() || *byte == b'/';
            if written.contains(['?', '#']) || segment.iter().any(odd) || matches!(&*segment, b"." | b"..") {
                return Err(BadPrefix);
            }
            let name = std::str::from_utf8(&segment).map_err(|_| BadPrefix)?;
            prefix.text.push('/');
            prefix.text.extend(utf8_percent_encode(name, SEGMENT));
            prefix.segments.push(segment.into_owned());
        }
        Ok(prefix)
    }

    /// Percent-encoded, with a leading slash and no trailing one; empty where there is none.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }

    /// The prefix as it is written in `path`, and what comes after it: nothing, or a path. `None` if the path is not
    /// below it. Doubled slashes and needless escapes match, as servers accept them.
    pub fn strip<'a>(&self, path: &'a str) -> Option<(&'a str, &'a str)> {
        let mut end = 0;
        for segment in &self.segments {
            let rest = path.get(end..)?;
            let inner = rest.trim_start_matches('/');
            let length = inner.find('/').unwrap_or(inner.len());
            if inner.len() == rest.len() || *decoded(inner.get(..length)?) != **segment {
                return None;
            }
            end += rest.len() - inner.len() + length;
        }
        path.split_at_checked(end)
    }
}

fn decoded(segment: &str) -> Cow<'_, [u8]> {
    percent_decode_str(segment).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strip<'a>(prefix: &str, path: &'a str) -> Option<(&'a str, &'a str)> {
        PathPrefix::parse(prefix).unwrap().strip(path)
    }

    #[test]
    fn prefixes_are_read_in_every_spelling() {
        for (text, read) in [
            ("", ""),
            ("/", ""),
            ("es", "/es"),
            ("/es/", "/es"),
            ("//a//b/", "/a/b"),
            ("/my es", "/my%20es"),
            ("/my%20es", "/my%20es"),
            ("/gr\u{f6}\u{df}e", "/gr%C3%B6%C3%9Fe"),
            ("/%65s", "/es"),
        ] {
            assert_eq!(PathPrefix::parse(text).unwrap().as_str(), read, "{text}");
        }
        for bad in ["/a/../b", "/.", "/a?b", "/a#b", "/a%2Fb", "/a\tb", "/%ff", "/%0a", "/%2e%2E"] {
            assert_eq!(PathPrefix::parse(bad), Err(BadPrefix), "{bad}");
        }
    }

    #[test]
    fn a_path_is_split_into_prefix_and_rest() {
        assert_eq!(strip("", "/a/_search"), Some(("", "/a/_search")));
        assert_eq!(strip("/es", "/es/a/_search"), Some(("/es", "/a/_search")));
        assert_eq!(strip("/es", "//%65s//a/_search/"), Some(("//%65s", "//a/_search/")));
        assert_eq!(strip("/a/b", "/a/b"), Some(("/a/b", "")));
        assert_eq!(strip("/a/b", "/a//b/"), Some(("/a//b", "/")));
        assert_eq!(strip("/gr\u{f6}\u{df}e", "/gr%c3%b6%C3%9fe/x"), Some(("/gr%c3%b6%C3%9fe", "/x")));
        assert_eq!(strip("/gr\u{f6}\u{df}e", "/gr\u{f6}\u{df}e/x"), Some(("/gr\u{f6}\u{df}e", "/x")));
        for other in ["/", "/e", "/esx/a", "/ES/a", "es/a", "*", "/x/es/a", "/es%2Fa", ""] {
            assert_eq!(strip("/es", other), None, "{other}");
        }
    }
}
