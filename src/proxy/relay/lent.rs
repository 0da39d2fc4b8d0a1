//! [`Lent`]: a client's connection as hyper gets it for one message.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::client::Client;
use crate::proxy::connection::ConnectionHandle;

/// Gives the message that begins what the client has sent, and nothing that comes after it.
pub(in crate::proxy) struct Lent<'a, S> {
    client: &'a mut Client<S>,
    handle: ConnectionHandle,
    /// How much has been given of what was received.
    given: usize,
    /// How much of the message has not been given.
    left: u64,
    /// The exchanges that had begun before it.
    before: usize,
    answered: &'a AtomicBool,
    /// hyper ends the connection.
    ends: bool,
}

impl<'a, S> Lent<'a, S> {
    /// The next `length` bytes of this client's; `answered` is set when the message has been given and its response
    /// been written whole.
    pub(in crate::proxy) fn new(
        client: &'a mut Client<S>,
        length: u64,
        handle: ConnectionHandle,
        answered: &'a AtomicBool,
    ) -> Self {
        let before = handle.begun();
        Self { client, handle, given: 0, left: length, before, answered, ends: false }
    }
}

impl<S> Drop for Lent<'_, S> {
    fn drop(&mut self) {
        self.client.handled(self.given);
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Lent<'_, S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.left == 0 {
            // What comes now is the next message, or the end.
            let given = this.given;
            return this.client.poll_gone(given, cx).map(Ok);
        }
        let most = usize::try_from(this.left).unwrap_or(usize::MAX);
        let rest = this.client.received.get(this.given..).unwrap_or_default();
        if !rest.is_empty() {
            let length = rest.len().min(most).min(into.remaining());
            into.put_slice(rest.get(..length).unwrap_or_default());
            this.given += length;
            this.left -= length as u64;
            return Poll::Ready(Ok(()));
        }
        let start = into.filled().len();
        ready!(Pin::new(&mut this.client.stream).poll_read(cx, into))?;
        let count = into.filled().len() - start;
        if count > most {
            let after = into.filled().get(start + most..).unwrap_or_default();
            this.client.received.extend_from_slice(after);
            into.set_filled(start + most);
        }
        this.left -= count.min(most) as u64;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Lent<'_, S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.client.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.client.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.client.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = ready!(Pin::new(&mut self.client.stream).poll_flush(cx));
        // hyper flushes once it has written all that it has.
        let is_over = self.handle.begun() > self.before && self.handle.is_between_requests();
        if self.left == 0 && is_over && !self.ends && flushed.is_ok() {
            self.answered.store(true, Ordering::Relaxed);
        }
        Poll::Ready(flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.ends = true;
        self.answered.store(false, Ordering::Relaxed);
        Pin::new(&mut self.client.stream).poll_shutdown(cx)
    }
}
