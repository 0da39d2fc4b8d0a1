use std::{
    sync::Arc,
    task::{Context, Poll},
};

use futures_util::{StreamExt, TryStreamExt, stream};
use tower::{Service, ServiceExt};

use super::{Answer, AnswerFuture, FailureClass, Rerank, RerankError, RerankRequest, Scores};

/// How many parts of one request are under way at a time.
const PARTS_AT_ONCE: usize = 4;

/// The most documents of one call, asked each time: a server may tell it later.
pub(super) type Limit = Arc<dyn Fn() -> usize + Send + Sync>;

/// Splits a request at the provider's limit; some parts run at once and any failed part fails the whole. A
/// request that the provider finds too large is halved, once.
#[derive(Clone)]
pub(super) struct Batch<S> {
    inner: S,
    limit: Limit,
}

impl<S: Rerank> Batch<S> {
    pub(super) fn new(inner: S, limit: Limit) -> Self {
        Self { inner, limit }
    }

    fn limit(&self) -> usize {
        (self.limit)().max(1)
    }

    async fn run(self, request: RerankRequest) -> Answer {
        let count = request.documents.len();
        let limit = self.limit();
        if count > limit {
            return self.in_parts(request, limit).await;
        }
        match self.inner.clone().oneshot(request.clone()).await {
            Err(error) if error.class() == FailureClass::TooLarge && count > 1 => {
                // The refusal may have told a lower limit.
                self.in_parts(request, count.div_ceil(2).min(self.limit())).await
            }
            answer => answer,
        }
    }

    async fn in_parts(&self, request: RerankRequest, size: usize) -> Answer {
        let parts: Vec<_> = request
            .documents
            .chunks(size)
            .enumerate()
            .map(|(at, documents)| {
                self.part(at, RerankRequest { documents: documents.into(), ..request.clone() })
            })
            .collect();
        // As they come, so that a failure is seen at once.
        let mut parts: Vec<(usize, Scores)> =
            stream::iter(parts).buffer_unordered(PARTS_AT_ONCE).try_collect().await?;
        parts.sort_unstable_by_key(|(at, _)| *at);
        let mut whole = Scores::default();
        for (_, part) in parts {
            whole.scores.extend(part.scores);
            whole.billed_units += part.billed_units;
            whole.billed_tokens += part.billed_tokens;
            whole.failure = whole.failure.or(part.failure);
            (whole.provider, whole.model) = (part.provider, part.model);
        }
        Ok(whole)
    }

    fn part(
        &self,
        at: usize,
        request: RerankRequest,
    ) -> impl Future<Output = Result<(usize, Scores), RerankError>> + Send + use<S> {
        let sent = request.documents.len();
        let call = self.inner.clone().oneshot(request);
        async move {
            let scores = call.await?;
            // One part out of step would give every later document another one's score.
            if scores.scores.len() == sent {
                Ok((at, scores))
            } else {
                Err(RerankError::BadResponse("wrong number of scores"))
            }
        }
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
        let scores = Batch::new(inner, Arc::new(|| 100)).oneshot(request(&["a", "b", "c"])).await.unwrap();
        assert_eq!(scores.scores, [Some(0.5); 3]);
        assert_eq!(calls.load(Ordering::SeqCst), 3);

        let (inner, calls) = scripted(|_, _| Err(too_large()));
        let failed =
            Batch::new(inner, Arc::new(|| 100)).oneshot(request(&["a", "b", "c", "d"])).await.unwrap_err();
        assert_eq!(failed.class(), FailureClass::TooLarge);
        assert!(calls.load(Ordering::SeqCst) <= 3, "halves are not halved again");
    }
}
