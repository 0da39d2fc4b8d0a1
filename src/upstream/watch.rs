//! Time-out of an answer that does not count the time the client takes to send its body.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::time::{Instant, sleep_until};

use crate::upstream::body::{Body, BoxError};

#[derive(Debug)]
struct Progress {
    last: Instant,
    waiting_for_client: bool,
}

/// Shared between a request's body and the wait for its answer.
#[derive(Debug, Clone)]
pub(super) struct Watch(Arc<Mutex<Progress>>);

impl Watch {
    pub(super) fn new() -> Self {
        Self(Arc::new(Mutex::new(Progress { last: Instant::now(), waiting_for_client: false })))
    }

    fn mark(&self, waiting_for_client: bool) {
        let mut progress = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *progress = Progress { last: Instant::now(), waiting_for_client };
    }

    /// Ends when the upstream itself has kept us waiting for `limit`.
    pub(super) async fn silence(&self, limit: Duration) {
        loop {
            let until = {
                let progress = self.0.lock().unwrap_or_else(PoisonError::into_inner);
                let since = if progress.waiting_for_client { Instant::now() } else { progress.last };
                since + limit
            };
            if until <= Instant::now() {
                return;
            }
            sleep_until(until).await;
        }
    }

    pub(super) fn body(&self, inner: Body) -> Body {
        // An empty body has nothing to watch, and must still look empty.
        if http_body::Body::is_end_stream(&inner) {
            return inner;
        }
        Body::new(Watched { inner, watch: self.clone() })
    }
}

struct Watched {
    inner: Body,
    watch: Watch,
}

impl http_body::Body for Watched {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let polled = Pin::new(&mut self.inner).poll_frame(cx);
        self.watch.mark(polled.is_pending());
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        // A body with a known length is dropped without being polled to its end.
        self.watch.mark(false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::{BodyExt, Full};

    #[tokio::test(start_paused = true)]
    async fn an_upstream_that_says_nothing_is_given_up_after_the_limit() {
        let start = Instant::now();
        Watch::new().silence(Duration::from_secs(60)).await;
        assert_eq!(start.elapsed(), Duration::from_secs(60));
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_its_time_is_not_blamed_on_the_upstream() {
        let watch = Watch::new();
        let slow = http_body_util::StreamBody::new(futures_util::stream::once(async {
            tokio::time::sleep(Duration::from_secs(300)).await;
            Ok::<_, BoxError>(Frame::data(Bytes::from_static(b"late")))
        }));
        let body = watch.body(Body::new(slow));
        let start = Instant::now();
        let sent = async {
            body.collect().await.map(drop).ok();
            std::future::pending::<()>().await;
        };
        tokio::select! { () = sent => {}, () = watch.silence(Duration::from_secs(60)) => {} }
        assert!(start.elapsed() >= Duration::from_secs(360));
    }

    #[test]
    fn an_empty_body_still_looks_empty() {
        let empty = Body::new(Full::new(Bytes::new()).map_err(|never| match never {}));
        assert!(http_body::Body::is_end_stream(&Watch::new().body(empty)));
    }
}
