//! One answer of several parts'.

use futures_util::{StreamExt, stream};
use tower::ServiceExt;

use super::PARALLEL_PARTS;
use crate::{
    rerank::{Answer, FailureClass, Rerank, RerankError, RerankRequest, Scores, Siblings},
    search::Fusion,
};

/// What has come by now.
pub(super) struct Merged {
    whole: Scores,
    failure: Option<RerankError>,
}

impl Merged {
    pub(super) fn new(documents: usize) -> Self {
        Self { whole: Scores { scores: vec![None; documents], ..Scores::default() }, failure: None }
    }

    /// Takes in the answer to the part of these places, of whose texts at most so many bytes went; fails if it cannot be
    /// one with those before.
    pub(super) fn answered(
        &mut self,
        places: impl Iterator<Item = usize>,
        cut: Option<usize>,
        answer: Scores,
    ) -> Result<(), RerankError> {
        let places: Vec<usize> = places.collect();
        if answer.scores.len() != places.len() {
            // One part out of step would give every later document another one's score.
            self.failed(RerankError::BadResponse("wrong number of scores"));
            return Ok(());
        }
        let (whole, of_spans) = (&mut self.whole, places.clone());
        for (place, score) in places.into_iter().zip(&answer.scores) {
            if let Some(slot) = whole.scores.get_mut(place) {
                *slot = *score;
            }
        }
        if !answer.spans.is_empty() {
            whole.spans.resize(whole.scores.len(), None);
            for (place, spans) in of_spans.into_iter().zip(answer.spans) {
                if let Some(slot) = whole.spans.get_mut(place) {
                    *slot = spans;
                }
            }
        }
        whole.billed_units += answer.billed_units;
        whole.billed_tokens += answer.billed_tokens;
        whole.cache_lookups += answer.cache_lookups;
        whole.cache_hits += answer.cache_hits;
        whole.failure = whole.failure.or(answer.failure);
        whole.fusion = weakest(whole.fusion, answer.fusion);
        whole.learned = whole.learned.into_iter().chain(answer.learned).min();
        whole.calls_left = answer.calls_left.or(whole.calls_left);
        whole.sent_bytes = [whole.sent_bytes, answer.sent_bytes, cut].into_iter().flatten().min();
        if !answer.model.is_empty() {
            // The host has pointed the name at another model in between: two models' scores do not mix.
            if !whole.model.is_empty() && whole.model != answer.model {
                return Err(RerankError::BadResponse("two models have answered"));
            }
            (whole.provider, whole.model) = (answer.provider, answer.model);
        }
        Ok(())
    }

    /// A part stays unscored. That its texts are too large says least: whoever takes that takes nothing else.
    pub(super) fn failed(&mut self, error: RerankError) {
        if self.failure.is_none() || error.class() != FailureClass::TooLarge {
            self.failure = Some(error);
        }
    }

    /// A failed part leaves its documents unscored and says so; if all fail, the whole does.
    pub(super) fn finish(mut self) -> Answer {
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

/// Asks for all parts of a request, in its order, a few at a time, and makes one answer of theirs.
pub(in crate::rerank) async fn together<S: Rerank>(inner: &S, parts: Vec<RerankRequest>) -> Answer {
    let mut merged = Merged::new(parts.iter().map(|part| part.documents.len()).sum());
    let (mut from, siblings) = (0, Siblings::default());
    let calls = parts.into_iter().map(|part| {
        let places = from..from + part.documents.len();
        from = places.end;
        // What one part brings is of use although another one fails, or is too late.
        let call = inner.clone().oneshot(RerankRequest {
            behind: None,
            siblings: part.siblings.clone().or(Some(siblings.clone())),
            ..part
        });
        async move { (places, call.await) }
    });
    let answers: Vec<_> = stream::iter(calls).buffered(PARALLEL_PARTS).collect().await;
    for (places, answer) in answers {
        match answer {
            Ok(scores) => merged.answered(places, None, scores)?,
            Err(error) => merged.failed(error),
        }
    }
    merged.finish()
}
