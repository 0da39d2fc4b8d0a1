//! A request's body on its way to a stream, as fast as the upstream takes it.

use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::{Reason, SendStream};
use http_body::Body as _;
use tokio::runtime::Handle;
use tokio::task::AbortHandle;

use crate::body::{Body, BoxError};

/// A body that is being sent.
pub(super) struct Pump {
    body: Body,
    stream: SendStream<Bytes>,
    /// What waits for room.
    held: Bytes,
}

impl Pump {
    pub(super) fn new(body: Body, stream: SendStream<Bytes>) -> Self {
        Self { body, stream, held: Bytes::new() }
    }

    /// Ready when the body has been handed over, or the upstream wants no more of it; an error if it broke off, of which
    /// the upstream is told then.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        loop {
            // Whatever the reason, the response says it.
            if self.stream.poll_reset(cx).is_ready() {
                return Poll::Ready(Ok(()));
            }
            if !self.held.is_empty() && ready!(self.poll_held(cx)).is_err() {
                return Poll::Ready(Ok(()));
            }
            let sent = match ready!(std::pin::Pin::new(&mut self.body).poll_frame(cx)) {
                None => return self.over(|stream| stream.send_data(Bytes::new(), true)),
                Some(Err(error)) => {
                    self.stream.send_reset(Reason::CANCEL);
                    return Poll::Ready(Err(error));
                }
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) if self.body.is_end_stream() => {
                        return self.over(|stream| stream.send_data(data, true));
                    }
                    Ok(data) if data.is_empty() => self.stream.send_data(data, false),
                    Ok(data) => {
                        self.stream.reserve_capacity(1);
                        self.held = data;
                        Ok(())
                    }
                    Err(frame) => match frame.into_trailers() {
                        Ok(trailers) => return self.over(|stream| stream.send_trailers(trailers)),
                        Err(_) => Ok(()),
                    },
                },
            };
            if sent.is_err() {
                return Poll::Ready(Ok(()));
            }
        }
    }

    /// Hands over what is held once there is any room: h2 divides it.
    fn poll_held(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ()>> {
        while self.stream.capacity() == 0 {
            match ready!(self.stream.poll_capacity(cx)) {
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Poll::Ready(Err(())),
            }
        }
        let data = std::mem::take(&mut self.held);
        Poll::Ready(self.stream.send_data(data, false).map_err(drop))
    }

    /// The last of it. A stream that takes no more has ended, and its response says how.
    fn over(
        &mut self,
        send: impl FnOnce(&mut SendStream<Bytes>) -> Result<(), h2::Error>,
    ) -> Poll<Result<(), BoxError>> {
        send(&mut self.stream).ok();
        Poll::Ready(Ok(()))
    }
}

/// A body that goes on being sent while the response comes. Dropped, it ends: where not all of it has been sent, the
/// stream is reset.
pub(super) struct Pumping(AbortHandle);

impl Pumping {
    pub(super) fn start(mut pump: Pump) -> Self {
        let run = async move {
            // An error has reset the stream, so that the response ends as well.
            std::future::poll_fn(|cx| pump.poll(cx)).await.ok();
        };
        Self(Handle::current().spawn(run).abort_handle())
    }
}

impl Drop for Pumping {
    fn drop(&mut self) {
        self.0.abort();
    }
}
