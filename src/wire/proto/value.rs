//! [`Value`]: JSON-like data in a message, as `google.protobuf.Value` has it and Qdrant's `Value`.

use std::{borrow::Cow, fmt, ops::Range};

use super::{Content, Malformed, Message};
use crate::wire::Kind;

/// The variants of a value, and what a struct, a list and an entry of a map hold, by field number. Qdrant's values have
/// whole numbers beside the variants of `google.protobuf`, and so other field numbers.
const NULL: u32 = 1;
const DOUBLE: u32 = 2;
const INTEGER: u32 = 3;
const STRING: u32 = 4;
const BOOL: u32 = 5;
pub(super) const STRUCT: u32 = 6;
pub(super) const LIST: u32 = 7;
pub(super) const FIELDS: u32 = 1;
pub(super) const VALUES: u32 = 1;
pub(super) const KEY: u32 = 1;
pub(super) const VALUE: u32 = 2;

/// A value that knows where it stands in its body. What is inside an object or an array is read when it is asked for.
#[derive(Clone, Copy, PartialEq)]
pub struct Value<'a> {
    message: Message<'a>,
    variant: Variant<'a>,
}

#[derive(Clone, Copy, PartialEq)]
enum Variant<'a> {
    Null,
    Double(f64),
    Integer(i64),
    String(&'a [u8]),
    Bool(bool),
    Struct(Message<'a>),
    List(Message<'a>),
}

/// One entry of an object. Keys may repeat; the server's own order of them changes between responses.
#[derive(Clone, Copy, Debug)]
pub struct Member<'a> {
    /// The key.
    pub key: &'a str,
    /// Its value; `Null` where the entry has none.
    pub value: Value<'a>,
}

impl fmt::Debug for Value<'_> {
    /// Kind and place only: the value may be a document.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}@{:?}", self.kind(), self.span())
    }
}

