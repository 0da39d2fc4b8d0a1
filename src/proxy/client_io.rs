//! A client's socket with timeouts: for the rest of a head, and for a client that takes no more of what is written.
//! Timeouts of bodies run where the body is read.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::connection::ConnectionHandle;
use super::request_lines::RequestLines;
use crate::bounds::{DeadlineTimer, TimeoutKind, Timeouts};
use crate::upstream::{FEW, gathered};

/// The timeouts of a client's socket.
#[derive(Debug, Clone, Copy)]
pub(super) struct ClientTimeouts {
    /// From the first byte of a request's head to its last.
    pub(super) head: Option<Duration>,
    /// While the client takes no byte of a response.
    pub(super) write: Option<Duration>,
}

/// A connection begins with this, or is HTTP/1 (RFC 9113 §3.4).
const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What the first bytes say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Protocol {
    /// So many bytes of the preface.
    Unknown(usize),
    Http1,
    Http2,
}

/// A client's socket, after TLS if there is any.
pub(super) struct ClientIo<S> {
    stream: S,
    handle: ConnectionHandle,
    max_wait: ClientTimeouts,
    waits: Timeouts,
    protocol: Protocol,
    lines: RequestLines,
    /// When a head began, and how many exchanges had begun by then.
    head: Option<(Instant, usize)>,
    head_alarm: DeadlineTimer,
    write_alarm: DeadlineTimer,
}

impl<S> ClientIo<S> {
    pub(super) fn new(
        stream: S,
        handle: ConnectionHandle,
        max_wait: ClientTimeouts,
        waits: Timeouts,
    ) -> Self {
        let lines = RequestLines::after(handle.begun());
        Self {
            stream,
            handle,
            max_wait,
            waits,
            protocol: Protocol::Unknown(0),
            lines,
            head: None,
            head_alarm: DeadlineTimer::default(),
            write_alarm: DeadlineTimer::default(),
        }
    }

    /// Whether HTTP/2 is spoken, as far as is known.
    pub(super) fn is_http2(&self) -> bool {
        self.protocol == Protocol::Http2
    }

    fn received(&mut self, bytes: &mut [u8]) {
        self.protocol = self.protocol.after(bytes);
        if self.protocol != Protocol::Http2 {
            self.lines.pass(bytes, &self.handle);
        }
        // HTTP/2 has other frames than heads: what is unfinished there ends with the idle connection.
        if self.protocol == Protocol::Http2 {
            self.handle.hears_http2(Instant::now());
        }
        if self.protocol == Protocol::Http2 || !self.handle.is_between_requests() {
            self.head = None;
            return;
        }
        let now = Instant::now();
        self.handle.touch(now);
        let begun = self.handle.begun();
        if self.head.is_none_or(|(_, before)| before != begun) {
            self.head = Some((now, begun));
        }
    }

    /// Ready when a head that has begun is late.
    fn poll_head_late(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        let (Some((since, begun)), Some(limit)) = (self.head, self.max_wait.head) else {
            return Poll::Pending;
        };
        if begun != self.handle.begun() || !self.handle.is_between_requests() {
            self.head = None;
            return Poll::Pending;
        }
        ready!(self.head_alarm.poll_at(since + limit, cx));
        self.waits.given_up(TimeoutKind::RequestHead);
        Poll::Ready(io::ErrorKind::TimedOut.into())
    }

