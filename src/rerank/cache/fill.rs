use std::{
    sync::Arc,
    task::{Context, Poll},
};

use tower::{Service, ServiceExt};

use super::{DocumentHash, KeyBase, Keys, ScoreStore};
use crate::rerank::{
    Rerank, RerankError, RerankFuture, RerankRequest, RerankResult, Scores, deferred::DeferredWork,
};
use crate::trouble::Lines;

/// Stores what a call has scored. It is inside the single-flight and the batch, so that scores are kept although
/// their caller is gone, or another part of the batch has failed.
#[derive(Clone)]
pub(in crate::rerank) struct Fill<S> {
    inner: S,
    store: Arc<ScoreStore>,
    base: Arc<KeyBase>,
    lines: Lines,
}

impl<S: Rerank> Fill<S> {
    pub(in crate::rerank) fn new(inner: S, store: Arc<ScoreStore>, base: Arc<KeyBase>) -> Self {
        Self { inner, store, base, lines: Lines::default() }
    }

    async fn run(self, request: RerankRequest) -> RerankResult {
        let Some(keys) = request.keys.clone() else { return self.inner.oneshot(request).await };
        // A call that ended between the lookup and now has brought them all.
        let known: Option<Vec<_>> =
            self.store.known(&keys).into_iter().map(|score| score.map(Some)).collect();
        let passages = |keys: &Keys| {
            let of = |document: &DocumentHash| self.store.spans(keys.query, *document).map(Some);
            keys.documents.iter().map(of).collect()
        };
        let spans: Option<Vec<_>> = if request.spans.is_some() { passages(&keys) } else { Some(Vec::new()) };
        if let (Some(scores), Some(spans)) = (known, spans) {
            return Ok(Scores { scores, spans, ..Scores::default() });
        }
        let asked = request.model.clone().unwrap_or_else(|| self.base.model.clone());
        let deferred = request.deferred.clone();
        let response = self.inner.oneshot(request).await?;
        if response.scores.len() != keys.documents.len() {
            return Err(RerankError::BadResponse("wrong number of scores"));
        }
        // Made for another model than the one that has answered, the keys would mix the scores of two.
        if !self.base.aliases.confirms(&asked, &response.model) {
            self.lines.say("model", || {
                let (asked, answered) = (asked.clone(), response.model.clone());
                move |left_out: Option<u64>| {
                    tracing::info!(
                        asked = &*asked,
                        answered = &*answered,
                        left_out,
                        "another model has this name now"
                    );
                }
            });
            return Ok(response);
        }
        let fresh = keys.documents.iter().zip(&response.scores);
        let fresh: Vec<_> = fresh.filter_map(|(document, score)| Some((*document, (*score)?))).collect();
        for (document, spans) in keys.documents.iter().zip(&response.spans) {
            if let Some(spans) = spans {
                self.store.keep_spans(keys.query, *document, spans.clone());
            }
        }
        let store = self.store.clone();
        DeferredWork::put(deferred.as_ref(), move || store.keep(keys.query, fresh));
        Ok(response)
    }
}

impl<S: Rerank> Service<RerankRequest> for Fill<S> {
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
