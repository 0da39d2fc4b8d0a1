//! [`Scanner`]: one strict pass over JSON text (RFC 8259), value by value, without copying it.

use std::{borrow::Cow, ops::Range};

use fearless_simd::{Level, dispatch};

use super::{Index, Kind, Malformed, Value, unescape, walk::Walk};

/// Reads a text from one value to the next. Every byte is checked once, whether or not the value that it belongs to
/// is used; nothing recurses, so a text may nest to any depth.
pub struct Scanner<'a> {
    text: &'a str,
    walk: Walk<'a>,
    /// Where the text stands in its body.
    start: usize,
    /// That of the body, if it has one.
    index: Option<&'a Index>,
    /// What the processor can do.
    level: Level,
}

/// A member's key.
pub struct Key<'a> {
    /// The key, unescaped.
    pub name: Cow<'a, str>,
    /// Where its opening quote stands in the body.
    pub start: usize,
}

/// What reading gives.
pub type ScanResult<T> = Result<T, Malformed>;

impl<'a> Scanner<'a> {
    /// Reads the one value that `body` holds with `read`, which has to take all of it: [`skip`](Self::skip),
    /// [`members`](Self::members) or [`items`](Self::items). White space around it is allowed, anything else is not.
    pub fn whole<T>(body: &'a [u8], read: impl FnOnce(&mut Self) -> ScanResult<T>) -> ScanResult<T> {
        Self::whole_at(body, 0, None, read)
    }

    /// The same where the bytes are the part of a body that begins at `start`, of which `index` knows more.
    pub(super) fn whole_at<T>(
        part: &'a [u8],
        start: usize,
        index: Option<&'a Index>,
        read: impl FnOnce(&mut Self) -> ScanResult<T>,
    ) -> ScanResult<T> {
        let text = simdutf8::basic::from_utf8(part).map_err(|_| Malformed)?;
        let mut scanner = Self::of(text, start, index);
        scanner.walk.space();
        let found = read(&mut scanner)?;
        scanner.walk.space();
        if scanner.walk.at == part.len() { Ok(found) } else { Err(Malformed) }
    }

    /// Reads a value again.
    pub(super) fn of(text: &'a str, start: usize, index: Option<&'a Index>) -> Self {
        Self { text, index, walk: Walk { text: text.as_bytes(), at: 0 }, start, level: Level::new() }
    }

    /// What kind of value comes next.
    pub fn kind(&self) -> Kind {
        Kind::beginning(self.walk.peek())
    }

