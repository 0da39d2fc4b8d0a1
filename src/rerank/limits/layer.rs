use std::{
    sync::Arc,
    task::{Context, Poll},
};

use tokio::{sync::Semaphore, time::Instant};
use tower::{Service, ServiceExt};

use super::{
    rate::RateLimiter,
    shared::{SharedEntry, SharedLimits},
    spend::{Ledger, Reservation, SpendLimit, SpendSettings, estimate},
};
use crate::fleet::Fleet;
use crate::rerank::{
    Answer, AnswerFuture, Billing, FailureClass, Rerank, RerankError, RerankMetrics, RerankRequest, Scores,
    wall::{Calendar, WallClock},
};

/// Limits of one provider.
#[derive(Clone, Debug, PartialEq)]
pub struct LimitSettings {
    /// Calls in flight at once; more are shed.
    pub max_concurrency: usize,
    /// Calls in any 60 seconds, retries counted; more are shed.
    pub requests_per_minute: Option<u32>,
    /// The most search units, where the provider bills them.
    pub search_units: SpendSettings,
    /// The most tokens, where the provider bills them.
    pub tokens: SpendSettings,
    /// Documents are cut, then the window, so that one search stays within so many search units.
    pub search_units_per_search: Option<u32>,
}

impl Default for LimitSettings {
    fn default() -> Self {
        Self {
            max_concurrency: 32,
            requests_per_minute: None,
            search_units: SpendSettings::default(),
            tokens: SpendSettings::default(),
            search_units_per_search: None,
        }
    }
}

/// The state of one provider's limits.
pub(in crate::rerank) struct Gate {
    provider: Arc<str>,
    billing: Billing,
    free: Arc<Semaphore>,
    rate: RateLimiter,
    spend: SpendLimit,
    shared: Option<SharedLimits>,
    wall: WallClock,
    metrics: Arc<RerankMetrics>,
}

/// What a call has taken of the limits.
struct Entry {
    reserved: Reservation,
    at: Instant,
    shared: SharedEntry,
}

impl Gate {
    pub(in crate::rerank) fn new(
        provider: Arc<str>,
        billing: Billing,
        settings: &LimitSettings,
        ledger: &Ledger,
        metrics: Arc<RerankMetrics>,
    ) -> Self {
        let spend = spend_of(billing, settings);
        let places = settings.max_concurrency.clamp(1, Semaphore::MAX_PERMITS);
        Self {
            spend: SpendLimit::new(spend, ledger, &provider, billing),
            provider,
            billing,
            free: Arc::new(Semaphore::new(places)),
            rate: RateLimiter::new(settings.requests_per_minute),
            shared: None,
            wall: WallClock::system(),
            metrics,
        }
    }

    /// The same, with limits that a fleet keeps together.
    pub(in crate::rerank) fn sharing(self, fleet: Option<Arc<Fleet>>, settings: &LimitSettings) -> Self {
        let (provider, per_minute) = (self.provider.clone(), settings.requests_per_minute);
        let spend = spend_of(self.billing, settings);
        let shared = fleet.map(|fleet| SharedLimits::new(fleet, provider, per_minute, spend));
        Self { shared, ..self }
    }

    /// Leave for a second try.
    pub(in crate::rerank) async fn take_retry(&self) -> bool {
        if self.rate.take(Instant::now()).is_err() {
            return false;
        }
        match &self.shared {
            Some(shared) => shared.take_rate().await.is_ok(),
            None => true,
        }
    }

    /// Brings the gauges of the budget and what is left of it up to date.
    pub(in crate::rerank) fn observe(&self) {
        let now = self.now();
        let (minute, day) = self.spend.left(now);
        let shared = self.shared.as_ref().map_or((None, None), |shared| shared.left(now));
        let left = (least(minute, shared.0), least(day, shared.1));
        self.metrics.spend(&self.provider, self.billing, self.spend.settings, left);
    }

    fn now(&self) -> Calendar {
        self.wall.calendar(Instant::now())
    }

