//! [`Corked`]: gathers what an HTTP/2 connection writes in one turn.
//!
//! h2 writes and flushes every DATA frame on its own, which costs a system call for each call that is on the connection.
//! Here a flush only asks for another turn, at whose start all that was written since is handed on. What is ready at the
//! same time goes out together, and a connection with little to do waits for nothing. What is large is not copied for
//! that: it takes along what is held.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// No more is held back.
const ROOM: usize = 64 << 10;
/// A larger write is worth a system call of its own, and not a copy.
const SMALL: usize = 4 << 10;
/// As many slices as go out at once, with what is held.
const SLICES: usize = 16;
/// A buffer that has grown beyond this is not kept.
const KEPT: usize = 16 << 10;

/// A socket whose writes are gathered until it is read again, where `is_on` says so.
pub struct Corked<S> {
    inner: S,
    is_on: fn(&S) -> bool,
    held: Vec<u8>,
    /// How much of it has been written.
    written: usize,
    /// Another turn is coming.
    is_due: bool,
}

impl<S> Corked<S> {
    /// Nothing is held yet.
    pub fn new(inner: S, is_on: fn(&S) -> bool) -> Self {
        Self { inner, is_on, held: Vec::new(), written: 0, is_due: false }
    }

    /// Whether so much is held back.
    fn holds(&self, length: usize) -> bool {
        (self.is_on)(&self.inner) && length <= SMALL && self.held.len() + length <= ROOM
    }
}

