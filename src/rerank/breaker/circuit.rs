use std::time::Duration;

use tokio::time::Instant;

use super::window::OutcomeWindow;
use crate::rerank::FailureClass;

/// When to stop calling a provider, and when to try again.
#[derive(Clone, Debug, PartialEq)]
pub struct CircuitSettings {
    /// Share of failed calls, over 0 up to 1, that opens the circuit. Default 0.5.
    pub failure_ratio: f64,
    /// Share of slow calls, over 0 up to 1, that opens it. Default 0.8.
    pub slow_ratio: f64,
    /// A call that takes longer is slow. Default 1 s: longer than a search waits.
    pub slow_call: Duration,
    /// Calls needed within `window` before a share counts. Default 20: fewer is noise.
    pub min_calls: u32,
    /// Length of the sliding window. Default 10 s.
    pub window: Duration,
    /// How long it stays open before probes; doubled after each failed probe, up to a minute. Default 5 s.
    pub open_for: Duration,
    /// Probes at a time, and the successes that close it again. Default 3.
    pub probes: u32,
}

impl Default for CircuitSettings {
    fn default() -> Self {
        Self {
            failure_ratio: 0.5,
            slow_ratio: 0.8,
            slow_call: Duration::from_secs(1),
            min_calls: 20,
            window: Duration::from_secs(10),
            open_for: Duration::from_secs(5),
            probes: 3,
        }
    }
}

/// The longest time open without a probe, unless a response stated a longer one.
const LONGEST_OPEN: Duration = Duration::from_secs(60);

/// The state of a circuit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CircuitState {
    /// Calls pass.
    Closed,
    /// A few probes pass.
    HalfOpen,
    /// None pass, for this reason.
    Open(FailureClass),
}

/// What a call shows of the provider's health.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The provider works.
    Good,
    /// The provider fails.
    Bad,
    /// Nothing: the request was at fault, or a limit answered.
    Silent,
    /// It will not work until an operator acts: opens at once, for this long.
    Rejected(FailureClass, Duration),
}

/// A permit for one call.
#[derive(Debug)]
pub(super) struct Permit {
    epoch: u64,
    probe: bool,
}

/// A circuit breaker: closed, open, half open. Pure: each step brings the time.
#[derive(Debug)]
pub(super) struct Circuit {
    settings: CircuitSettings,
    state: State,
    /// Counts changes of state: results of calls from before a change say nothing about the present.
    epoch: u64,
    /// Times that it opened without closing in between.
    opened: u32,
}

#[derive(Debug)]
enum State {
    Closed(Box<OutcomeWindow>),
    Open { until: Instant, class: FailureClass },
    HalfOpen { class: FailureClass, in_flight: u32, passed: u32 },
}

impl Circuit {
    pub(super) fn new(settings: CircuitSettings, now: Instant) -> Self {
        let state = State::Closed(Box::new(OutcomeWindow::new(settings.window, now)));
        Self { settings, state, epoch: 0, opened: 0 }
    }

    pub(super) fn state(&self) -> CircuitState {
        match self.state {
            State::Closed(_) => CircuitState::Closed,
            State::HalfOpen { .. } => CircuitState::HalfOpen,
            State::Open { class, .. } => CircuitState::Open(class),
        }
    }

    /// When an open circuit lets probes through.
    pub(super) fn open_until(&self) -> Option<Instant> {
        match self.state {
            State::Open { until, .. } => Some(until),
            State::Closed(_) | State::HalfOpen { .. } => None,
        }
    }

    /// Leave to call, or why not. An open circuit whose time is up becomes half open here.
    pub(super) fn admit(&mut self, now: Instant) -> Result<Permit, FailureClass> {
        if let State::Open { until, class } = self.state
            && until <= now
        {
            self.enter(State::HalfOpen { class, in_flight: 0, passed: 0 });
        }
        let probes = self.settings.probes;
        match &mut self.state {
            State::Closed(_) => Ok(Permit { epoch: self.epoch, probe: false }),
            State::Open { class, .. } => Err(*class),
            State::HalfOpen { in_flight, passed, .. } if *in_flight + *passed < probes => {
                *in_flight += 1;
                Ok(Permit { epoch: self.epoch, probe: true })
            }
            State::HalfOpen { class, .. } => Err(*class),
        }
    }

    /// What [`Circuit::admit`] would say.
    pub(super) fn would_admit(&self, now: Instant) -> Result<(), FailureClass> {
        match self.state {
            State::Open { until, class } if until > now => Err(class),
            State::HalfOpen { class, in_flight, passed } if in_flight + passed >= self.settings.probes => {
                Err(class)
            }
            _ => Ok(()),
        }
    }

    /// Records the result of a call that took `took`.
    pub(super) fn record(&mut self, permit: &Permit, verdict: Verdict, took: Duration, now: Instant) {
        // A rejection is news whenever the call began; all else only in the state that it began in.
        if let Verdict::Rejected(class, time) = verdict {
            if !matches!(self.state, State::Open { .. }) {
                self.open(class, now + time);
            }
            return;
        }
        if permit.epoch != self.epoch {
            return;
        }
        let slow = took >= self.settings.slow_call;
        let failed = verdict == Verdict::Bad;
        if permit.probe {
            self.probed(verdict, slow, now);
        } else if verdict != Verdict::Silent {
            self.counted(failed, slow, now);
        }
    }

    fn probed(&mut self, verdict: Verdict, slow: bool, now: Instant) {
        let probes = self.settings.probes;
        let State::HalfOpen { in_flight, passed, .. } = &mut self.state else { return };
        *in_flight = in_flight.saturating_sub(1);
        match verdict {
            Verdict::Silent => {}
            Verdict::Good if !slow => {
                *passed += 1;
                if *passed >= probes {
                    self.opened = 0;
                    let window = OutcomeWindow::new(self.settings.window, now);
                    self.enter(State::Closed(Box::new(window)));
                }
            }
            _ => self.open_again(now),
        }
    }

    fn counted(&mut self, failed: bool, slow: bool, now: Instant) {
        let State::Closed(window) = &mut self.state else { return };
        window.add(failed, slow, now);
        let total = window.total(now);
        let share = |count: u32| f64::from(count) / f64::from(total.calls.max(1));
        let trips = share(total.failed) >= self.settings.failure_ratio
            || share(total.slow) >= self.settings.slow_ratio;
        if total.calls >= self.settings.min_calls && trips {
            self.open_again(now);
        }
    }

    fn open_again(&mut self, now: Instant) {
        let doubled = self.settings.open_for.saturating_mul(2_u32.saturating_pow(self.opened));
        self.open(FailureClass::CircuitOpen, now + doubled.min(LONGEST_OPEN.max(self.settings.open_for)));
    }

    fn open(&mut self, class: FailureClass, until: Instant) {
        self.opened = self.opened.saturating_add(1);
        self.enter(State::Open { until, class });
    }

    fn enter(&mut self, state: State) {
        self.epoch += 1;
        self.state = state;
    }
}

#[cfg(test)]
#[path = "circuit_tests.rs"]
mod tests;
