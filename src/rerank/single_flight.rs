use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time::Instant,
};
use tokio_util::sync::CancellationToken;
use tower::{Service, ServiceExt};
use tracing::Instrument;

use super::{
    Rerank, RerankError, RerankFuture, RerankMetrics, RerankRequest, RerankResult, Scores,
    cache::SingleFlightKey, caller_deadline::CallerDeadline, deferred::DeferredWork,
};

/// How long a call may run, and whether it finishes without any caller.
#[derive(Clone, Debug, PartialEq)]
pub struct SingleFlightSettings {
    /// The most time for one call in flight, retries and all. Default 5 s.
    pub timeout: Duration,
    /// A call that all its callers have left goes on, to fill the cache. Default true: it is paid for.
    pub finish_in_background: bool,
    /// At most this many calls go on without callers; others are cancelled. Default 32.
    pub max_in_background: usize,
}

impl Default for SingleFlightSettings {
    fn default() -> Self {
        Self { timeout: Duration::from_secs(5), finish_in_background: true, max_in_background: 32 }
    }
}

/// Equal work in flight is one call. It runs in a task of its own: it outlives its first caller, and ends with its
/// last one, or goes on to fill the cache.
#[derive(Clone)]
pub(super) struct SingleFlight<S> {
    inner: S,
    tower: Arc<Tower>,
    respond_first: bool,
}

/// The calls in flight of one provider.
struct Tower {
    settings: SingleFlightSettings,
    flying: Mutex<HashMap<SingleFlightKey, InFlight>>,
    /// Distinguishes a call from a later one of the same key.
    numbers: AtomicU64,
    background: Arc<Semaphore>,
    provider: Arc<str>,
    metrics: Arc<RerankMetrics>,
}

/// One call in flight.
struct InFlight {
    number: u64,
    landed: watch::Receiver<Option<RerankResult>>,
    callers: usize,
    /// The latest deadline of its callers.
    max_wait: CallerDeadline,
    end: CancellationToken,
    /// A permit held while it has no callers.
    alone: Option<OwnedSemaphorePermit>,
}

impl<S: Rerank> SingleFlight<S> {
    pub(super) fn new(
        inner: S,
        settings: SingleFlightSettings,
        provider: Arc<str>,
        metrics: Arc<RerankMetrics>,
    ) -> Self {
        let background = Arc::new(Semaphore::new(settings.max_in_background.min(Semaphore::MAX_PERMITS)));
        let (flying, numbers) = (Mutex::default(), AtomicU64::new(0));
        let tower = Arc::new(Tower { settings, flying, numbers, background, provider, metrics });
        Self { inner, tower, respond_first: false }
    }

    /// The same; if `respond_first`, callers get their response before the work that they need not wait for is done:
    /// for a program that keeps running.
    pub(super) fn responding_first(self, respond_first: bool) -> Self {
        Self { respond_first, ..self }
    }

    async fn run(self, request: RerankRequest) -> RerankResult {
        let Some(key) = request.flight else { return self.inner.oneshot(request).await };
        let Boarded { caller, mut landed, joined } = self.board(key, request);
        let response = match landed.wait_for(Option::is_some).await {
            Ok(response) => response.clone(),
            // The task ended without a response: the runtime was shut down.
            Err(_) => None,
        };
        drop(caller);
        let mut response = response.unwrap_or(Err(RerankError::Unreachable("the call was cancelled")));
        // The cost of a call is reported once: to the caller for whom it was made.
        if let (Ok(scores), true) = (&mut response, joined) {
            (scores.billed_units, scores.billed_tokens) = (0.0, 0);
        }
        response
    }

