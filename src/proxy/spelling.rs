//! [`Spelling`]: how the lines of a head were written that an HTTP library keeps in another form.

use std::ops::Range;

use bytes::Bytes;
use http::HeaderName;

/// The names of a head's lines in the case in which they were written, and its reason phrase. An extension of requests and
/// responses whose heads were read here, and are written here.
#[derive(Clone)]
pub(super) struct Spelling {
    head: Bytes,
    reason: Range<usize>,
    names: Bytes,
}

/// Finds names one after another.
pub(super) struct Spelled<'a> {
    spelling: &'a Spelling,
    /// Where the next line is.
    next: usize,
    /// A bit for each line that was found.
    found: u64,
}

/// Lines behind these are spelled in small letters.
const MOST_LINES: usize = u64::BITS as usize;
/// What a line's place takes: where its name begins, and its length.
const PLACE: usize = 4;

impl Spelling {
    /// Of a head with this reason phrase, if it is a response's, and lines whose names stand there.
    pub(super) fn new(head: Bytes, reason: Range<usize>, names: impl Iterator<Item = Range<usize>>) -> Self {
        let short = |place: usize| u16::try_from(place).unwrap_or(u16::MAX).to_le_bytes();
        let place = |name: Range<usize>| [short(name.start), short(name.len())];
        let places: Vec<[[u8; 2]; 2]> = names.take(MOST_LINES).map(place).collect();
        Self { head, reason, names: Bytes::copy_from_slice(places.as_flattened().as_flattened()) }
    }

    /// What stands behind a response's status.
    pub(super) fn reason(&self) -> &[u8] {
        self.head.get(self.reason.clone()).unwrap_or_default()
    }

    /// To ask it for the names of headers in the order of their lines.
    pub(super) fn names(&self) -> Spelled<'_> {
        Spelled { spelling: self, next: 0, found: 0 }
    }

    fn lines(&self) -> usize {
        self.names.len() / PLACE
    }

    fn name(&self, line: usize) -> &[u8] {
        let place = self.names.get(line * PLACE..).and_then(<[u8]>::first_chunk::<PLACE>);
        let Some([a, b, c, d]) = place.copied() else { return &[] };
        let (start, length) = (u16::from_le_bytes([a, b]), u16::from_le_bytes([c, d]));
        self.head.get(usize::from(start)..usize::from(start) + usize::from(length)).unwrap_or_default()
    }
}

impl<'a> Spelled<'a> {
    /// The name as the next line with it has it; a header of no line has small letters.
    pub(super) fn name<'b>(&mut self, name: &'b HeaderName) -> &'b [u8]
    where
        'a: 'b,
    {
        let (lines, own) = (self.spelling.lines(), name.as_str().as_bytes());
        for line in (self.next..lines).chain(0..self.next.min(lines)) {
            let written = self.spelling.name(line);
            if self.found >> line & 1 == 0 && written.eq_ignore_ascii_case(own) {
                self.found |= 1 << line;
                self.next = line + 1;
                return written;
            }
        }
        own
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_has_its_own_spelling_and_what_was_added_has_none() {
        let head = Bytes::from_static(b"Set-Cookie: a\r\nX-One: b\r\nSET-COOKIE: c\r\n\r\n");
        let names = [0..10, 15..20, 25..35];
        let spelling = Spelling::new(head, 0..0, names.into_iter());
        let mut names = spelling.names();
        let mut of = |name: &'static str| {
            let name = HeaderName::from_static(name);
            String::from_utf8(names.name(&name).to_vec()).unwrap()
        };
        assert_eq!(of("set-cookie"), "Set-Cookie");
        assert_eq!(of("set-cookie"), "SET-COOKIE");
        assert_eq!(of("set-cookie"), "set-cookie");
        assert_eq!(of("x-one"), "X-One");
        assert_eq!(of("x-rerank-status"), "x-rerank-status");
    }
}
