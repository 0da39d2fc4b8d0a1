use std::task::{Context, Poll};

use futures_util::future::try_join_all;
use tower::{Service, ServiceExt};

use super::{Answer, AnswerFuture, Rerank, RerankError, RerankRequest, Scores};

/// Splits a request at the provider's limit; the parts run at once and any failed part fails the whole.
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
        if request.documents.len() <= self.limit {
            return self.inner.oneshot(request).await;
        }
        let parts = request.documents.chunks(self.limit).map(|documents| {
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
