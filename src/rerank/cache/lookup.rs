use std::{
    collections::HashMap,
    sync::Arc,
    task::{Context, Poll},
};

use tokio::time::timeout_at;
use tower::{Service, ServiceExt};

use super::{KeyBase, ScoreKey, ScoreStore, SingleFlightKey};
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

/// The documents of a request that have to be sent.
struct Missing {
    /// Their indices in the request.
    places: Vec<usize>,
    /// Of each, its index among the documents that are sent: equal ones are sent once.
    sent_as: Vec<usize>,
    /// The indices in the request of the documents that are sent.
    sent: Vec<usize>,
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
        self.store.fetch(&keys, request.respond_by).await;
        let with_spans = request.spans.is_some();
        let mut scores = self.known(&keys, with_spans);
        let missing = Missing::of(&keys, &scores, self.base.one_by_one());
        let hits = keys.len() - missing.places.len();
        self.metrics.lookups(hits, missing.places.len());
        let mut fresh_spans = Vec::new();
        let mut response = Scores { provider: self.base.provider.clone(), model, ..Scores::default() };
        if !missing.sent.is_empty() {
            match self.ask(request, &keys, &missing).await {
                Ok(fresh) if hits > 0 && !fresh.model.is_empty() && fresh.model != response.model => {
                    return None;
                }
                Ok(fresh) => {
                    fresh_spans = missing.spans(&fresh, keys.len());
                    response = missing.fill(&mut scores, fresh, response);
                }
                Err(error) => {
                    // Parts of a batch may have arrived although the whole has failed.
                    scores = self.known(&keys, with_spans);
                    if !scores.iter().any(Option::is_some) {
                        return Some(Err(error));
                    }
                    response.failure = Some(error.class());
                }
            }
        }
        response.cache_lookups = u32::try_from(keys.len()).unwrap_or(u32::MAX);
        response.cache_hits = u32::try_from(hits).unwrap_or(u32::MAX);
        response.scores = scores;
        response.spans = if with_spans { self.spans(&keys, fresh_spans) } else { Vec::new() };
        response.missed = missing.places;
        Some(Ok(response))
    }

    /// What the store knows; of a list whose scores are of use only together, all or none. Where passages are
    /// requested, a score without them is not enough.
    fn known(&self, keys: &[ScoreKey], with_spans: bool) -> Vec<Option<f32>> {
        let known = |key| self.store.get(key).filter(|_| !with_spans || self.store.spans(key).is_some());
        let scores: Vec<_> = keys.iter().map(known).collect();
        if self.base.one_by_one() || scores.iter().all(Option::is_some) {
            return scores;
        }
        vec![None; keys.len()]
    }

    /// The passages of every document: those that have just arrived, else those in the cache.
    fn spans(&self, keys: &[ScoreKey], mut fresh: Vec<Option<Spans>>) -> Vec<Option<Spans>> {
        fresh.resize(keys.len(), None);
        fresh.into_iter().zip(keys).map(|(spans, key)| spans.or_else(|| self.store.spans(key))).collect()
    }

    async fn ask(&self, request: &RerankRequest, keys: &[ScoreKey], missing: &Missing) -> RerankResult {
        let keys: Arc<[ScoreKey]> = missing.sent.iter().map(|&at| keys[at]).collect();
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

impl Missing {
    /// `one_by_one`: without its equals a list would be another list.
    fn of(keys: &[ScoreKey], scores: &[Option<f32>], one_by_one: bool) -> Self {
        let places: Vec<usize> =
            scores.iter().enumerate().filter_map(|(at, score)| score.is_none().then_some(at)).collect();
        if !one_by_one {
            let (sent, sent_as) = (places.clone(), (0..places.len()).collect());
            return Self { places, sent_as, sent };
        }
        let mut of_key = HashMap::with_capacity(places.len());
        let mut sent = Vec::with_capacity(places.len());
        let sent_as = places
            .iter()
            .map(|&at| {
                *of_key.entry(keys[at]).or_insert_with(|| {
                    sent.push(at);
                    sent.len() - 1
                })
            })
            .collect();
        Self { places, sent_as, sent }
    }

    /// The passages that have arrived, at their indices in the request.
    fn spans(&self, fresh: &Scores, documents: usize) -> Vec<Option<Spans>> {
        let mut spans = vec![None; documents];
        for (&at, &sent_as) in self.places.iter().zip(&self.sent_as) {
            spans[at] = fresh.spans.get(sent_as).cloned().flatten();
        }
        spans
    }

    /// Puts fresh scores at their indices; the response names the model, where it does.
    fn fill(&self, scores: &mut [Option<f32>], fresh: Scores, own: Scores) -> Scores {
        for (&at, &sent_as) in self.places.iter().zip(&self.sent_as) {
            scores[at] = fresh.scores[sent_as];
        }
        match fresh.model.is_empty() {
            true => Scores { provider: own.provider, model: own.model, ..fresh },
            false => fresh,
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
