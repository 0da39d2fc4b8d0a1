//! [`Body`]: the body of a response on its way, followed just far enough to know where it ends.

use std::io::Write;

use super::response::Framing;

/// The most bytes of a chunk's size with its extensions, and of all trailers, which are left out.
const LONGEST_LINES: usize = 16 << 10;

/// What is left of a body.
#[derive(Debug)]
pub(super) enum Body {
    Length(u64),
    Chunked(Chunks),
    /// Until the connection ends; it goes on in chunks.
    Close,
}

/// Where in a chunked body the next byte is.
#[derive(Debug)]
pub(super) struct Chunks {
    place: Place,
    /// The bytes of lines since the last chunk.
    lines: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// In the digits of a size, of which so many have come.
    Size(u8, u64),
    /// After them.
    Extension(u64),
    /// The LF of that line.
    SizeEnd(u64),
    Data(u64),
    DataCr,
    DataLf,
    /// After the last chunk, at the beginning of a line.
    Last,
    /// In the name of a trailer, and in its value.
    TrailerName,
    Trailer,
    TrailerLf,
    LastLf,
    Over,
}

/// Whether a body goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum After {
    More,
    End,
    /// It breaks its own rules.
    Broken,
}

/// What of a piece goes on.
#[derive(Debug)]
pub(super) struct Taken<'a> {
    /// As it came, or written anew.
    pub(super) bytes: &'a [u8],
    /// How much of the piece belongs to the body.
    pub(super) used: usize,
    pub(super) after: After,
}

impl Body {
    pub(super) fn new(framing: Framing) -> Self {
        match framing {
            Framing::Length(length) => Self::Length(length),
            Framing::Chunked => Self::Chunked(Chunks { place: Place::Size(0, 0), lines: 0 }),
            Framing::Close => Self::Close,
        }
    }

    /// Takes a piece that has come. What does not go on as it is is written to `anew`.
    pub(super) fn take<'a>(&mut self, piece: &'a [u8], anew: &'a mut Vec<u8>) -> Taken<'a> {
        match self {
            Self::Length(left) => {
                let used = usize::try_from(*left).map_or(piece.len(), |left| left.min(piece.len()));
                *left -= used as u64;
                let after = if *left == 0 { After::End } else { After::More };
                Taken { bytes: piece.get(..used).unwrap_or_default(), used, after }
            }
            Self::Chunked(chunks) => chunks.take(piece, anew),
            Self::Close => {
                anew.clear();
                if !piece.is_empty() {
                    // Writing to a vector does not fail.
                    let _ = write!(anew, "{:X}\r\n", piece.len());
                    anew.extend_from_slice(piece);
                    anew.extend_from_slice(b"\r\n");
                }
                Taken { bytes: anew, used: piece.len(), after: After::More }
            }
        }
    }

    /// What goes on where the connection has ended; `None` if that is too early.
    pub(super) fn end(&self) -> Option<&'static [u8]> {
        matches!(self, Self::Close).then_some(b"0\r\n\r\n")
    }
}

impl Chunks {
    fn take<'a>(&mut self, piece: &'a [u8], anew: &'a mut Vec<u8>) -> Taken<'a> {
        anew.clear();
        // All before `kept` has been left out in part and written to `anew`.
        let (mut at, mut kept, mut is_anew, mut after) = (0, 0, false, After::More);
        while let (Some(&byte), false) = (piece.get(at), self.place == Place::Over) {
            if let Place::Data(left) = self.place {
                let here = usize::try_from(left).map_or(piece.len() - at, |left| left.min(piece.len() - at));
                at += here;
                let left = left - here as u64;
                self.place = if left == 0 { Place::DataCr } else { Place::Data(left) };
                continue;
            }
            let Some((next, is_kept)) = self.place.after(byte).filter(|(next, _)| self.counts(*next)) else {
                after = After::Broken;
                break;
            };
            self.place = next;
            if !is_kept {
                anew.extend_from_slice(piece.get(kept..at).unwrap_or_default());
                (is_anew, kept) = (true, at + 1);
            }
            at += 1;
        }
        if self.place == Place::Over {
            after = After::End;
        }
        let rest = piece.get(kept..at).unwrap_or_default();
        if !is_anew {
            return Taken { bytes: rest, used: at, after };
        }
        anew.extend_from_slice(rest);
        Taken { bytes: anew, used: at, after }
    }

    /// Counts a byte of a line; false if there are too many.
    fn counts(&mut self, next: Place) -> bool {
        self.lines = if matches!(next, Place::Data(_)) { 0 } else { self.lines + 1 };
        self.lines <= LONGEST_LINES
    }
}

