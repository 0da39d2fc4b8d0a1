//! The strict walk over a value (RFC 8259), in blocks of as many bytes as the processor compares at once.

use std::ops::Range;

use fearless_simd::{Simd, mask8x32, prelude::*, u8x16, u8x32};

use super::{Malformed, nest::Nest, numbers};

/// How many bytes are compared at once.
const BLOCK: usize = 32;
/// As many as most keys have.
const SHORT: usize = 16;

/// Is notified of the objects and arrays that a walk passes.
pub(super) trait Notes {
    /// One begins here.
    fn open(&mut self, at: usize) -> Result<(), Malformed>;
    /// The innermost one that is open ends before `at`.
    fn close(&mut self, at: usize);
}

/// The one that ignores them.
impl Notes for () {
    #[inline(always)]
    fn open(&mut self, _at: usize) -> Result<(), Malformed> {
        Ok(())
    }

    #[inline(always)]
    fn close(&mut self, _at: usize) {}
}

/// A position in a text.
///
/// `simd` says how bytes are compared. What takes it has to become one piece of code with its caller, which is where
/// the compiler may use those instructions.
#[derive(Clone, Copy)]
pub(super) struct Walk<'t> {
    pub(super) text: &'t [u8],
    pub(super) at: usize,
}

impl Walk<'_> {
    /// Takes a value; says whether it is a string with an escape in it. What it is nested in is kept in bits, not on
    /// the stack.
    #[inline(always)]
    pub(super) fn value(&mut self, simd: impl Simd, notes: &mut impl Notes) -> Result<bool, Malformed> {
        let mut nest = Nest::new();
        let mut escaped = false;
        loop {
            match self.peek() {
                b'"' => escaped = self.string(simd)?,
                b'{' => {
                    notes.open(self.at)?;
                    self.step();
                    if self.peek() == b'}' {
                        self.at += 1;
                        notes.close(self.at);
                    } else {
                        nest.push(true);
                        self.key(simd)?;
                        continue;
                    }
                }
                b'[' => {
                    notes.open(self.at)?;
                    self.step();
                    if self.peek() == b']' {
                        self.at += 1;
                        notes.close(self.at);
                    } else {
                        nest.push(false);
                        continue;
                    }
                }
                b'-' | b'0'..=b'9' => {
                    self.number(simd)?;
                    if nest.innermost_is_object() == Some(false) {
                        self.numbers(simd)?;
                    }
                }
                b't' => self.word("true")?,
                b'f' => self.word("false")?,
                b'n' => self.word("null")?,
                _ => return Err(Malformed),
            }
            // A value has ended, and maybe what it stood in.
            loop {
                let Some(object) = nest.innermost_is_object() else { return Ok(escaped) };
                if self.goes_on(if object { b'}' } else { b']' })? {
                    if object {
                        self.key(simd)?;
                    }
                    break;
                }
                notes.close(self.at);
                nest.pop();
            }
        }
    }

    /// Behind a number in an array: takes the numbers that follow, as long as they stand as vectors are written.
    #[inline(always)]
    fn numbers(&mut self, simd: impl Simd) -> Result<(), Malformed> {
        while self.peek() == b',' {
            let taken = numbers::well_formed(simd, self.text, self.at);
            if taken > 0 {
                self.at += taken;
                continue;
            }
            let space = usize::from(self.byte(self.at + 1) == b' ');
            if !matches!(self.byte(self.at + 1 + space), b'-' | b'0'..=b'9') {
                break;
            }
            self.at += 1 + space;
            self.number(simd)?;
        }
        Ok(())
    }

    /// The byte at a place; 0, which begins nothing, behind the end.
    #[inline(always)]
    fn byte(&self, at: usize) -> u8 {
        self.text.get(at).copied().unwrap_or_default()
    }

    #[inline(always)]
    pub(super) fn peek(&self) -> u8 {
        self.byte(self.at)
    }

    /// Takes one byte and the white space behind it.
    #[inline(always)]
    pub(super) fn step(&mut self) {
        self.at += 1;
        self.space();
    }

    #[inline(always)]
    pub(super) fn space(&mut self) {
        if self.peek() <= b' ' {
            self.at = space_until(self.text, self.at);
        }
    }

    /// Behind a value: whether another one follows, or the end of what it stands in.
    #[inline(always)]
    pub(super) fn goes_on(&mut self, end: u8) -> Result<bool, Malformed> {
        self.space();
        let next = self.peek();
        if next == b',' {
            self.step();
            return Ok(true);
        }
        self.at += 1;
        if next == end { Ok(false) } else { Err(Malformed) }
    }

    /// Takes a key and its colon.
    #[inline(always)]
    fn key(&mut self, simd: impl Simd) -> Result<(), Malformed> {
        self.string(simd)?;
        self.colon()
    }

    #[inline(always)]
    pub(super) fn colon(&mut self) -> Result<(), Malformed> {
        self.space();
        if self.peek() != b':' {
            return Err(Malformed);
        }
        self.step();
        Ok(())
    }

    #[inline(always)]
    fn word(&mut self, word: &str) -> Result<(), Malformed> {
        let there = self.text.get(self.at..).is_some_and(|rest| rest.starts_with(word.as_bytes()));
        self.at += word.len();
        if there { Ok(()) } else { Err(Malformed) }
    }

    /// Takes a string of a few bytes without escapes; `None`, and nothing taken, where it is another one, or none.
    #[inline(always)]
    pub(super) fn short_string(&mut self, simd: impl Simd) -> Option<Range<usize>> {
        let from = self.at + 1;
        let quoted = self.text.get(self.at..from + SHORT)?;
        let (b'"', rest) = quoted.split_first()? else { return None };
        let block = u8x16::load_array_ref(simd, rest.first_chunk()?);
        let all = |byte| u8x16::splat(simd, byte);
        let special = block.simd_eq(all(b'"')) | block.simd_eq(all(b'\\')) | block.simd_le(all(0x1f));
        let end = from + special.to_bitmask().trailing_zeros() as usize;
        if end >= from + SHORT || self.byte(end) != b'"' {
            return None;
        }
        self.at = end + 1;
        Some(from..end)
    }

    /// Takes a string; says whether there is an escape in it.
    #[inline(always)]
    pub(super) fn string(&mut self, simd: impl Simd) -> Result<bool, Malformed> {
        if self.peek() != b'"' {
            return Err(Malformed);
        }
        self.at += 1;
        let mut escaped = false;
        // Most strings end within the first block; the others are read in pairs of them.
        let first = special(block(simd, self.text, self.at)).to_bitmask();
        if self.string_ends(first, BLOCK, &mut escaped)? {
            return Ok(escaped);
        }
        loop {
            let (first, second) = pair(simd, self.text, self.at);
            let (first, second) = (special(first), special(second));
            if (first | second).any_true() {
                let special = first.to_bitmask() | second.to_bitmask() << BLOCK;
                if self.string_ends(special, 2 * BLOCK, &mut escaped)? {
                    return Ok(escaped);
                }
            } else {
                self.at += 2 * BLOCK;
            }
        }
    }

    /// From one special byte of a string to the next, as long as they are escapes: whether it ends among the next
    /// `length` bytes.
    #[inline(always)]
    fn string_ends(
        &mut self,
        mut special: u64,
        length: usize,
        escaped: &mut bool,
    ) -> Result<bool, Malformed> {
        let mut next = self.at + length;
        while special != 0 {
            let offset = special.trailing_zeros();
            let at = self.at + offset as usize;
            match self.byte(at) {
                b'"' => {
                    self.at = at + 1;
                    return Ok(true);
                }
                b'\\' => {
                    *escaped = true;
                    check_escape(self.text, at + 1)?;
                    // What is escaped may be the next block's first byte.
                    next = next.max(at + 2);
                    special &= u64::MAX << offset << 2;
                }
                _ => return Err(Malformed),
            }
        }
        self.at = next;
        Ok(false)
    }

    /// Takes a number: `-`, digits without leading zeros, fraction, exponent.
    #[inline(always)]
    pub(super) fn number(&mut self, simd: impl Simd) -> Result<(), Malformed> {
        let (zero, nine) = (u8x32::splat(simd, b'0'), u8x32::splat(simd, 9));
        let digits = (block(simd, self.text, self.at) - zero).simd_le(nine);
        // Bits of what is no digit, from the first digit on.
        let minus = usize::from(self.peek() == b'-');
        let odd = !digits.to_bitmask() >> minus;
        let whole = odd.trailing_zeros() as usize;
        if whole == 0 || (whole > 1 && self.byte(self.at + minus) == b'0') {
            return Err(Malformed);
        }
        let mut length = minus + whole;
        if self.byte(self.at + length) == b'.' && length + 1 < BLOCK {
            let fraction = (odd >> whole >> 1).trailing_zeros() as usize;
            if fraction == 0 {
                return Err(Malformed);
            }
            length += 1 + fraction;
        }
        let at = self.at + length;
        if length >= BLOCK - 1 || matches!(self.byte(at), b'e' | b'E') {
            self.at = number_end(self.text, self.at)?;
        } else {
            self.at = at;
        }
        Ok(())
    }
}

