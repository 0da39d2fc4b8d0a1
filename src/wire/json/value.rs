//! [`Value`]: a JSON value that knows where it stands in its body.

use std::{borrow::Cow, fmt, ops::Range};

use super::{Index, Kind, Scanner, unescape};

/// The bytes are not one JSON value (RFC 8259).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not well-formed JSON")]
pub struct Malformed;

/// A JSON value inside a body: its text, and where in the body that text starts.
#[derive(Clone, Copy)]
pub struct Value<'a> {
    text: &'a str,
    place: Offset,
    /// That of the body, if it has one.
    index: Option<&'a Index>,
}

/// Where a value starts in its body, and in the last bit whether there is an escape in it, if it is a string.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Offset(usize);

impl Offset {
    fn start(self) -> usize {
        self.0 >> 1
    }

    fn is_escaped(self) -> bool {
        self.0 & 1 == 1
    }
}

impl PartialEq for Value<'_> {
    fn eq(&self, other: &Self) -> bool {
        (self.text, self.place) == (other.text, other.place)
    }
}

impl Eq for Value<'_> {}

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
        Scanner::whole(body, Scanner::skip)
    }

    /// The value that was found at `span` of a body before; `None` where none can stand.
    pub fn found(body: &'a [u8], span: Range<usize>) -> Option<Self> {
        let text = simdutf8::basic::from_utf8(body.get(span.clone())?).ok()?;
        Some(Self::new(text, span.start, is_escaped(text), None))
    }

    /// The value of `text`, whose index this is; an error with the index of another text, unless that one is as long.
    pub fn indexed(text: &'a [u8], index: &'a Index) -> Result<Self, Malformed> {
        let text = simdutf8::basic::from_utf8(text).map_err(|_| Malformed)?;
        let root = index.root(text).ok_or(Malformed)?;
        Ok(Self::new(root, index.start(), is_escaped(root), Some(index)))
    }

    /// A value that has been read.
    pub(super) fn new(text: &'a str, start: usize, escaped: bool, index: Option<&'a Index>) -> Self {
        Self { text, place: Offset(start << 1 | usize::from(escaped)), index }
    }

    /// The value's text, without white space around it.
    pub fn text(self) -> &'a str {
        self.text
    }

    /// The value's byte range in the body.
    pub fn span(self) -> Range<usize> {
        let start = self.place.start();
        start..start + self.text.len()
    }

    /// What kind of value this is.
    pub fn kind(self) -> Kind {
        Kind::beginning(self.text.as_bytes().first().copied().unwrap_or_default())
    }

    /// The members of an object, in their order; `None` for any other kind.
    pub fn members(self) -> Option<Vec<Member<'a>>> {
        if self.kind() != Kind::Object {
            return None;
        }
        Some(Object::read(&mut self.scanner()).ok()??.members)
    }

    /// The same, each as `make` has it.
    pub fn members_as<T>(self, make: impl Fn(Member<'a>) -> T) -> Option<Vec<T>> {
        if self.kind() != Kind::Object {
            return None;
        }
        members(&mut self.scanner(), make).ok()?.map(|(_, members)| members)
    }

    /// The elements of an array; `None` for any other kind.
    pub fn items(self) -> Option<Vec<Value<'a>>> {
        if self.kind() != Kind::Array {
            return None;
        }
        let mut items = Vec::new();
        let read = self.scanner().items(|scanner| {
            items.push(scanner.skip()?);
            Ok(())
        });
        read.ok()?.map(|_| items)
    }

    /// The first elements of an array, `most` of them at most; `None` for any other kind.
    pub fn first_items(self, most: usize) -> Option<Vec<Value<'a>>> {
        if self.kind() != Kind::Array {
            return None;
        }
        let mut items = Vec::with_capacity(most);
        // Whether what follows is well-formed is known already.
        let _ = self.scanner().items(|scanner| {
            if items.len() == most {
                return Err(Malformed);
            }
            items.push(scanner.skip()?);
            Ok(())
        });
        Some(items)
    }

    /// The value of the last member called `key`, as most parsers would read it.
    pub fn get(self, key: &str) -> Option<Value<'a>> {
        if self.kind() != Kind::Object {
            return None;
        }
        let mut found = None;
        let read = self.scanner().members(|member, scanner| {
            if member.name == key {
                found = Some(scanner.skip()?);
            }
            Ok(())
        });
        read.ok()?.and(found)
    }

    /// The value at the end of a path of keys.
    pub fn at(self, path: &[&str]) -> Option<Value<'a>> {
        path.iter().try_fold(self, |value, key| value.get(key))
    }

    /// The text of a string, unescaped, without halves of surrogate pairs.
    pub fn as_str(self) -> Option<Cow<'a, str>> {
        if self.kind() != Kind::String {
            return None;
        }
        unescape::unquoted(self.text, self.place.is_escaped(), "")
    }

    /// The same with U+FFFD in place of each half of a surrogate pair.
    pub fn as_marked_str(self) -> Option<Cow<'a, str>> {
        if self.kind() != Kind::String {
            return None;
        }
        unescape::unquoted(self.text, self.place.is_escaped(), "\u{fffd}")
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

    fn scanner(self) -> Scanner<'a> {
        Scanner::of(self.text, self.place.start(), self.index)
    }
}

