use std::{sync::atomic::Ordering, time::Duration};

use super::*;
use crate::rerank::Billing;
use crate::rerank::limits::{Ledger, LimitSettings, SpendSettings};
use crate::rerank::test_support::{half_for_each, metrics, request, scripted};

fn limits<S: Rerank>(inner: S, settings: LimitSettings) -> Limits<S> {
    Limits::new(
        inner,
        Arc::new(Gate::new("p".into(), Billing::SearchUnits, &settings, &Ledger::default(), metrics())),
    )
}

fn status(status: u16, class: FailureClass, retry_after: Option<u64>) -> RerankError {
    RerankError::Status { status, class, retry_after: retry_after.map(Duration::from_secs) }
}

async fn class<S: Rerank>(service: &Limits<S>) -> Result<(), FailureClass> {
    service.clone().oneshot(request(&["a"])).await.map(|_| ()).map_err(|error| error.class())
}

#[tokio::test(start_paused = true)]
async fn a_call_over_the_concurrency_limit_is_shed_at_once() {
    let slow = tower::service_fn(|r| async move {
        tokio::time::sleep(Duration::from_secs(1)).await;
        half_for_each(r)
    });
    let service = limits(slow, LimitSettings { max_concurrency: 1, ..LimitSettings::default() });
    let (first, second) = tokio::join!(class(&service), class(&service));
    assert_eq!((first, second), (Ok(()), Err(FailureClass::Overloaded)));
    assert_eq!(class(&service).await, Ok(()), "the place is free again");
}

