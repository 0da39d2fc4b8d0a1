//! Small pieces for the tests of the layers.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

use crate::search::Document;

use super::{
    Billing, ProviderFacts, ProviderSettings, Providers, Rerank, RerankMetrics, RerankRequest, RerankResult,
    Reranker, ScoreStore, Scores, Scoring, StackShared,
};

pub(super) fn request(documents: &[&str]) -> RerankRequest {
    let documents = documents.iter().map(|text| Document::from(*text)).collect();
    RerankRequest::new("the query".into(), documents, Instant::now() + Duration::from_secs(10))
}

pub(super) fn facts() -> ProviderFacts {
    ProviderFacts {
        scoring: Scoring::Pointwise,
        billing: Billing::SearchUnits,
        spans: false,
        model: "m".into(),
        score_settings: "s".into(),
    }
}

pub(super) fn half_for_each(request: RerankRequest) -> RerankResult {
    Ok(Scores {
        scores: vec![Some(0.5); request.documents.len()],
        provider: "p".into(),
        model: "m".into(),
        billed_units: 1.0,
        ..Scores::default()
    })
}

pub(super) fn metrics() -> Arc<RerankMetrics> {
    Arc::new(RerankMetrics::register(&prometheus::Registry::new()).unwrap())
}

/// A provider from a closure of (number of the call, request), and the count of its calls.
pub(super) fn scripted(
    script: impl Fn(usize, RerankRequest) -> RerankResult + Send + Sync + 'static,
) -> (impl Rerank, Arc<AtomicUsize>) {
    let calls = Arc::new(AtomicUsize::new(0));
    let (script, count) = (Arc::new(script), calls.clone());
    let service = tower::service_fn(move |request| {
        let response = script(count.fetch_add(1, Ordering::SeqCst), request);
        async move { response }
    });
    (service, calls)
}

/// The whole stack of one provider, and its cache.
pub(super) fn stack_of(settings: ProviderSettings) -> (Reranker, Arc<ScoreStore>) {
    let store = Arc::new(ScoreStore::new(1 << 20, Duration::from_secs(60), [1; 32]));
    let shared = StackShared::new(store.clone(), metrics());
    let names = [settings.name.clone()];
    let providers = Providers::build(vec![settings], &Providers::default(), &shared).unwrap();
    (providers.chain(&names, &shared), store)
}
