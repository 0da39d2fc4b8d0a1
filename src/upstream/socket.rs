//! Connections to the upstream with a write timeout.
//!
//! hyper writes what it has buffered before it closes a connection, even if nobody needs it any more: without a
//! timeout, an upstream that accepts nothing would hold on to the request indefinitely.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker, ready};
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
    acknowledge: fn(&S),
    ack: Arc<Ack>,
    begun: Option<BegunResponse>,
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

/// The beginning of a response that came before.
struct BegunResponse {
    received: Vec<u8>,
    /// How much of it has been read.
    given: usize,
    broken: Option<io::Error>,
    /// hyper has written the request: before, it takes no response.
    is_written: bool,
    reader: Option<Waker>,
}

impl BegunResponse {
    /// Notes that the request is being written.
    fn written(&mut self) {
        self.is_written = true;
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }

    /// Reads more of it; `None` if there is no more.
    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        into: &mut ReadBufCursor<'_>,
    ) -> Option<Poll<io::Result<()>>> {
        if !self.is_written {
            self.reader = Some(cx.waker().clone());
            return Some(Poll::Pending);
        }
        let rest = self.received.get(self.given..).filter(|rest| !rest.is_empty());
        let Some(rest) = rest else { return self.broken.take().map(|error| Poll::Ready(Err(error))) };
        let part = rest.get(..into.remaining()).unwrap_or(rest);
        into.put_slice(part);
        self.given += part.len();
        Some(Poll::Ready(Ok(())))
    }
}

/// What is acknowledged before more of a response is waited for. An upstream with Nagle's algorithm keeps the rest of a
/// response back until then, up to 40 ms; of one that came whole the kernel acknowledges with the next request.
#[derive(Default)]
pub(super) struct Ack {
    /// Something has been read.
    heard: AtomicBool,
    /// It is to be acknowledged.
    wanted: AtomicBool,
}

impl Ack {
    /// Asks for it, and returns whether the socket has to be read again for that.
    pub(super) fn ask(&self) -> bool {
        let heard = self.heard.swap(false, Ordering::Relaxed);
        if heard {
            self.wanted.store(true, Ordering::Relaxed);
        }
        heard
    }

    /// Nothing more is waited for.
    pub(super) fn settle(&self) {
        self.heard.store(false, Ordering::Relaxed);
        self.wanted.store(false, Ordering::Relaxed);
    }

    /// Notes a read that had something or not; whether it is to be done now.
    fn read(&self, had: bool) -> bool {
        if had {
            self.heard.store(true, Ordering::Relaxed);
            // What it was asked for has come; whether more is to come, whoever polls knows.
            self.wanted.store(false, Ordering::Relaxed);
            return false;
        }
        self.wanted.load(Ordering::Relaxed) && self.wanted.swap(false, Ordering::Relaxed)
    }
}

impl<S> Socket<S> {
    /// `acknowledge` does so with what has come; `limit`: how long the upstream may accept no byte.
    pub(super) fn new(stream: S, acknowledge: fn(&S), limit: Option<Duration>) -> Self {
        Self {
            stream,
            acknowledge,
            ack: Arc::default(),
            begun: None,
            limit,
            alarm: DeadlineTimer::default(),
            blocked: Arc::default(),
            line: Arc::default(),
            reads: 0,
        }
    }

    /// One on which a request has been sent, and its response has come as far as `received` before it broke, if it is.
    /// What is written to it is that request: it goes nowhere.
    pub(super) fn begun(
        stream: S,
        acknowledge: fn(&S),
        received: Vec<u8>,
        broken: Option<io::Error>,
    ) -> Self {
        let begun = Some(BegunResponse { received, given: 0, broken, is_written: false, reader: None });
        Self { begun, ..Self::new(stream, acknowledge, None) }
    }

    /// What is under it.
    pub(super) fn into_inner(self) -> S {
        self.stream
    }

    /// Whether its request was sent before.
    pub(super) fn is_begun(&self) -> bool {
        self.begun.is_some()
    }

    /// How it is asked to acknowledge what has come.
    pub(super) fn ack(&self) -> Arc<Ack> {
        self.ack.clone()
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
        mut into: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        if self.reads >= READS_IN_A_ROW {
            self.reads = 0;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if let Some(read) = self.begun.as_mut().and_then(|begun| begun.poll_read(cx, &mut into)) {
            return read;
        }
        let read = Pin::new(&mut self.stream).poll_read(cx, into);
        if self.ack.read(read.is_ready()) {
            (self.acknowledge)(&self.stream);
        }
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
        if let Some(begun) = &mut self.begun {
            begun.written();
            return Poll::Ready(Ok(bytes.len()));
        }
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
        if let Some(begun) = &mut self.begun {
            begun.written();
            return Poll::Ready(Ok(slices.iter().map(|slice| slice.len()).sum()));
        }
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
        let mut socket = TokioIo::new(Socket::new(Endless, |_| (), None));
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
        let mut socket = TokioIo::new(Socket::new(TokioIo::new(near), |_| (), Some(Duration::from_secs(60))));
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
