//! A body whose end is the end of a span.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::Response;
use http_body::{Body as _, Frame, SizeHint};

use super::OpenSpan;
use crate::body::{Body, BoxError};

/// The response, with a span that ends with its body.
pub fn traced(response: Response<Body>, mut span: OpenSpan) -> Response<Body> {
    span.responded(response.status().as_u16());
    if is_over(response.body()) {
        span.end();
        return response;
    }
    response.map(|body| Body::new(Traced { body, span }))
}

struct Traced {
    body: Body,
    span: OpenSpan,
}

impl http_body::Body for Traced {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        match &polled {
            Poll::Ready(None) => self.span.mark_ended(),
            Poll::Ready(Some(Err(_))) => self.span.fail("body"),
            Poll::Ready(Some(Ok(_))) if is_over(&self.body) => self.span.mark_ended(),
            _ => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

fn is_over(body: &Body) -> bool {
    body.is_end_stream() || body.size_hint().exact() == Some(0)
}
