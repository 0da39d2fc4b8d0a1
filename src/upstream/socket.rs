//! Connections to the upstream with a write timeout.
//!
//! hyper writes what it has buffered before it closes a connection, even if nobody needs it any more: without a
//! timeout, an upstream that accepts nothing would hold on to the request indefinitely.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection};

use super::request_line::RequestLine;
use crate::bounds::DeadlineTimer;

/// Fewer bytes than this cost less to join than to be handed to the kernel piece by piece.
pub const FEW: usize = 1 << 10;

/// The slices as one: a single one as it is, several in `room`; `None` if they are more than [`FEW`].
pub fn gathered<'a>(slices: &'a [IoSlice<'_>], room: &'a mut [u8; FEW]) -> Option<&'a [u8]> {
    if let [only] = slices {
        return Some(only);
    }
    let mut length = 0;
    for slice in slices {
        let end = length + slice.len();
        room.get_mut(length..end)?.copy_from_slice(slice);
        length = end;
    }
    room.get(..length)
}

/// A connection to the upstream.
pub(super) struct Socket<S> {
    stream: S,
    limit: Option<Duration>,
    alarm: DeadlineTimer,
    blocked: Arc<AtomicBool>,
    line: Arc<RequestLine>,
    /// Consecutive reads that had something.
    reads: u32,
}

/// After this many reads that had something, the task yields: hyper goes on for as long as there is something to
/// read, and a read fills its buffer, 128 KiB as a rule.
const READS_IN_A_ROW: u32 = 8;

impl<S> Socket<S> {
    /// `limit`: how long the upstream may accept no byte.
    pub(super) fn new(stream: S, limit: Option<Duration>) -> Self {
        Self {
            stream,
            limit,
            alarm: DeadlineTimer::default(),
            blocked: Arc::default(),
            line: Arc::default(),
            reads: 0,
        }
    }

    /// Whether the upstream did not accept what was written last.
    pub(super) fn blocked(&self) -> Arc<AtomicBool> {
        self.blocked.clone()
    }

    /// Where the next request is announced that begins with other bytes than hyper writes.
    pub(super) fn line(&self) -> Arc<RequestLine> {
        self.line.clone()
    }

    /// Passes on the result of a write; an error if the upstream has accepted nothing for too long.
    fn timed<T>(&mut self, written: Poll<io::Result<T>>, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        self.blocked.store(written.is_pending(), Ordering::Relaxed);
        let (Poll::Pending, Some(limit)) = (&written, self.limit) else {
            self.alarm.silence();
            return written;
        };
        ready!(self.alarm.poll_after(limit, cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: Connection> Connection for Socket<S> {
    fn connected(&self) -> Connected {
        self.stream.connected()
    }
}

impl<S: Read + Unpin> Read for Socket<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        if self.reads >= READS_IN_A_ROW {
            self.reads = 0;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let read = Pin::new(&mut self.stream).poll_read(cx, into);
        self.reads = if read.is_ready() { self.reads + 1 } else { 0 };
        read
    }
}

impl<S: Write + Unpin> Socket<S> {
    /// Writes the replacement of these bytes' beginning; `None` if they are to be written unchanged.
    fn poll_write_line(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Option<Poll<io::Result<usize>>> {
        let meant = match self.line.instead_of(bytes) {
            Ok(meant) => meant?,
            Err(error) => return Some(Poll::Ready(Err(io::Error::other(error)))),
        };
        let written = Pin::new(&mut self.stream).poll_write(cx, &meant);
        if let Poll::Ready(Ok(count)) = written {
            self.line.wrote(count);
        }
        Some(self.timed(written, cx))
    }
}

impl<S: Write + Unpin> Write for Socket<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if let Some(written) = self.poll_write_line(cx, bytes) {
            return written;
        }
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.timed(written, cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let first = slices.iter().find(|slice| !slice.is_empty());
        if let Some(written) = first.and_then(|first| self.poll_write_line(cx, first)) {
            return written;
        }
        let written = match gathered(slices, &mut [0; FEW]) {
            Some(bytes) => Pin::new(&mut self.stream).poll_write(cx, bytes),
            None => Pin::new(&mut self.stream).poll_write_vectored(cx, slices),
        };
        self.timed(written, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        self.blocked.store(flushed.is_pending(), Ordering::Relaxed);
        // A flush with nothing to do says nothing about the upstream.
        if flushed.is_pending() { self.timed(flushed, cx) } else { flushed }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.timed(shut, cx)
    }
}

#[cfg(test)]
mod tests {
    use hyper_util::rt::TokioIo;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
    use tokio::time::Instant;

    use super::*;

    #[test]
    fn few_bytes_are_written_as_one_and_many_as_they_are() {
        let mut room = [0; FEW];
        let (head, body, large) = ([b'h'; 100], [b'b'; 200], [b'l'; FEW]);
        assert_eq!(gathered(&[IoSlice::new(&large)], &mut room), Some(&large[..]));
        let both = [head.as_slice(), &body].concat();
        assert_eq!(gathered(&[IoSlice::new(&head), IoSlice::new(&body)], &mut room), Some(&both[..]));
        assert_eq!(gathered(&[IoSlice::new(&head), IoSlice::new(&large)], &mut room), None);
        assert_eq!(gathered(&[], &mut room), Some(&[][..]));
    }

    /// Has always more to read.
    struct Endless;

    impl Read for Endless {
        fn poll_read(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            mut into: ReadBufCursor<'_>,
        ) -> Poll<io::Result<()>> {
            into.put_slice(&[b'x'; 16]);
            Poll::Ready(Ok(()))
        }
    }

    #[tokio::test]
    async fn an_upstream_that_always_has_more_leaves_others_their_turns() {
        let mut socket = TokioIo::new(Socket::new(Endless, None));
        let (mut turns, mut bytes) = (0, [0; 16]);
        let read = async {
            for _ in 0..1000 {
                socket.read_exact(&mut bytes).await.unwrap();
            }
        };
        let others = async {
            loop {
                turns += 1;
                tokio::task::yield_now().await;
            }
        };
        tokio::select! { biased; () = read => {}, () = others => {} }
        assert!(turns >= 1000 / READS_IN_A_ROW - 1, "{turns} turns");
    }

    #[tokio::test(start_paused = true)]
    async fn an_upstream_that_takes_nothing_is_given_up_and_a_slow_one_is_not() {
        let (near, mut far) = duplex(1);
        let mut socket = TokioIo::new(Socket::new(TokioIo::new(near), Some(Duration::from_secs(60))));
        let start = Instant::now();
        let slow = async {
            let mut byte = [0];
            for _ in 0..5 {
                tokio::time::sleep(Duration::from_secs(59)).await;
                far.read_exact(&mut byte).await.unwrap();
            }
            std::future::pending::<()>().await;
        };
        let written =
            tokio::select! { written = socket.write_all(&[0; 100]) => written, () = slow => Ok(()) };
        assert_eq!(written.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert_eq!(start.elapsed().as_secs(), 5 * 59 + 60);
    }
}
