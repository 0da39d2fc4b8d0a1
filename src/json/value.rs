//! [`Value`]: a JSON value that knows where it stands in its body.

use std::{borrow::Cow, fmt, ops::Range};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;

/// The bytes are not one JSON value (RFC 8259).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not well-formed JSON")]
pub struct Malformed;

/// What a value is, read from its first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Kind {
    Object,
    Array,
    String,
    Number,
    Bool,
    Null,
}

/// A JSON value inside a body: its text, and where in the body that text starts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Value<'a> {
    text: &'a str,
    start: usize,
}

/// One member of an object. Keys may repeat; their order is that of the text.
#[derive(Clone, Debug)]
pub struct Member<'a> {
    /// The key, unescaped.
    pub key: Cow<'a, str>,
    /// Where the key's opening quote stands in the body.
    pub key_start: usize,
    /// The member's value.
    pub value: Value<'a>,
}

impl fmt::Debug for Value<'_> {
    /// Kind and place only: the text may be a document.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}@{:?}", self.kind(), self.span())
    }
}

impl<'a> Value<'a> {
    /// The one value that `body` holds. White space around it is allowed, anything else is not.
    pub fn parse(body: &'a [u8]) -> Result<Self, Malformed> {
        let raw: &RawValue = serde_json::from_slice(body).map_err(|_| Malformed)?;
        let text = raw.get();
        Ok(Self { text, start: text.as_ptr() as usize - body.as_ptr() as usize })
    }

    /// The value's text, without white space around it.
    pub fn text(self) -> &'a str {
        self.text
    }

    /// The value's byte range in the body.
    pub fn span(self) -> Range<usize> {
        self.start..self.start + self.text.len()
    }

    /// What kind of value this is.
    pub fn kind(self) -> Kind {
        match self.text.as_bytes().first() {
            Some(b'{') => Kind::Object,
            Some(b'[') => Kind::Array,
            Some(b'"') => Kind::String,
            Some(b't' | b'f') => Kind::Bool,
            Some(b'n') => Kind::Null,
            _ => Kind::Number,
        }
    }

    /// The members of an object, in their order; `None` for any other kind.
    pub fn members(self) -> Option<Vec<Member<'a>>> {
        if self.kind() != Kind::Object {
            return None;
        }
        let Pairs(pairs) = serde_json::from_str(self.text).ok()?;
        let bytes = self.text.as_bytes();
        let mut from = 1;
        let members = pairs.into_iter().map(|(key, raw)| {
            let key_at = from + bytes[from..].iter().position(|&byte| byte == b'"').unwrap_or(0);
            let value = self.child(raw);
            from = value.span().end - self.start;
            Member { key, key_start: self.start + key_at, value }
        });
        Some(members.collect())
    }

    /// The elements of an array; `None` for any other kind.
    pub fn items(self) -> Option<Vec<Value<'a>>> {
        if self.kind() != Kind::Array {
            return None;
        }
        let raws: Vec<&RawValue> = serde_json::from_str(self.text).ok()?;
        Some(raws.into_iter().map(|raw| self.child(raw)).collect())
    }

    /// The value of the last member called `key`, as most parsers would read it.
    pub fn get(self, key: &str) -> Option<Value<'a>> {
        self.members()?.into_iter().rev().find(|member| member.key == key).map(|member| member.value)
    }

    /// The value at the end of a path of keys.
    pub fn at(self, path: &[&str]) -> Option<Value<'a>> {
        path.iter().try_fold(self, |value, key| value.get(key))
    }

    /// The text of a string, unescaped. A lone surrogate makes it `None`.
    pub fn as_str(self) -> Option<Cow<'a, str>> {
        if self.kind() != Kind::String {
            return None;
        }
        let inner = &self.text[1..self.text.len() - 1];
        if !inner.contains('\\') {
            return Some(Cow::Borrowed(inner));
        }
        serde_json::from_str::<String>(self.text).ok().map(Cow::Owned)
    }

    /// A whole number from 0 up, written without fraction or exponent.
    pub fn as_u64(self) -> Option<u64> {
        if self.kind() == Kind::Number { self.text.parse().ok() } else { None }
    }

    /// A number that is finite as a 64-bit float.
    pub fn as_f64(self) -> Option<f64> {
        if self.kind() != Kind::Number {
            return None;
        }
        self.text.parse::<f64>().ok().filter(|number| number.is_finite())
    }

    /// `true` or `false`.
    pub fn as_bool(self) -> Option<bool> {
        match self.text {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        }
    }

    /// Whether this is `null`.
    pub fn is_null(self) -> bool {
        self.kind() == Kind::Null
    }

    fn child(self, raw: &'a RawValue) -> Value<'a> {
        let text = raw.get();
        Value { text, start: self.start + (text.as_ptr() as usize - self.text.as_ptr() as usize) }
    }
}

