//! [`RequestLines`]: follows what a client sends over HTTP/1 from message to message, and takes out of the targets what
//! `http::Uri` cannot hold.
//!
//! It changes bytes of a target only, each for one other, and only where they certainly belong to one: once it meets
//! anything that could be read in two ways, it stops following, and leaves that and all that comes after unchanged.

use memchr::memchr;

use super::connection::ConnectionHandle;
use crate::upstream::{STAND_IN, is_odd};

/// The most bytes of a line that are read: no header that determines where a body ends needs more.
const LINE: usize = 80;
/// Larger targets are rejected by any parser.
const LARGEST_TARGET: usize = 64 << 10;

/// What a byte is to a target.
const PLAIN: u8 = 0;
const ODD: u8 = 1;
/// Ends it, or makes it none.
const END: u8 = 2;

const CLASSES: [u8; 256] = {
    let mut classes = [PLAIN; 256];
    let mut byte = 0;
    while byte < 256 {
        classes[byte] = match byte as u8 {
            0..=b' ' | 0x7f => END,
            odd if is_odd(odd) => ODD,
            _ => PLAIN,
        };
        byte += 1;
    }
    classes
};

/// Where in its connection the next byte is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Before a request, where empty lines may be.
    Start,
    Method,
    Target,
    /// Of the request line.
    Version,
    Header,
    /// So many bytes are left of a body, or of a chunk.
    Body(u64),
    Chunk(u64),
    ChunkSize,
    /// The line end after a chunk.
    ChunkEnd,
    /// After the last chunk.
    Trailer,
    /// Position unknown: no longer followed.
    Lost,
}

/// What the headers so far say of the body.
#[derive(Debug, Clone, Copy, Default)]
struct Framing {
    length: Option<u64>,
    chunked: bool,
}

/// Of one connection.
#[derive(Debug)]
pub(super) struct RequestLines {
    place: Place,
    /// How many requests have begun.
    requests: usize,
    framing: Framing,
    /// The connection may have become a tunnel.
    upgrades: bool,
    /// The bytes of a target that arrived in parts so far, and whether any of them is odd.
    target: Vec<u8>,
    odd: bool,
    /// The beginning of a line that arrived in parts, and its length.
    line: [u8; LINE],
    line_length: usize,
}

impl RequestLines {
    /// Of a connection on which so many requests have been handled.
    pub(super) fn after(requests: usize) -> Self {
        Self {
            place: Place::Start,
            requests,
            framing: Framing::default(),
            upgrades: false,
            target: Vec::new(),
            odd: false,
            line: [0; LINE],
            line_length: 0,
        }
    }

    /// Processes the next bytes, with a [`STAND_IN`] in place of each odd byte of a target; `handle` gets such a
    /// target.
    pub(super) fn pass(&mut self, bytes: &mut [u8], handle: &ConnectionHandle) {
        let mut at = 0;
        while let Some(rest) = bytes.get_mut(at..).filter(|rest| !rest.is_empty()) {
            at += match self.place {
                Place::Lost => return,
                Place::Start => self.start(rest, handle),
                Place::Method => self.method(rest),
                Place::Target => self.target(rest, handle),
                Place::Body(left) => self.skip(left, rest, Place::Body, Place::Start),
                Place::Chunk(left) => self.skip(left, rest, Place::Chunk, Place::ChunkEnd),
                Place::Version | Place::Header | Place::ChunkSize | Place::ChunkEnd | Place::Trailer => {
                    self.line(rest)
                }
            };
        }
    }

    fn start(&mut self, rest: &[u8], handle: &ConnectionHandle) -> usize {
        if let Some(b'\r' | b'\n') = rest.first() {
            return 1;
        }
        // An upgrade requested before may still be granted.
        let is_over = || handle.begun() == self.requests && handle.is_between_requests();
        self.place = if self.upgrades && !is_over() { Place::Lost } else { Place::Method };
        self.requests += 1;
        (self.framing, self.upgrades) = (Framing::default(), false);
        0
    }

    fn method(&mut self, rest: &[u8]) -> usize {
        let Some(space) = memchr(b' ', rest) else { return rest.len() };
        self.place = Place::Target;
        space + 1
    }

    fn target(&mut self, rest: &mut [u8], handle: &ConnectionHandle) -> usize {
        let (mut length, mut seen) = (0, PLAIN);
        for &byte in rest.iter() {
            let class = CLASSES[usize::from(byte)];
            if class == END {
                break;
            }
            seen |= class;
            length += 1;
        }
        let (part, after) = rest.split_at_mut(length);
        self.odd |= seen == ODD;
        let is_held = self.odd || after.is_empty() || !self.target.is_empty();
        if is_held && !self.hold(part) {
            self.place = Place::Lost;
            return length;
        }
        match after.first() {
            None => return length,
            Some(b' ') => self.place = Place::Version,
            Some(_) => self.place = Place::Lost,
        }
        let target = std::mem::take(&mut self.target);
        if std::mem::take(&mut self.odd) {
            handle.has_odd_target(self.requests, target);
        }
        length + 1
    }

