//! One connection and its breaker. Reads and writes have a lane each: a Redis that rejects writes still answers
//! reads, and a large batch does not delay a search.
//!
//! The `redis` crate's `ConnectionManager` does not serve here: it knows single servers only, learns of a lost connection
//! and connects anew when a command comes, which then waits, and takes a server that accepts no writes for a good one.
//! Here a search never waits for a connection, and a probe decides whether the server is used.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::future::BoxFuture;
use tokio::{
    sync::Notify,
    time::{Instant, sleep_until, timeout, timeout_at},
};

use super::{
    Connection, Failure, FleetMetrics,
    breaker::{Breaker, BreakerState},
    connector::CONNECT_TIMEOUT,
    keys::Keys,
    metrics::Operation,
    purpose::Purpose,
};

/// Opens a connection.
pub(super) type Dial = Arc<dyn Fn() -> BoxFuture<'static, Result<Connection, Failure>> + Send + Sync>;

/// A connection behind a breaker. Someone has to [`Lane::keep`] it.
pub(super) struct Lane {
    purpose: Purpose,
    /// Without a login; for logs.
    address: String,
    dial: Dial,
    keys: Keys,
    /// Timeout of a round trip.
    pub(super) max_wait: Duration,
    state: Mutex<State>,
    /// There is something to restore.
    wake: Notify,
    /// It was tried.
    tried: Notify,
    metrics: FleetMetrics,
}

struct State {
    breaker: Breaker,
    connection: Option<Connection>,
    /// Counts connections: a result on an old one does not count against the new one.
    epoch: u64,
}

/// A permit for one round trip, which should [`Pass::end`].
pub(super) struct Pass {
    pub(super) connection: Connection,
    lane: Arc<Lane>,
    operation: Operation,
    started: Instant,
    epoch: u64,
    ended: bool,
}

/// A caller that has waited this long and disconnects has seen that Redis is slow. One that disconnects earlier has
/// seen nothing.
const SLOW: Duration = Duration::from_millis(20);

impl Pass {
    /// Reports how the round trip ended.
    pub(super) fn end(mut self, failure: Option<Failure>) {
        self.ended = true;
        self.lane.note(&self, failure);
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        if !self.ended && self.started.elapsed() >= SLOW {
            self.lane.note(self, Some(Failure::Timeout));
        }
    }
}

impl Lane {
    pub(super) fn new(
        purpose: Purpose,
        address: String,
        dial: Dial,
        keys: Keys,
        max_wait: Duration,
        metrics: FleetMetrics,
    ) -> Self {
        let state = Mutex::new(State { breaker: Breaker::new(), connection: None, epoch: 0 });
        let (wake, tried) = (Notify::new(), Notify::new());
        Self { purpose, address, dial, keys, max_wait, state, wake, tried, metrics }
    }

    /// A permit for one round trip, or `None` at once while there is no connection or the breaker is open.
    pub(super) fn enter(self: &Arc<Self>, operation: Operation) -> Option<Pass> {
        let pass = self.with(|state| {
            let connection = state.connection.clone()?;
            let (lane, started) = (self.clone(), Instant::now());
            Some(Pass { connection, lane, operation, started, epoch: state.epoch, ended: false })
        });
        if pass.is_none() {
            self.metrics.skipped(operation);
        }
        pass
    }

    /// After a round trip ended so: a permit for a second one, if the connection was lost and there is a new one in
    /// time.
    ///
    /// A Redis that has restarted, or has closed an idle connection, shows it only when it is used.
    pub(super) async fn enter_again(
        self: &Arc<Self>,
        failure: Option<Failure>,
        operation: Operation,
        until: Instant,
    ) -> Option<Pass> {
        if failure != Some(Failure::Unreachable) {
            return None;
        }
        let tried = self.tried.notified();
        if self.with(|state| state.connection.is_none() && state.breaker.state() == BreakerState::Closed) {
            timeout_at(until, tried).await.ok()?;
        }
        self.enter(operation)
    }

    /// Whether a round trip could be made now.
    pub(super) fn is_usable(&self) -> bool {
        self.with(|state| state.connection.is_some())
    }

