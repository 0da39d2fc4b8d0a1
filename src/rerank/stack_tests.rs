use std::{sync::atomic::Ordering, time::Duration};

use secrecy::SecretString;
use tokio::time::Instant;
use tower::ServiceExt;

use super::*;
use crate::rerank::{
    ApiKey, FailureClass, HttpKind, HttpSettings, LexicalSettings, RerankError, RerankMetrics, RerankRequest,
    ScoreStore, Scores, SpendSettings,
    limits::Ledger,
    test_support::{half_for_each, metrics, request, scripted},
};

fn lexical(name: &str) -> ProviderSettings {
    ProviderSettings::new(name, ProviderKind::Lexical(LexicalSettings::default()))
}

/// A provider at port 9 of the loopback address, which answers nobody.
fn unreachable(name: &str) -> ProviderSettings {
    let key = ApiKey::Secret(SecretString::from("key"));
    let cohere = HttpSettings::at(HttpKind::Cohere, "http://127.0.0.1:9", key);
    ProviderSettings::new(name, ProviderKind::Http(cohere))
}

fn shared(registry: &prometheus::Registry) -> StackShared {
    let store = Arc::new(ScoreStore::new(1 << 20, Duration::from_secs(60), [1; 32]));
    StackShared::new(store, Arc::new(RerankMetrics::register(registry).unwrap()))
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[tokio::test]
async fn no_provider_is_a_response_not_a_crash() {
    let shared = shared(&prometheus::Registry::new());
    let service = Providers::default().chain(&names(&["nobody"]), &shared);
    assert_eq!(service.oneshot(request(&["a"])).await.unwrap_err(), RerankError::NoProvider);
}

#[tokio::test]
async fn an_unreachable_provider_falls_to_the_next() {
    let registry = prometheus::Registry::new();
    let shared = shared(&registry);
    let settings = vec![unreachable("cohere"), lexical("words")];
    let providers = Providers::build(settings, &Providers::default(), &shared).unwrap();
    let service = providers.chain(&names(&["cohere", "words"]), &shared);
    let response = service.oneshot(request(&["a query", "nothing"])).await.unwrap();
    assert_eq!(&*response.provider, "words");
    assert_eq!(shared.store.entries(), 0, "fallbacks are not cached");
    let text = prometheus::TextEncoder::new().encode_to_string(&registry.gather()).unwrap();
    for line in [
        r#"rerankd_provider_calls_total{provider="cohere",status="provider_unavailable"} 2"#,
        r#"rerankd_provider_calls_total{provider="words",status="ok"} 1"#,
        r#"rerankd_provider_retries_total{provider="cohere"} 1"#,
        r#"rerankd_provider_unavailable_total{cause="connection_refused",provider="cohere"} 2"#,
        r#"rerankd_provider_unavailable_total{cause="status",provider="cohere"} 0"#,
        r#"rerankd_provider_calls_in_flight{provider="cohere"} 0"#,
        r#"rerankd_provider_failovers_total{provider="cohere",reason="provider_unavailable"} 1"#,
        r#"rerankd_circuit_state{provider="cohere"} 0"#,
        r#"rerankd_cache_lookups_total{result="miss"} 2"#,
        "rerankd_relevance_score_count 2",
    ] {
        assert!(text.contains(line), "{line} not in\n{text}");
    }
}

fn of_collection(name: &str, documents: &[&str]) -> RerankRequest {
    RerankRequest { collections: [Arc::from(name)].into(), ..request(documents) }
}

/// What passes while another provider answers is known when that one is down.
#[tokio::test]
async fn the_last_of_a_chain_sees_the_collection_go_by() {
    let shared = shared(&prometheus::Registry::new());
    let words = Providers::build(vec![lexical("words")], &Providers::default(), &shared).unwrap();
    let (always, _) = scripted(|_, request| half_for_each(request));
    let links = |first: Link| {
        let last = words.by_name["words"].link.clone();
        BoxCloneSyncService::new(
            Chain::new(vec![first, last], shared.metrics.clone()).learning(&shared.words),
        )
    };
    let first = Link {
        name: "p".into(),
        provider: BoxCloneSyncService::new(always),
        instructed: std::sync::Arc::new(|_| None),
        learns: false,
    };
    let chain: Reranker = links(first);
    for n in 0..50 {
        let documents: Vec<String> = (0..10).map(|at| format!("document {n} {at}")).collect();
        let documents: Vec<&str> = documents.iter().map(String::as_str).collect();
        let response = chain.clone().oneshot(of_collection("c", &documents)).await.unwrap();
        assert_eq!((&*response.provider, response.fusion), ("p", None));
        while shared.words.counts().documents < (n + 1) * 10 {
            tokio::task::yield_now().await;
        }
    }
    let (never, _) = scripted(|_, _| Err(RerankError::Deadline));
    let first = Link {
        name: "p".into(),
        provider: BoxCloneSyncService::new(never),
        instructed: std::sync::Arc::new(|_| None),
        learns: false,
    };
    let response = links(first).oneshot(of_collection("c", &["one", "the query"])).await.unwrap();
    assert_eq!((&*response.provider, response.learned), ("words", Some(500)));
    assert_eq!(response.fusion.map(|fusion| fusion.weight), Some(1.0));

    let restarted = shared.with_store(shared.store.clone());
    assert_eq!(restarted.words.counts().documents, 0);
}

#[tokio::test]
async fn nothing_is_learned_where_no_provider_of_the_chain_needs_it() {
    let shared = shared(&prometheus::Registry::new());
    let (always, _) = scripted(|_, request| half_for_each(request));
    let link = Link {
        name: "p".into(),
        provider: BoxCloneSyncService::new(always),
        instructed: std::sync::Arc::new(|_| None),
        learns: false,
    };
    let chain = Chain::new(vec![link], shared.metrics.clone()).learning(&shared.words);
    chain.oneshot(of_collection("c", &["one"])).await.unwrap();
    tokio::task::yield_now().await;
    assert_eq!(shared.words.counts().documents, 0);
}

#[tokio::test]
async fn a_reload_keeps_the_state_of_providers_that_did_not_change() {
    let shared = shared(&prometheus::Registry::new());
    let mut settings = unreachable("cohere");
    settings.circuit.min_calls = 1;
    let before = Providers::build(vec![settings.clone()], &Providers::default(), &shared).unwrap();
    let ask = |providers: &Providers| providers.chain(&names(&["cohere"]), &shared).oneshot(request(&["a"]));
    assert_eq!(ask(&before).await.unwrap_err().class(), FailureClass::ProviderUnavailable);
    let same = Providers::build(vec![settings.clone()], &before, &shared).unwrap();
    assert_eq!(ask(&same).await.unwrap_err().class(), FailureClass::CircuitOpen, "the circuit is still open");
    let ProviderKind::Http(cohere) = &mut settings.kind else { panic!("it is Cohere") };
    cohere.api_key = ApiKey::Secret(SecretString::from("another"));
    let changed = Providers::build(vec![settings], &same, &shared).unwrap();
    assert_eq!(ask(&changed).await.unwrap_err().class(), FailureClass::ProviderUnavailable);
}

#[tokio::test]
async fn every_series_of_a_provider_is_there_at_zero_from_the_start() {
    let registry = prometheus::Registry::new();
    let shared = shared(&registry);
    let settings = vec![unreachable("cohere"), unreachable("other")];
    let providers = Providers::build(settings, &Providers::default(), &shared).unwrap();
    let _chain = providers.chain(&names(&["cohere", "other"]), &shared);
    let text = prometheus::TextEncoder::new().encode_to_string(&registry.gather()).unwrap();
    for series in [
        r#"rerankd_provider_calls_total{provider="cohere",status="timeout"} 0"#,
        r#"rerankd_provider_shed_total{provider="cohere",reason="circuit_open"} 0"#,
        r#"rerankd_provider_shed_total{provider="cohere",reason="auth"} 0"#,
        r#"rerankd_provider_failovers_total{provider="cohere",reason="deadline"} 0"#,
        r#"rerankd_circuit_changes_total{provider="cohere",reason="none",state="closed"} 0"#,
        r#"rerankd_circuit_changes_total{provider="cohere",reason="none",state="half_open"} 0"#,
        r#"rerankd_circuit_changes_total{provider="cohere",reason="circuit_open",state="open"} 0"#,
        r#"rerankd_circuit_changes_total{provider="cohere",reason="quota_exhausted",state="open"} 0"#,
    ] {
        assert!(text.contains(series), "{series} not in\n{text}");
    }
    assert!(!text.contains(r#"failovers_total{provider="other""#), "nobody follows the last one");
    assert!(
        !text.contains(r#"reason="budget",state"#)
            && !text.contains(r#"shed_total{provider="cohere",reason="budget""#)
    );
}

#[tokio::test]
async fn a_reload_of_other_settings_begins_no_new_minute_for_the_same_account() {
    let shared = shared(&prometheus::Registry::new());
    let mut settings = unreachable("cohere");
    let ProviderKind::Http(cohere) = &settings.kind else { panic!("it is Cohere") };
    let facts = HttpProvider::new("cohere".into(), cohere).unwrap().facts().clone();
    let first = Gate::new("cohere".into(), facts.billing, &settings.limits, &Ledger::default(), metrics())
        .continuing(&shared.rates, settings.identity());
    first.learn(&Err(RerankError::Status {
        status: 429,
        class: FailureClass::RateLimited,
        retry_after: Some(Duration::from_secs(30)),
    }));
    settings.single_flight.timeout = Duration::from_secs(2);
    let ask = |settings: &ProviderSettings| {
        let providers = Providers::build(vec![settings.clone()], &Providers::default(), &shared).unwrap();
        providers.chain(&names(&["cohere"]), &shared).oneshot(request(&["a"]))
    };
    assert_eq!(ask(&settings).await.unwrap_err().class(), FailureClass::RateLimited, "it is still paused");
    let ProviderKind::Http(cohere) = &mut settings.kind else { panic!("it is Cohere") };
    cohere.api_key = ApiKey::Secret(SecretString::from("another"));
    assert_eq!(ask(&settings).await.unwrap_err().class(), FailureClass::ProviderUnavailable);
}

#[tokio::test]
async fn what_a_reload_takes_away_leaves_no_state_behind() {
    let registry = prometheus::Registry::new();
    let shared = shared(&registry);
    let states = |providers: &Providers| {
        providers.observe(&shared);
        let text = prometheus::TextEncoder::new().encode_to_string(&registry.gather()).unwrap();
        let is_state =
            |line: &&str| line.starts_with("rerankd_spend") || line.starts_with("rerankd_circuit_state");
        text.lines().filter(is_state).map(str::to_owned).collect::<Vec<_>>()
    };
    let mut limited = unreachable("cohere");
    limited.limits.search_units = SpendSettings { per_minute: None, per_day: Some(10) };
    let first =
        Providers::build(vec![limited, unreachable("other")], &Providers::default(), &shared).unwrap();
    assert_eq!(
        states(&first),
        [
            r#"rerankd_circuit_state{provider="cohere"} 0"#,
            r#"rerankd_circuit_state{provider="other"} 0"#,
            r#"rerankd_spend_left{provider="cohere",unit="search_units",window="day"} 10"#,
            r#"rerankd_spend_limit{provider="cohere",unit="search_units",window="day"} 10"#,
        ]
    );
    let unlimited = Providers::build(vec![unreachable("cohere")], &first, &shared).unwrap();
    assert_eq!(states(&unlimited), [r#"rerankd_circuit_state{provider="cohere"} 0"#]);
}

fn boxed(name: &str, service: impl crate::rerank::Rerank) -> Link {
    Link {
        name: name.into(),
        provider: BoxCloneSyncService::new(service),
        instructed: std::sync::Arc::new(|_| None),
        learns: false,
    }
}

fn known(score: f32) -> Scores {
    let failure = Some(FailureClass::Timeout);
    Scores { scores: vec![Some(score), None], provider: "p".into(), failure, ..Scores::default() }
}

#[tokio::test]
async fn the_next_provider_scores_all_or_the_part_that_was_known_is_the_response() {
    let part = || scripted(|_, _| Ok(known(0.9))).0;
    let whole = scripted(|_, r| half_for_each(r)).0;
    let chain = Chain::new(vec![boxed("a", part()), boxed("b", whole)], metrics());
    let response = chain.oneshot(request(&["a", "b"])).await.unwrap();
    assert_eq!((response.scores, response.failure), (vec![Some(0.5); 2], None), "two providers never meet");

    let dead = scripted(|_, _| Err(RerankError::Timeout)).0;
    let chain = Chain::new(vec![boxed("a", part()), boxed("b", dead)], metrics());
    let response = chain.oneshot(request(&["a", "b"])).await.unwrap();
    assert_eq!((response.scores, response.failure), (vec![Some(0.9), None], Some(FailureClass::Timeout)));
}

#[tokio::test(start_paused = true)]
async fn a_short_time_is_shared_so_that_the_first_provider_is_asked_too() {
    let (first, calls) = scripted(|_, _| Err(RerankError::Overloaded));
    let second = scripted(|_, r| half_for_each(r)).0;
    let chain = Chain::new(vec![boxed("a", first), boxed("b", second)], metrics());
    let respond_by = Instant::now() + Duration::from_millis(50);
    assert!(chain.oneshot(RerankRequest { respond_by, ..request(&["a"]) }).await.is_ok());
    assert_eq!(calls.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn a_silent_provider_leaves_the_reserve_to_the_next() {
    let silent = tower::service_fn(|_: RerankRequest| std::future::pending::<Result<Scores, RerankError>>());
    let asked_at = Instant::now();
    let (second, calls) = scripted(move |_, r| {
        assert_eq!(asked_at.elapsed(), Duration::from_millis(900));
        half_for_each(r)
    });
    let chain = Chain::new(vec![boxed("a", silent), boxed("b", second)], metrics());
    let asked = RerankRequest { respond_by: asked_at + Duration::from_secs(1), ..request(&["a"]) };
    assert!(chain.oneshot(asked).await.is_ok());
    assert_eq!(calls.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn the_response_never_comes_after_the_deadline() {
    let silent = tower::service_fn(|_: RerankRequest| std::future::pending::<Result<Scores, RerankError>>());
    let begun = Instant::now();
    let asked = RerankRequest { respond_by: begun + Duration::from_secs(1), ..request(&["a"]) };
    let error = Chain::new(vec![boxed("a", silent)], metrics()).oneshot(asked).await.unwrap_err();
    assert_eq!((error, begun.elapsed()), (RerankError::Deadline, Duration::from_secs(1)));
}

#[tokio::test]
async fn a_model_goes_only_to_the_providers_it_is_meant_for() {
    let asked_for = |model: Option<&'static str>| {
        let check = move |_, r: RerankRequest| {
            assert_eq!(r.model.as_deref(), model);
            Err(RerankError::Timeout)
        };
        scripted(check)
    };
    let ((first, first_calls), (second, second_calls)) = (asked_for(Some("m2")), asked_for(None));
    let chain = Chain::new(vec![boxed("a", first), boxed("b", second)], metrics());
    let meant =
        RerankRequest { model: Some("m2".into()), model_of: Some(Arc::new(["a".into()])), ..request(&["a"]) };
    assert!(chain.oneshot(meant).await.is_err());
    assert_eq!((first_calls.load(Ordering::SeqCst), second_calls.load(Ordering::SeqCst)), (1, 1));
}