    /// Joins the call of this key in flight, or starts it.
    fn board(&self, key: SingleFlightKey, request: RerankRequest) -> Boarded {
        let tower = &self.tower;
        let ticket = |number| Ticket { tower: tower.clone(), key, number };
        let mut flying = tower.lock();
        if let Some(flight) = flying.get_mut(&key) {
            flight.callers += 1;
            flight.max_wait.joined(request.respond_by);
            flight.alone = None;
            tower.metrics.coalesced(&tower.provider);
            let (caller, landed) = (Caller(ticket(flight.number)), flight.landed.clone());
            return Boarded { caller, landed, joined: true };
        }
        let number = tower.numbers.fetch_add(1, Ordering::Relaxed);
        let (land, landed) = watch::channel(None);
        let end = CancellationToken::new();
        let max_wait = CallerDeadline::new(request.respond_by);
        let deferred = self.respond_first.then(DeferredWork::default);
        let request = RerankRequest { max_wait: Some(max_wait.clone()), deferred, ..request };
        let flight =
            InFlight { number, landed: landed.clone(), callers: 1, max_wait, end: end.clone(), alone: None };
        flying.insert(key, flight);
        drop(flying);
        // Its log lines are those of the search that started it.
        let flight = fly(self.inner.clone(), ticket(number), request, end, land);
        tokio::spawn(flight.in_current_span());
        Boarded { caller: Caller(ticket(number)), landed, joined: false }
    }
}

/// The call itself. It has no caller's deadline, only its own.
async fn fly<S: Rerank>(
    inner: S,
    ticket: Ticket,
    request: RerankRequest,
    end: CancellationToken,
    land: watch::Sender<Option<RerankResult>>,
) {
    let respond_by = Instant::now() + ticket.tower.settings.timeout;
    let (landing, deferred) = (Landing(ticket), request.deferred.clone().unwrap_or_default());
    let request = RerankRequest { respond_by, ..request };
    let response = tokio::select! {
        biased;
        () = end.cancelled() => return,
        response = tokio::time::timeout_at(respond_by, inner.oneshot(request)) => response,
    };
    let response = response.unwrap_or(Err(RerankError::Timeout));
    if !response.as_ref().is_ok_and(|scores| scores.failure.is_none()) {
        // A caller without a whole response looks for more in the cache.
        deferred.run();
    }
    if deferred.is_empty() {
        drop(landing);
        let _ = land.send(Some(response));
        return;
    }
    let _ = land.send(Some(response));
    // Now the callers go on; one that joins until it is done gets the same response.
    tokio::task::yield_now().await;
    deferred.run();
}

/// Identifies a call in flight.
#[derive(Clone)]
struct Ticket {
    tower: Arc<Tower>,
    key: SingleFlightKey,
    number: u64,
}

/// One caller of a call in flight.
struct Boarded {
    caller: Caller,
    landed: watch::Receiver<Option<RerankResult>>,
    /// Whether the call was in flight already.
    joined: bool,
}

/// Removes a call from the map however it ends, also by a panic.
struct Landing(Ticket);

impl Drop for Landing {
    fn drop(&mut self) {
        self.0.tower.land(&self.0);
    }
}

/// A caller's handle on a call; dropping it is counted.
struct Caller(Ticket);

impl Drop for Caller {
    fn drop(&mut self) {
        self.0.tower.leave(&self.0);
    }
}

impl Tower {
    fn lock(&self) -> MutexGuard<'_, HashMap<SingleFlightKey, InFlight>> {
        self.flying.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on equal work is a new call, or found in the cache.
    fn land(&self, ticket: &Ticket) {
        let mut flying = self.lock();
        if flying.get(&ticket.key).is_some_and(|flight| flight.number == ticket.number)
            && let Some(flight) = flying.remove(&ticket.key)
            && flight.alone.is_some()
        {
            self.metrics.landed_alone(&self.provider);
        }
    }

    /// One caller fewer; the last one decides what becomes of the flight.
    fn leave(&self, ticket: &Ticket) {
        let mut flying = self.lock();
        let Some(flight) = flying.get_mut(&ticket.key).filter(|flight| flight.number == ticket.number) else {
            return;
        };
        flight.callers = flight.callers.saturating_sub(1);
        if flight.callers > 0 || flight.landed.borrow().is_some() {
            return;
        }
        if self.settings.finish_in_background {
            flight.alone = self.background.clone().try_acquire_owned().ok();
        }
        if flight.alone.is_none()
            && let Some(flight) = flying.remove(&ticket.key)
        {
            flight.end.cancel();
        }
    }
}

impl<S: Rerank> Service<RerankRequest> for SingleFlight<S> {
    type Response = Scores;
    type Error = RerankError;
    type Future = RerankFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), RerankError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: RerankRequest) -> RerankFuture {
        Box::pin(self.clone().run(request))
    }
}

#[cfg(test)]
#[path = "single_flight_tests.rs"]
mod tests;