impl Place {
    /// The place after a byte that is none of a chunk's data, and whether it goes on; `None` if it may not be here.
    fn after(self, byte: u8) -> Option<(Self, bool)> {
        let next = match (self, byte) {
            (Self::Size(digits, size), byte) if byte.is_ascii_hexdigit() && digits < 15 => {
                let digit = char::from(byte).to_digit(16)?;
                (Self::Size(digits + 1, (size << 4) | u64::from(digit)), true)
            }
            (Self::Size(1.., size), b'\r') => (Self::SizeEnd(size), true),
            (Self::Size(1.., size), b';' | b' ' | b'\t') => (Self::Extension(size), false),
            (Self::Extension(size), b'\r') => (Self::SizeEnd(size), true),
            (Self::Extension(size), byte) if byte != b'\n' => (Self::Extension(size), false),
            (Self::SizeEnd(0), b'\n') => (Self::Last, true),
            (Self::SizeEnd(size), b'\n') => (Self::Data(size), true),
            (Self::DataCr, b'\r') => (Self::DataLf, true),
            (Self::DataLf, b'\n') => (Self::Size(0, 0), true),
            (Self::Last, b'\r') => (Self::LastLf, true),
            (Self::LastLf, b'\n') => (Self::Over, true),
            (Self::Trailer, b'\r') => (Self::TrailerLf, false),
            (Self::TrailerLf, b'\n') => (Self::Last, false),
            // Trailers that were not declared do not go on.
            (Self::Last | Self::TrailerName, byte) if is_token(byte) => (Self::TrailerName, false),
            (Self::TrailerName, b':') => (Self::Trailer, false),
            (Self::Trailer, byte) if byte == b'\t' || !byte.is_ascii_control() => (Self::Trailer, false),
            _ => return None,
        };
        Some(next)
    }
}

/// Whether a byte may be in a name (RFC 9110 §5.6.2).
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What goes on of a body that comes in pieces of this size, and how much of it was used.
    fn passed(framing: Framing, body: &[u8], piece: usize) -> Option<(Vec<u8>, usize, bool)> {
        let (mut body_on_its_way, mut out, mut used) = (Body::new(framing), Vec::new(), 0);
        for piece in body.chunks(piece) {
            let mut anew = Vec::new();
            let taken = body_on_its_way.take(piece, &mut anew);
            out.extend_from_slice(taken.bytes);
            used += taken.used;
            match taken.after {
                After::More => {}
                After::End => return Some((out, used, true)),
                After::Broken => return None,
            }
        }
        Some((out, used, false))
    }

    #[test]
    fn a_body_ends_where_it_says_in_whatever_pieces_it_comes() {
        for (framing, body, rest) in [
            (Framing::Length(5), &b"hello"[..], &b"HTTP/1.1"[..]),
            (Framing::Chunked, b"5\r\nhello\r\n00a\r\n0123456789\r\n0\r\n\r\n", b"HTTP/1.1"),
            (Framing::Chunked, b"0\r\n\r\n", b""),
        ] {
            let all = [body, rest].concat();
            for piece in 1..=all.len() {
                let (out, used, ended) = passed(framing, &all, piece).unwrap();
                assert_eq!((&out[..], used, ended), (body, body.len(), true), "{piece}");
            }
        }
    }

    #[test]
    fn extensions_and_undeclared_trailers_are_left_out() {
        let body = b"5;a=\"b\"\r\nhello\r\n1 \r\n!\r\n0;x\r\nX-Sum: 1\r\nY: 2\r\n\r\n";
        for piece in 1..=body.len() {
            let (out, used, ended) = passed(Framing::Chunked, body, piece).unwrap();
            assert_eq!(out, b"5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n", "{piece}");
            assert!(ended && used == body.len());
        }
    }

    #[test]
    fn chunks_that_break_the_rules_end_nowhere() {
        for body in [
            "\r\n",
            "g\r\n",
            "-1\r\n",
            "+5\r\nhello\r\n",
            "0x5\r\n",
            " 5\r\nhello\r\n",
            ";a\r\n",
            "5\nhello\n",
            "5\r\nhello!\r\n",
            "5\r\nhello\n0\r\n\r\n",
            "5;a\nb\r\n",
            "0\r\n\n",
            "0\r\nX\r\n\r\n",
            "0\r\n: 1\r\n\r\n",
            "0\r\nX : 1\r\n\r\n",
            "0\r\nX: \0\r\n\r\n",
            "0\r\nX: 1\n\r\n",
            "10000000000000005\r\nhello\r\n",
            "5\rhello\r\n",
        ] {
            for piece in [1, 3, body.len()] {
                assert!(passed(Framing::Chunked, body.as_bytes(), piece).is_none(), "{body:?}");
            }
        }
        let endless = [b"5;".to_vec(), vec![b'a'; 20 << 10]].concat();
        assert!(passed(Framing::Chunked, &endless, 1000).is_none());
        let trailers = [b"0\r\n".to_vec(), b"A: b\r\n".repeat(5000)].concat();
        assert!(passed(Framing::Chunked, &trailers, 1000).is_none());
    }

    #[test]
    fn what_ends_with_its_connection_goes_on_in_chunks() {
        let (out, _, ended) = passed(Framing::Close, b"hello, world", 10).unwrap();
        assert_eq!((&out[..], ended), (&b"A\r\nhello, wor\r\n2\r\nld\r\n"[..], false));
        assert_eq!(Body::new(Framing::Close).end(), Some(&b"0\r\n\r\n"[..]));
        assert_eq!(Body::new(Framing::Length(1)).end(), None);
        assert_eq!(Body::new(Framing::Chunked).end(), None);
    }
}
