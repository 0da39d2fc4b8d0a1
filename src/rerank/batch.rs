use std::{
    sync::Arc,
    task::{Context, Poll},
};

use futures_util::{StreamExt, stream};
use tower::{Service, ServiceExt};

use super::{Answer, AnswerFuture, FailureClass, Rerank, RerankError, RerankRequest, Scores};

/// Parts of one request in flight at a time: a large one is not to take all the places of a provider.
const PARALLEL_PARTS: usize = 4;

/// The most documents of one call, as far as known by now.
pub(super) type MaxDocuments = Arc<dyn Fn() -> usize + Send + Sync>;

/// Splits a request at the provider's limit. A failed part leaves its documents unscored and says so; if all
/// fail, the whole does. A request that the provider finds too large is halved, once.
#[derive(Clone)]
pub(super) struct Batch<S> {
    inner: S,
    limit: MaxDocuments,
}

impl<S: Rerank> Batch<S> {
    pub(super) fn new(inner: S, limit: MaxDocuments) -> Self {
        Self { inner, limit }
    }

    async fn run(self, request: RerankRequest) -> Answer {
        let (count, limit) = (request.documents.len(), (self.limit)().max(1));
        if count > limit {
            return self.in_parts(request, limit).await;
        }
        match self.inner.clone().oneshot(request.clone()).await {
            Err(error) if error.class() == FailureClass::TooLarge && count > 1 => {
                // The answer may have taught a smaller limit.
                let half = count.div_ceil(2);
                self.in_parts(request, half.min((self.limit)().max(1))).await
            }
            answer => answer,
        }
    }

    async fn in_parts(&self, request: RerankRequest, size: usize) -> Answer {
        let parts: Vec<RerankRequest> = parts(&request, size).collect();
        let calls = parts.into_iter().map(|part| {
            let sent = part.documents.len();
            let call = self.inner.clone().oneshot(part);
            async move { (sent, call.await) }
        });
        let answers: Vec<(usize, Answer)> = stream::iter(calls).buffered(PARALLEL_PARTS).collect().await;
        merge(answers)
    }
}

/// The parts of a request, each with its own documents' keys.
fn parts(request: &RerankRequest, size: usize) -> impl Iterator<Item = RerankRequest> {
    request.documents.chunks(size).enumerate().map(move |(at, documents)| RerankRequest {
        documents: documents.into(),
        keys: request.keys.as_ref().and_then(|keys| keys.chunks(size).nth(at)).map(Into::into),
        ..request.clone()
    })
}

/// One answer of the parts', in their order.
fn merge(answers: Vec<(usize, Answer)>) -> Answer {
    let mut whole = Scores::default();
    let mut failure = None;
    for (sent, answer) in answers {
        match answer {
            Ok(part) if part.scores.len() == sent => {
                whole.scores.extend(part.scores);
                whole.billed_units += part.billed_units;
                whole.billed_tokens += part.billed_tokens;
                whole.failure = whole.failure.or(part.failure);
                whole.sent_bytes = whole.sent_bytes.or(part.sent_bytes);
                whole.calls_left = part.calls_left.or(whole.calls_left);
                if !part.model.is_empty() {
                    // The host has pointed the name at another model in between: two models' scores do not mix.
                    if !whole.model.is_empty() && whole.model != part.model {
                        return Err(RerankError::BadResponse("two models have answered"));
                    }
                    (whole.provider, whole.model) = (part.provider, part.model);
                }
                continue;
            }
            // One part out of step would give every later document another one's score.
            Ok(_) => failure = Some(RerankError::BadResponse("wrong number of scores")),
            Err(error) => failure = Some(error),
        }
        whole.scores.resize(whole.scores.len() + sent, None);
    }
    match failure {
        Some(error) if whole.scores.iter().all(Option::is_none) => Err(error),
        failure => {
            whole.failure = whole.failure.or(failure.map(|error| error.class()));
            Ok(whole)
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

    fn batch<S: Rerank>(inner: S, limit: usize) -> Batch<S> {
        Batch::new(inner, Arc::new(move || limit))
    }

    fn too_large() -> RerankError {
        RerankError::Status { status: 413, class: FailureClass::TooLarge, retry_after: None }
    }

    #[tokio::test]
    async fn what_is_too_large_for_the_provider_is_halved_once() {
        let (inner, calls) =
            scripted(|_, r| if r.documents.len() > 2 { Err(too_large()) } else { half_for_each(r) });
        let scores = batch(inner, 100).oneshot(request(&["a", "b", "c"])).await.unwrap();
        assert_eq!(scores.scores, [Some(0.5); 3]);
        assert_eq!(calls.load(Ordering::SeqCst), 3);

        let (inner, calls) = scripted(|_, _| Err(too_large()));
        let failed = batch(inner, 100).oneshot(request(&["a", "b", "c", "d"])).await.unwrap_err();
        assert_eq!(failed.class(), FailureClass::TooLarge);
        assert!(calls.load(Ordering::SeqCst) <= 3, "halves are not halved again");
    }

    #[tokio::test]
    async fn parts_are_merged_under_their_global_indexes() {
        let (inner, calls) = scripted(|_, r| {
            let mut answer = half_for_each(r.clone())?;
            answer.scores = r.documents.iter().map(|text| text.parse().ok()).collect();
            Ok(answer)
        });
        let answer = batch(inner, 2).oneshot(request(&["0.1", "0.2", "0.3", "0.4", "0.5"])).await.unwrap();
        assert_eq!(answer.scores, [0.1, 0.2, 0.3, 0.4, 0.5].map(Some));
        assert_eq!((answer.billed_units, calls.load(Ordering::SeqCst)), (3.0, 3));
    }

    #[tokio::test]
    async fn a_failed_part_leaves_only_its_own_documents_unscored() {
        let (inner, _) = scripted(|n, r| if n == 1 { Err(RerankError::Timeout) } else { half_for_each(r) });
        let answer = batch(inner, 1).oneshot(request(&["a", "b", "c"])).await.unwrap();
        assert_eq!(answer.scores, [Some(0.5), None, Some(0.5)]);
        assert_eq!(answer.failure, Some(FailureClass::Timeout));
        let (inner, _) = scripted(|_, _| Err(RerankError::Timeout));
        assert_eq!(batch(inner, 1).oneshot(request(&["a", "b"])).await.unwrap_err(), RerankError::Timeout);
    }

    #[tokio::test]
    async fn a_part_out_of_step_gives_no_document_anothers_score() {
        let (inner, _) = scripted(|n, r| {
            let mut answer = half_for_each(r)?;
            answer.scores.extend((n == 0).then_some(Some(0.9)));
            Ok(answer)
        });
        let answer = batch(inner, 2).oneshot(request(&["a", "b", "c"])).await.unwrap();
        assert_eq!(answer.scores, [None, None, Some(0.5)]);
        assert_eq!(answer.failure, Some(FailureClass::BadResponse));
    }

    #[tokio::test]
    async fn parts_that_two_models_have_scored_make_no_order() {
        let (inner, _) = scripted(|n, r| {
            Ok(Scores { model: if n == 0 { "old" } else { "new" }.into(), ..half_for_each(r)? })
        });
        let answer = batch(inner, 1).oneshot(request(&["a", "b"])).await;
        let mixed = answer.is_ok_and(|whole| whole.scores.iter().all(Option::is_some));
        assert!(!mixed, "scores of two models never meet");
    }
}