/// The bytes that mean something inside a string: a quote, a backslash, or a control character, which must not be
/// there.
#[inline(always)]
fn special<S: Simd>(block: u8x32<S>) -> mask8x32<S> {
    let all = |byte| u8x32::splat(block.simd, byte);
    // With this bit the other way round the quote stands right behind the control characters, which stay among themselves.
    let turned = block ^ all(0x02);
    turned.simd_le(all(b'"' ^ 0x02)) | block.simd_eq(all(b'\\'))
}

/// The bytes from `at` on; behind the end they are 0.
#[inline(always)]
fn block<S: Simd>(simd: S, text: &[u8], at: usize) -> u8x32<S> {
    match text.get(at..at + BLOCK).and_then(<[u8]>::first_chunk) {
        Some(block) => u8x32::load_array_ref(simd, block),
        None => u8x32::load_array_ref(simd, &padded(text, at)),
    }
}

/// Two blocks.
#[inline(always)]
fn pair<S: Simd>(simd: S, text: &[u8], at: usize) -> (u8x32<S>, u8x32<S>) {
    if let Some((first, rest)) = text.get(at..at + 2 * BLOCK).and_then(<[u8]>::split_first_chunk)
        && let Some(second) = rest.first_chunk()
    {
        return (u8x32::load_array_ref(simd, first), u8x32::load_array_ref(simd, second));
    }
    (block(simd, text, at), block(simd, text, at + BLOCK))
}

