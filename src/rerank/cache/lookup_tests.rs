use std::{
    sync::{Mutex, atomic::Ordering},
    time::Duration,
};

use tokio::time::Instant;

use super::*;
use crate::rerank::{
    FailureClass, ProviderFacts, Scoring,
    cache::Fill,
    test_support::{facts, half_for_each, metrics, request, scripted},
};

fn cached<S: Rerank>(inner: S) -> Lookup<impl Rerank> {
    of(inner, facts())
}

fn of<S: Rerank>(inner: S, facts: ProviderFacts) -> Lookup<impl Rerank> {
    let store = Arc::new(ScoreStore::new(1 << 20, Duration::from_secs(60), [1; 32]));
    let base = Arc::new(KeyBase::new("p".into(), &facts));
    Lookup::new(Fill::new(inner, store.clone(), base.clone()), store, base, metrics())
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
    assert_eq!((&*second.provider, &*second.model), ("p", "m"));
    assert_eq!(calls.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn only_missing_documents_are_sent_and_scores_keep_their_places() {
    let sent: Arc<Mutex<Vec<Vec<String>>>> = Arc::default();
    let log = sent.clone();
    let (inner, _) = scripted(move |n, r| {
        log.lock().unwrap().push(r.documents.iter().map(|document| document.text().to_owned()).collect());
        let mut response = half_for_each(r)?;
        response.scores.fill(Some(if n == 0 { 0.1 } else { 0.9 }));
        Ok(response)
    });
    let service = cached(inner);
    service.clone().oneshot(request(&["b"])).await.unwrap();
    let second = service.oneshot(request(&["a", "b", "c"])).await.unwrap();
    assert_eq!(second.scores, [Some(0.9), Some(0.1), Some(0.9)]);
    assert_eq!(second.cache_hits, 1);
    assert_eq!(sent.lock().unwrap()[1], ["a", "c"]);
    let from_cache: Vec<bool> = (0..3).map(|place| second.is_from_cache(place)).collect();
    assert_eq!(from_cache, [false, true, false]);
}

#[tokio::test]
async fn failures_are_not_remembered_and_models_do_not_mix() {
    let (inner, calls) = scripted(|n, r| if n == 0 { Err(RerankError::Timeout) } else { half_for_each(r) });
    let service = cached(inner);
    assert!(service.clone().oneshot(request(&["a"])).await.is_err());
    assert!(service.clone().oneshot(request(&["a"])).await.is_ok());
    let other = RerankRequest { model: Some("other".into()), ..request(&["a"]) };
    assert_eq!(service.oneshot(other).await.unwrap().cache_hits, 0);
    assert_eq!(calls.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn known_scores_are_the_response_when_the_others_fail_and_it_says_so() {
    let (inner, _) = scripted(|n, r| if n == 0 { half_for_each(r) } else { Err(RerankError::Timeout) });
    let service = cached(inner);
    service.clone().oneshot(request(&["b"])).await.unwrap();
    let partly = service.clone().oneshot(request(&["a", "b"])).await.unwrap();
    assert_eq!(partly.scores, [None, Some(0.5)]);
    assert_eq!(partly.failure, Some(FailureClass::Timeout));
    assert!(service.oneshot(request(&["c"])).await.is_err(), "none known is a failure");
}

#[tokio::test(start_paused = true)]
async fn known_scores_are_the_response_at_the_deadline() {
    let inner = tower::service_fn(|r: RerankRequest| async move {
        if r.documents[0].text() == "slow" {
            std::future::pending::<()>().await;
        }
        half_for_each(r)
    });
    let service = cached(inner);
    service.clone().oneshot(request(&["quick"])).await.unwrap();
    let respond_by = Instant::now() + Duration::from_secs(1);
    let asked = RerankRequest { respond_by, ..request(&["quick", "slow"]) };
    let response = service.oneshot(asked).await.unwrap();
    assert_eq!((response.scores, response.failure), (vec![Some(0.5), None], Some(FailureClass::Deadline)));
    assert_eq!(Instant::now(), respond_by);
}

#[tokio::test]
async fn a_listwise_response_is_cached_whole_and_only_whole() {
    let (inner, calls) = scripted(|_, r| half_for_each(r));
    let service = of(inner, ProviderFacts { scoring: Scoring::Listwise, ..facts() });
    for documents in [&["a", "b"][..], &["a", "b"], &["a"], &["b", "a"]] {
        assert_eq!(service.clone().oneshot(request(documents)).await.unwrap().scores.len(), documents.len());
    }
    assert_eq!(calls.load(Ordering::SeqCst), 3, "only the very same list is known");
}

#[tokio::test]
async fn scores_of_a_model_that_a_name_no_longer_means_are_not_found() {
    let (inner, calls) = scripted(|n, r| {
        let (model, score) = if n < 2 { ("m", 0.1) } else { ("m2", 0.9) };
        Ok(Scores { model: model.into(), scores: vec![Some(score); r.documents.len()], ..Scores::default() })
    });
    let service = cached(inner);
    let ask = |documents: &[&str]| service.clone().oneshot(request(documents));
    ask(&["a"]).await.unwrap();
    ask(&["b"]).await.unwrap();
    let mixed = ask(&["a", "c"]).await.unwrap();
    assert_eq!((&*mixed.model, mixed.scores), ("m2", vec![Some(0.9); 2]), "the host has switched");
    let after = ask(&["a", "b"]).await.unwrap();
    assert_eq!(
        (after.scores, after.cache_hits),
        (vec![Some(0.9); 2], 1),
        "no score of the old model is left"
    );
    let again = ask(&["a", "b"]).await.unwrap();
    assert_eq!((&*again.model, again.cache_hits), ("m2", 2));
    assert_eq!(calls.load(Ordering::SeqCst), 5);
}

#[tokio::test]
async fn a_failure_is_reported_although_nothing_but_known_scores_came_with_it() {
    // A batch of which one part was found in the cache meanwhile, which names no model, and the other has failed.
    let (inner, _) = scripted(|_, _| {
        let failure = Some(FailureClass::Timeout);
        Ok(Scores { scores: vec![Some(0.9), None], failure, ..Scores::default() })
    });
    let response = cached(inner).oneshot(request(&["a", "b"])).await.unwrap();
    assert_eq!((response.scores, response.failure), (vec![Some(0.9), None], Some(FailureClass::Timeout)));
}
