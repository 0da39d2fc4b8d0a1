//! [`Message`]: its fields, one after the other.

use std::ops::Range;

use super::{Content, Field, Malformed, field::Places};

/// The longest varint, in bytes: 64 bits, seven of them in each.
const LONGEST_VARINT: usize = 10;
/// Field numbers have 29 bits.
const HIGHEST_NUMBER: u64 = (1 << 29) - 1;
/// How deep groups may stand in each other: as deep as decoders let messages nest.
const DEEPEST_GROUP: usize = 100;

const WIRE_BITS: u64 = 3;
const END_GROUP: u64 = 4;

/// A message that knows where it stands in its body. Its fields are read when they are asked for, messages inside it
/// not before somebody looks into them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Message<'a> {
    bytes: &'a [u8],
    start: usize,
}

impl<'a> Message<'a> {
    /// The message that a body is.
    pub fn new(body: &'a [u8]) -> Self {
        Self::at(body, 0)
    }

    /// The message that was found at `span` of a body; `None` where that is no range of it.
    pub fn within(body: &'a [u8], span: Range<usize>) -> Option<Self> {
        let start = span.start;
        Some(Self::at(body.get(span)?, start))
    }

    pub(super) fn at(bytes: &'a [u8], start: usize) -> Self {
        Self { bytes, start }
    }

    /// Its bytes.
    pub fn bytes(self) -> &'a [u8] {
        self.bytes
    }

    /// Its place in the body.
    pub fn span(self) -> Range<usize> {
        self.start..self.start + self.bytes.len()
    }

    /// Its fields, in their order. After an error there are no more.
    pub fn fields(self) -> Fields<'a> {
        Fields { message: self, at: 0 }
    }

    /// The last field of this number, which is the one that counts where the number is not repeated. All of the message
    /// is read.
    pub fn last(self, number: u32) -> Result<Option<Field<'a>>, Malformed> {
        let mut found = None;
        for field in self.fields() {
            let field = field?;
            if field.number == number {
                found = Some(field);
            }
        }
        Ok(found)
    }

    /// The fields of this number, in their order. All of the message is read.
    pub fn all(self, number: u32) -> Result<Vec<Field<'a>>, Malformed> {
        let of_number = |field: &Result<Field<'a>, Malformed>| {
            field.as_ref().map_or(true, |field| field.number == number)
        };
        self.fields().filter(of_number).collect()
    }

    /// The first `most` numbers of a repeated `float`, which may be packed, in several parts, or one by one.
    pub fn floats(self, number: u32, most: usize) -> Result<Vec<f32>, Malformed> {
        let mut floats = Vec::new();
        for field in self.fields() {
            let field = field?;
            if field.number != number {
                continue;
            }
            match field.content {
                Content::Fixed32(bits) if floats.len() < most => floats.push(f32::from_bits(bits)),
                Content::Fixed32(_) => {}
                Content::Bytes(packed) => {
                    let (each, []) = packed.as_chunks::<4>() else { return Err(Malformed) };
                    let left = most.saturating_sub(floats.len());
                    floats.extend(each.iter().take(left).map(|&bytes| f32::from_le_bytes(bytes)));
                }
                _ => return Err(Malformed),
            }
        }
        Ok(floats)
    }
}

impl<'a> Field<'a> {
    /// The message that it holds.
    pub fn message(&self) -> Result<Message<'a>, Malformed> {
        Ok(Message::at(self.bytes()?, self.places.content))
    }
}

/// The fields of a message.
#[derive(Clone)]
pub struct Fields<'a> {
    message: Message<'a>,
    at: usize,
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<Field<'a>, Malformed>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.at >= self.message.bytes.len() {
            return None;
        }
        let field = self.field();
        if field.is_none() {
            self.at = self.message.bytes.len();
        }
        Some(field.ok_or(Malformed))
    }
}

impl<'a> Fields<'a> {
    #[inline]
    fn field(&mut self) -> Option<Field<'a>> {
        let start = self.at;
        let (number, wire) = self.tag()?;
        let after_tag = self.at;
        let content = match wire {
            0 => Content::Varint(self.varint()?),
            1 => Content::Fixed64(u64::from_le_bytes(self.fixed()?)),
            2 => {
                let length = usize::try_from(self.varint()?).ok()?;
                Content::Bytes(self.take(length)?)
            }
            3 => Content::Group(self.group(number, DEEPEST_GROUP)?),
            5 => Content::Fixed32(u32::from_le_bytes(self.fixed()?)),
            _ => return None,
        };
        let place = |at: usize| self.message.start + at;
        let content_start = match content {
            Content::Bytes(bytes) => self.at - bytes.len(),
            _ => after_tag,
        };
        let places = Places {
            start: place(start),
            after_tag: place(after_tag),
            content: place(content_start),
            end: place(self.at),
        };
        Some(Field { number, content, places })
    }

    /// A field's number and wire type.
    #[inline]
    fn tag(&mut self) -> Option<(u32, u64)> {
        let key = self.varint()?;
        let number = key >> WIRE_BITS;
        if number == 0 || number > HIGHEST_NUMBER {
            return None;
        }
        Some((u32::try_from(number).ok()?, key & ((1 << WIRE_BITS) - 1)))
    }

    /// A varint; some writers pad short ones, which decoders accept. `None` where it is cut off or has more than 64
    /// bits.
    #[inline]
    fn varint(&mut self) -> Option<u64> {
        let rest = self.message.bytes.get(self.at..)?;
        match rest.first() {
            Some(&byte) if byte < 0x80 => {
                self.at += 1;
                Some(u64::from(byte))
            }
            _ => self.long_varint(rest),
        }
    }

    fn long_varint(&mut self, rest: &[u8]) -> Option<u64> {
        let mut number = 0;
        for (at, &byte) in rest.iter().take(LONGEST_VARINT).enumerate() {
            if at == LONGEST_VARINT - 1 && byte > 1 {
                return None;
            }
            number |= u64::from(byte & 0x7f) << (7 * at);
            if byte < 0x80 {
                self.at += at + 1;
                return Some(number);
            }
        }
        None
    }

    #[inline]
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let bytes = self.message.bytes.get(self.at..)?.get(..length)?;
        self.at += length;
        Some(bytes)
    }

    fn fixed<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    /// What stands before the end of this group, which is passed.
    fn group(&mut self, number: u32, depth: usize) -> Option<&'a [u8]> {
        let depth = depth.checked_sub(1)?;
        let start = self.at;
        loop {
            let end = self.at;
            let (inner, wire) = self.tag()?;
            match wire {
                END_GROUP if inner == number => return self.message.bytes.get(start..end),
                0 => drop(self.varint()?),
                1 => drop(self.take(8)?),
                2 => {
                    let length = usize::try_from(self.varint()?).ok()?;
                    self.take(length)?;
                }
                3 => drop(self.group(inner, depth)?),
                5 => drop(self.take(4)?),
                _ => return None,
            }
        }
    }
}
