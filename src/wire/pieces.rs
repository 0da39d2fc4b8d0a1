//! [`Pieces`]: a body made of parts of another one, joined with one copy.

use std::ops::Range;

use bytes::Bytes;

/// Parts of a body and new bytes between them, in order.
pub struct Pieces<'a> {
    body: &'a Bytes,
    parts: Vec<Part>,
    length: usize,
}

enum Part {
    Kept(Range<usize>),
    New(Vec<u8>),
}

impl<'a> Pieces<'a> {
    /// Nothing of `body` yet; there will be about so many parts.
    pub fn of(body: &'a Bytes, parts: usize) -> Self {
        Self { body, parts: Vec::with_capacity(parts), length: 0 }
    }

    /// Adds a part of the body.
    #[inline]
    pub fn keep(&mut self, range: Range<usize>) {
        if range.is_empty() {
            return;
        }
        self.length += range.len();
        match self.parts.last_mut() {
            Some(Part::Kept(last)) if last.end == range.start => last.end = range.end,
            _ => self.parts.push(Part::Kept(range)),
        }
    }

    /// Adds new bytes.
    #[inline]
    pub fn put(&mut self, new: impl Into<Vec<u8>>) {
        let new = new.into();
        if !new.is_empty() {
            self.length += new.len();
            self.parts.push(Part::New(new));
        }
    }

    /// All of it. Where nothing has changed it is the body itself.
    pub fn into_bytes(self) -> Bytes {
        if let [Part::Kept(all)] = &self.parts[..]
            && *all == (0..self.body.len())
        {
            return self.body.clone();
        }
        let mut out = Vec::with_capacity(self.length);
        for part in &self.parts {
            out.extend_from_slice(match part {
                Part::Kept(range) => self.body.get(range.clone()).unwrap_or_default(),
                Part::New(new) => new,
            });
        }
        Bytes::from(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_come_in_their_order() {
        let body = Bytes::from_static(b"one two three");
        let mut pieces = Pieces::of(&body, 4);
        pieces.keep(8..13);
        pieces.put(",");
        pieces.keep(3..7);
        pieces.put("");
        assert_eq!(pieces.into_bytes(), "three, two");
    }

    #[test]
    fn a_body_of_all_its_parts_is_not_copied() {
        let body = Bytes::from_static(b"one two three");
        let mut pieces = Pieces::of(&body, 4);
        pieces.keep(0..4);
        pieces.keep(4..4);
        pieces.keep(4..13);
        assert_eq!(pieces.into_bytes().as_ptr(), body.as_ptr());
    }
}
