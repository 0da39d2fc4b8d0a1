use std::task::{Context, Poll};

use futures_util::future::try_join_all;
use tower::{Service, ServiceExt};

use super::{Answer, AnswerFuture, FailureClass, Rerank, RerankError, RerankRequest, Scores};

/// Splits a request at the provider's limit; the parts run at once and any failed part fails the whole. A
/// request that the provider finds too large is halved, once.
#[derive(Clone)]
pub(super) struct Batch<S> {
    inner: S,
    limit: usize,
}

impl<S: Rerank> Batch<S> {
    pub(super) fn new(inner: S, limit: usize) -> Self {
        Self { inner, limit: limit.max(1) }
    }

    async fn run(self, request: RerankRequest) -> Answer {
        let count = request.documents.len();
        if count > self.limit {
            return self.in_parts(request, self.limit).await;
        }
        match self.inner.clone().oneshot(request.clone()).await {
            Err(error) if error.class() == FailureClass::TooLarge && count > 1 => {
                self.in_parts(request, count.div_ceil(2)).await
            }
            answer => answer,
        }
    }

    async fn in_parts(&self, request: RerankRequest, size: usize) -> Answer {
        let parts = request.documents.chunks(size).map(|documents| {
            let part = RerankRequest { documents: documents.into(), ..request.clone() };
            let sent = documents.len();
            let call = self.inner.clone().oneshot(part);
            async move {
                let scores = call.await?;
                // One part out of step would give every later document another one's score.
                if scores.scores.len() == sent {
                    Ok(scores)
                } else {
                    Err(RerankError::BadResponse("wrong number of scores"))
                }
            }
        });
        let mut whole = Scores::default();
        for part in try_join_all(parts).await? {
            whole.scores.extend(part.scores);
            whole.billed_units += part.billed_units;
            whole.failure = whole.failure.or(part.failure);
            (whole.provider, whole.model) = (part.provider, part.model);
        }
        Ok(whole)
    }
}

impl<S: Rerank> Service<RerankRequest> for Batch<S> {
    type Response = Scores;
    type Error = RerankError;
    type Future = AnswerFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), RerankError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: RerankRequest) -> AnswerFuture {
        Box::pin(self.clone().run(request))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;
    use crate::rerank::test_support::{half_for_each, request, scripted};

    fn too_large() -> RerankError {
        RerankError::Status { status: 413, class: FailureClass::TooLarge, retry_after: None }
    }

    #[tokio::test]
    async fn what_is_too_large_for_the_provider_is_halved_once() {
        let (inner, calls) =
            scripted(|_, r| if r.documents.len() > 2 { Err(too_large()) } else { half_for_each(r) });
        let scores = Batch::new(inner, 100).oneshot(request(&["a", "b", "c"])).await.unwrap();
        assert_eq!(scores.scores, [Some(0.5); 3]);
        assert_eq!(calls.load(Ordering::SeqCst), 3);

        let (inner, calls) = scripted(|_, _| Err(too_large()));
        let failed = Batch::new(inner, 100).oneshot(request(&["a", "b", "c", "d"])).await.unwrap_err();
        assert_eq!(failed.class(), FailureClass::TooLarge);
        assert!(calls.load(Ordering::SeqCst) <= 3, "halves are not halved again");
    }
}
