//! The query string as Elasticsearch reads it, and changes to it that leave every other byte alone.

use std::ops::Range;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::dialect::DialectError;

/// What a value may hold unescaped. Commas and stars stay readable, as clients write them.
const VALUE: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b',').remove(b'*');

/// The parameters of one query string.
#[derive(Default)]
pub(super) struct Params {
    raw: Box<str>,
    params: Vec<Param>,
}

struct Param {
    name: String,
    value: String,
    /// Where the value stands; empty at the end of a bare name.
    span: Range<usize>,
    bare: bool,
}

impl Params {
    /// `Err` where the upstream would answer 400: broken escapes, a fragment.
    pub(super) fn parse(query: Option<&str>) -> Result<Self, DialectError> {
        let raw = query.unwrap_or("");
        let malformed =
            DialectError::Malformed { member: "query string", expected: "well-formed parameters" };
        if raw.contains('#') {
            return Err(malformed);
        }
        let mut params = Vec::new();
        let mut start = 0;
        for part in raw.split(['&', ';']) {
            let end = start + part.len();
            if !part.is_empty() {
                let (name, value_start, bare) = match part.find('=') {
                    Some(at) => (&part[..at], start + at + 1, false),
                    None => (part, end, true),
                };
                let name = decode(name).ok_or(malformed.clone())?;
                let value = decode(&raw[value_start..end]).ok_or(malformed.clone())?;
                params.push(Param { name, value, span: value_start..end, bare });
            }
            start = end + 1;
        }
        Ok(Self { raw: raw.into(), params })
    }

    /// A parameter's value; the last one wins where the name repeats.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.find(name).map(|param| param.value.as_str())
    }

    /// Whether the parameter is there at all.
    pub(super) fn has(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    fn find(&self, name: &str) -> Option<&Param> {
        self.params.iter().rev().find(|param| param.name == name)
    }

    /// The query string with these values set (unescaped); `None` if it would be empty.
    pub(super) fn with(&self, changes: &[(&str, String)]) -> Option<String> {
        let mut spans: Vec<(Range<usize>, String)> = Vec::new();
        let mut added = String::new();
        for (name, value) in changes {
            let value = utf8_percent_encode(value, VALUE);
            match self.find(name) {
                Some(param) if param.bare => spans.push((param.span.clone(), format!("={value}"))),
                Some(param) => spans.push((param.span.clone(), value.to_string())),
                None => added.push_str(&format!("&{name}={value}")),
            }
        }
        spans.sort_by_key(|(span, _)| span.start);
        let mut out = String::with_capacity(self.raw.len() + added.len() + 16);
        let mut done = 0;
        for (span, value) in spans {
            out.push_str(&self.raw[done..span.start]);
            out.push_str(&value);
            done = span.end;
        }
        out.push_str(&self.raw[done..]);
        out.push_str(if out.is_empty() || out.ends_with('&') {
            added.trim_start_matches('&')
        } else {
            &added
        });
        (!out.is_empty()).then_some(out)
    }
}

/// `+` is a space, `%%` a percent sign.
fn decode(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        at += 1;
        match byte {
            b'+' => out.push(b' '),
            b'%' if bytes.get(at) == Some(&b'%') => {
                out.push(b'%');
                at += 1;
            }
            b'%' => {
                let digit = |at: usize| (*bytes.get(at)? as char).to_digit(16);
                out.push(u8::try_from(digit(at)? * 16 + digit(at + 1)?).ok()?);
                at += 2;
            }
            other => out.push(other),
        }
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_as_elasticsearch_reads_them() {
        let params = Params::parse(Some("a=1+2;b=%C3%A9&a=3&pretty&c=5%%")).unwrap();
        assert_eq!(params.get("a"), Some("3"));
        assert_eq!(params.get("b"), Some("é"));
        assert_eq!(params.get("c"), Some("5%"));
        assert_eq!(params.get("pretty"), Some(""));
        assert!(!params.has("size"));
        assert!(Params::parse(Some("a=%zz")).is_err());
        assert!(Params::parse(Some("a=%4")).is_err());
    }

    #[test]
    fn a_change_leaves_every_other_byte_alone() {
        let params = Params::parse(Some("q=a%20b;size=2&%66rom=1&pretty")).unwrap();
        let changed = params.with(&[("size", "50".into()), ("from", "0".into())]);
        assert_eq!(changed.as_deref(), Some("q=a%20b;size=50&%66rom=0&pretty"));
        let none = Params::parse(None).unwrap();
        assert_eq!(none.with(&[]), None);
        assert_eq!(none.with(&[("size", "5".into())]).as_deref(), Some("size=5"));
    }
}