#[cold]
#[inline(never)]
fn padded(text: &[u8], at: usize) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    let rest = text.get(at..).unwrap_or_default();
    block.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
    block
}

#[inline(never)]
fn space_until(text: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\n' | b'\t' | b'\r') = text.get(at) {
        at += 1;
    }
    at
}

/// An escape whose backslash stands before `at`.
#[inline(always)]
fn check_escape(text: &[u8], at: usize) -> Result<(), Malformed> {
    // By the byte: whether it may follow a backslash.
    const ONE: [bool; 256] = {
        let mut one = [false; 256];
        let (mut at, known) = (0, b"\"\\/bfnrt");
        while at < known.len() {
            one[known[at] as usize] = true;
            at += 1;
        }
        one
    };
    match text.get(at) {
        Some(&byte) if ONE[usize::from(byte)] => Ok(()),
        Some(b'u') => check_unit(text.get(at + 1..).unwrap_or_default()),
        _ => Err(Malformed),
    }
}

/// The four digits of a UTF-16 unit.
#[inline(always)]
fn check_unit(rest: &[u8]) -> Result<(), Malformed> {
    // All are looked at, whatever the first one is.
    let hex = |digits: &[u8; 4]| digits.iter().fold(true, |hex, digit| hex & digit.is_ascii_hexdigit());
    if rest.first_chunk().is_some_and(hex) { Ok(()) } else { Err(Malformed) }
}

/// The end of a number of any form.
#[inline(never)]
fn number_end(text: &[u8], mut at: usize) -> Result<usize, Malformed> {
    let digits = |from: usize| {
        let rest = text.get(from..).unwrap_or_default();
        let count = rest.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(rest.len());
        if count == 0 { Err(Malformed) } else { Ok(from + count) }
    };
    at += usize::from(text.get(at) == Some(&b'-'));
    at = if text.get(at) == Some(&b'0') { at + 1 } else { digits(at)? };
    if text.get(at) == Some(&b'.') {
        at = digits(at + 1)?;
    }
    if let Some(b'e' | b'E') = text.get(at) {
        at += 1;
        at += usize::from(matches!(text.get(at), Some(b'+' | b'-')));
        at = digits(at)?;
    }
    Ok(at)
}

#[cfg(test)]
#[path = "walk_tests.rs"]
mod tests;
