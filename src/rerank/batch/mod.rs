//! Splits a request at the provider's limits: those that it has, and those learned from its rejections.

mod divide;
mod learned;
mod merge;

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use tower::{Service, ServiceExt};

use super::{FailureClass, Rerank, RerankError, RerankFuture, RerankRequest, RerankResult, Scores};
use crate::search::Document;
use divide::{Divided, Part, Text};
use learned::{BYTES_PER_TOKEN, Fit, Known, Learned, Size};
pub(super) use merge::together;

/// Parts of one request in flight at a time: a large one must not take all permits of a provider.
const PARALLEL_PARTS: usize = 4;

/// No model reads more of a document, and the query with it.
const TOKENS_READ: usize = 32_000;

/// What one call takes at most.
#[derive(Clone)]
pub(super) struct BatchLimit {
    /// Documents, as far as known by now.
    pub(super) documents: Arc<dyn Fn() -> usize + Send + Sync>,
    /// Tokens: those of the query once for each document, and those of all documents.
    pub(super) tokens: Option<usize>,
}

/// Splits a request at the provider's limits. A failed part leaves its documents unscored and gives the reason; if
/// all fail, the whole does. What the provider finds too large is divided until the text at fault is alone, which is
/// cut once more and else left unscored. What that has shown of the provider's limits applies to the next searches.
#[derive(Clone)]
pub(super) struct Batch<S> {
    inner: S,
    limit: BatchLimit,
    learned: Arc<Learned>,
}

impl<S: Rerank> Batch<S> {
    pub(super) fn new(inner: S, limit: BatchLimit) -> Self {
        Self { inner, limit, learned: Arc::default() }
    }

    async fn run(self, mut request: RerankRequest) -> RerankResult {
        request.siblings.get_or_insert_default();
        let known = self.learned.of(request.model.as_ref());
        let (parts, some_left_out) = self.limit.parts(&request, known);
        let divided = |parts| Divided::new(&self.inner, &request, &self.learned, known, parts);
        let [part] = parts.as_slice() else {
            let divided = divided(parts);
            return if some_left_out { divided.without_some().run().await } else { divided.run().await };
        };
        if some_left_out || part.texts.iter().any(|text| text.most != usize::MAX) || !known.is_empty() {
            let divided = divided(parts);
            return if some_left_out { divided.without_some().run().await } else { divided.run().await };
        }
        match self.inner.clone().oneshot(request.clone()).await {
            Err(error) if error.class() == FailureClass::TooLarge => {
                divided(Vec::new()).after(part.clone(), error).run().await
            }
            response => response,
        }
    }
}

impl BatchLimit {
    /// The parts of a request, each within the limits, and whether some documents are in none. The exact lengths of texts
    /// matter only where they are not all one part: they have to be made for that.
    fn parts(&self, request: &RerankRequest, known: Known) -> (Vec<Part>, bool) {
        let roughly = self.parts_by(request, known, Document::size);
        let is_one = |part: &Part| part.texts.iter().all(|text| text.most == usize::MAX);
        match (roughly.0.as_slice(), roughly.1) {
            ([part], false) if is_one(part) => roughly,
            _ => self.parts_by(request, known, |document| document.text().len()),
        }
    }

    fn parts_by(
        &self,
        request: &RerankRequest,
        known: Known,
        length: impl Fn(&Document) -> usize,
    ) -> (Vec<Part>, bool) {
        let documents = (self.documents)().min(known.documents().unwrap_or(usize::MAX)).max(1);
        let (tokens, bytes) = (self.tokens.unwrap_or(usize::MAX), known.bytes().unwrap_or(usize::MAX));
        let query = request.query.len();
        let (mut parts, mut size, mut sum, mut some_left_out) =
            (Vec::<Part>::new(), Size::default(), 0, false);
        for (place, document) in request.documents.iter().enumerate() {
            let most = match known.fit(query, length(document)) {
                Fit::Whole => usize::MAX,
                Fit::Cut(most) => most,
                Fit::Not => {
                    some_left_out = true;
                    continue;
                }
            };
            let length = length(document).min(most);
            let cost = (query.div_ceil(BYTES_PER_TOKEN) + length.div_ceil(BYTES_PER_TOKEN)).min(TOKENS_READ);
            let fits = size.documents < documents && sum + cost <= tokens && size.bytes + length <= bytes;
            match parts.last_mut() {
                Some(part) if fits => part.texts.push(Text { place, most }),
                _ => {
                    parts.push(Part::new(vec![Text { place, most }]));
                    (size, sum) = (Size::default(), 0);
                }
            }
            (size.documents, size.bytes, sum) = (size.documents + 1, size.bytes + length, sum + cost);
        }
        (parts, some_left_out)
    }
}

