use std::{sync::atomic::Ordering, time::Duration};

use secrecy::SecretString;
use tokio::time::Instant;
use tower::ServiceExt;

use super::*;
use crate::rerank::{
    ApiKey, FailureClass, HttpKind, HttpSettings, RerankError, RerankRequest, Scores,
    test_support::{half_for_each, metrics, request, scripted},
};

fn lexical(name: &str) -> ProviderSettings {
    ProviderSettings {
        name: name.into(),
        kind: ProviderKind::Lexical,
        max_concurrency: 8,
        requests_per_minute: None,
    }
}

#[tokio::test]
async fn no_provider_is_an_answer_not_a_crash() {
    let service = reranker(Vec::new(), None, metrics()).unwrap();
    assert_eq!(service.oneshot(request(&["a"])).await.unwrap_err(), RerankError::NoProvider);
}

#[tokio::test]
async fn an_unreachable_provider_falls_to_the_next() {
    // Port 9 of the loopback address answers nobody.
    let key = ApiKey::Secret(SecretString::from("key"));
    let cohere = HttpSettings::at(HttpKind::Cohere, "http://127.0.0.1:9", key);
    let first = ProviderSettings { kind: ProviderKind::Http(cohere), ..lexical("cohere") };
    let registry = prometheus::Registry::new();
    let metrics = Arc::new(RerankMetrics::register(&registry).unwrap());
    let store = Arc::new(ScoreStore::new(1 << 20, Duration::from_secs(60), [1; 32]));
    let service = reranker(vec![first, lexical("words")], Some(store.clone()), metrics).unwrap();
    let answer = service.oneshot(request(&["a query", "nothing"])).await.unwrap();
    assert_eq!(&*answer.provider, "words");
    assert_eq!(store.entries(), 0, "fallbacks are not cached");
    let text = prometheus::TextEncoder::new().encode_to_string(&registry.gather()).unwrap();
    for line in [
        r#"rerankd_provider_calls_total{provider="cohere",status="provider_unavailable"} 2"#,
        r#"rerankd_provider_calls_total{provider="words",status="ok"} 1"#,
        r#"rerankd_provider_retries_total{provider="cohere"} 1"#,
        r#"rerankd_provider_calls_in_flight{provider="cohere"} 0"#,
        r#"rerankd_cache_lookups_total{result="miss"} 2"#,
        "rerankd_relevance_score_count 2",
    ] {
        assert!(text.contains(line), "{line} not in\n{text}");
    }
}

fn boxed(service: impl crate::rerank::Rerank) -> Reranker {
    BoxCloneSyncService::new(service)
}

#[tokio::test(start_paused = true)]
async fn a_silent_provider_leaves_the_reserve_to_the_next() {
    let silent = tower::service_fn(|_: RerankRequest| std::future::pending::<Result<Scores, RerankError>>());
    let asked_at = Instant::now();
    let (second, calls) = scripted(move |_, r| {
        assert_eq!(asked_at.elapsed(), Duration::from_millis(900));
        half_for_each(r)
    });
    let chain = Chain::new(vec![boxed(silent), boxed(second)], metrics());
    let asked = RerankRequest { answer_by: asked_at + Duration::from_secs(1), ..request(&["a"]) };
    assert!(chain.oneshot(asked).await.is_ok());
    assert_eq!(calls.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn the_answer_never_comes_after_the_deadline() {
    let silent = tower::service_fn(|_: RerankRequest| std::future::pending::<Result<Scores, RerankError>>());
    let begun = Instant::now();
    let asked = RerankRequest { answer_by: begun + Duration::from_secs(1), ..request(&["a"]) };
    let error = Chain::new(vec![boxed(silent)], metrics()).oneshot(asked).await.unwrap_err();
    assert_eq!((error, begun.elapsed()), (RerankError::Deadline, Duration::from_secs(1)));
}

#[tokio::test]
async fn parts_are_merged_under_their_global_indexes() {
    let (inner, calls) = scripted(|_, r| {
        let mut answer = half_for_each(r.clone())?;
        answer.scores = r.documents.iter().map(|text| text.parse().ok()).collect();
        Ok(answer)
    });
    let answer = Batch::new(inner, Arc::new(|| 2))
        .oneshot(request(&["0.1", "0.2", "0.3", "0.4", "0.5"]))
        .await
        .unwrap();
    assert_eq!(answer.scores, [0.1, 0.2, 0.3, 0.4, 0.5].map(Some));
    assert_eq!((answer.billed_units, calls.load(Ordering::SeqCst)), (3.0, 3));
}

#[tokio::test]
async fn one_failed_part_fails_the_whole() {
    let (inner, _) = scripted(|n, r| if n == 1 { Err(RerankError::Timeout) } else { half_for_each(r) });
    let error = Batch::new(inner, Arc::new(|| 1)).oneshot(request(&["a", "b", "c"])).await.unwrap_err();
    assert_eq!(error.class(), FailureClass::Timeout);
}
