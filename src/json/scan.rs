//! [`Scanner`]: one strict pass over JSON text (RFC 8259), value by value, without copying it.

use std::{borrow::Cow, ops::Range};

use super::{Kind, Malformed, Value, bytes, unescape};

/// Reads a text from one value to the next. Every byte is checked once, whether or not anybody looks at the value
/// that it belongs to; nothing recurses, so a text may nest as deep as it likes.
pub struct Scanner<'a> {
    text: &'a str,
    at: usize,
    /// Where the text stands in its body.
    start: usize,
    /// Whether there are control characters in it, if only between values: most bodies have none.
    controls: bool,
}

/// A member's key.
pub struct Key<'a> {
    /// The key, unescaped.
    pub name: Cow<'a, str>,
    /// Where its opening quote stands in the body.
    pub start: usize,
}

/// What reading gives.
pub type Read<T> = Result<T, Malformed>;

impl<'a> Scanner<'a> {
    /// Reads the one value that `body` holds with `read`, which has to take all of it: [`skip`](Self::skip),
    /// [`members`](Self::members) or [`items`](Self::items). White space around it is allowed, anything else is not.
    pub fn whole<T>(body: &'a [u8], read: impl FnOnce(&mut Self) -> Read<T>) -> Read<T> {
        Self::whole_at(body, 0, read)
    }

    /// The same where the bytes are the part of a body that begins at `start`.
    pub(super) fn whole_at<T>(
        part: &'a [u8],
        start: usize,
        read: impl FnOnce(&mut Self) -> Read<T>,
    ) -> Read<T> {
        let text = simdutf8::basic::from_utf8(part).map_err(|_| Malformed)?;
        let mut scanner = Self::of(text, start);
        scanner.space();
        let found = read(&mut scanner)?;
        scanner.space();
        if scanner.at == part.len() { Ok(found) } else { Err(Malformed) }
    }

    /// Reads a value again.
    pub(super) fn of(text: &'a str, start: usize) -> Self {
        Self { text, at: 0, start, controls: bytes::has_controls(text.as_bytes()) }
    }

