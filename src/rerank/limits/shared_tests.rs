//! The limits over a Redis of a few lines.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tower::ServiceExt;

use super::{Gate, Ledger, LimitSettings, Limits, SpendSettings};
use crate::{
    fleet::tests::{
        fleet_of,
        peer::{Act, Peer},
    },
    rerank::{
        Billing, CircuitSettings, FailureClass, Rerank, RerankError,
        breaker::Breaker,
        retry::Retry,
        test_support::{half_for_each, metrics, request, scripted},
    },
};

const GRANTED: &str = "*7\r\n:1\r\n:9\r\n:1700000000\r\n$1\r\n9\r\n$1\r\n9\r\n:1\r\n:1\r\n";
const REFUSED: &str = "*3\r\n:0\r\n:1500\r\n$4\r\nrate\r\n";

/// Two calls a minute, five search units a day.
fn settings() -> LimitSettings {
    LimitSettings {
        requests_per_minute: Some(2),
        search_units: SpendSettings { per_minute: None, per_day: Some(5) },
        ..LimitSettings::default()
    }
}

async fn gate(peer: &Arc<Peer>) -> Arc<Gate> {
    let gate = Gate::new("p".into(), Billing::SearchUnits, &settings(), &Ledger::default(), metrics());
    Arc::new(gate.sharing(Some(fleet_of(peer).await), &settings()))
}

fn scripts_say(peer: &Peer, said: &'static str) {
    peer.script(move |words| if words[0] == b"EVAL" { Act::Say(said) } else { Act::Serve });
}

async fn ask(service: &impl Rerank) -> Result<(), FailureClass> {
    service.clone().oneshot(request(&["a"])).await.map(|_| ()).map_err(|error| error.class())
}

#[tokio::test(start_paused = true)]
async fn rate_and_budget_of_the_fleet_are_one_round_trip() {
    let peer = Peer::new();
    scripts_say(&peer, GRANTED);
    let (inner, _) = scripted(|_, r| half_for_each(r));
    assert_eq!(ask(&Limits::new(inner, gate(&peer).await)).await, Ok(()));
    assert_eq!(peer.seen("EVAL").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_open_circuit_costs_no_round_trip() {
    let peer = Peer::new();
    scripts_say(&peer, GRANTED);
    let (inner, _) = scripted(|_, _| Err(RerankError::Timeout));
    let circuit = CircuitSettings { min_calls: 1, ..CircuitSettings::default() };
    let breaker = Breaker::new(inner, circuit, "p".into(), metrics());
    let circuit = breaker.switch();
    let service = Limits::new(breaker, gate(&peer).await).before(Some(circuit));
    assert_eq!(ask(&service).await, Err(FailureClass::Timeout));
    for _ in 0..5 {
        assert_eq!(ask(&service).await, Err(FailureClass::CircuitOpen));
    }
    assert_eq!(peer.seen("EVAL").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn who_leaves_while_the_fleet_is_asked_keeps_nothing() {
    let peer = Peer::new();
    let gate = gate(&peer).await;
    let now = gate.now();
    peer.script(|words| match words.get(1) {
        Some(text) if text.starts_with(b"-- Counts one call") => Act::Say(GRANTED),
        _ if words[0] == b"EVAL" => Act::Say(":1\r\n"),
        _ => Act::Serve,
    });
    let (inner, calls) = scripted(|_, r| half_for_each(r));
    let service = Limits::new(inner, gate.clone());
    {
        let mut asked = Box::pin(service.clone().oneshot(request(&["a"])));
        // Up to the question to the fleet, and no further.
        assert!(futures_util::poll!(&mut asked).is_pending());
        assert_eq!(gate.spend.left(now).1, Some(4.0));
    }
    assert_eq!(gate.spend.left(now).1, Some(5.0));
    // What the fleet has granted all the same goes back: the call, and what it would have cost.
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(peer.seen("EVAL").len(), 3);
    peer.script(|_| Act::Hang);
    assert_eq!((ask(&service).await, ask(&service).await), (Ok(()), Ok(())), "both calls of the minute");
    assert_eq!(calls.load(Ordering::SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn a_second_try_that_the_fleet_rejects_keeps_no_leave() {
    let peer = Peer::new();
    scripts_say(&peer, REFUSED);
    let gate = gate(&peer).await;
    let (inner, calls) = scripted(|_, _| Err(RerankError::Unreachable("reset")));
    let retry = Retry::new(inner, Arc::default(), gate.clone(), "p".into(), metrics());
    assert_eq!(ask(&retry).await, Err(FailureClass::ProviderUnavailable));
    assert_eq!(calls.load(Ordering::SeqCst), 1);
    let now = tokio::time::Instant::now();
    assert!(gate.rate.take(now).is_ok() && gate.rate.take(now).is_ok(), "both calls of the minute are left");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_given_up_on_its_way_is_counted_as_made() {
    let gate =
        Arc::new(Gate::new("p".into(), Billing::SearchUnits, &settings(), &Ledger::default(), metrics()));
    let slow = tower::service_fn(|r| async move {
        tokio::time::sleep(Duration::from_secs(1)).await;
        half_for_each(r)
    });
    let asked = Limits::new(slow, gate.clone()).oneshot(request(&["a"]));
    assert!(tokio::time::timeout(Duration::from_millis(10), asked).await.is_err());
    assert_eq!(gate.spend.left(gate.now()).1, Some(4.0), "it may be billed");
    let now = tokio::time::Instant::now();
    assert!(gate.rate.take(now).is_ok() && gate.rate.take(now).is_err());
}
