use std::{collections::BTreeSet, sync::atomic::AtomicUsize};

use futures_util::future::join_all;
use tokio::time::timeout;

use super::*;
use crate::rerank::{
    FailureClass,
    test_support::{half_for_each, metrics, request},
};

const SECOND: Duration = Duration::from_secs(1);

fn of_key(n: u8) -> RerankRequest {
    RerankRequest { flight: Some(SingleFlightKey::of_test(n)), ..request(&["a"]) }
}

/// Responses after a second; counts the calls begun and ended.
fn slow(settings: SingleFlightSettings) -> (SingleFlight<impl Rerank>, Arc<AtomicUsize>, Arc<AtomicUsize>) {
    let (begun, ended) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let counts = (begun.clone(), ended.clone());
    let inner = tower::service_fn(move |r| {
        let (begun, ended) = counts.clone();
        async move {
            begun.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(SECOND).await;
            ended.fetch_add(1, Ordering::SeqCst);
            half_for_each(r)
        }
    });
    (SingleFlight::new(inner, settings, "p".into(), metrics()), begun, ended)
}

/// Lets every task that is ready run, without moving the clock.
async fn settle() {
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn sixty_four_equal_requests_are_one_call_and_all_get_its_response() {
    let (single_flight, begun, _) = slow(SingleFlightSettings::default());
    let responses = join_all((0..64).map(|_| single_flight.clone().oneshot(of_key(1)))).await;
    assert!(responses.iter().all(|response| response.as_ref().unwrap().scores == [Some(0.5)]));
    assert_eq!(begun.load(Ordering::SeqCst), 1);
    let billed: f64 = responses.iter().map(|response| response.as_ref().unwrap().billed_units).sum();
    assert_eq!(billed, 1.0, "what one call cost is told to one caller");
}

#[tokio::test(start_paused = true)]
async fn different_work_flies_on_its_own() {
    let (single_flight, begun, _) = slow(SingleFlightSettings::default());
    let responses = join_all((0..5).map(|n| single_flight.clone().oneshot(of_key(n)))).await;
    assert!(responses.iter().all(Result::is_ok));
    assert_eq!(begun.load(Ordering::SeqCst), 5);
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_leaves_loses_nothing_for_the_others() {
    let (single_flight, begun, _) =
        slow(SingleFlightSettings { finish_in_background: false, ..Default::default() });
    let leader = timeout(SECOND / 2, single_flight.clone().oneshot(of_key(1)));
    let follower = single_flight.oneshot(of_key(1));
    let (leader, follower) = tokio::join!(leader, follower);
    assert!(leader.is_err() && follower.is_ok());
    assert_eq!(begun.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn a_later_more_patient_caller_is_not_held_to_the_first_ones_time() {
    let (single_flight, begun, _) = slow(SingleFlightSettings::default());
    let hasty = RerankRequest { respond_by: Instant::now() + SECOND / 10, ..of_key(1) };
    let (first, second) = tokio::join!(
        timeout(SECOND / 10, single_flight.clone().oneshot(hasty)),
        timeout(2 * SECOND, single_flight.clone().oneshot(of_key(1)))
    );
    assert!(first.is_err() && second.unwrap().is_ok());
    assert_eq!(begun.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn without_callers_a_flight_ends() {
    let (single_flight, begun, ended) =
        slow(SingleFlightSettings { finish_in_background: false, ..Default::default() });
    assert!(timeout(SECOND / 2, single_flight.clone().oneshot(of_key(1))).await.is_err());
    tokio::time::sleep(2 * SECOND).await;
    assert_eq!((begun.load(Ordering::SeqCst), ended.load(Ordering::SeqCst)), (1, 0));
    assert!(single_flight.tower.lock().is_empty());
}

#[tokio::test(start_paused = true)]
async fn without_callers_a_flight_runs_on_and_can_be_joined_again() {
    let (single_flight, begun, ended) = slow(SingleFlightSettings::default());
    assert!(timeout(SECOND / 2, single_flight.clone().oneshot(of_key(1))).await.is_err());
    settle().await;
    assert!(single_flight.clone().oneshot(of_key(1)).await.is_ok());
    assert_eq!((begun.load(Ordering::SeqCst), ended.load(Ordering::SeqCst)), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn only_so_many_flights_run_on_alone() {
    let (single_flight, begun, ended) =
        slow(SingleFlightSettings { max_in_background: 2, ..Default::default() });
    let left = join_all((0..5).map(|n| timeout(SECOND / 2, single_flight.clone().oneshot(of_key(n))))).await;
    assert!(left.iter().all(Result::is_err));
    tokio::time::sleep(2 * SECOND).await;
    assert_eq!((begun.load(Ordering::SeqCst), ended.load(Ordering::SeqCst)), (5, 2));
    assert_eq!(single_flight.tower.background.available_permits(), 2, "their places are free again");
}

#[tokio::test(start_paused = true)]
async fn a_flight_ends_at_its_own_time_out() {
    let settings = SingleFlightSettings { timeout: SECOND / 2, ..Default::default() };
    let (single_flight, ..) = slow(settings);
    assert_eq!(single_flight.clone().oneshot(of_key(1)).await.unwrap_err(), RerankError::Timeout);
    assert!(single_flight.tower.lock().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_late_leaver_does_not_touch_the_next_flight_of_its_key() {
    let (single_flight, begun, _) =
        slow(SingleFlightSettings { finish_in_background: false, ..Default::default() });
    let Boarded { caller: late, .. } = single_flight.board(SingleFlightKey::of_test(1), of_key(1));
    tokio::time::sleep(2 * SECOND).await;
    let next = single_flight.clone().oneshot(of_key(1));
    tokio::pin!(next);
    assert!(timeout(SECOND / 2, &mut next).await.is_err(), "still in flight");
    drop(late);
    assert!(next.await.is_ok());
    assert_eq!(begun.load(Ordering::SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn failures_reach_every_caller_too() {
    let inner = tower::service_fn(|_: RerankRequest| async {
        tokio::time::sleep(SECOND).await;
        Err::<Scores, _>(RerankError::BadResponse("x"))
    });
    let single_flight = SingleFlight::new(inner, SingleFlightSettings::default(), "p".into(), metrics());
    let responses = join_all((0..3).map(|_| single_flight.clone().oneshot(of_key(1)))).await;
    let classes: BTreeSet<String> = responses.into_iter().map(|a| a.unwrap_err().to_string()).collect();
    assert_eq!(classes.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_flight_that_panics_is_forgotten_like_any_other() {
    let inner = tower::service_fn(|r: RerankRequest| async move {
        tokio::time::sleep(SECOND).await;
        assert!(r.documents.is_empty(), "on purpose");
        half_for_each(r)
    });
    let single_flight = SingleFlight::new(inner, SingleFlightSettings::default(), "p".into(), metrics());
    assert!(single_flight.clone().oneshot(of_key(1)).await.is_err());
    assert!(single_flight.tower.lock().is_empty());
    assert_eq!(single_flight.tower.background.available_permits(), 32);
}

#[tokio::test(start_paused = true)]
async fn a_second_try_is_made_while_the_most_patient_of_all_who_joined_waits() {
    let began = Instant::now();
    let inner = tower::service_fn(|r: RerankRequest| async move {
        tokio::time::sleep(SECOND / 2).await;
        Ok(Scores { calls_left: Some((r.retry_by() - Instant::now()).as_secs()), ..half_for_each(r)? })
    });
    let single_flight = SingleFlight::new(inner, SingleFlightSettings::default(), "p".into(), metrics());
    let asked = |secs| RerankRequest { respond_by: began + SECOND * secs + SECOND / 2, ..of_key(1) };
    let (first, patient, hasty) = tokio::join!(
        single_flight.clone().oneshot(asked(1)),
        single_flight.clone().oneshot(asked(4)),
        single_flight.oneshot(asked(2))
    );
    assert!(patient.is_ok() && hasty.is_ok());
    assert_eq!(first.unwrap().calls_left, Some(4), "seconds left for a second try");
}

/// Flights whose calls leave a word in `told` behind the response, and what they answer.
fn leaving_work(
    stated: &Arc<Mutex<Vec<&'static str>>>,
    finish_in_background: bool,
    response: fn(RerankRequest) -> RerankResult,
) -> (SingleFlight<impl Rerank>, Arc<AtomicUsize>) {
    let (begun, stated) = (Arc::new(AtomicUsize::new(0)), stated.clone());
    let count = begun.clone();
    let inner = tower::service_fn(move |r: RerankRequest| {
        count.fetch_add(1, Ordering::SeqCst);
        let stated = stated.clone();
        DeferredWork::put(r.deferred.as_ref(), move || stated.lock().unwrap().push("kept"));
        async move { response(r) }
    });
    let settings = SingleFlightSettings { finish_in_background, ..Default::default() };
    (SingleFlight::new(inner, settings, "p".into(), metrics()).responding_first(true), begun)
}

#[tokio::test(start_paused = true)]
async fn callers_have_their_response_before_what_they_need_not_wait_for_and_later_ones_until_it_is_done() {
    for finish_in_background in [true, false] {
        let stated = Arc::default();
        let (single_flight, begun) = leaving_work(&stated, finish_in_background, half_for_each);
        assert!(single_flight.clone().oneshot(of_key(1)).await.is_ok());
        stated.lock().unwrap().push("answered");
        assert!(single_flight.clone().oneshot(of_key(1)).await.is_ok(), "the flight is still on the board");
        assert_eq!(single_flight.tower.background.available_permits(), 32, "nothing runs on without callers");
        settle().await;
        assert_eq!(*stated.lock().unwrap(), ["answered", "kept"]);
        assert_eq!(begun.load(Ordering::SeqCst), 1);
        assert!(single_flight.tower.lock().is_empty());
        assert_eq!(single_flight.tower.background.available_permits(), 32);
    }
}

#[tokio::test(start_paused = true)]
async fn a_response_with_gaps_comes_after_what_was_kept_of_it() {
    let gaps = |r| half_for_each(r).map(|scores| Scores { failure: Some(FailureClass::Budget), ..scores });
    for response in [gaps, |_| Err(RerankError::BadResponse("x"))] {
        let stated = Arc::default();
        let (single_flight, _) = leaving_work(&stated, true, response);
        let _ = single_flight.clone().oneshot(of_key(1)).await;
        stated.lock().unwrap().push("answered");
        settle().await;
        assert_eq!(*stated.lock().unwrap(), ["kept", "answered"]);
    }
}