    /// Takes the next value, whatever it is.
    pub fn skip(&mut self) -> Read<Value<'a>> {
        let from = self.at;
        self.value()?;
        Ok(self.since(from))
    }

    /// Takes the next value. If it is an object, `each` sees every member in its order, and may take its value; what
    /// it leaves is skipped. `None` for any other kind, and where a key cannot be read: a lone surrogate is in it.
    pub fn members(&mut self, each: impl FnMut(Key<'a>, &mut Self) -> Read<()>) -> Read<Option<Value<'a>>> {
        let object = self.object(each)?;
        Ok(object.filter(|(_, readable)| *readable).map(|(object, _)| object))
    }

    /// The same, but an object is given also where a key cannot be read; whether all of them can be is said beside it.
    pub fn object(
        &mut self,
        mut each: impl FnMut(Key<'a>, &mut Self) -> Read<()>,
    ) -> Read<Option<(Value<'a>, bool)>> {
        let from = self.at;
        if !self.begin(b'{') {
            return self.value().map(|()| None);
        }
        let mut readable = true;
        if !self.begin(b'}') {
            loop {
                match self.key()? {
                    Some(key) => self.offer(|scanner| each(key, scanner))?,
                    None => {
                        readable = false;
                        self.value()?;
                    }
                }
                if !self.goes_on(b'}')? {
                    break;
                }
            }
        }
        Ok(Some((self.since(from), readable)))
    }

    /// Takes the next value. If it is an array, `each` may take every element in its order; what it leaves is skipped.
    /// `None` for any other kind.
    pub fn items(&mut self, mut each: impl FnMut(&mut Self) -> Read<()>) -> Read<Option<Value<'a>>> {
        let from = self.at;
        if !self.begin(b'[') {
            return self.value().map(|()| None);
        }
        if !self.begin(b']') {
            loop {
                self.offer(&mut each)?;
                if !self.goes_on(b']')? {
                    break;
                }
            }
        }
        Ok(Some(self.since(from)))
    }

    /// Lets `take` have the value that comes next.
    fn offer(&mut self, take: impl FnOnce(&mut Self) -> Read<()>) -> Read<()> {
        let from = self.at;
        take(self)?;
        if self.at == from { self.value() } else { Ok(()) }
    }

    /// What has been read since `from`.
    fn since(&self, from: usize) -> Value<'a> {
        Value { text: self.slice(from..self.at), start: self.start + from }
    }

    fn slice(&self, range: Range<usize>) -> &'a str {
        self.text.get(range).unwrap_or_default()
    }

    fn next(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// Takes this byte and the white space behind it, if it is there.
    fn begin(&mut self, byte: u8) -> bool {
        let there = self.next() == Some(byte);
        if there {
            self.at += 1;
            if byte == b'{' || byte == b'[' {
                self.space();
            }
        }
        there
    }

    /// Behind a value: whether another one follows, or the end of what it stands in.
    fn goes_on(&mut self, end: u8) -> Read<bool> {
        self.space();
        let next = self.next();
        self.at += 1;
        match next {
            Some(b',') => {
                self.space();
                Ok(true)
            }
            Some(byte) if byte == end => Ok(false),
            _ => Err(Malformed),
        }
    }

    /// Takes a key and its colon; `None` if it is well-formed but no text.
    fn key(&mut self) -> Read<Option<Key<'a>>> {
        let from = self.at;
        let escaped = self.string()?;
        let quoted = self.slice(from..self.at);
        self.colon()?;
        let name = unescape::unquoted(quoted, escaped);
        Ok(name.map(|name| Key { name, start: self.start + from }))
    }

    fn colon(&mut self) -> Read<()> {
        self.space();
        if self.next() != Some(b':') {
            return Err(Malformed);
        }
        self.at += 1;
        self.space();
        Ok(())
    }

    fn space(&mut self) {
        while let Some(b' ' | b'\n' | b'\t' | b'\r') = self.next() {
            self.at += 1;
        }
    }

    /// Takes a value. What it is nested in is kept in bits, not on the stack.
    fn value(&mut self) -> Read<()> {
        let mut nest = Nest::default();
        loop {
            match self.next() {
                Some(b'"') => drop(self.string()?),
                Some(b'{') => {
                    self.begin(b'{');
                    if !self.begin(b'}') {
                        nest.push(Kind::Object);
                        self.skip_key()?;
                        continue;
                    }
                }
                Some(b'[') => {
                    self.begin(b'[');
                    if !self.begin(b']') {
                        nest.push(Kind::Array);
                        continue;
                    }
                }
                Some(b'-' | b'0'..=b'9') => self.number()?,
                Some(b't') => self.word("true")?,
                Some(b'f') => self.word("false")?,
                Some(b'n') => self.word("null")?,
                _ => return Err(Malformed),
            }
            // A value has ended, and maybe what it stood in.
            loop {
                let Some(object) = nest.innermost_is_object() else { return Ok(()) };
                if self.goes_on(if object { b'}' } else { b']' })? {
                    if object {
                        self.skip_key()?;
                    }
                    break;
                }
                nest.pop();
            }
        }
    }

    fn skip_key(&mut self) -> Read<()> {
        self.string()?;
        self.colon()
    }

    /// Takes a string; says whether there is an escape in it.
    fn string(&mut self) -> Read<bool> {
        let text = self.text.as_bytes();
        if self.next() != Some(b'"') {
            return Err(Malformed);
        }
        self.at += 1;
        let mut escaped = false;
        loop {
            self.at = bytes::plain_until(text, self.at, self.controls);
            match self.next() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(escaped);
                }
                Some(b'\\') => {
                    escaped = true;
                    self.at += escape_length(text.get(self.at + 1..).unwrap_or_default())?;
                }
                _ => return Err(Malformed),
            }
        }
    }

    fn word(&mut self, word: &str) -> Read<()> {
        let there = self.text.as_bytes().get(self.at..).is_some_and(|rest| rest.starts_with(word.as_bytes()));
        self.at += word.len();
        if there { Ok(()) } else { Err(Malformed) }
    }

    /// Takes a number: `-`, digits without leading zeros, fraction, exponent.
    fn number(&mut self) -> Read<()> {
        let text = self.text.as_bytes();
        if self.next() == Some(b'-') {
            self.at += 1;
        }
        match self.next() {
            Some(b'0') => self.at += 1,
            Some(b'1'..=b'9') => self.at = bytes::digits_until(text, self.at),
            _ => return Err(Malformed),
        }
        if self.next() == Some(b'.') {
            self.at += 1;
            self.some_digits()?;
        }
        if let Some(b'e' | b'E') = self.next() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.next() {
                self.at += 1;
            }
            self.some_digits()?;
        }
        Ok(())
    }

    fn some_digits(&mut self) -> Read<()> {
        let end = bytes::digits_until(self.text.as_bytes(), self.at);
        let some = end > self.at;
        self.at = end;
        if some { Ok(()) } else { Err(Malformed) }
    }
}

/// The length of an escape whose backslash stands before `rest`.
fn escape_length(rest: &[u8]) -> Read<usize> {
    match rest {
        [b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', ..] => Ok(2),
        [b'u', digits @ ..] => match digits.first_chunk::<4>() {
            Some(digits) if digits.iter().all(u8::is_ascii_hexdigit) => Ok(6),
            _ => Err(Malformed),
        },
        _ => Err(Malformed),
    }
}

/// What the current value stands in, from the outside in: one bit each, set for objects.
#[derive(Default)]
struct Nest {
    /// The innermost levels, up to 64.
    bits: u64,
    depth: usize,
    /// Those before them, 64 each.
    outer: Vec<u64>,
}

impl Nest {
    fn push(&mut self, kind: Kind) {
        if self.depth > 0 && self.depth.is_multiple_of(64) {
            self.outer.push(self.bits);
        }
        self.bits = self.bits << 1 | u64::from(kind == Kind::Object);
        self.depth += 1;
    }

    fn pop(&mut self) {
        self.bits >>= 1;
        self.depth = self.depth.saturating_sub(1);
        if self.depth > 0 && self.depth.is_multiple_of(64) {
            self.bits = self.outer.pop().unwrap_or_default();
        }
    }

    fn innermost_is_object(&self) -> Option<bool> {
        (self.depth > 0).then_some(self.bits & 1 == 1)
    }
}

#[cfg(test)]
#[path = "scan_tests.rs"]
mod tests;
