//! [`ResponseBody`]: the body of a response that arrives over a [`Link`].

use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;

use super::link::{Link, drive};
use super::pool::Pool;
use crate::body::{self, Body};

/// The body of a response whose head has arrived.
pub(super) enum Came {
    /// It is complete.
    Whole(Body),
    /// More will arrive.
    Streamed(Body),
}

/// The body of a response, which polls its connection until it is complete, and then returns it to the pool. Dropped
/// before, it closes the connection.
pub(super) struct ResponseBody {
    body: Incoming,
    link: Option<Box<Link>>,
    pool: Pool,
    error: Option<hyper::Error>,
}

impl ResponseBody {
    /// `link`: the connection, if there is more to come from it.
    pub(super) fn new(body: Incoming, link: Option<Box<Link>>, pool: Pool) -> Self {
        Self { body, link, pool, error: None }
    }

    /// `free`: its connection could have had the next request when the head had arrived.
    pub(super) fn came(mut self, free: bool) -> Came {
        if self.is_end_stream() && self.link.is_none() {
            return Came::Whole(body::empty());
        }
        // It is complete, in one piece.
        let length = if free { self.size_hint().exact() } else { None };
        let Some(length) = length else { return Came::Streamed(body::boxed(self)) };
        match Pin::new(&mut self.body).poll_frame(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                Ok(bytes) if bytes.len() as u64 == length => Came::Whole(body::full(bytes)),
                _ => Came::Streamed(body::boxed(self)),
            },
            _ => Came::Streamed(body::boxed(self)),
        }
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        // Only the connection can bring more, so that it need not wake a task.
        let mut silent = Context::from_waker(Waker::noop());
        if let Some(link) = &self.link {
            // Taking what is buffered makes room for more. The connection is read again when this is polled again.
            link.rest();
            if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(&mut silent) {
                return Poll::Ready(frame);
            }
            drive(&mut self.link, cx);
            if let Some(link) = self.link.take_if(|link| link.is_free()) {
                self.pool.put(link);
            }
        }
        match self.link {
            Some(_) => Pin::new(&mut self.body).poll_frame(&mut silent),
            None => Pin::new(&mut self.body).poll_frame(cx),
        }
    }
}

impl http_body::Body for ResponseBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        if let Some(error) = self.error.take() {
            return Poll::Ready(Some(Err(error)));
        }
        let next = ready!(self.poll_next(cx));
        let Some(Err(error)) = next else { return Poll::Ready(next) };
        // The writer downstream writes nothing more after an error: first pass on what has arrived before.
        self.error = Some(error);
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