    /// Keeps the next part of a target, and replaces its odd bytes. Not if it is too large.
    fn hold(&mut self, part: &mut [u8]) -> bool {
        let before = self.target.len();
        if before + part.len() > LARGEST_TARGET {
            return false;
        }
        self.target.extend_from_slice(part);
        let path = path_start(&self.target);
        for (at, byte) in part.iter_mut().enumerate().filter(|(_, byte)| is_odd(**byte)) {
            // Before the path no parser accepts an odd byte: let it be rejected.
            *byte = if path.is_some_and(|path| path <= before + at) { STAND_IN } else { b'"' };
        }
        true
    }

    fn skip(&mut self, left: u64, rest: &[u8], more: fn(u64) -> Place, then: Place) -> usize {
        let here = u64::try_from(rest.len()).unwrap_or(u64::MAX);
        self.place = if here < left { more(left - here) } else { then };
        usize::try_from(left).map_or(rest.len(), |left| left.min(rest.len()))
    }

    fn line(&mut self, rest: &[u8]) -> usize {
        let (part, consumed) = match memchr(b'\n', rest) {
            Some(end) => (rest.get(..end).unwrap_or_default(), end + 1),
            None => (rest, rest.len()),
        };
        let ends = consumed > part.len();
        if ends && self.line_length == 0 {
            self.ended_line(part);
            return consumed;
        }
        let room = self.line.get_mut(self.line_length..).unwrap_or_default();
        let kept = room.len().min(part.len());
        if let (Some(room), Some(kept)) = (room.get_mut(..kept), part.get(..kept)) {
            room.copy_from_slice(kept);
        }
        self.line_length += part.len();
        if ends {
            let (line, length) = (self.line, std::mem::take(&mut self.line_length));
            self.ended_line(line.get(..length).unwrap_or(&line));
        }
        consumed
    }

    /// `line` is the whole line, or its first [`LINE`] bytes.
    fn ended_line(&mut self, line: &[u8]) {
        self.place = match (self.place, line) {
            (Place::Version, b"HTTP/1.1\r" | b"HTTP/1.1" | b"HTTP/1.0\r" | b"HTTP/1.0") => Place::Header,
            (Place::Header, b"\r" | b"") => self.end_of_head(),
            (Place::Header, line) => self.header(line),
            (Place::ChunkSize, line) => chunk_size(line),
            (Place::ChunkEnd, b"\r") => Place::ChunkSize,
            (Place::Trailer, b"\r") => Place::Start,
            _ => Place::Lost,
        };
    }

    fn header(&mut self, line: &[u8]) -> Place {
        // Most are none of these.
        if !matches!(line.first(), Some(b'c' | b'C' | b't' | b'T' | b'u' | b'U')) {
            return Place::Header;
        }
        let Some(colon) = memchr(b':', line) else { return Place::Header };
        let (name, value) = line.split_at(colon);
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        let is = |other: &[u8]| name.eq_ignore_ascii_case(other);
        let undecided = self.framing.length.is_none() && !self.framing.chunked && line.len() < LINE;
        if is(b"content-length") {
            self.framing.length = if undecided { decimal(value) } else { None };
            return if self.framing.length.is_some() { Place::Header } else { Place::Lost };
        }
        if is(b"transfer-encoding") {
            self.framing.chunked = undecided && value.eq_ignore_ascii_case(b"chunked");
            return if self.framing.chunked { Place::Header } else { Place::Lost };
        }
        self.upgrades |= is(b"upgrade");
        Place::Header
    }

    fn end_of_head(&self) -> Place {
        match self.framing {
            Framing { chunked: true, .. } => Place::ChunkSize,
            Framing { length: Some(length @ 1..), .. } => Place::Body(length),
            _ => Place::Start,
        }
    }
}

/// Where the path of a target begins, if the bytes so far show it.
fn path_start(target: &[u8]) -> Option<usize> {
    if target.first() == Some(&b'/') {
        return Some(0);
    }
    let authority = memchr::memmem::find(target, b"://")? + 3;
    let end = target.get(authority..)?.iter().position(|byte| matches!(byte, b'/' | b'?' | b'#'))?;
    let end = authority + end;
    (target.get(end) != Some(&b'#')).then_some(end)
}

/// Digits only.
fn decimal(value: &[u8]) -> Option<u64> {
    let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(value).ok().filter(|_| digits)?.parse().ok()
}

/// A line with nothing but the size of a chunk.
fn chunk_size(line: &[u8]) -> Place {
    let Some(digits) = line.strip_suffix(b"\r") else { return Place::Lost };
    let well = (1..=16).contains(&digits.len()) && digits.iter().all(u8::is_ascii_hexdigit);
    let size = std::str::from_utf8(digits).ok().filter(|_| well);
    match size.and_then(|size| u64::from_str_radix(size, 16).ok()) {
        Some(0) => Place::Trailer,
        Some(size) => Place::Chunk(size),
        None => Place::Lost,
    }
}

#[cfg(test)]
#[path = "request_lines_tests.rs"]
mod tests;