/// Whether arrays and objects stand more than `levels` deep in each other. One pass, no recursion; of bytes
/// that are no JSON it says nothing of use.
pub fn is_deeper_than(body: &[u8], levels: usize) -> bool {
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(&byte) = body.get(at) {
        at += 1;
        match byte {
            b'{' | b'[' => {
                depth += 1;
                if depth > levels {
                    return true;
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            b'"' => at = after_string(body, at),
            _ => {}
        }
    }
    false
}

/// Behind the closing quote of a string that has begun.
fn after_string(body: &[u8], mut at: usize) -> usize {
    while let Some(found) = body.get(at..).and_then(|rest| memchr::memchr2(b'"', b'\\', rest)) {
        at += found + 1;
        if body.get(at - 1) == Some(&b'"') {
            return at;
        }
        at += 1;
    }
    body.len()
}

/// An object whose members have been read once, for many looks at them.
pub struct Object<'a> {
    value: Value<'a>,
    members: Vec<Member<'a>>,
}

impl<'a> Object<'a> {
    /// `None` for any other kind.
    pub fn new(value: Value<'a>) -> Option<Self> {
        Some(Self { value, members: value.members()? })
    }

    /// The object itself.
    pub fn value(&self) -> Value<'a> {
        self.value
    }

    /// The members, in their order.
    pub fn members(&self) -> &[Member<'a>] {
        &self.members
    }

    /// As [`Value::get`].
    pub fn get(&self, key: &str) -> Option<Value<'a>> {
        self.members.iter().rev().find(|member| member.key == key).map(|member| member.value)
    }

    /// As [`Value::at`].
    pub fn at(&self, path: &[&str]) -> Option<Value<'a>> {
        let (first, rest) = path.split_first()?;
        self.get(first)?.at(rest)
    }
}

/// An object's members as serde_json hands them out.
struct Pairs<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

#[derive(Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Pairs<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Pairs<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut pairs = Vec::new();
                while let Some((Key(key), raw)) = map.next_entry()? {
                    pairs.push((key, raw));
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(Collect)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_is_found_where_it_stands() {
        let body = br#" {"a" : [1, {"b\u0041":"x\ny"}] , "a":1e400,"c":18446744073709551615} "#;
        let value = Value::parse(body).unwrap();
        let members = value.members().unwrap();
        assert_eq!(members.iter().map(|m| m.key.as_ref()).collect::<Vec<_>>(), ["a", "a", "c"]);
        for member in &members {
            assert_eq!(&body[member.value.span()], member.value.text().as_bytes());
            assert_eq!(body[member.key_start], b'"');
        }
        let inner = members[0].value.items().unwrap()[1];
        assert_eq!(&body[inner.span()], br#"{"b\u0041":"x\ny"}"#);
        assert_eq!(inner.get("bA").unwrap().as_str().unwrap(), "x\ny");
        assert_eq!(members[1].value.as_f64(), None, "1e400 is no finite float");
        assert_eq!(value.get("c").unwrap().as_u64(), Some(u64::MAX));
    }

    #[test]
    fn depth_is_that_of_brackets_outside_of_strings() {
        for (body, depth) in [
            ("7", 0),
            ("[]", 1),
            (r#"{"a":[{"b":1}],"c":{}}"#, 3),
            (r#"["[[[", "\\\"[{", "\\\\"]"#, 1),
            (r#"[["unclosed [[["#, 2),
            (r#"["a\"#, 1),
        ] {
            assert!(!is_deeper_than(body.as_bytes(), depth), "{body}");
            assert!(depth == 0 || is_deeper_than(body.as_bytes(), depth - 1), "{body}");
        }
    }

    #[test]
    fn what_is_not_one_json_value_is_malformed() {
        for body in [&b""[..], b"{", b"{} {}", b"\xff", b"{\"a\":}", b"nul"] {
            assert_eq!(Value::parse(body), Err(Malformed));
        }
    }
}
