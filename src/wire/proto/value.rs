//! [`Value`]: JSON-like data in a message, as `google.protobuf.Value` has it. Which field holds what say [`Kinds`].

use std::{borrow::Cow, fmt, ops::Range};

use super::{Content, Field, Kinds, Malformed, Message, ValueKind};
use crate::wire::Kind;

/// What an object, a list and an entry of a map hold, by field number.
pub(super) const FIELDS: u32 = 1;
pub(super) const VALUES: u32 = 1;
pub(super) const KEY: u32 = 1;
pub(super) const VALUE: u32 = 2;

/// A value that knows where it stands in its body. What is inside an object or an array is read when it is asked for.
#[derive(Clone, Copy, PartialEq)]
pub struct Value<'a> {
    message: Message<'a>,
    variant: Variant<'a>,
    kinds: &'static Kinds,
}

#[derive(Clone, Copy, PartialEq)]
enum Variant<'a> {
    Null,
    Double(f64),
    Integer(i64),
    String(&'a [u8]),
    Bool(bool),
    Object(Message<'a>),
    /// Of values, or of elements of one kind.
    List(Message<'a>, Option<ValueKind>),
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
pub fn member<'a>(entry: Message<'a>, kinds: &'static Kinds) -> Result<Member<'a>, Malformed> {
    let mut key = "";
    let end = entry.span().end;
    let mut value = Value { message: Message::at(&[], end), variant: Variant::Null, kinds };
    for field in entry.fields() {
        let field = field?;
        match field.number {
            KEY => key = field.text()?,
            VALUE => value = Value::read(field.message()?, kinds)?,
            _ => {}
        }
    }
    Ok(Member { key, value })
}

impl<'a> Variant<'a> {
    fn of(kind: ValueKind, field: &Field<'a>) -> Result<Self, Malformed> {
        Ok(match (kind, field.content) {
            (ValueKind::Null, Content::Varint(_)) | (ValueKind::Other, _) => Self::Null,
            (ValueKind::Double, Content::Fixed64(bits)) => Self::Double(f64::from_bits(bits)),
            (ValueKind::Integer, Content::Varint(number)) => Self::Integer(number.cast_signed()),
            (ValueKind::String, Content::Bytes(text)) => Self::String(text),
            (ValueKind::Bool, Content::Varint(truth)) => Self::Bool(truth != 0),
            (ValueKind::Object, Content::Bytes(_)) => Self::Object(field.message()?),
            (ValueKind::List, Content::Bytes(_)) => Self::List(field.message()?, None),
            (ValueKind::ListOf(kinds), Content::Bytes(_)) => Self::list_of(field.message()?, kinds)?,
            _ => return Err(Malformed),
        })
    }

    /// A list of elements of one kind; of a kind that nobody knows it is empty.
    fn list_of(list: Message<'a>, kinds: &Kinds) -> Result<Self, Malformed> {
        let mut elements = Self::List(Message::at(&[], list.span().end), None);
        for field in list.fields() {
            let field = field?;
            if let Some(kind) = kinds.at(field.number) {
                elements = Self::List(field.message()?, Some(kind));
            }
        }
        Ok(elements)
    }
}

impl<'a> Value<'a> {
    /// The value that a message is; one without a variant is null.
    pub fn read(message: Message<'a>, kinds: &'static Kinds) -> Result<Self, Malformed> {
        let mut variant = Variant::Null;
        for field in message.fields() {
            let field = field?;
            if let Some(kind) = kinds.at(field.number) {
                variant = Variant::of(kind, &field)?;
            }
        }
        Ok(Self { message, variant, kinds })
    }

    /// The value that was found at `span` of a body before; `None` where none can stand.
    pub fn found(body: &'a [u8], span: Range<usize>, kinds: &'static Kinds) -> Option<Self> {
        Self::read(Message::within(body, span)?, kinds).ok()
    }

    /// What kind of value this is. A number that is not finite is null, as the server writes it in JSON.
    pub fn kind(self) -> Kind {
        match self.variant {
            Variant::Object(_) => Kind::Object,
            Variant::List(..) => Kind::Array,
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

    /// The entries of an object, in their order; `None` for any other kind, and where they cannot be read.
    pub fn members(self) -> Option<Vec<Member<'a>>> {
        let Variant::Object(object) = self.variant else { return None };
        let mut members = Vec::new();
        for field in object.fields() {
            let field = field.ok()?;
            if field.number == FIELDS {
                members.push(member(field.message().ok()?, self.kinds).ok()?);
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
        let Variant::List(list, kind) = self.variant else { return None };
        let mut items = Vec::new();
        for field in list.fields() {
            let field = field.ok()?;
            if items.len() == most {
                break;
            }
            if field.number == VALUES {
                items.push(self.element(&field, kind).ok()?);
            }
        }
        Some(items)
    }

    fn element(self, field: &Field<'a>, kind: Option<ValueKind>) -> Result<Self, Malformed> {
        let message = field.message()?;
        match kind {
            None => Self::read(message, self.kinds),
            Some(kind) => Ok(Self { message, variant: Variant::of(kind, field)?, kinds: self.kinds }),
        }
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
