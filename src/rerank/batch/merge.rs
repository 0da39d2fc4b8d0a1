//! Merging the responses to the parts of a request.

use futures_util::{StreamExt, stream};
use tower::ServiceExt;

use super::PARALLEL_PARTS;
use crate::{
    rerank::{FailureClass, Rerank, RerankError, RerankRequest, RerankResult, Scores, Siblings},
    search::Fusion,
};

/// What has arrived so far.
pub(super) struct Merged {
    whole: Scores,
    failure: Option<RerankError>,
}

impl Merged {
    pub(super) fn new(documents: usize) -> Self {
        Self { whole: Scores { scores: vec![None; documents], ..Scores::default() }, failure: None }
    }

    /// Adds the response to the part of these indices, whose texts were cut to at most this many bytes; fails if it
    /// cannot be merged with those before.
    pub(super) fn answered(
        &mut self,
        places: impl Iterator<Item = usize>,
        cut: Option<usize>,
        response: Scores,
    ) -> Result<(), RerankError> {
        let places: Vec<usize> = places.collect();
        if response.scores.len() != places.len() {
            // One part out of step would give every later document another one's score.
            self.failed(RerankError::BadResponse("wrong number of scores"));
            return Ok(());
        }
        let (whole, of_spans) = (&mut self.whole, places.clone());
        for (place, score) in places.into_iter().zip(&response.scores) {
            if let Some(slot) = whole.scores.get_mut(place) {
                *slot = *score;
            }
        }
        if !response.spans.is_empty() {
            whole.spans.resize(whole.scores.len(), None);
            for (place, spans) in of_spans.into_iter().zip(response.spans) {
                if let Some(slot) = whole.spans.get_mut(place) {
                    *slot = spans;
                }
            }
        }
        whole.billed_units += response.billed_units;
        whole.billed_tokens += response.billed_tokens;
        whole.cache_lookups += response.cache_lookups;
        whole.cache_hits += response.cache_hits;
        whole.failure = whole.failure.or(response.failure);
        whole.fusion = weakest(whole.fusion, response.fusion);
        whole.learned = whole.learned.into_iter().chain(response.learned).min();
        whole.calls_left = response.calls_left.or(whole.calls_left);
        whole.sent_bytes = [whole.sent_bytes, response.sent_bytes, cut].into_iter().flatten().min();
        if !response.model.is_empty() {
            // The host has pointed the name to another model in between: two models' scores must not mix.
            if !whole.model.is_empty() && whole.model != response.model {
                return Err(RerankError::BadResponse("two models have answered"));
            }
            (whole.provider, whole.model) = (response.provider, response.model);
        }
        Ok(())
    }

    /// A part stays unscored. That its texts are too large is the weakest reason: any other one replaces it.
    pub(super) fn failed(&mut self, error: RerankError) {
        if self.failure.is_none() || error.class() != FailureClass::TooLarge {
            self.failure = Some(error);
        }
    }

    /// A failed part leaves its documents unscored and gives the reason; if all fail, the whole does.
    pub(super) fn finish(mut self) -> RerankResult {
        match self.failure {
            Some(error) if self.whole.scores.iter().all(Option::is_none) => Err(error),
            failure => {
                self.whole.failure = self.whole.failure.or(failure.map(|error| error.class()));
                Ok(self.whole)
            }
        }
    }
}

/// The fusion in which the reranker's order weighs least.
fn weakest(one: Option<Fusion>, other: Option<Fusion>) -> Option<Fusion> {
    one.into_iter().chain(other).min_by(|one, other| one.weight.total_cmp(&other.weight))
}

/// Sends all parts of a request, in its order, a few at a time, and merges their responses.
pub(in crate::rerank) async fn together<S: Rerank>(inner: &S, parts: Vec<RerankRequest>) -> RerankResult {
    let mut merged = Merged::new(parts.iter().map(|part| part.documents.len()).sum());
    let (mut from, siblings) = (0, Siblings::default());
    let calls = parts.into_iter().map(|part| {
        let places = from..from + part.documents.len();
        from = places.end;
        // The result of one part is of use although another one fails, or is too late.
        let call = inner.clone().oneshot(RerankRequest {
            deferred: None,
            siblings: part.siblings.clone().or(Some(siblings.clone())),
            ..part
        });
        async move { (places, call.await) }
    });
    let responses: Vec<_> = stream::iter(calls).buffered(PARALLEL_PARTS).collect().await;
    for (places, response) in responses {
        match response {
            Ok(scores) => merged.answered(places, None, scores)?,
            Err(error) => merged.failed(error),
        }
    }
    merged.finish()
}
