use std::{
    collections::HashMap,
    sync::Arc,
    task::{Context, Poll},
};

use tower::{Service, ServiceExt};

use super::{KeyBase, ScoreStore};
use crate::rerank::{Answer, AnswerFuture, Rerank, RerankError, RerankMetrics, RerankRequest, Scores};

/// Asks only for scores that are not known. Failures are never remembered.
#[derive(Clone)]
pub(in crate::rerank) struct Cached<S> {
    inner: S,
    store: Option<Arc<ScoreStore>>,
    base: Arc<KeyBase>,
    metrics: Arc<RerankMetrics>,
}

impl<S: Rerank> Cached<S> {
    pub(in crate::rerank) fn new(
        inner: S,
        store: Option<Arc<ScoreStore>>,
        base: KeyBase,
        metrics: Arc<RerankMetrics>,
    ) -> Self {
        Self { inner, store, base: Arc::new(base), metrics }
    }

    async fn run(self, request: RerankRequest) -> Answer {
        let Some(store) = self.store else { return self.inner.oneshot(request).await };
        let model = request.model.clone().unwrap_or_else(|| self.base.model.as_str().into());
        let query = self.base.for_query(store.secret(), &model, &request.query);
        let keys: Vec<_> = request.documents.iter().map(|text| query.document(text)).collect();
        let mut scores: Vec<_> = keys.iter().map(|key| store.get(key)).collect();
        let missing: Vec<usize> =
            scores.iter().enumerate().filter_map(|(at, score)| score.is_none().then_some(at)).collect();
        let hits = scores.len() - missing.len();
        self.metrics.lookups(hits, missing.len());

        let mut answer = Scores { provider: self.base.provider.as_str().into(), model, ..Scores::default() };
        if !missing.is_empty() {
            // Equal documents (one point in several groups, say) are asked for once.
            let mut places = HashMap::new();
            let mut wanted: Vec<usize> = Vec::new();
            for &at in &missing {
                places.entry(keys[at]).or_insert_with(|| {
                    wanted.push(at);
                    wanted.len() - 1
                });
            }
            let documents = wanted.iter().map(|at| request.documents[*at].clone()).collect();
            let fresh = self.inner.oneshot(RerankRequest { documents, ..request }).await?;
            if fresh.scores.len() != wanted.len() {
                return Err(RerankError::BadResponse("wrong number of scores"));
            }
            for at in missing {
                scores[at] = places.get(&keys[at]).and_then(|&place| fresh.scores[place]);
                if let Some(score) = scores[at] {
                    store.put(keys[at], score);
                }
            }
            store.settle();
            self.metrics.observe_cache(&store);
            answer = fresh;
        }
        answer.cache_lookups = u32::try_from(keys.len()).unwrap_or(u32::MAX);
        answer.cache_hits = u32::try_from(hits).unwrap_or(u32::MAX);
        answer.scores = scores;
        Ok(answer)
    }
}

impl<S: Rerank> Service<RerankRequest> for Cached<S> {
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
    use std::{
        sync::{Mutex, atomic::Ordering},
        time::Duration,
    };

    use super::*;
    use crate::rerank::test_support::{half_for_each, metrics, request, scripted};

    fn cached<S: Rerank>(inner: S) -> Cached<S> {
        let store = Arc::new(ScoreStore::new(1 << 20, Duration::from_secs(60), [1; 32]));
        let base = KeyBase { provider: "p".into(), model: "m".into(), settings: String::new() };
        Cached::new(inner, Some(store), base, metrics())
    }

    #[tokio::test]
    async fn equal_documents_are_asked_for_once() {
        let (inner, _) = scripted(|_, r| {
            assert_eq!(r.documents.len(), 2);
            half_for_each(r)
        });
        let scores = cached(inner).oneshot(request(&["a", "b", "a"])).await.unwrap();
        assert_eq!(scores.scores, [Some(0.5); 3]);
    }

    #[tokio::test]
    async fn known_documents_never_reach_the_provider_again() {
        let (inner, calls) = scripted(|_, r| half_for_each(r));
        let service = cached(inner);
        let first = service.clone().oneshot(request(&["a", "b"])).await.unwrap();
        assert_eq!((first.cache_hits, first.cache_lookups), (0, 2));
        let second = service.oneshot(request(&["b", "a"])).await.unwrap();
        assert_eq!((second.cache_hits, second.cache_lookups), (2, 2));
        assert_eq!(second.scores, [Some(0.5), Some(0.5)]);
        assert_eq!(second.billed_units, 0.0);
        assert_eq!(calls.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn only_missing_documents_are_sent_and_scores_keep_their_places() {
        let sent: Arc<Mutex<Vec<Vec<Arc<str>>>>> = Arc::default();
        let log = sent.clone();
        let (inner, _) = scripted(move |n, r| {
            log.lock().unwrap().push(r.documents.to_vec());
            let mut answer = half_for_each(r)?;
            answer.scores.fill(Some(if n == 0 { 0.1 } else { 0.9 }));
            Ok(answer)
        });
        let service = cached(inner);
        service.clone().oneshot(request(&["b"])).await.unwrap();
        let second = service.oneshot(request(&["a", "b", "c"])).await.unwrap();
        assert_eq!(second.scores, [Some(0.9), Some(0.1), Some(0.9)]);
        assert_eq!(second.cache_hits, 1);
        assert_eq!(sent.lock().unwrap()[1], ["a".into(), "c".into()] as [Arc<str>; 2]);
    }

    #[tokio::test]
    async fn failures_are_not_remembered_and_models_do_not_mix() {
        let (inner, calls) =
            scripted(|n, r| if n == 0 { Err(RerankError::Timeout) } else { half_for_each(r) });
        let service = cached(inner);
        assert!(service.clone().oneshot(request(&["a"])).await.is_err());
        assert!(service.clone().oneshot(request(&["a"])).await.is_ok());
        let other = RerankRequest { model: Some("other".into()), ..request(&["a"]) };
        assert_eq!(service.oneshot(other).await.unwrap().cache_hits, 0);
        assert_eq!(calls.load(Ordering::SeqCst), 3);
    }
}