#[tokio::test(start_paused = true)]
async fn the_calls_of_one_request_wait_for_each_other_within_their_time() {
    let slow = tower::service_fn(|r| async move {
        tokio::time::sleep(Duration::from_millis(300)).await;
        half_for_each(r)
    });
    let service = limits(slow, LimitSettings { max_concurrency: 2, ..LimitSettings::default() });
    let siblings = Some(Siblings::default());
    let respond_by = tokio::time::Instant::now() + Duration::from_secs(1);
    let asked = RerankRequest { respond_by, siblings, ..request(&["a"]) };
    let all = futures_util::future::join_all((0..9).map(|_| service.clone().oneshot(asked.clone())));
    let other = async {
        tokio::time::sleep(Duration::from_millis(350)).await;
        let begun = tokio::time::Instant::now();
        (class(&service).await, begun.elapsed())
    };
    let (all, other) = tokio::join!(all, other);
    let ended = all.iter().filter(|response| response.is_ok()).count();
    assert_eq!(ended, 8, "four times two begin within the second");
    assert!(
        all.iter()
            .flat_map(|response| response.as_ref().err())
            .all(|error| *error == RerankError::Overloaded)
    );
    assert_eq!(other, (Err(FailureClass::Overloaded), Duration::ZERO), "others are shed at once");
    assert_eq!(class(&service).await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_call_over_the_rate_is_shed_and_costs_no_budget() {
    let settings = LimitSettings {
        requests_per_minute: Some(1),
        search_units: SpendSettings { per_day: Some(2), per_minute: None },
        ..LimitSettings::default()
    };
    let (inner, calls) = scripted(|_, r| half_for_each(r));
    let service = limits(inner, settings);
    assert_eq!(class(&service).await, Ok(()));
    for _ in 0..5 {
        assert_eq!(class(&service).await, Err(FailureClass::RateLimited));
    }
    tokio::time::advance(Duration::from_secs(60)).await;
    assert_eq!(class(&service).await, Ok(()));
    assert_eq!(calls.load(Ordering::SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn beyond_the_budget_no_call_is_made() {
    let search_units = SpendSettings { per_day: Some(3), per_minute: None };
    // Billed more than estimated: the bill is what counts.
    let (inner, calls) = scripted(|_, r| Ok(Scores { billed_units: 3.0, ..half_for_each(r)? }));
    let service = limits(inner, LimitSettings { search_units, ..LimitSettings::default() });
    assert_eq!(class(&service).await, Ok(()));
    assert_eq!(class(&service).await, Err(FailureClass::Budget));
    assert_eq!(calls.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn a_rejected_call_costs_nothing_and_one_of_unknown_end_its_estimate() {
    let search_units = SpendSettings { per_day: Some(1), per_minute: None };
    let (inner, calls) = scripted(|n, _| match n {
        0 => Err(status(401, FailureClass::Auth, None)),
        _ => Err(RerankError::Timeout),
    });
    let service = limits(inner, LimitSettings { search_units, ..LimitSettings::default() });
    assert_eq!(class(&service).await, Err(FailureClass::Auth));
    assert_eq!(class(&service).await, Err(FailureClass::Timeout));
    assert_eq!(class(&service).await, Err(FailureClass::Budget));
    assert_eq!(calls.load(Ordering::SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn a_429_pauses_the_provider_for_everybody_as_long_as_it_says() {
    let (inner, calls) = scripted(|n, r| match n {
        0 => Err(status(429, FailureClass::RateLimited, Some(7))),
        _ => half_for_each(r),
    });
    let service = limits(inner, LimitSettings::default());
    assert_eq!(class(&service).await, Err(FailureClass::RateLimited));
    tokio::time::advance(Duration::from_millis(6999)).await;
    assert_eq!(class(&service).await, Err(FailureClass::RateLimited));
    assert_eq!(calls.load(Ordering::SeqCst), 1);
    tokio::time::advance(Duration::from_millis(1)).await;
    assert_eq!(class(&service).await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_429_that_says_nothing_pauses_longer_each_time_until_a_call_goes_well() {
    let (inner, calls) = scripted(|n, r| match n {
        3 => half_for_each(r),
        _ => Err(status(429, FailureClass::RateLimited, None)),
    });
    let service = limits(inner, LimitSettings::default());
    let mut made = 0;
    for (millis, ends) in [
        (1000, Err(FailureClass::RateLimited)),
        (2000, Err(FailureClass::RateLimited)),
        (4000, Err(FailureClass::RateLimited)),
        (0, Ok(())),
        (1000, Err(FailureClass::RateLimited)),
    ] {
        assert_eq!(class(&service).await, ends);
        made += 1;
        if millis > 0 {
            tokio::time::advance(Duration::from_millis(millis - 1)).await;
            assert_eq!(class(&service).await, Err(FailureClass::RateLimited));
            tokio::time::advance(Duration::from_millis(1)).await;
        }
        assert_eq!(calls.load(Ordering::SeqCst), made, "nobody calls within the pause");
    }
}

#[tokio::test(start_paused = true)]
async fn the_last_trial_call_of_a_minute_holds_the_provider_off() {
    let (inner, calls) = scripted(|_, r| Ok(Scores { calls_left: Some(0), ..half_for_each(r)? }));
    let service = limits(inner, LimitSettings::default());
    assert_eq!(class(&service).await, Ok(()));
    assert_eq!(class(&service).await, Err(FailureClass::RateLimited));
    assert_eq!(calls.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn an_open_circuit_uses_up_neither_rate_nor_budget() {
    let settings = LimitSettings {
        requests_per_minute: Some(1),
        search_units: SpendSettings { per_day: Some(1), per_minute: None },
        ..LimitSettings::default()
    };
    let (inner, _) = scripted(|n, r| match n {
        0..9 => Err(RerankError::Held { class: FailureClass::CircuitOpen }),
        _ => half_for_each(r),
    });
    let service = limits(inner, settings);
    for _ in 0..9 {
        assert_eq!(class(&service).await, Err(FailureClass::CircuitOpen));
    }
    assert_eq!(class(&service).await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn while_a_429_is_waited_out_for_a_second_try_nobody_else_asks() {
    let (inner, calls) = scripted(|n, r| match n {
        0 => Err(status(429, FailureClass::RateLimited, Some(1))),
        _ => half_for_each(r),
    });
    let gate = Arc::new(Gate::new(
        "p".into(),
        Billing::SearchUnits,
        &LimitSettings::default(),
        &Ledger::default(),
        metrics(),
    ));
    let retry = crate::rerank::retry::Retry::new(inner, Arc::default(), gate.clone(), "p".into(), metrics());
    let service = Limits::new(retry, gate);
    let others = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        class(&service).await
    };
    let (first, other) = tokio::join!(class(&service), others);
    assert_eq!((first, other), (Ok(()), Err(FailureClass::RateLimited)));
    assert_eq!(calls.load(Ordering::SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn a_response_that_comes_late_does_not_raise_what_is_left_of_a_trial_keys_minute() {
    // Two calls at once; the first one's response, which says that one more may go, comes last.
    let inner = tower::service_fn(|r: RerankRequest| async move {
        let first = r.documents[0].text() == "first";
        tokio::time::sleep(Duration::from_millis(if first { 20 } else { 10 })).await;
        Ok(Scores { calls_left: Some(u64::from(first)), ..half_for_each(r)? })
    });
    let service = limits(inner, LimitSettings::default());
    let ask = |text: &'static str| service.clone().oneshot(request(&[text]));
    let (first, second) = tokio::join!(ask("first"), ask("second"));
    assert!(first.is_ok() && second.is_ok());
    assert_eq!(class(&service).await, Err(FailureClass::RateLimited));
}
