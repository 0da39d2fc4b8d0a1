use std::{
    sync::Arc,
    task::{Context, Poll},
};

use tokio::time::timeout_at;
use tower::{Service, ServiceExt};

use super::{DocumentHash, KeyBase, Keys, ScoreStore, SingleFlightKey, missing::Missing};
use crate::rerank::{
    Rerank, RerankError, RerankFuture, RerankMetrics, RerankRequest, RerankResult, Scores, Spans,
};

/// Requests only scores that are not cached. With some cached when the others fail, these are the response, with the
/// reason.
#[derive(Clone)]
pub(in crate::rerank) struct Lookup<S> {
    inner: S,
    store: Arc<ScoreStore>,
    base: Arc<KeyBase>,
    metrics: Arc<RerankMetrics>,
}

impl<S: Rerank> Lookup<S> {
    pub(in crate::rerank) fn new(
        inner: S,
        store: Arc<ScoreStore>,
        base: Arc<KeyBase>,
        metrics: Arc<RerankMetrics>,
    ) -> Self {
        Self { inner, store, base, metrics }
    }

    async fn run(self, mut request: RerankRequest) -> RerankResult {
        let asked = request.model.as_ref().unwrap_or(&self.base.model);
        if !self.base.gives_spans(asked) {
            // What is cached without them is then as good.
            request.spans = None;
        }
        match self.once(&request).await {
            Some(response) => response,
            // On the second attempt nothing of the old model is in the cache any more.
            None => self.once(&request).await.unwrap_or(Err(RerankError::BadResponse("the model changes"))),
        }
    }

    /// `None` if another model has answered than the one whose scores were cached: the two must not mix.
    async fn once(&self, request: &RerankRequest) -> Option<RerankResult> {
        let asked = request.model.as_ref().unwrap_or(&self.base.model);
        let model = self.base.aliases.behind(asked);
        let keys = self.base.keys(self.store.secret(), &model, request);
        let with_spans = request.spans.is_some();
        let mut span = request.trace.as_ref().map(|trace| trace.child("cache lookup"));
        let mut known = self.store.known(&keys);
        self.store.fetch(&keys, &mut known, request.respond_by).await;
        let mut scores = self.usable(&keys, known, with_spans);
        let missing = Missing::of(&keys.documents, &scores, self.base.one_by_one());
        let hits = scores.len() - missing.places.len();
        self.metrics.lookups(hits, missing.places.len());
        if let Some(mut span) = span.take() {
            span.set("rerankd.cache.lookups", scores.len() as i64);
            span.set("rerankd.cache.hits", hits as i64);
            span.end();
        }
        let mut fresh_spans = Vec::new();
        let mut response = Scores { provider: self.base.provider.clone(), model, ..Scores::default() };
        if !missing.sent.is_empty() {
            match self.ask(request, &keys, &missing).await {
                Ok(fresh) if hits > 0 && !fresh.model.is_empty() && fresh.model != response.model => {
                    return None;
                }
                Ok(fresh) => {
                    fresh_spans = missing.spans(&fresh, keys.documents.len());
                    response = missing.fill(&mut scores, fresh, response);
                }
                Err(error) => {
                    // Parts of a batch may have arrived although the whole has failed.
                    scores = self.usable(&keys, self.store.known(&keys), with_spans);
                    if !scores.iter().any(Option::is_some) {
                        return Some(Err(error));
                    }
                    response.failure = Some(error.class());
                }
            }
        }
        response.cache_lookups = u32::try_from(scores.len()).unwrap_or(u32::MAX);
        response.cache_hits = u32::try_from(hits).unwrap_or(u32::MAX);
        response.scores = scores;
        response.spans = if with_spans { self.spans(&keys, fresh_spans) } else { Vec::new() };
        response.missed = missing.places;
        Some(Ok(response))
    }

    /// What of the `known` scores can be used: of a list whose scores are of use only together, all or none. Where
    /// passages are requested, a score without them is not enough.
    fn usable(&self, keys: &Keys, mut known: Vec<Option<f32>>, with_spans: bool) -> Vec<Option<f32>> {
        if with_spans {
            for (score, document) in known.iter_mut().zip(&*keys.documents) {
                *score = score.filter(|_| self.store.spans(keys.query, *document).is_some());
            }
        }
        if !self.base.one_by_one() && !known.iter().all(Option::is_some) {
            known.fill(None);
        }
        known
    }

    /// The passages of every document: those that have just arrived, else those in the cache.
    fn spans(&self, keys: &Keys, mut fresh: Vec<Option<Spans>>) -> Vec<Option<Spans>> {
        fresh.resize(keys.documents.len(), None);
        let of = |(spans, document): (Option<Spans>, &DocumentHash)| {
            spans.or_else(|| self.store.spans(keys.query, *document))
        };
        fresh.into_iter().zip(&*keys.documents).map(of).collect()
    }

    async fn ask(&self, request: &RerankRequest, keys: &Keys, missing: &Missing) -> RerankResult {
        let documents = missing.sent.iter().map(|&at| keys.documents[at]).collect();
        let keys = Keys { query: keys.query, documents };
        let asked = RerankRequest {
            documents: missing.sent.iter().map(|&at| request.documents[at].clone()).collect(),
            flight: Some(SingleFlightKey::of(&keys, request.background)),
            keys: Some(keys),
            ..request.clone()
        };
        let response = timeout_at(request.respond_by, self.inner.clone().oneshot(asked)).await;
        match response.unwrap_or(Err(RerankError::Deadline)) {
            Ok(fresh) if fresh.scores.len() != missing.sent.len() => {
                Err(RerankError::BadResponse("wrong number of scores"))
            }
            response => response,
        }
    }
}

impl<S: Rerank> Service<RerankRequest> for Lookup<S> {
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
#[path = "lookup_tests.rs"]
mod tests;
