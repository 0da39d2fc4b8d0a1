//! [`RequestLine`]: the beginning of a request, written in bytes other than hyper's.
//!
//! hyper writes what a `Uri` holds. Where that has stand-ins, the socket writes the target's own bytes in their
//! places: both have one length, so that hyper's count of written bytes stays right.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use http::Request;

use super::target::RawTarget;

/// What the next request on a connection begins with; shared by its sender and its socket.
#[derive(Default)]
pub(super) struct RequestLine {
    waits: AtomicBool,
    next: Mutex<Next>,
}

#[derive(Default)]
struct Next {
    /// As hyper has it, and as it is to be written.
    expected: Vec<u8>,
    meant: Vec<u8>,
    /// The bytes of it written so far.
    written: usize,
}

/// What should have been the beginning of a request is something else.
#[derive(Debug, thiserror::Error)]
#[error("the request line is not where it should be")]
pub(super) struct Misplaced;

impl RequestLine {
    /// Announces the next request.
    pub(super) fn announce<B>(&self, request: &Request<B>) {
        let target = request.extensions().get::<RawTarget>();
        let Some((target, bytes)) = target.and_then(|target| Some((target.stand_in()?, target.bytes()?)))
        else {
            return;
        };
        let line = |target: &[u8]| [request.method().as_str().as_bytes(), b" ", target].concat();
        *self.next() = Next { expected: line(target.as_str().as_bytes()), meant: line(&bytes), written: 0 };
        self.waits.store(true, Ordering::Relaxed);
    }

    fn next(&self) -> MutexGuard<'_, Next> {
        self.next.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What to write in place of the first of these bytes; `None` if they are to be written unchanged, as they mostly
    /// are.
    pub(super) fn instead_of(&self, bytes: &[u8]) -> Result<Option<Vec<u8>>, Misplaced> {
        if !self.waits.load(Ordering::Relaxed) || bytes.is_empty() {
            return Ok(None);
        }
        let next = self.next();
        let expected = next.expected.get(next.written..).unwrap_or_default();
        let common = expected.len().min(bytes.len());
        if expected.get(..common) != bytes.get(..common) {
            return Err(Misplaced);
        }
        Ok(next.meant.get(next.written..next.written + common).map(<[u8]>::to_vec))
    }

    /// Notes that this many bytes of that have been written.
    pub(super) fn wrote(&self, count: usize) {
        let mut next = self.next();
        next.written += count;
        if next.written >= next.meant.len() {
            *next = Next::default();
            self.waits.store(false, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A line that waits to be written.
    fn announced(target: &[u8]) -> RequestLine {
        let target = RawTarget::new(target);
        let mut request = Request::get(target.stand_in().unwrap().as_str()).body(()).unwrap();
        request.extensions_mut().insert(target);
        let line = RequestLine::default();
        line.announce(&request);
        line
    }

    #[test]
    fn a_line_is_written_as_meant_in_whatever_pieces() {
        let head = b"GET /a?q=!b! HTTP/1.1\r\n";
        for piece in 1..head.len() {
            let line = announced(b"/a?q=\"b\"");
            let (mut at, mut out) = (0, Vec::new());
            while at < head.len() {
                let bytes = &head[at..];
                let bytes = &bytes[..piece.min(bytes.len())];
                match line.instead_of(bytes).unwrap() {
                    Some(meant) => {
                        // The socket accepts a byte less than it is given.
                        let taken = (meant.len() - 1).max(1);
                        out.extend_from_slice(&meant[..taken]);
                        line.wrote(taken);
                        at += taken;
                    }
                    None => {
                        out.extend_from_slice(bytes);
                        at += bytes.len();
                    }
                }
            }
            assert_eq!(out, b"GET /a?q=\"b\" HTTP/1.1\r\n");
        }
    }

    #[test]
    fn nothing_else_is_touched() {
        let line = RequestLine::default();
        line.announce(&Request::new(()));
        assert_eq!(line.instead_of(b"GET / HTTP/1.1").unwrap(), None);
        let line = announced(b"/\"");
        assert!(line.instead_of(b"the rest of a body, GET /!").is_err());
        assert!(line.instead_of(b"GET /! HTTP/1.1").unwrap().is_some());
    }
}