/// An object and its members, each as `make` has it; `None` for any other value.
fn members<'a, T>(
    scanner: &mut Scanner<'a>,
    make: impl Fn(Member<'a>) -> T,
) -> Result<Option<(Value<'a>, Vec<T>)>, Malformed> {
    let mut members = Vec::with_capacity(8);
    let value = scanner.members(|key, scanner| {
        let value = scanner.skip()?;
        members.push(make(Member { key: key.name, key_start: key.start, value }));
        Ok(())
    })?;
    Ok(value.map(|value| (value, members)))
}

/// Whether the value is a string with an escape in it.
fn is_escaped(value: &str) -> bool {
    value.starts_with('"') && memchr::memchr(b'\\', value.as_bytes()).is_some()
}

/// An object whose members have been read once, for many looks at them.
#[derive(Clone)]
pub struct Object<'a> {
    value: Value<'a>,
    members: Vec<Member<'a>>,
}

impl<'a> Object<'a> {
    /// `None` for any other kind.
    pub fn new(value: Value<'a>) -> Option<Self> {
        Some(Self { value, members: value.members()? })
    }

    /// The one object that `body` holds; `None` for anything else.
    pub fn parse(body: &'a [u8]) -> Option<Self> {
        Self::within(body, 0..body.len())
    }

    /// The object that stands at `span` of `body`.
    pub fn within(body: &'a [u8], span: Range<usize>) -> Option<Self> {
        let start = span.start;
        Scanner::whole_at(body.get(span)?, start, None, Self::read).ok()?
    }

    /// The same where parts of the body are known, which are passed by.
    pub fn within_known(body: &'a [u8], span: Range<usize>, known: &'a Index) -> Option<Self> {
        let start = span.start;
        Scanner::whole_at(body.get(span)?, start, Some(known), Self::read).ok()?
    }

    /// Takes the next value and its members; `None` for any other kind.
    pub(super) fn read(scanner: &mut Scanner<'a>) -> Result<Option<Self>, Malformed> {
        let read = members(scanner, |member| member)?;
        Ok(read.map(|(value, members)| Self { value, members }))
    }

    /// The members of the object that stands at `span` of `body`, each as `make` has it; none where no object stands.
    pub fn members_within<T>(body: &'a [u8], span: Range<usize>, make: impl Fn(Member<'a>) -> T) -> Vec<T> {
        let start = span.start;
        let Some(object) = body.get(span) else { return Vec::new() };
        let read = Scanner::whole_at(object, start, None, |scanner| members(scanner, make));
        read.ok().flatten().map(|(_, members)| members).unwrap_or_default()
    }

    /// The object itself.
    pub fn value(&self) -> Value<'a> {
        self.value
    }

    /// The members, in their order.
    pub fn members(&self) -> &[Member<'a>] {
        &self.members
    }

    /// The members alone.
    pub fn into_members(self) -> Vec<Member<'a>> {
        self.members
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
    fn what_is_not_one_json_value_is_malformed() {
        for body in [&b""[..], b"{", b"{} {}", b"\xff", b"{\"a\":}", b"nul"] {
            assert_eq!(Value::parse(body), Err(Malformed));
        }
    }
}