    /// Passes on the result of a write; an error if the client has taken nothing for too long.
    fn timed<T>(&mut self, written: Poll<io::Result<T>>, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        let (Poll::Pending, Some(limit)) = (&written, self.max_wait.write) else {
            self.write_alarm.silence();
            return written;
        };
        ready!(self.write_alarm.poll_after(limit, cx));
        self.waits.given_up(TimeoutKind::ClientRead);
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl Protocol {
    fn after(self, bytes: &[u8]) -> Self {
        let Self::Unknown(matched) = self else { return self };
        let expected = HTTP2_PREFACE.get(matched..).unwrap_or_default();
        let common = expected.len().min(bytes.len());
        match expected.get(..common) != bytes.get(..common) {
            true => Self::Http1,
            false if common == expected.len() => Self::Http2,
            false => Self::Unknown(matched + common),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for ClientIo<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        match Pin::new(&mut self.stream).poll_read(cx, into) {
            Poll::Pending => self.poll_head_late(cx).map(Err),
            Poll::Ready(read) => {
                if let Some(bytes) = into.filled_mut().get_mut(before..).filter(|bytes| !bytes.is_empty()) {
                    self.received(bytes);
                }
                Poll::Ready(read)
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for ClientIo<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.timed(written, cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
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
        // A flush with nothing to do says nothing about the client.
        if flushed.is_pending() { self.timed(flushed, cx) } else { flushed }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.timed(shut, cx)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
    use tokio::sync::Semaphore;

    use super::*;
    use crate::proxy::connection::Connections;

    const MAX_WAIT: ClientTimeouts =
        ClientTimeouts { head: Some(Duration::from_secs(10)), write: Some(Duration::from_secs(60)) };

    async fn handle() -> ConnectionHandle {
        let place = Arc::new(Semaphore::new(1)).acquire_owned().await.unwrap();
        Connections::new(Default::default()).open(place, None)
    }

    /// What a server's read gives after the client has sent these, a second apart.
    async fn read(client_sends: &[&[u8]], handle: ConnectionHandle) -> (io::Result<usize>, u64, Timeouts) {
        let waits = Timeouts::default();
        let (mut client, server) = duplex(1024);
        let mut server = ClientIo::new(server, handle, MAX_WAIT, waits.clone());
        let start = Instant::now();
        let sending = async {
            for bytes in client_sends {
                client.write_all(bytes).await.unwrap();
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            tokio::time::sleep(Duration::from_secs(1000)).await;
        };
        let mut all = Vec::new();
        let read =
            tokio::select! { read = server.read_to_end(&mut all) => read, () = sending => Ok(all.len()) };
        (read, start.elapsed().as_secs(), waits)
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_has_to_be_there_ten_seconds_after_its_first_byte() {
        let (read, seconds, waits) = read(&[b"G", b"E", b"T", b" "], handle().await).await;
        assert_eq!((read.unwrap_err().kind(), seconds), (io::ErrorKind::TimedOut, 10));
        assert_eq!(waits.count(TimeoutKind::RequestHead), 1);
        let (read, _, _) = self::read(&[b"PRI * HT"], handle().await).await;
        assert!(read.is_err(), "half a preface is no protocol");
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_connection_an_open_exchange_a_tunnel_and_http2_have_no_head_to_wait_for() {
        let (read, ..) = read(&[], handle().await).await;
        assert!(read.is_ok());
        let busy = handle().await;
        let _exchange = busy.begin(None);
        let tunnel = handle().await;
        tunnel.becomes_tunnel();
        for handle in [busy.clone(), tunnel] {
            let (read, ..) = self::read(&[b"body"], handle).await;
            assert!(read.is_ok());
        }
        let (read, ..) = self::read(&[b"PRI * HTTP/2.0\r\n", b"\r\nSM\r\n\r\nframes"], handle().await).await;
        assert!(read.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_that_was_answered_at_once_starts_no_clock() {
        let handle = handle().await;
        let (mut client, server) = duplex(1024);
        let mut server = ClientIo::new(server, handle.clone(), MAX_WAIT, Timeouts::default());
        client.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        let mut bytes = [0; 64];
        assert!(server.read(&mut bytes).await.unwrap() > 0);
        drop(handle.begin(None));
        let later = tokio::time::timeout(Duration::from_secs(1000), server.read(&mut bytes)).await;
        assert!(later.is_err(), "the connection waits for another request");
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_nothing_is_given_up_and_a_slow_one_is_not() {
        let waits = Timeouts::default();
        let (mut client, server) = duplex(1);
        let mut server = ClientIo::new(server, handle().await, MAX_WAIT, waits.clone());
        let start = Instant::now();
        let reading = async {
            let mut byte = [0];
            for _ in 0..5 {
                tokio::time::sleep(Duration::from_secs(59)).await;
                client.read_exact(&mut byte).await.unwrap();
            }
            std::future::pending::<()>().await;
        };
        let written =
            tokio::select! { written = server.write_all(&[0; 100]) => written, () = reading => Ok(()) };
        assert_eq!(written.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert_eq!(start.elapsed().as_secs(), 5 * 59 + 60);
        assert_eq!(waits.count(TimeoutKind::ClientRead), 1);
    }
}
