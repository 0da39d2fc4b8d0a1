//! The response to a call that tells a dialect something: it passes as it is, and a bounded copy of it is heard.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{Response, StatusCode, header::CONTENT_ENCODING};
use http_body::{Body as _, Frame, SizeHint};

use crate::{
    body::{Body, BoxError},
    dialect::Told,
};

/// Longer responses are not heard.
const LONGEST: usize = 1 << 20;

struct Heard {
    body: Body,
    /// What has come, until it is heard or too long.
    copy: Option<(Vec<u8>, Arc<dyn Told>)>,
}

/// The response, which `told` hears when all of it has passed.
pub(super) fn heard(response: Response<Body>, told: Arc<dyn Told>) -> Response<Body> {
    let is_plain = !response.headers().contains_key(CONTENT_ENCODING);
    let short = response.body().size_hint().lower() <= LONGEST as u64;
    if !matches!(response.status(), StatusCode::OK | StatusCode::CREATED) || !is_plain || !short {
        return response;
    }
    response.map(|body| Body::new(Heard { body, copy: Some((Vec::new(), told)) }))
}

impl Heard {
    fn end(&mut self) {
        if let Some((copy, told)) = self.copy.take() {
            told.hear(&copy);
        }
    }
}

impl http_body::Body for Heard {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        match &frame {
            Some(Ok(frame)) => {
                if let (Some(data), Some((copy, _))) = (frame.data_ref(), &mut self.copy) {
                    copy.extend_from_slice(data);
                    if copy.len() > LONGEST {
                        self.copy = None;
                    }
                }
                // Known before the client has the last byte of it, and so before its next call.
                if self.body.is_end_stream() {
                    self.end();
                }
            }
            Some(Err(_)) => self.copy = None,
            None => self.end(),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