impl<S: Rerank> Service<RerankRequest> for Batch<S> {
    type Response = Scores;
    type Error = RerankError;
    type Future = RerankFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), RerankError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: RerankRequest) -> RerankFuture {
        Box::pin(self.clone().run(request))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;
    use crate::rerank::{
        deferred::DeferredWork,
        test_support::{half_for_each, request, scripted},
    };

    fn batch<S: Rerank>(inner: S, limit: usize) -> Batch<S> {
        Batch::new(inner, BatchLimit { documents: Arc::new(move || limit), tokens: None })
    }

    #[tokio::test]
    async fn parts_are_merged_under_their_global_indexes() {
        let (inner, calls) = scripted(|_, r| {
            let mut response = half_for_each(r.clone())?;
            response.scores = r.documents.iter().map(|document| document.text().parse().ok()).collect();
            Ok(response)
        });
        let response = batch(inner, 2).oneshot(request(&["0.1", "0.2", "0.3", "0.4", "0.5"])).await.unwrap();
        assert_eq!(response.scores, [0.1, 0.2, 0.3, 0.4, 0.5].map(Some));
        assert_eq!((response.billed_units, calls.load(Ordering::SeqCst)), (3.0, 3));
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
        let response = Batch::new(inner, limit).oneshot(request(&documents)).await.unwrap();
        assert_eq!(response.scores, [Some(0.5); 5]);
        assert_eq!(*sizes.lock().unwrap(), [2, 1, 1, 1], "one that is too large alone goes alone");
    }

    #[tokio::test]
    async fn only_a_call_for_the_whole_may_put_work_behind_its_response() {
        for (limit, behind) in [(2, [true, true]), (1, [false, false])] {
            let (inner, _) = scripted(move |n, r| {
                assert_eq!(r.deferred.is_some(), behind[n]);
                half_for_each(r)
            });
            let asked = RerankRequest { deferred: Some(DeferredWork::default()), ..request(&["a", "b"]) };
            assert!(batch(inner, limit).oneshot(asked).await.is_ok());
        }
    }

    #[tokio::test]
    async fn a_failed_part_leaves_only_its_own_documents_unscored() {
        let (inner, _) = scripted(|n, r| if n == 1 { Err(RerankError::Timeout) } else { half_for_each(r) });
        let response = batch(inner, 1).oneshot(request(&["a", "b", "c"])).await.unwrap();
        assert_eq!(response.scores, [Some(0.5), None, Some(0.5)]);
        assert_eq!(response.failure, Some(FailureClass::Timeout));
        let (inner, _) = scripted(|_, _| Err(RerankError::Timeout));
        assert_eq!(batch(inner, 1).oneshot(request(&["a", "b"])).await.unwrap_err(), RerankError::Timeout);
    }

    #[tokio::test]
    async fn a_part_out_of_step_gives_no_document_anothers_score() {
        let (inner, _) = scripted(|n, r| {
            let mut response = half_for_each(r)?;
            response.scores.extend((n == 0).then_some(Some(0.9)));
            Ok(response)
        });
        let response = batch(inner, 2).oneshot(request(&["a", "b", "c"])).await.unwrap();
        assert_eq!(response.scores, [None, None, Some(0.5)]);
        assert_eq!(response.failure, Some(FailureClass::BadResponse));
    }

    #[tokio::test]
    async fn parts_that_two_models_have_scored_make_no_order() {
        let (inner, _) = scripted(|n, r| {
            Ok(Scores { model: if n == 0 { "old" } else { "new" }.into(), ..half_for_each(r)? })
        });
        let response = batch(inner, 1).oneshot(request(&["a", "b"])).await;
        let mixed = response.is_ok_and(|whole| whole.scores.iter().all(Option::is_some));
        assert!(!mixed, "scores of two models never meet");
    }
}

#[cfg(test)]
mod too_large_tests;
