use std::{
    ops::Range,
    sync::Arc,
    task::{Context, Poll},
};

use futures_util::{StreamExt, stream};
use tower::{Service, ServiceExt};

use crate::document::Document;

use super::{Answer, AnswerFuture, FailureClass, Rerank, RerankError, RerankRequest, Scores};

/// Parts of one request in flight at a time: a large one is not to take all the places of a provider.
const PARALLEL_PARTS: usize = 4;

/// What one call takes at most.
#[derive(Clone)]
pub(super) struct BatchLimit {
    /// Documents, as far as known by now.
    pub(super) documents: Arc<dyn Fn() -> usize + Send + Sync>,
    /// Tokens: those of the query once for each document, and those of all documents.
    pub(super) tokens: Option<usize>,
}

impl BatchLimit {
    fn documents(&self) -> usize {
        (self.documents)().max(1)
    }
}

/// Only the provider can count tokens. Most texts have more bytes to each: rather two calls than one that fails.
const BYTES_PER_TOKEN: usize = 3;
/// No model reads more of a document, and the query with it.
const TOKENS_READ: usize = 32_000;

/// Splits a request at the provider's limit. A failed part leaves its documents unscored and says so; if all
/// fail, the whole does. A request that the provider finds too large is halved, once.
#[derive(Clone)]
pub(super) struct Batch<S> {
    inner: S,
    limit: BatchLimit,
}

impl<S: Rerank> Batch<S> {
    pub(super) fn new(inner: S, limit: BatchLimit) -> Self {
        Self { inner, limit }
    }

    async fn run(self, request: RerankRequest) -> Answer {
        let first = parts(&request, self.limit.documents(), self.limit.tokens);
        if first.len() > 1 {
            return together(&self.inner, first).await;
        }
        let count = request.documents.len();
        match self.inner.clone().oneshot(request.clone()).await {
            Err(error) if error.class() == FailureClass::TooLarge && count > 1 => {
                // The answer may have taught a smaller limit.
                let half = count.div_ceil(2).min(self.limit.documents());
                together(&self.inner, parts(&request, half, self.limit.tokens)).await
            }
            answer => answer,
        }
    }
}

/// Asks for all parts, a few at a time, and makes one answer of theirs.
pub(super) async fn together<S: Rerank>(inner: &S, parts: Vec<RerankRequest>) -> Answer {
    let calls = parts.into_iter().map(|part| {
        let sent = part.documents.len();
        // What one part brings is of use although another one fails, or is too late.
        let call = inner.clone().oneshot(RerankRequest { behind: None, ..part });
        async move { (sent, call.await) }
    });
    let answers: Vec<(usize, Answer)> = stream::iter(calls).buffered(PARALLEL_PARTS).collect().await;
    merge(answers)
}

/// The parts of a request, each within the limits and with its own documents' keys.
fn parts(request: &RerankRequest, documents: usize, tokens: Option<usize>) -> Vec<RerankRequest> {
    let query = request.query.len().div_ceil(BYTES_PER_TOKEN);
    let cost =
        |document: &Document| (query + document.text().len().div_ceil(BYTES_PER_TOKEN)).min(TOKENS_READ);
    let (mut parts, mut begin, mut sum) = (Vec::new(), 0, 0);
    let part = |range: Range<usize>| {
        if range.len() == request.documents.len() {
            return Some(request.clone());
        }
        let keys = request.keys.as_ref().and_then(|keys| keys.get(range.clone())).map(Into::into);
        let documents = request.documents.get(range)?.into();
        Some(RerankRequest { documents, keys, ..request.clone() })
    };
    for (at, document) in request.documents.iter().enumerate() {
        let more = cost(document);
        if at > begin && (at - begin >= documents || tokens.is_some_and(|most| sum + more > most)) {
            parts.extend(part(begin..at));
            (begin, sum) = (at, 0);
        }
        sum += more;
    }
    parts.extend(part(begin..request.documents.len()));
    parts
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
                whole.cache_lookups += part.cache_lookups;
                whole.cache_hits += part.cache_hits;
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
    use crate::rerank::{
        behind::Behind,
        test_support::{half_for_each, request, scripted},
    };

    fn batch<S: Rerank>(inner: S, limit: usize) -> Batch<S> {
        Batch::new(inner, BatchLimit { documents: Arc::new(move || limit), tokens: None })
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
            answer.scores = r.documents.iter().map(|document| document.text().parse().ok()).collect();
            Ok(answer)
        });
        let answer = batch(inner, 2).oneshot(request(&["0.1", "0.2", "0.3", "0.4", "0.5"])).await.unwrap();
        assert_eq!(answer.scores, [0.1, 0.2, 0.3, 0.4, 0.5].map(Some));
        assert_eq!((answer.billed_units, calls.load(Ordering::SeqCst)), (3.0, 3));
    }

    #[tokio::test]
    async fn no_part_has_more_tokens_than_the_provider_takes() {
        let sizes = Arc::new(std::sync::Mutex::new(Vec::new()));
        let seen = sizes.clone();
        let (inner, _) = scripted(move |_, r| {
            seen.lock().unwrap().push(r.documents.len());
            half_for_each(r)
        });
        // The query has 3 tokens, the documents 2, 2, 2, 40 and 2 of their own.
        let long = "x".repeat(120);
        let documents = ["sixsix", "sixsix", "sixsix", &long, "sixsix"];
        let limit = BatchLimit { documents: Arc::new(|| 100), tokens: Some(12) };
        let answer = Batch::new(inner, limit).oneshot(request(&documents)).await.unwrap();
        assert_eq!(answer.scores, [Some(0.5); 5]);
        assert_eq!(*sizes.lock().unwrap(), [2, 1, 1, 1], "one that is too large alone goes alone");
    }

    #[tokio::test]
    async fn only_a_call_for_the_whole_may_put_work_behind_its_answer() {
        for (limit, behind) in [(2, [true, true]), (1, [false, false])] {
            let (inner, _) = scripted(move |n, r| {
                assert_eq!(r.behind.is_some(), behind[n]);
                half_for_each(r)
            });
            let asked = RerankRequest { behind: Some(Behind::default()), ..request(&["a", "b"]) };
            assert!(batch(inner, limit).oneshot(asked).await.is_ok());
        }
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