    /// Takes all that one call needs, or nothing.
    async fn enter(&self, request: &RerankRequest) -> Result<Entry, FailureClass> {
        let amount = estimate(self.billing, &request.query, &request.documents);
        let reserved = self.spend.reserve(amount, self.now()).map_err(|_| FailureClass::Budget)?;
        let at = Instant::now();
        if self.rate.take(at).is_err() {
            self.spend.settle(reserved, 0.0);
            return Err(FailureClass::RateLimited);
        }
        let shared = match &self.shared {
            Some(shared) => shared.enter(amount).await,
            None => Ok(SharedEntry::default()),
        };
        shared.map(|shared| Entry { reserved, at, shared }).inspect_err(|_| {
            self.spend.settle(reserved, 0.0);
            self.rate.give_back(at);
        })
    }

    /// Puts right what a call was counted as, and learns from its answer.
    fn leave(&self, entry: Entry, answer: &Answer) {
        let Entry { reserved, at, shared } = entry;
        let (sent, bill) = match answer {
            // Not every host says what it bills: then the estimate stands.
            Ok(scores) => (true, Some(self.billed(scores)).filter(|billed| *billed > 0.0)),
            Err(error) => (error.was_sent(), (!error.may_be_billed()).then_some(0.0)),
        };
        if !sent {
            self.rate.give_back(at);
        }
        if let Some(billed) = bill {
            self.spend.settle(reserved, billed);
        }
        if let Some(limits) = &self.shared {
            limits.leave(shared, sent, bill);
        }
        self.learn(answer);
        self.observe();
    }

    fn billed(&self, scores: &Scores) -> f64 {
        match self.billing {
            Billing::SearchUnits => scores.billed_units,
            Billing::Tokens => scores.billed_tokens as f64,
            Billing::Free => 0.0,
        }
    }

    /// What an answer says of the calls that may follow it.
    pub(in crate::rerank) fn learn(&self, answer: &Answer) {
        let minute_left = self.now().minute_left;
        match answer {
            Ok(Scores { calls_left: Some(left), .. }) => self.rate.learn(*left, Instant::now() + minute_left),
            Err(RerankError::Status { class: FailureClass::RateLimited, retry_after, .. }) => {
                let pause = retry_after.unwrap_or(minute_left).min(LONGEST_PAUSE);
                self.rate.pause(Instant::now() + pause);
            }
            _ => {}
        }
    }
}

fn spend_of(billing: Billing, settings: &LimitSettings) -> SpendSettings {
    match billing {
        Billing::Tokens => settings.tokens,
        Billing::SearchUnits | Billing::Free => settings.search_units,
    }
}

/// Of a budget that both this process and its fleet count.
fn least(own: Option<f64>, fleet: Option<f64>) -> Option<f64> {
    own.map(|own| fleet.map_or(own, |fleet| own.min(fleet)))
}

/// No answer stops a provider for longer than its own minute.
const LONGEST_PAUSE: std::time::Duration = std::time::Duration::from_secs(60);

/// Sheds a call that is over a limit, at once.
#[derive(Clone)]
pub(in crate::rerank) struct Limits<S> {
    inner: S,
    gate: Arc<Gate>,
}

impl<S: Rerank> Limits<S> {
    pub(in crate::rerank) fn new(inner: S, gate: Arc<Gate>) -> Self {
        Self { inner, gate }
    }

    async fn run(self, request: RerankRequest) -> Answer {
        let gate = self.gate;
        let Ok(_place) = gate.free.clone().try_acquire_owned() else {
            gate.metrics.shed(&gate.provider, FailureClass::Overloaded);
            return Err(RerankError::Overloaded);
        };
        let entry = match gate.enter(&request).await {
            Ok(entry) => entry,
            Err(class) => {
                gate.metrics.shed(&gate.provider, class);
                return Err(RerankError::Held { class });
            }
        };
        let answer = self.inner.oneshot(request).await;
        gate.leave(entry, &answer);
        if let Err(RerankError::Held { class }) = &answer {
            gate.metrics.shed(&gate.provider, *class);
        }
        answer
    }
}

impl<S: Rerank> Service<RerankRequest> for Limits<S> {
    type Response = Scores;
    type Error = RerankError;
    type Future = AnswerFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), RerankError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: RerankRequest) -> AnswerFuture {
        Box::pin(self.clone().run(request))
    }
}

#[cfg(test)]
#[path = "layer_tests.rs"]
mod tests;