/// Reads an entry of a map from strings to values: of a struct, or of a hit's payload.
pub fn member(entry: Message<'_>) -> Result<Member<'_>, Malformed> {
    let mut key = "";
    let end = entry.span().end;
    let mut value = Value { message: Message::at(&[], end), variant: Variant::Null };
    for field in entry.fields() {
        let field = field?;
        match field.number {
            KEY => key = field.text()?,
            VALUE => value = Value::read(field.message()?)?,
            _ => {}
        }
    }
    Ok(Member { key, value })
}

impl<'a> Value<'a> {
    /// The value that a message is; one without a variant is null.
    pub fn read(message: Message<'a>) -> Result<Self, Malformed> {
        let mut variant = Variant::Null;
        for field in message.fields() {
            let field = field?;
            variant = match (field.number, field.content) {
                (NULL, Content::Varint(_)) => Variant::Null,
                (DOUBLE, Content::Fixed64(bits)) => Variant::Double(f64::from_bits(bits)),
                (INTEGER, Content::Varint(number)) => Variant::Integer(number.cast_signed()),
                (STRING, Content::Bytes(text)) => Variant::String(text),
                (BOOL, Content::Varint(truth)) => Variant::Bool(truth != 0),
                (STRUCT, Content::Bytes(_)) => Variant::Struct(field.message()?),
                (LIST, Content::Bytes(_)) => Variant::List(field.message()?),
                (NULL..=LIST, _) => return Err(Malformed),
                _ => continue,
            };
        }
        Ok(Self { message, variant })
    }

    /// The value that was found at `span` of a body before; `None` where none can stand.
    pub fn found(body: &'a [u8], span: Range<usize>) -> Option<Self> {
        Self::read(Message::within(body, span)?).ok()
    }

    /// What kind of value this is. A number that is not finite is null, as the server writes it in JSON.
    pub fn kind(self) -> Kind {
        match self.variant {
            Variant::Struct(_) => Kind::Object,
            Variant::List(_) => Kind::Array,
            Variant::String(_) => Kind::String,
            Variant::Double(number) if !number.is_finite() => Kind::Null,
            Variant::Double(_) | Variant::Integer(_) => Kind::Number,
            Variant::Bool(_) => Kind::Bool,
            Variant::Null => Kind::Null,
        }
    }

    /// Its bytes: the message, without the tag and the length before it.
    pub fn bytes(self) -> &'a [u8] {
        self.message.bytes()
    }

    /// Its place in the body.
    pub fn span(self) -> Range<usize> {
        self.message.span()
    }

    /// The message that holds the entries of an object or the elements of an array.
    pub fn inside(self) -> Option<Message<'a>> {
        match self.variant {
            Variant::Struct(message) | Variant::List(message) => Some(message),
            _ => None,
        }
    }

    /// The entries of an object, in their order; `None` for any other kind, and where they cannot be read.
    pub fn members(self) -> Option<Vec<Member<'a>>> {
        let Variant::Struct(object) = self.variant else { return None };
        let mut members = Vec::new();
        for field in object.fields() {
            let field = field.ok()?;
            if field.number == FIELDS {
                members.push(member(field.message().ok()?).ok()?);
            }
        }
        Some(members)
    }

    /// The elements of an array; `None` for any other kind, and where they cannot be read.
    pub fn items(self) -> Option<Vec<Value<'a>>> {
        self.elements(usize::MAX)
    }

    /// The first elements of an array, `most` of them at most; `None` as for [`items`](Self::items).
    pub fn first_items(self, most: usize) -> Option<Vec<Value<'a>>> {
        self.elements(most)
    }

    fn elements(self, most: usize) -> Option<Vec<Value<'a>>> {
        let Variant::List(list) = self.variant else { return None };
        let mut items = Vec::new();
        for field in list.fields() {
            let field = field.ok()?;
            if items.len() == most {
                break;
            }
            if field.number == VALUES {
                items.push(Value::read(field.message().ok()?).ok()?);
            }
        }
        Some(items)
    }

    /// The value of the last entry with this key.
    pub fn get(self, key: &str) -> Option<Value<'a>> {
        self.members()?.into_iter().rev().find(|member| member.key == key).map(|member| member.value)
    }

    /// The value at the end of a path of keys.
    pub fn at(self, path: &[&str]) -> Option<Value<'a>> {
        path.iter().try_fold(self, |value, key| value.get(key))
    }

    /// The text of a string; `None` for any other kind. What is no UTF-8, which no such string may be, is replaced.
    pub fn as_str(self) -> Option<Cow<'a, str>> {
        let Variant::String(bytes) = self.variant else { return None };
        Some(match simdutf8::basic::from_utf8(bytes) {
            Ok(text) => Cow::Borrowed(text),
            Err(_) => String::from_utf8_lossy(bytes),
        })
    }

    /// The first byte of a string that has one; `None` for any other kind.
    pub fn first_byte(self) -> Option<u8> {
        match self.variant {
            Variant::String(text) => text.first().copied(),
            _ => None,
        }
    }

    /// A number or a truth value as the server writes it in JSON.
    pub fn spelled(self) -> Option<Cow<'static, str>> {
        match self.variant {
            Variant::Bool(true) => Some(Cow::Borrowed("true")),
            Variant::Bool(false) => Some(Cow::Borrowed("false")),
            Variant::Integer(number) => Some(Cow::Owned(number.to_string())),
            Variant::Double(number) => {
                serde_json::Number::from_f64(number).map(|number| Cow::Owned(number.to_string()))
            }
            _ => None,
        }
    }

    /// A whole number from 0 up.
    pub fn as_u64(self) -> Option<u64> {
        match self.variant {
            Variant::Integer(number) => u64::try_from(number).ok(),
            _ => None,
        }
    }

    /// A finite number.
    pub fn as_f64(self) -> Option<f64> {
        match self.variant {
            Variant::Integer(number) => Some(number as f64),
            Variant::Double(number) => Some(number).filter(|number| number.is_finite()),
            _ => None,
        }
    }

    /// A truth value.
    pub fn as_bool(self) -> Option<bool> {
        match self.variant {
            Variant::Bool(truth) => Some(truth),
            _ => None,
        }
    }

    /// Whether this is null.
    pub fn is_null(self) -> bool {
        self.kind() == Kind::Null
    }
}
