//! A body that keeps a value (a permit, a count) alive until it has been read or dropped.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use crate::body::{Body, BoxError};

/// A body, and what is dropped with it.
pub(super) struct Tied<T> {
    body: Body,
    _with: T,
}

impl<T> Tied<T> {
    pub(super) fn new(body: Body, with: T) -> Self {
        Self { body, _with: with }
    }
}

impl<T: Unpin> http_body::Body for Tied<T> {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
