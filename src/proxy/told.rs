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
    body::{Body, BoxError, Collected},
    bounds::Permit,
    dialect::Told,
};

/// Longer responses are not heard.
const LONGEST: usize = 1 << 20;

/// Who hears how a call ends: once, and at the latest when this is dropped.
pub(super) struct Listening(Option<Arc<dyn Told>>);

impl Listening {
    pub(super) fn new(told: Arc<dyn Told>) -> Self {
        Self(Some(told))
    }

    fn end(&mut self, response: Option<&[u8]>) {
        if let Some(told) = self.0.take() {
            told.hear(response);
        }
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.end(None);
    }
}

struct Heard {
    body: Body,
    /// What has come, unless it is too long or there is no room for it.
    copy: Option<Collected>,
    listening: Listening,
}

/// The response, which is heard when all of it has passed, if the budget of `room` has room for a copy.
pub(super) fn heard(response: Response<Body>, listening: Listening, room: Permit) -> Response<Body> {
    let is_plain = !response.headers().contains_key(CONTENT_ENCODING);
    let hint = response.body().size_hint();
    if !matches!(response.status(), StatusCode::OK | StatusCode::CREATED)
        || !is_plain
        || hint.lower() > LONGEST as u64
    {
        return response;
    }
    let declared = hint.exact().and_then(|length| usize::try_from(length).ok());
    let copy = Some(Collected::new(room, declared, LONGEST));
    response.map(|body| Body::new(Heard { body, copy, listening }))
}

impl Heard {
    fn add(&mut self, data: &Bytes) {
        let Some(copy) = &mut self.copy else { return };
        if data.len() > LONGEST - copy.len() || copy.push(data.clone()).is_err() {
            self.copy = None;
        }
    }

    fn end(&mut self) {
        let copy = self.copy.take().map(Collected::finish);
        self.listening.end(copy.as_deref());
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
                if let Some(data) = frame.data_ref() {
                    self.add(data);
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

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use http_body_util::BodyExt as _;

    use super::*;
    use crate::{body, bounds::Budget};

    #[derive(Default)]
    struct Ear(Mutex<Vec<Option<Vec<u8>>>>);

    impl Told for Ear {
        fn hear(&self, response: Option<&[u8]>) {
            self.0.lock().unwrap().push(response.map(<[u8]>::to_vec));
        }
    }

    /// What is heard of a response of this status that is read to its end, or not at all.
    async fn of(status: StatusCode, room: usize, read: bool) -> Vec<Option<Vec<u8>>> {
        let (ear, budget) = (Arc::new(Ear::default()), Budget::new(room));
        let mut response = Response::new(body::full(vec![b'x'; 100]));
        *response.status_mut() = status;
        let response = heard(response, Listening::new(ear.clone()), budget.nothing());
        if read {
            assert_eq!(response.into_body().collect().await.unwrap().to_bytes().len(), 100, "it passes");
        } else {
            drop(response);
        }
        assert_eq!(budget.used(), 0);
        std::mem::take(&mut ear.0.lock().unwrap())
    }

    #[tokio::test]
    async fn a_response_is_heard_within_the_budget_of_memory_and_the_end_of_a_call_in_any_case() {
        assert_eq!(of(StatusCode::OK, 100, true).await, [Some(vec![b'x'; 100])]);
        assert_eq!(of(StatusCode::OK, 99, true).await, [None], "no room");
        assert_eq!(of(StatusCode::OK, 100, false).await, [None], "the client has gone");
        assert_eq!(of(StatusCode::NOT_FOUND, 100, true).await, [None]);
    }

    #[tokio::test]
    async fn what_is_copied_is_counted_while_it_passes() {
        let (ear, budget) = (Arc::new(Ear::default()), Budget::new(1000));
        let never = futures_util::stream::pending::<Result<Frame<Bytes>, BoxError>>();
        let first = futures_util::stream::iter([Ok(Frame::data(Bytes::from_static(&[b'x'; 100])))]);
        let body = http_body_util::StreamBody::new(futures_util::StreamExt::chain(first, never));
        let response = heard(Response::new(Body::new(body)), Listening::new(ear), budget.nothing());
        let mut body = response.into_body();
        body.frame().await.unwrap().unwrap();
        assert!(budget.used() >= 100);
        drop(body);
        assert_eq!(budget.used(), 0);
    }
}