    /// Takes the next value, whatever it is.
    pub fn skip(&mut self) -> ScanResult<Value<'a>> {
        let from = self.walk.at;
        let escaped = self.value()?;
        Ok(self.since(from, escaped))
    }

    /// The same where only its place matters.
    #[inline]
    pub fn pass(&mut self) -> ScanResult<Range<usize>> {
        let from = self.start + self.walk.at;
        self.value()?;
        Ok(from..self.start + self.walk.at)
    }

    /// Takes the next value. If it is an object, `each` sees every member in its order, and may take its value; what
    /// it leaves is skipped. `None` for any other kind, and where a key cannot be read: a lone surrogate is in it.
    pub fn members(
        &mut self,
        each: impl FnMut(Key<'a>, &mut Self) -> ScanResult<()>,
    ) -> ScanResult<Option<Value<'a>>> {
        let object = self.object(each)?;
        Ok(object.filter(|(_, readable)| *readable).map(|(object, _)| object))
    }

    /// The same, but an object is given also where a key cannot be read; whether all of them can be is said beside it.
    pub fn object(
        &mut self,
        mut each: impl FnMut(Key<'a>, &mut Self) -> ScanResult<()>,
    ) -> ScanResult<Option<(Value<'a>, bool)>> {
        let from = self.walk.at;
        if self.walk.peek() != b'{' {
            return self.value().map(|_| None);
        }
        self.walk.step();
        let mut readable = true;
        if !self.take(b'}') {
            loop {
                match self.key()? {
                    Some(key) => self.offer(|scanner| each(key, scanner))?,
                    None => {
                        readable = false;
                        self.value()?;
                    }
                }
                if !self.walk.goes_on(b'}')? {
                    break;
                }
            }
        }
        Ok(Some((self.since(from, false), readable)))
    }

    /// Reads the next value. If it is an array, `each` may read every element in its order; what it leaves is
    /// skipped.
    /// `None` for any other kind.
    pub fn items(
        &mut self,
        mut each: impl FnMut(&mut Self) -> ScanResult<()>,
    ) -> ScanResult<Option<Value<'a>>> {
        let from = self.walk.at;
        if self.walk.peek() != b'[' {
            return self.value().map(|_| None);
        }
        self.walk.step();
        if !self.take(b']') {
            loop {
                self.offer(&mut each)?;
                if !self.walk.goes_on(b']')? {
                    break;
                }
            }
        }
        Ok(Some(self.since(from, false)))
    }

    /// Lets `take` have the value that comes next.
    #[inline(always)]
    fn offer(&mut self, take: impl FnOnce(&mut Self) -> ScanResult<()>) -> ScanResult<()> {
        let from = self.walk.at;
        take(self)?;
        if self.walk.at == from { self.value().map(drop) } else { Ok(()) }
    }

    /// What has been read since `from`.
    fn since(&self, from: usize, escaped: bool) -> Value<'a> {
        Value::new(self.slice(from..self.walk.at), self.start + from, escaped, self.index)
    }

    fn slice(&self, range: Range<usize>) -> &'a str {
        self.text.get(range).unwrap_or_default()
    }

    /// Takes this byte, if it is there.
    fn take(&mut self, byte: u8) -> bool {
        let there = self.walk.peek() == byte;
        self.walk.at += usize::from(there);
        there
    }

    /// Takes a key and its colon; `None` if it is well-formed but no text.
    #[inline(always)]
    fn key(&mut self) -> ScanResult<Option<Key<'a>>> {
        let start = self.start + self.walk.at;
        // Most keys are short: it would take longer to choose other instructions than those that every processor has.
        let walk = &mut self.walk;
        let name = match dispatch!(Level::baseline(), simd => walk.short_string(simd)) {
            Some(inner) => Some(Cow::Borrowed(self.slice(inner))),
            None => self.long_key()?,
        };
        self.walk.colon()?;
        Ok(name.map(|name| Key { name, start }))
    }

    #[cold]
    fn long_key(&mut self) -> ScanResult<Option<Cow<'a, str>>> {
        let from = self.walk.at;
        if self.walk.peek() != b'"' {
            return Err(Malformed);
        }
        let escaped = self.value()?;
        // A name with half a pair in it is not the name without.
        Ok(unescape::unquoted(self.slice(from..self.walk.at), escaped, "\u{fffd}"))
    }

    /// Takes a value; says whether it is a string with an escape in it.
    fn value(&mut self) -> ScanResult<bool> {
        let walk = &mut self.walk;
        match walk.peek() {
            // As for keys.
            b'"' => {
                if dispatch!(Level::baseline(), simd => walk.short_string(simd)).is_some() {
                    return Ok(false);
                }
                let walk = self.walk;
                let (escaped, at) = dispatch!(self.level, simd => {
                    let mut walk = walk;
                    walk.string(simd).map(|escaped| (escaped, walk.at))
                })?;
                self.walk.at = at;
                return Ok(escaped);
            }
            b'-' | b'0'..=b'9' => {
                dispatch!(Level::baseline(), simd => walk.number(simd))?;
                return Ok(false);
            }
            b'{' | b'[' => {
                let end = self.index.and_then(|index| index.end(self.start + walk.at));
                if let Some(end) = end {
                    walk.at = end.saturating_sub(self.start);
                    return Ok(false);
                }
            }
            _ => {}
        }
        let walk = self.walk;
        let (escaped, at) = dispatch!(self.level, simd => {
            let mut walk = walk;
            walk.value(simd, &mut ()).map(|escaped| (escaped, walk.at))
        })?;
        self.walk.at = at;
        Ok(escaped)
    }
}

#[cfg(test)]
#[path = "scan_tests.rs"]
mod tests;
