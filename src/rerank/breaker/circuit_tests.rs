use proptest::prelude::*;

use super::*;

const QUICK: Duration = Duration::from_millis(50);

fn circuit(now: Instant) -> Circuit {
    Circuit::new(CircuitSettings { min_calls: 4, ..CircuitSettings::default() }, now)
}

fn call(circuit: &mut Circuit, verdict: Verdict, took: Duration, now: Instant) -> bool {
    match circuit.admit(now) {
        Ok(permit) => {
            circuit.record(&permit, verdict, took, now);
            true
        }
        Err(_) => false,
    }
}

fn opened(now: Instant) -> Circuit {
    let mut circuit = circuit(now);
    for _ in 0..4 {
        call(&mut circuit, Verdict::Bad, QUICK, now);
    }
    assert_eq!(circuit.state(), CircuitState::Open(FailureClass::CircuitOpen));
    circuit
}

#[tokio::test(start_paused = true)]
async fn it_opens_at_the_failure_ratio_and_not_before_enough_calls() {
    let now = Instant::now();
    let mut circuit = circuit(now);
    for verdict in [Verdict::Bad, Verdict::Bad, Verdict::Good] {
        assert!(call(&mut circuit, verdict, QUICK, now));
    }
    assert_eq!(circuit.state(), CircuitState::Closed, "three calls are noise");
    assert!(call(&mut circuit, Verdict::Good, QUICK, now));
    assert_eq!(circuit.state(), CircuitState::Open(FailureClass::CircuitOpen), "half of four have failed");
    assert_eq!(circuit.admit(now).unwrap_err(), FailureClass::CircuitOpen);
}

#[tokio::test(start_paused = true)]
async fn calls_that_work_but_are_slow_open_it_too() {
    let now = Instant::now();
    let mut circuit = circuit(now);
    for _ in 0..4 {
        call(&mut circuit, Verdict::Good, Duration::from_secs(1), now);
    }
    assert_eq!(circuit.state(), CircuitState::Open(FailureClass::CircuitOpen));
}

#[tokio::test(start_paused = true)]
async fn what_says_nothing_of_the_providers_health_does_not_count() {
    let now = Instant::now();
    let mut circuit = circuit(now);
    for _ in 0..100 {
        assert!(call(&mut circuit, Verdict::Silent, Duration::from_secs(9), now));
    }
    assert_eq!(circuit.state(), CircuitState::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_rejected_key_opens_it_at_once_for_as_long_as_said() {
    let now = Instant::now();
    let mut circuit = circuit(now);
    call(&mut circuit, Verdict::Rejected(FailureClass::Auth, Duration::from_secs(30)), QUICK, now);
    assert_eq!(circuit.admit(now + Duration::from_secs(29)).unwrap_err(), FailureClass::Auth);
    assert!(circuit.admit(now + Duration::from_secs(30)).is_ok());
    assert_eq!(circuit.state(), CircuitState::HalfOpen);
}

#[tokio::test(start_paused = true)]
async fn half_open_lets_only_the_probes_through_and_their_success_closes_it() {
    let now = Instant::now();
    let mut circuit = opened(now);
    let later = now + Duration::from_secs(5);
    let probes: Vec<Permit> = (0..3).map(|_| circuit.admit(later).unwrap()).collect();
    assert_eq!(circuit.admit(later).unwrap_err(), FailureClass::CircuitOpen, "a fourth has to wait");
    for probe in &probes {
        circuit.record(probe, Verdict::Good, QUICK, later);
    }
    assert_eq!(circuit.state(), CircuitState::Closed);
    call(&mut circuit, Verdict::Bad, QUICK, later);
    assert_eq!(circuit.state(), CircuitState::Closed, "the old failures are forgotten");
}

#[tokio::test(start_paused = true)]
async fn each_failed_probe_doubles_the_wait_up_to_a_minute() {
    let mut now = Instant::now();
    let mut circuit = opened(now);
    for wait in [5, 10, 20, 40, 60, 60] {
        now += Duration::from_secs(wait) - Duration::from_millis(1);
        assert!(circuit.admit(now).is_err(), "too early for {wait} s");
        now += Duration::from_millis(1);
        assert!(call(&mut circuit, Verdict::Bad, QUICK, now), "a probe after {wait} s");
    }
}

#[tokio::test(start_paused = true)]
async fn a_probe_without_a_result_makes_room_for_another() {
    let now = Instant::now();
    let mut circuit = opened(now);
    let later = now + Duration::from_secs(5);
    let probes: Vec<Permit> = (0..3).map(|_| circuit.admit(later).unwrap()).collect();
    circuit.record(&probes[0], Verdict::Silent, QUICK, later);
    assert!(circuit.admit(later).is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_result_from_before_a_change_says_nothing() {
    let now = Instant::now();
    let mut circuit = circuit(now);
    let old = circuit.admit(now).unwrap();
    for _ in 0..4 {
        call(&mut circuit, Verdict::Bad, QUICK, now);
    }
    let later = now + Duration::from_secs(5);
    let probe = circuit.admit(later).unwrap();
    circuit.record(&old, Verdict::Bad, QUICK, later);
    assert_eq!(circuit.state(), CircuitState::HalfOpen);
    circuit.record(&probe, Verdict::Good, QUICK, later);
    assert_eq!(circuit.state(), CircuitState::HalfOpen);
}

proptest! {
    /// Whatever happens: it never stays shut for ever, and half open never lets more probes through than set.
    #[test]
    fn after_a_minute_of_silence_a_probe_always_passes(steps in prop::collection::vec((0..4_u8, 0..20_000_u64), 1..200)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let mut now = runtime.block_on(async { Instant::now() });
        let mut circuit = circuit(now);
        let mut held: Vec<Permit> = Vec::new();
        for (what, millis) in steps {
            now += Duration::from_millis(millis);
            match (what, circuit.admit(now)) {
                (0, Ok(permit)) => held.push(permit),
                (1, Ok(permit)) => circuit.record(&permit, Verdict::Good, QUICK, now),
                (_, Ok(permit)) => circuit.record(&permit, Verdict::Bad, QUICK, now),
                (_, Err(_)) => {}
            }
            if let State::HalfOpen { in_flight, passed, .. } = circuit.state {
                prop_assert!(in_flight + passed <= 3);
            }
        }
        for permit in held {
            circuit.record(&permit, Verdict::Silent, QUICK, now);
        }
        prop_assert!(circuit.admit(now + Duration::from_secs(60)).is_ok());
    }
}
