//! [`Client`]: a client's connection whose requests are read from its bytes.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::Instant;

use super::buffer;
use super::rewound::Rewound;
use crate::bounds::{DeadlineTimer, TimeoutKind, Timeouts};
use crate::proxy::client_io::ClientTimeouts;

/// What is read at once: a request and its body, if it is a usual one.
const PIECE: usize = 32 << 10;
/// A body of this length goes out in one piece with its head.
const SMALL: usize = 8 << 10;
/// A buffer that has grown beyond this is not kept.
const KEPT: usize = 8 << 10;

/// A client, and what has come from it and has not been handled.
pub(in crate::proxy) struct Client<S> {
    pub(super) stream: S,
    pub(super) received: Vec<u8>,
    /// What the client has not taken yet of what is written, from `written` on.
    held: Vec<u8>,
    written: usize,
    /// Since when it has taken nothing of that.
    blocked: Option<Instant>,
    pub(super) max_wait: ClientTimeouts,
    waits: Timeouts,
    pub(super) alarm: DeadlineTimer,
    /// For the requests and heads that are written.
    pub(super) request: Vec<u8>,
    pub(super) head: Vec<u8>,
}

impl<S> Client<S> {
    pub(in crate::proxy) fn new(stream: S, max_wait: ClientTimeouts, waits: Timeouts) -> Self {
        Self {
            stream,
            received: Vec::new(),
            held: Vec::new(),
            written: 0,
            blocked: None,
            max_wait,
            waits,
            alarm: DeadlineTimer::default(),
            request: Vec::new(),
            head: Vec::new(),
        }
    }

    /// The connection as if nothing had been read from it.
    pub(in crate::proxy) fn rewound(self) -> Rewound<S> {
        Rewound::new(self.stream, self.received)
    }

    /// Counts a timeout that has expired.
    pub(super) fn given_up(&self, kind: TimeoutKind) {
        self.waits.given_up(kind);
    }

    /// Lets go of what was received up to here.
    pub(super) fn handled(&mut self, length: usize) {
        match length >= self.received.len() {
            true => self.received.clear(),
            false => drop(self.received.drain(..length)),
        }
        self.request.clear();
        self.head.clear();
        for buffer in [&mut self.received, &mut self.request, &mut self.head] {
            if buffer.capacity() > KEPT && buffer.len() <= KEPT {
                buffer.shrink_to(KEPT);
            }
        }
    }
}

impl<S: AsyncRead + Unpin> Client<S> {
    /// Receives more; how much, 0 at the end.
    pub(super) fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let Self { stream, received, .. } = self;
        buffer::with(PIECE, |space| {
            let mut into = ReadBuf::new(space);
            ready!(Pin::new(stream).poll_read(cx, &mut into))?;
            received.extend_from_slice(into.filled());
            Poll::Ready(Ok(into.filled().len()))
        })
    }

    /// Ready when the client has left, which shows as long as it sends nothing after its `request`.
    pub(super) fn poll_gone(&mut self, request: usize, cx: &mut Context<'_>) -> Poll<()> {
        while self.received.len() <= request {
            if matches!(ready!(self.poll_receive(cx)), Ok(0) | Err(_)) {
                return Poll::Ready(());
            }
        }
        Poll::Pending
    }
}

impl<S: AsyncWrite + Unpin> Client<S> {
    /// Writes the head and the body that begins after it; what the client does not take at once is held.
    pub(super) fn write(&mut self, head: &mut Vec<u8>, body: &[u8], cx: &mut Context<'_>) -> io::Result<()> {
        if body.len() <= SMALL {
            head.extend_from_slice(body);
            return self.write_parts(head, &[], cx);
        }
        self.write_parts(head, body, cx)
    }

