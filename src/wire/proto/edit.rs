//! [`MessageEdit`]: change some fields of a message, keep all other bytes.

use std::ops::Range;

use bytes::Bytes;

use super::{Field, Message, write};
use crate::wire::Pieces;

/// Changes to the fields of one message. Every other field keeps its bytes and its place, and the lengths of the messages
/// around a change become right. No field may be changed twice.
pub struct MessageEdit<'a> {
    message: Message<'a>,
    changes: Vec<(Range<usize>, Part<'a>)>,
    tail: Vec<u8>,
    /// How many bytes are written in place of how many.
    new: usize,
    old: usize,
}

/// What is written where a field was.
pub enum Part<'a> {
    /// These bytes: whole fields, or nothing.
    New(Vec<u8>),
    /// What stands at this range of the body: whole fields.
    Moved(Range<usize>),
    /// This field, which holds a message, with changes in it.
    Changed(Box<(Field<'a>, MessageEdit<'a>)>),
}

impl<'a> MessageEdit<'a> {
    /// No change yet.
    pub fn of(message: Message<'a>) -> Self {
        Self { message, changes: Vec::new(), tail: Vec::new(), new: 0, old: 0 }
    }

    /// Whether nothing would change.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.tail.is_empty()
    }

    /// Takes a field out.
    pub fn remove(&mut self, field: &Field<'_>) {
        self.put(field.span(), Part::New(Vec::new()));
    }

    /// Puts other fields, as they are written, where this one is now.
    pub fn replace(&mut self, field: &Field<'_>, new: impl Into<Vec<u8>>) {
        self.put(field.span(), Part::New(new.into()));
    }

    /// Makes the changes inside a field that holds a message.
    pub fn change(&mut self, field: Field<'a>, inner: MessageEdit<'a>) {
        if !inner.is_empty() {
            self.put(field.span(), Part::changed(field, inner));
        }
    }

    /// Puts something where a whole field is, whose place in the body this is.
    pub fn put(&mut self, place: Range<usize>, part: Part<'a>) {
        self.old += place.len();
        self.new += part.length();
        match (self.changes.last_mut(), &part) {
            // One gap for all that goes in a row.
            (Some((last, Part::New(there))), Part::New(new))
                if there.is_empty() && new.is_empty() && last.end == place.start =>
            {
                last.end = place.end;
            }
            _ => self.changes.push((place, part)),
        }
    }

    /// Adds a field, as it is written, at the end: of a field that is not repeated, the last one counts.
    pub fn append(&mut self, field: impl Into<Vec<u8>>) {
        let field = field.into();
        self.new += field.len();
        match self.tail.is_empty() {
            true => self.tail = field,
            false => self.tail.extend(field),
        }
    }

    /// How long the message will be, in bytes.
    pub fn length(&self) -> usize {
        (self.message.bytes().len() + self.new).saturating_sub(self.old)
    }

    /// The body with all changes made to it, where the message is the body.
    pub fn apply(self, body: &Bytes) -> Bytes {
        let mut pieces = Pieces::of(body, 2 * self.changes.len() + 2);
        self.write(&mut pieces);
        pieces.into_bytes()
    }

    /// Adds the message, with all changes made, to `out`.
    pub fn write(mut self, out: &mut Pieces<'_>) {
        self.changes.sort_by_key(|(place, _)| place.start);
        let Range { start: mut done, end } = self.message.span();
        for (place, part) in self.changes {
            out.keep(done..place.start);
            part.write(out);
            done = place.end;
        }
        out.keep(done..end);
        out.put(self.tail);
    }
}

impl<'a> Part<'a> {
    /// A field with changes in the message that it holds.
    pub fn changed(field: Field<'a>, inner: MessageEdit<'a>) -> Self {
        Self::Changed(Box::new((field, inner)))
    }

    fn length(&self) -> usize {
        match self {
            Part::New(new) => new.len(),
            Part::Moved(range) => range.len(),
            Part::Changed(changed) => {
                let (field, inner) = &**changed;
                let length = inner.length();
                let prefix = match is_as_long(field, length) {
                    true => field.places.content - field.places.after_tag,
                    false => write::varint_length(length as u64),
                };
                field.places.after_tag - field.places.start + prefix + length
            }
        }
    }

    fn write(self, out: &mut Pieces<'_>) {
        match self {
            Part::New(new) => out.put(new),
            Part::Moved(range) => out.keep(range),
            Part::Changed(changed) => {
                let (field, inner) = *changed;
                let length = inner.length();
                // The length as it is written, if it stays: it may have been padded.
                if is_as_long(&field, length) {
                    out.keep(field.places.start..field.places.content);
                } else {
                    out.keep(field.places.start..field.places.after_tag);
                    let mut prefix = Vec::with_capacity(5);
                    write::varint(&mut prefix, length as u64);
                    out.put(prefix);
                }
                inner.write(out);
            }
        }
    }
}

fn is_as_long(field: &Field<'_>, length: usize) -> bool {
    field.places.end - field.places.content == length
}