    /// Waits for a connection, until one was tried to make, but not longer than `within`.
    pub(super) async fn tried(&self, within: Duration) {
        let tried = self.tried.notified();
        if !self.is_usable() {
            // A timeout is fine: all is a miss then.
            let _ = timeout(within, tried).await;
        }
    }

    fn note(&self, pass: &Pass, failure: Option<Failure>) {
        self.metrics.round_trip(pass.operation, failure, pass.started.elapsed());
        let opened = self.with(|state| {
            if state.epoch != pass.epoch {
                return false;
            }
            let Some(failure) = failure else {
                state.breaker.succeeded();
                return false;
            };
            let opened = state.breaker.failed(pass.started, Instant::now());
            // A cluster's connection reconnects to its nodes itself.
            let single = matches!(pass.connection, Connection::Single(_));
            if opened || (single && failure.ends_connection()) {
                state.connection = None;
                self.wake.notify_one();
            }
            opened
        });
        if opened {
            self.changed(BreakerState::Open, failure);
        }
    }

    /// Connects, and connects again whenever the connection is lost or a probe is due. Ends with its task.
    pub(super) async fn keep(self: Arc<Self>) {
        loop {
            match self.with(|state| state.due()) {
                None => self.wake.notified().await,
                Some(due) => {
                    sleep_until(due).await;
                    self.restore().await;
                }
            }
        }
    }

    async fn restore(&self) {
        if self.with(|state| {
            state.breaker.probing();
            state.breaker.state() == BreakerState::HalfOpen
        }) {
            self.observe(BreakerState::HalfOpen);
        }
        let started = Instant::now();
        let dialled = timeout(CONNECT_TIMEOUT, self.dial()).await.unwrap_or(Err(Failure::Timeout));
        let failure = dialled.as_ref().err().copied();
        let (now, took) = (Instant::now(), started.elapsed());
        let (opened, closed) = self.with(|state| match dialled {
            Ok(connection) => {
                state.connection = Some(connection);
                state.epoch += 1;
                (false, state.breaker.probed(true, now))
            }
            Err(_) => {
                state.breaker.probed(false, now);
                (state.breaker.trip(now), false)
            }
        });
        // Counted once the connection can be used: who sees the probe may rely on it.
        self.metrics.round_trip(Operation::Probe, failure, took);
        match failure {
            Some(_) if opened => self.changed(BreakerState::Open, failure),
            Some(_) => self.observe(BreakerState::Open),
            None if closed => self.changed(BreakerState::Closed, None),
            None => self.observe(BreakerState::Closed),
        }
        self.tried.notify_waiters();
    }

    async fn dial(&self) -> Result<Connection, Failure> {
        let connection = (self.dial)().await?;
        self.purpose.probe(&connection, &self.keys, Instant::now() + self.max_wait).await?;
        Ok(connection)
    }

    fn observe(&self, state: BreakerState) {
        self.metrics.breaker(self.purpose.as_str(), state);
    }

    /// Logs a change, once for each.
    fn changed(&self, to: BreakerState, because: Option<Failure>) {
        self.observe(to);
        self.metrics.breaker_changed(self.purpose.as_str(), to);
        let (lane, redis) = (self.purpose.as_str(), &self.address);
        match because.map(Failure::as_str) {
            Some(because) => tracing::warn!(lane, %redis, because, "Redis gets no commands until it answers"),
            None => tracing::info!(lane, %redis, "Redis answers again and is used"),
        }
    }

    fn with<T>(&self, step: impl FnOnce(&mut State) -> T) -> T {
        step(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl State {
    /// When to connect next; `None` while the connection works. Jittered, so that the sidecars of a fleet do not all
    /// connect at once.
    fn due(&self) -> Option<Instant> {
        match self.breaker.probe_at() {
            Some(at) => {
                let wait = at.saturating_duration_since(Instant::now());
                Some(at + wait.mul_f64(fastrand::f64() / 10.0))
            }
            None if self.connection.is_none() => Some(Instant::now()),
            None => None,
        }
    }
}
