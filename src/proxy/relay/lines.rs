//! [`Lines`]: a head written again from its own bytes. What stays as it is is copied in one piece.

use std::ops::Range;

/// Writes the lines of a head that are kept, in their order.
pub(super) struct Lines<'a> {
    head: &'a [u8],
    out: &'a mut Vec<u8>,
    /// What is to be copied next.
    run: Range<usize>,
}

impl<'a> Lines<'a> {
    /// Of this head; it is written to the end of `out`.
    pub(super) fn new(head: &'a [u8], out: &'a mut Vec<u8>) -> Self {
        Self { head, out, run: 0..0 }
    }

    /// Copies this part of the head.
    pub(super) fn keep(&mut self, part: Range<usize>) {
        if self.run.end != part.start {
            self.flush();
            self.run.start = part.start;
        }
        self.run.end = part.end;
    }

    /// Writes these bytes.
    pub(super) fn write(&mut self, parts: &[&[u8]]) {
        self.flush();
        parts.iter().for_each(|part| self.out.extend_from_slice(part));
    }

    fn flush(&mut self) {
        let run = std::mem::take(&mut self.run);
        self.out.extend_from_slice(self.head.get(run).unwrap_or_default());
    }

    /// Writes these bytes and the empty line.
    pub(super) fn end(mut self, last: &[&[u8]]) {
        self.write(last);
        self.out.extend_from_slice(b"\r\n");
    }
}

/// Where a part of the head stands in it.
pub(super) fn offset(head: &[u8], part: &[u8]) -> usize {
    (part.as_ptr() as usize).wrapping_sub(head.as_ptr() as usize)
}

/// Where a head ends in what has come, and whether all its lines end with CR and LF.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Not yet.
    None,
    /// After so many bytes.
    At(usize),
    /// With line ends that not all readers take for one.
    Odd,
}

/// Looks for it; `before` bytes were looked at already.
pub(super) fn end(bytes: &[u8], before: usize) -> End {
    let start = before.saturating_sub(3);
    let rest = bytes.get(start..).unwrap_or_default();
    for at in memchr::memchr_iter(b'\n', rest).map(|at| start + at) {
        if at == 0 || bytes.get(at - 1) != Some(&b'\r') {
            return End::Odd;
        }
        if let Some([b'\r', b'\n', ..]) = bytes.get(at + 1..) {
            return End::At(at + 3);
        }
    }
    End::None
}

/// A length as every reader reads it: digits, no zero before them.
pub(super) fn length(value: &[u8]) -> Option<u64> {
    let plain = match value {
        [b'0'] => true,
        [b'1'..=b'9', rest @ ..] => rest.len() < 18 && rest.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    plain.then(|| value.iter().fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0')))
}

/// Tells names apart that stand between others: an HTTP library puts the lines of one name together.
#[derive(Default)]
pub(super) struct Names {
    seen: u64,
}

impl Names {
    /// Whether `headers` has the name of its line `at` before the line before it.
    pub(super) fn again(&mut self, headers: &[httparse::Header<'_>], at: usize) -> bool {
        let Some(name) = headers.get(at).map(|header| header.name) else { return false };
        let first = name.as_bytes().first().map_or(0, |byte| byte | 0x20);
        let last = name.as_bytes().last().map_or(0, |byte| byte | 0x20);
        let bit = 1u64 << ((name.len() * 7 + usize::from(first) + usize::from(last) * 3) % 64);
        let maybe = self.seen & bit != 0;
        self.seen |= bit;
        let same = |other: &httparse::Header<'_>| other.name.eq_ignore_ascii_case(name);
        let before = headers.get(..at.saturating_sub(1)).unwrap_or_default();
        maybe && before.iter().any(same) && !headers.get(at.wrapping_sub(1)).is_some_and(same)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_ends_at_its_first_empty_line_however_it_comes() {
        let head = b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET";
        for came in 0..head.len() {
            let expected = if came >= 27 { End::At(27) } else { End::None };
            assert_eq!(end(&head[..came], 0), expected);
            assert_eq!(end(&head[..came], came.saturating_sub(1).min(26)), expected, "{came}");
        }
        for odd in ["GET / HTTP/1.1\nHost", "GET / HTTP/1.1\r\nHost: a\n\r\n", "\n\n"] {
            assert_eq!(end(odd.as_bytes(), 0), End::Odd, "{odd:?}");
        }
    }

    #[test]
    fn only_digits_without_a_zero_before_them_are_a_length() {
        for (text, expected) in
            [("0", Some(0)), ("7", Some(7)), ("123456789012345678", Some(123456789012345678))]
        {
            assert_eq!(length(text.as_bytes()), expected);
        }
        for text in ["", "00", "07", "+7", "-1", "7 ", " 7", "7,7", "0x7", "1234567890123456789", "\u{b2}"] {
            assert_eq!(length(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn a_name_again_is_found_unless_it_stands_beside_itself() {
        let again = |names: &[&'static str]| {
            let headers: Vec<_> = names.iter().map(|name| httparse::Header { name, value: b"" }).collect();
            let mut seen = Names::default();
            (0..headers.len()).any(|at| seen.again(&headers, at))
        };
        assert!(!again(&["a", "b", "A-b", "Set-Cookie", "set-cookie", "SET-COOKIE", "c"]));
        assert!(again(&["a", "b", "A"]) && again(&["X-One", "x-one", "y", "x-oNe"]));
    }
}