    /// Writes both; what the client does not take at once is held.
    pub(super) fn write_parts(
        &mut self,
        mut first: &[u8],
        mut second: &[u8],
        cx: &mut Context<'_>,
    ) -> io::Result<()> {
        while self.held.is_empty() && !(first.is_empty() && second.is_empty()) {
            match self.poll_some(first, second, cx) {
                Poll::Ready(Ok(count)) => {
                    let of_first = count.min(first.len());
                    first = first.get(of_first..).unwrap_or_default();
                    second = second.get(count - of_first..).unwrap_or_default();
                }
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Pending => break,
            }
        }
        self.held.extend_from_slice(first);
        self.held.extend_from_slice(second);
        Ok(())
    }

    /// Writes some of both.
    fn poll_some(&mut self, first: &[u8], second: &[u8], cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let stream = Pin::new(&mut self.stream);
        let written = match (first.is_empty(), second.is_empty()) {
            (false, false) => stream.poll_write_vectored(cx, &[IoSlice::new(first), IoSlice::new(second)]),
            (true, _) => stream.poll_write(cx, second),
            (false, true) => stream.poll_write(cx, first),
        };
        match written {
            Poll::Ready(Ok(0)) => Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
            written => written,
        }
    }

    /// Writes both, from the byte `done` on; ready when the client has taken all, an error if it takes nothing for too long.
    pub(super) fn poll_write_all(
        &mut self,
        first: &[u8],
        second: &[u8],
        done: &mut usize,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            let of_first = first.len().min(*done);
            let rest = first.get(of_first..).unwrap_or_default();
            let after = second.get(*done - of_first..).unwrap_or_default();
            if rest.is_empty() && after.is_empty() {
                return self.poll_taken(cx);
            }
            match self.poll_some(rest, after, cx) {
                Poll::Ready(Ok(count)) => (*done, self.blocked) = (*done + count, None),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return self.poll_late(cx),
            }
        }
    }

    /// Ready when the client has taken all; an error if it takes nothing for too long.
    pub(super) fn poll_taken(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(rest) = self.held.get(self.written..).filter(|rest| !rest.is_empty()) {
            match Pin::new(&mut self.stream).poll_write(cx, rest) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(count)) => {
                    self.written += count;
                    self.blocked = None;
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return self.poll_late(cx),
            }
        }
        (self.held, self.written) = (Vec::new(), 0);
        // TLS may hold some of it.
        match Pin::new(&mut self.stream).poll_flush(cx) {
            Poll::Pending => self.poll_late(cx),
            flushed => {
                self.blocked = None;
                flushed
            }
        }
    }

    fn poll_late(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(limit) = self.max_wait.write else { return Poll::Pending };
        let since = *self.blocked.get_or_insert_with(Instant::now);
        ready!(self.alarm.poll_by(since + limit, cx));
        self.given_up(TimeoutKind::ClientRead);
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    /// Ends the connection, as its protocol has it.
    pub(in crate::proxy) async fn end(&mut self) {
        let limit = self.max_wait.write.unwrap_or(Duration::from_secs(60));
        tokio::time::timeout(limit, self.stream.shutdown()).await.ok();
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    /// TLS whose socket takes nothing more: what is written is held, and never flushed.
    struct Held;

    impl AsyncWrite for Held {
        fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
            Poll::Ready(Ok(bytes.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Pending
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Pending
        }
    }

    impl AsyncRead for Held {
        fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
            Poll::Pending
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_never_takes_what_tls_holds_is_given_up() {
        let limit = Duration::from_secs(60);
        let max_wait = ClientTimeouts { head: None, write: Some(limit) };
        let mut client = Client::new(Held, max_wait, Timeouts::default());
        let (since, mut done) = (Instant::now(), 0);
        let ended = tokio::time::timeout(
            2 * limit,
            poll_fn(|cx| client.poll_write_all(b"head", b"body", &mut done, cx)),
        );
        assert_eq!(ended.await.unwrap().map_err(|error| error.kind()), Err(io::ErrorKind::TimedOut));
        assert_eq!(since.elapsed(), limit);
    }
}
