use std::time::Duration;

use tokio::time::Instant;

/// How many of the last calls are looked at.
const CALLS: u32 = 10;
/// Consecutive failures among them that open the breaker.
const FAILURES: u32 = 5;
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// The state of a breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BreakerState {
    Closed,
    /// One probe is under way.
    HalfOpen,
    Open,
}

impl BreakerState {
    /// For metric labels.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            BreakerState::Closed => "closed",
            BreakerState::HalfOpen => "half_open",
            BreakerState::Open => "open",
        }
    }
}

/// When to send Redis no commands, and when to probe it again. Pure: each step brings the time.
#[derive(Debug)]
pub(super) struct Breaker {
    state: State,
    /// Openings and failed probes since a call last succeeded: each doubles the delay.
    tries: u32,
}

#[derive(Debug)]
enum State {
    Closed {
        /// A bit for each of the last calls, set if it failed.
        recent: u32,
        /// When the last counted failure was reported.
        failed_at: Option<Instant>,
    },
    HalfOpen,
    Open {
        probe_at: Instant,
    },
}

const CLOSED: State = State::Closed { recent: 0, failed_at: None };

impl Breaker {
    pub(super) fn new() -> Self {
        Self { state: CLOSED, tries: 0 }
    }

    pub(super) fn state(&self) -> BreakerState {
        match self.state {
            State::Closed { .. } => BreakerState::Closed,
            State::HalfOpen => BreakerState::HalfOpen,
            State::Open { .. } => BreakerState::Open,
        }
    }

    /// When the next probe is due, of an open one.
    pub(super) fn probe_at(&self) -> Option<Instant> {
        match self.state {
            State::Open { probe_at } => Some(probe_at),
            State::Closed { .. } | State::HalfOpen => None,
        }
    }

    /// A call was answered in time.
    pub(super) fn succeeded(&mut self) {
        if let State::Closed { recent, .. } = &mut self.state {
            *recent <<= 1;
            self.tries = 0;
        }
    }

    /// A call that began at `began` failed or timed out. Returns whether that opened it.
    ///
    /// Calls that were under way together fail together: the moment that the machine was busy elsewhere counts once.
    pub(super) fn failed(&mut self, began: Instant, now: Instant) -> bool {
        let State::Closed { recent, failed_at } = &mut self.state else { return false };
        if failed_at.is_some_and(|last| began < last) {
            return false;
        }
        *failed_at = Some(now);
        *recent = (*recent << 1 | 1) & ((1 << CALLS) - 1);
        let open = recent.count_ones() >= FAILURES;
        if open {
            self.open(now);
        }
        open
    }

    /// No call can be made at all. Returns whether that opened it.
    pub(super) fn trip(&mut self, now: Instant) -> bool {
        let closed = matches!(self.state, State::Closed { .. });
        if closed {
            self.open(now);
        }
        closed
    }

    /// A probe begins.
    pub(super) fn probing(&mut self) {
        if let State::Open { .. } = self.state {
            self.state = State::HalfOpen;
        }
    }

    /// The probe ended. Returns whether that closed the breaker.
    pub(super) fn probed(&mut self, good: bool, now: Instant) -> bool {
        if !matches!(self.state, State::HalfOpen) {
            return false;
        }
        if good {
            self.state = CLOSED;
        } else {
            self.open(now);
        }
        good
    }

    fn open(&mut self, now: Instant) {
        let wait = FIRST_WAIT.saturating_mul(1 << self.tries.min(16)).min(LONGEST_WAIT);
        self.tries = self.tries.saturating_add(1);
        self.state = State::Open { probe_at: now + wait };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(breaker: &mut Breaker, times: u32) -> bool {
        (0..times).map(|_| breaker.failed(Instant::now(), Instant::now())).last().unwrap_or(false)
    }

    /// How long until the next probe.
    fn wait(breaker: &Breaker) -> u64 {
        (breaker.probe_at().unwrap() - Instant::now()).as_secs()
    }

    fn probe(breaker: &mut Breaker, good: bool) -> bool {
        breaker.probing();
        breaker.probed(good, Instant::now())
    }

    #[tokio::test(start_paused = true)]
    async fn five_failures_in_a_row_open_it_and_four_do_not() {
        let mut breaker = Breaker::new();
        assert!(!failed(&mut breaker, 4));
        assert_eq!(breaker.state(), BreakerState::Closed);
        assert!(failed(&mut breaker, 1));
        assert_eq!((breaker.state(), wait(&breaker)), (BreakerState::Open, 1));
        assert!(!failed(&mut breaker, 1), "opened once");
    }

    #[tokio::test(start_paused = true)]
    async fn every_second_failure_opens_it_and_every_third_does_not() {
        let mut breaker = Breaker::new();
        for _ in 0..100 {
            assert!(!failed(&mut breaker, 1));
            breaker.succeeded();
            breaker.succeeded();
        }
        let mut breaker = Breaker::new();
        for _ in 0..4 {
            assert!(!failed(&mut breaker, 1));
            breaker.succeeded();
        }
        assert!(failed(&mut breaker, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn calls_that_were_under_way_together_count_once() {
        let mut breaker = Breaker::new();
        for _ in 0..4 {
            let began = Instant::now();
            tokio::time::advance(Duration::from_millis(20)).await;
            for _ in 0..100 {
                assert!(!breaker.failed(began, Instant::now()));
            }
        }
        assert!(failed(&mut breaker, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn the_wait_for_a_probe_doubles_up_to_thirty_seconds() {
        let mut breaker = Breaker::new();
        assert!(breaker.trip(Instant::now()));
        let mut waits = vec![wait(&breaker)];
        for _ in 0..6 {
            assert!(!probe(&mut breaker, false));
            waits.push(wait(&breaker));
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 30, 30]);
        assert!(probe(&mut breaker, true));
        assert_eq!(breaker.state(), BreakerState::Closed);
    }

    #[tokio::test(start_paused = true)]
    async fn a_good_probe_alone_does_not_shorten_the_wait_but_a_good_call_does() {
        let mut breaker = Breaker::new();
        for expected in [1, 2, 4] {
            assert!(failed(&mut breaker, 5));
            assert_eq!(wait(&breaker), expected);
            assert!(probe(&mut breaker, true));
        }
        breaker.succeeded();
        assert!(failed(&mut breaker, 5));
        assert_eq!(wait(&breaker), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn what_calls_from_before_say_does_not_touch_an_open_one() {
        let mut breaker = Breaker::new();
        breaker.trip(Instant::now());
        breaker.succeeded();
        assert!(!breaker.trip(Instant::now()) && !failed(&mut breaker, 1));
        assert_eq!((breaker.state(), wait(&breaker)), (BreakerState::Open, 1));
        assert!(!breaker.probed(true, Instant::now()), "no probe was under way");
    }
}
