//! [`Object`]: a message of a request, read as the server reads it.

use crate::{
    dialect::DialectError,
    wire::proto::{Field, Malformed, Message, MessageEdit},
};

/// Decoders merge both; that is not worth reading.
const TWICE: DialectError = DialectError::Unsupported("a message given twice");

const BODY: DialectError =
    DialectError::Malformed { member: "body", expected: "a well-formed protobuf message" };

impl From<Malformed> for DialectError {
    fn from(_: Malformed) -> Self {
        BODY
    }
}

/// The most memory that reading a message and those inside it takes, down to this depth, in bytes.
pub(in crate::dialect) fn reading_bytes(message: Message<'_>, depth: usize) -> usize {
    // A list of fields may be there twice for a moment.
    most_fields(message, depth).saturating_mul(2 * size_of::<Field<'_>>())
}

/// How many fields are in a message and in those inside it, where all that may be one is taken for one.
fn most_fields(message: Message<'_>, depth: usize) -> usize {
    let Some(depth) = depth.checked_sub(1) else { return 0 };
    let inside = |field: &Field<'_>| field.message().map_or(0, |inner| most_fields(inner, depth));
    message.fields().map_while(Result::ok).map(|field| 1 + inside(&field)).sum()
}

/// One message of a request, its fields read once.
pub(in crate::dialect) struct Object<'a> {
    message: Message<'a>,
    fields: Vec<Field<'a>>,
}

impl<'a> Object<'a> {
    pub fn read(message: Message<'a>) -> Result<Self, DialectError> {
        Ok(Self { message, fields: message.fields().collect::<Result<_, Malformed>>()? })
    }

    /// The message that a field holds.
    pub fn inside(field: &Field<'a>) -> Result<Self, DialectError> {
        Self::read(field.message()?)
    }

    /// For changes to it.
    pub fn edit(&self) -> MessageEdit<'a> {
        MessageEdit::of(self.message)
    }

    pub fn message(&self) -> Message<'a> {
        self.message
    }

    /// All of its fields, in their order.
    pub fn fields(&self) -> impl Iterator<Item = &Field<'a>> {
        self.fields.iter()
    }

    /// The fields of this number, in their order.
    pub fn all(&self, number: u32) -> impl DoubleEndedIterator<Item = &Field<'a>> {
        self.fields.iter().filter(move |field| field.number == number)
    }

    /// Its fields with numbers up to this one, which are the variants of a `oneof`.
    pub fn variants(&self, last: u32) -> impl DoubleEndedIterator<Item = &Field<'a>> {
        self.fields.iter().filter(move |field| field.number <= last)
    }

    /// The last field of this number, which is the one that counts.
    pub fn last(&self, number: u32) -> Option<&Field<'a>> {
        self.all(number).next_back()
    }

    pub fn has(&self, number: u32) -> bool {
        self.last(number).is_some()
    }

    /// A whole number from 0 up.
    pub fn count(&self, number: u32) -> Result<Option<u64>, DialectError> {
        Ok(self.last(number).map(Field::unsigned).transpose()?)
    }

    /// A text; that of an absent field is empty.
    pub fn text(&self, number: u32) -> Result<&'a str, DialectError> {
        Ok(self.last(number).map(Field::text).transpose()?.unwrap_or_default())
    }

    /// A message that may be there once.
    pub fn inner(&self, number: u32) -> Result<Option<Object<'a>>, DialectError> {
        let mut all = self.all(number);
        match (all.next(), all.next()) {
            (None, _) => Ok(None),
            (Some(one), None) => Self::inside(one).map(Some),
            _ => Err(TWICE),
        }
    }

    /// The one variant of a `oneof` whose numbers end here; `None` where there is none.
    pub fn variant(&self, last: u32) -> Result<Option<Field<'a>>, DialectError> {
        let mut variants = self.variants(last);
        match (variants.next(), variants.next()) {
            (one, None) => Ok(one.copied()),
            _ => Err(TWICE),
        }
    }

    /// The messages of a repeated field.
    pub fn messages(&self, number: u32) -> Result<Vec<Object<'a>>, DialectError> {
        self.all(number).map(Self::inside).collect()
    }
}
