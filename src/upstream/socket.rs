//! Connections to the upstream that do not wait for ever for it to take what is written.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::future::BoxFuture;
use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection};
use tower::Service;

use super::body::BoxError;
use crate::bounds::Alarm;

/// Makes connections by `inner`, TLS included, in at most `connect`; each with a limit on how long the upstream may
/// take no byte.
///
/// hyper writes what it has before it closes a connection, even if nobody wants it any more: without a limit, an
/// upstream that takes nothing would hold on to the request for ever.
#[derive(Debug, Clone)]
pub(super) struct Connector<C> {
    pub(super) inner: C,
    pub(super) connect: Duration,
    pub(super) write: Option<Duration>,
}

/// No connection in time.
#[derive(Debug, thiserror::Error)]
#[error("no connection in time")]
struct Late;

impl<C> Service<Uri> for Connector<C>
where
    C: Service<Uri>,
    C::Error: Into<BoxError>,
    C::Future: Send + 'static,
{
    type Response = Socket<C::Response>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, to: Uri) -> Self::Future {
        let (connecting, write) = (tokio::time::timeout(self.connect, self.inner.call(to)), self.write);
        Box::pin(async move {
            let stream = connecting.await.map_err(|_| Late)?.map_err(Into::into)?;
            Ok(Socket { stream, limit: write, alarm: Alarm::default() })
        })
    }
}

/// A connection to the upstream.
pub(super) struct Socket<S> {
    stream: S,
    limit: Option<Duration>,
    alarm: Alarm,
}

impl<S> Socket<S> {
    /// Passes on the result of a write; an error if the upstream has taken nothing for too long.
    fn timed<T>(&mut self, written: Poll<io::Result<T>>, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
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
        Pin::new(&mut self.stream).poll_read(cx, into)
    }
}

impl<S: Write + Unpin> Write for Socket<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.timed(written, cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.timed(written, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        // A flush that has nothing to do says nothing of the upstream.
        if flushed.is_pending() { self.timed(flushed, cx) } else { flushed }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.timed(shut, cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_does_not_come_about_is_given_up() {
        let never = tower::service_fn(|_| std::future::pending::<Result<(), BoxError>>());
        let mut connector = Connector { inner: never, connect: Duration::from_secs(5), write: None };
        let start = tokio::time::Instant::now();
        let made = connector.call(Uri::from_static("https://db")).await;
        assert!(made.is_err_and(|error| error.is::<Late>()));
        assert_eq!(start.elapsed().as_secs(), 5);
    }
}