impl<S: AsyncWrite + Unpin> Corked<S> {
    /// Hands on all that is held.
    fn poll_out(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.held.is_empty() && !self.is_due {
            return Poll::Ready(Ok(()));
        }
        while let Some(rest) = self.held.get(self.written..).filter(|rest| !rest.is_empty()) {
            match ready!(Pin::new(&mut self.inner).poll_write(cx, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => self.written += count,
            }
        }
        (self.written, self.held) = (0, self.emptied());
        // TLS may hold some of it.
        if self.is_due {
            ready!(Pin::new(&mut self.inner).poll_flush(cx))?;
            self.is_due = false;
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> Corked<S> {
    /// Writes what is held and these slices after it; how much of the slices went out.
    fn poll_with(&mut self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        while let Some(rest) = self.held.get(self.written..).filter(|rest| !rest.is_empty()) {
            let length = rest.len();
            let mut all = [IoSlice::new(&[]); SLICES];
            let parts = [IoSlice::new(rest)].into_iter().chain(slices.iter().copied());
            all.iter_mut().zip(parts).for_each(|(to, part)| *to = part);
            let count = match ready!(Pin::new(&mut self.inner).poll_write_vectored(cx, &all))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => count,
            };
            if count < length {
                self.written += count;
                continue;
            }
            (self.written, self.held) = (0, self.emptied());
            if count > length {
                return Poll::Ready(Ok(count - length));
            }
        }
        Pin::new(&mut self.inner).poll_write_vectored(cx, slices)
    }
}

impl<S> Corked<S> {
    /// The buffer for what is held next.
    fn emptied(&mut self) -> Vec<u8> {
        let mut held = std::mem::take(&mut self.held);
        held.clear();
        if held.capacity() > KEPT { Vec::new() } else { held }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Corked<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let out = self.poll_out(cx);
        // A peer that takes nothing, or nothing more, may still have said something.
        match (Pin::new(&mut self.inner).poll_read(cx, into), out) {
            (Poll::Pending, Poll::Ready(Err(error))) => Poll::Ready(Err(error)),
            (read, _) => read,
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Corked<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.holds(bytes.len()) {
            self.held.extend_from_slice(bytes);
            return Poll::Ready(Ok(bytes.len()));
        }
        self.poll_with(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let length = slices.iter().map(|slice| slice.len()).sum();
        if self.holds(length) {
            slices.iter().for_each(|slice| self.held.extend_from_slice(slice));
            return Poll::Ready(Ok(length));
        }
        self.poll_with(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.held.is_empty() {
            return Pin::new(&mut self.inner).poll_flush(cx);
        }
        if !self.is_due {
            self.is_due = true;
            cx.waker().wake_by_ref();
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_out(cx))?;
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Wake, Waker};

    use super::*;

    /// Notes each write, and takes so many bytes in all, or has closed; has so many bytes to read.
    struct Peer {
        writes: Vec<Vec<u8>>,
        room: usize,
        is_closed: bool,
        says: usize,
    }

    impl AsyncRead for Peer {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            into: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            if self.says == 0 {
                return Poll::Pending;
            }
            self.says -= 1;
            into.put_slice(b"x");
            Poll::Ready(Ok(()))
        }
    }

    impl AsyncWrite for Peer {
        fn poll_write(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            if self.is_closed {
                return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
            }
            let count = bytes.len().min(self.room);
            if count == 0 {
                return Poll::Pending;
            }
            self.room -= count;
            self.writes.push(bytes[..count].to_vec());
            Poll::Ready(Ok(count))
        }

        fn poll_write_vectored(
            self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            slices: &[IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            let all: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).collect();
            self.poll_write(cx, &all)
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[derive(Default)]
    struct Wakes(AtomicUsize);

    impl Wake for Wakes {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn corked(room: usize) -> Corked<Peer> {
        Corked::new(Peer { writes: Vec::new(), room, is_closed: false, says: 0 }, |_| true)
    }

    fn write(corked: &mut Corked<Peer>, bytes: &[u8], cx: &mut Context<'_>) -> bool {
        let mut corked = Pin::new(corked);
        let written = corked.as_mut().poll_write(cx, bytes);
        written.is_ready() && corked.poll_flush(cx).is_ready()
    }

    fn read(corked: &mut Corked<Peer>, cx: &mut Context<'_>) {
        assert!(Pin::new(corked).poll_read(cx, &mut ReadBuf::new(&mut [0; 8])).is_pending());
    }

    #[test]
    fn what_is_written_in_one_turn_goes_out_together_in_the_next() {
        let wakes = Arc::<Wakes>::default();
        let waker = Waker::from(wakes.clone());
        let mut cx = Context::from_waker(&waker);
        let mut corked = corked(usize::MAX);
        for turn in 1..=3 {
            for bytes in [&b"head"[..], b" data", b" trailers"] {
                assert!(write(&mut corked, bytes, &mut cx));
            }
            assert_eq!((corked.inner.writes.len(), wakes.0.load(Ordering::Relaxed)), (turn - 1, turn));
            read(&mut corked, &mut cx);
            assert_eq!(corked.inner.writes.last().unwrap(), b"head data trailers");
        }
    }

    #[test]
    fn what_a_peer_has_said_is_read_before_it_is_seen_to_have_closed() {
        let mut cx = Context::from_waker(Waker::noop());
        let mut corked = corked(usize::MAX);
        (corked.inner.is_closed, corked.inner.says) = (true, 2);
        assert!(write(&mut corked, b"x", &mut cx));
        let mut bytes = [0; 8];
        let mut into = ReadBuf::new(&mut bytes);
        for _ in 0..2 {
            assert!(matches!(Pin::new(&mut corked).poll_read(&mut cx, &mut into), Poll::Ready(Ok(()))));
        }
        assert_eq!(into.filled(), b"xx");
        assert!(matches!(Pin::new(&mut corked).poll_read(&mut cx, &mut into), Poll::Ready(Err(_))));
    }

    #[test]
    fn little_is_held_of_much_and_nothing_is_lost_where_the_peer_is_slow() {
        let mut cx = Context::from_waker(Waker::noop());
        let mut corked = corked(100);
        let chunk = [7; SMALL];
        let fitting = ROOM / SMALL;
        assert!((0..fitting).all(|_| write(&mut corked, &chunk, &mut cx)));
        assert!(!write(&mut corked, &chunk, &mut cx), "there is no room for more");
        assert!(corked.held.len() <= ROOM);
        corked.inner.room = usize::MAX;
        assert!(write(&mut corked, &chunk, &mut cx));
        assert!(Pin::new(&mut corked).poll_shutdown(&mut cx).is_ready());
        assert_eq!(corked.inner.writes.concat().len(), (fitting + 1) * chunk.len());
        assert!(corked.held.capacity() <= KEPT);
    }

    #[test]
    fn what_is_large_is_not_held_and_takes_along_what_is() {
        let mut cx = Context::from_waker(Waker::noop());
        let mut corked = corked(usize::MAX);
        let large = [7; SMALL + 1];
        assert!(write(&mut corked, b"head", &mut cx));
        let written = Pin::new(&mut corked).poll_write(&mut cx, &large);
        assert!(matches!(written, Poll::Ready(Ok(count)) if count == large.len()));
        assert_eq!(corked.inner.writes, [[&b"head"[..], &large].concat()]);
        assert!(corked.held.is_empty());
        // A peer that takes only some of what is held gets the rest first.
        corked.inner.room = 2;
        assert!(write(&mut corked, b"tail", &mut cx));
        assert!(Pin::new(&mut corked).poll_write(&mut cx, &large).is_pending());
        corked.inner.room = 3;
        let written = Pin::new(&mut corked).poll_write(&mut cx, &large);
        assert!(matches!(written, Poll::Ready(Ok(1))));
        assert_eq!(corked.inner.writes[1..].concat(), b"tail\x07");
    }
}
