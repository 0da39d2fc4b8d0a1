//! [`Field`]: one field of a message, and where it stands.

use std::{fmt, ops::Range};

use super::Malformed;

/// One field of a message as it is on the wire.
#[derive(Clone, Copy)]
pub struct Field<'a> {
    /// Its number, from 1 to 2^29 − 1.
    pub number: u32,
    /// What it holds.
    pub content: Content<'a>,
    pub(super) places: Places,
}

/// Where the parts of a field stand in the body.
#[derive(Clone, Copy)]
pub(super) struct Places {
    /// The tag.
    pub(super) start: usize,
    /// What follows the tag: the value, or its length.
    pub(super) after_tag: usize,
    /// The value itself.
    pub(super) content: usize,
    pub(super) end: usize,
}

/// What a field holds, by its wire type.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Content<'a> {
    /// A whole number, a truth value or an enum.
    Varint(u64),
    /// Eight bytes: a `double`, or a number of fixed width.
    Fixed64(u64),
    /// A string, bytes, a message, or packed numbers.
    Bytes(&'a [u8]),
    /// What stands between the tags of a group, which only proto2 has.
    Group(&'a [u8]),
    /// Four bytes: a `float`, or a number of fixed width.
    Fixed32(u32),
}

impl fmt::Debug for Field<'_> {
    /// Number and place only: the content may be a document.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "field {}@{:?}", self.number, self.span())
    }
}

impl<'a> Field<'a> {
    /// All of it, tag and length included, as a range of the body.
    pub fn span(&self) -> Range<usize> {
        self.places.start..self.places.end
    }

    /// Its content alone, as a range of the body.
    pub fn content_span(&self) -> Range<usize> {
        self.places.content..self.places.end
    }

    /// The bytes that it holds.
    pub fn bytes(&self) -> Result<&'a [u8], Malformed> {
        match self.content {
            Content::Bytes(bytes) => Ok(bytes),
            _ => Err(Malformed),
        }
    }

    /// The string that it holds; an error where it is not UTF-8.
    pub fn text(&self) -> Result<&'a str, Malformed> {
        simdutf8::basic::from_utf8(self.bytes()?).map_err(|_| Malformed)
    }

    /// The number that it holds, not negative.
    pub fn unsigned(&self) -> Result<u64, Malformed> {
        match self.content {
            Content::Varint(number) => Ok(number),
            _ => Err(Malformed),
        }
    }

    /// The number that it holds, as an `int64` or an enum.
    pub fn signed(&self) -> Result<i64, Malformed> {
        // Two's complement in 64 bits, also of numbers that are declared with 32.
        self.unsigned().map(u64::cast_signed)
    }

    /// The truth value that it holds.
    pub fn boolean(&self) -> Result<bool, Malformed> {
        Ok(self.unsigned()? != 0)
    }

    /// The `float` that it holds.
    pub fn float(&self) -> Result<f32, Malformed> {
        match self.content {
            Content::Fixed32(bits) => Ok(f32::from_bits(bits)),
            _ => Err(Malformed),
        }
    }

    /// The `double` that it holds.
    pub fn double(&self) -> Result<f64, Malformed> {
        match self.content {
            Content::Fixed64(bits) => Ok(f64::from_bits(bits)),
            _ => Err(Malformed),
        }
    }
}
