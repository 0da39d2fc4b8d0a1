use std::{sync::Arc, time::Duration};

use tokio::{sync::Semaphore, time::Instant};

use super::{
    LimitSettings,
    entry::LimitEntry,
    rate::{RateLimiter, Rates},
    shared::SharedLimits,
    spend::{Ledger, SpendLimit, SpendSettings, estimate},
};
use crate::fleet::Fleet;
use crate::rerank::{
    Billing, FailureClass, RerankError, RerankMetrics, RerankRequest, RerankResult, Scores,
    wall::{Calendar, WallClock},
};
use crate::search::KeepReason;
use crate::trouble::{self, Lines};

/// The state of one provider's limits.
pub(in crate::rerank) struct Gate {
    pub(super) provider: Arc<str>,
    /// Whose limits they are, within those that the provider has for all.
    tenant: Option<Arc<str>>,
    billing: Billing,
    pub(super) free: Arc<Semaphore>,
    pub(super) rate: RateLimiter,
    pub(super) spend: SpendLimit,
    shared: Option<SharedLimits>,
    pub(super) wall: WallClock,
    pub(super) metrics: Arc<RerankMetrics>,
    lines: Lines,
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
            tenant: None,
            billing,
            free: Arc::new(Semaphore::new(places)),
            rate: RateLimiter::new(settings.requests_per_minute),
            shared: None,
            wall: WallClock::system(),
            metrics,
            lines: Lines::default(),
        }
    }

    /// What one tenant may have of a provider. It is counted under a name of its own, here and in a fleet, which no
    /// provider can have; calls that it made before a reload stay counted.
    pub(in crate::rerank) fn of_tenant(
        (tenant, provider): (Arc<str>, Arc<str>),
        billing: Billing,
        settings: &LimitSettings,
        (ledger, rates): (&Ledger, &Rates),
        fleet: Option<Arc<Fleet>>,
        metrics: Arc<RerankMetrics>,
    ) -> Self {
        let counted: Arc<str> = format!("{tenant}|{provider}").into();
        let identity = *blake3::hash(counted.as_bytes()).as_bytes();
        let gate = Self::new(counted, billing, settings, ledger, metrics);
        let gate = gate.continuing(rates, identity).sharing(fleet, settings);
        Self { provider, tenant: Some(tenant), ..gate }
    }

    /// Counts a call that was not made.
    pub(super) fn shed(&self, class: FailureClass) {
        match &self.tenant {
            Some(tenant) => self.metrics.tenant_shed(tenant, &self.provider, class),
            None => self.metrics.shed(&self.provider, class),
        }
    }

    /// The same where the provider's circuit has not made it: it is everybody's.
    pub(super) fn shed_by_circuit(&self, class: FailureClass) {
        self.metrics.shed(&self.provider, class);
    }

    /// The same of a call that something behind this has not made: the provider's own gate has counted that already.
    pub(super) fn held_inside(&self, class: FailureClass) {
        if self.tenant.is_none() {
            self.shed(class);
        }
    }

    /// The same, continuing the call counts and the pauses of the account of this identity.
    pub(in crate::rerank) fn continuing(self, rates: &Rates, identity: [u8; 32]) -> Self {
        Self { rate: self.rate.of(rates, identity), ..self }
    }

    /// The same, with limits that a fleet shares.
    pub(in crate::rerank) fn sharing(self, fleet: Option<Arc<Fleet>>, settings: &LimitSettings) -> Self {
        let (provider, per_minute) = (self.provider.clone(), settings.requests_per_minute);
        let spend = spend_of(self.billing, settings);
        let shared = fleet.map(|fleet| SharedLimits::new(fleet, provider, per_minute, spend));
        Self { shared, ..self }
    }

    /// A permit for a retry, which is not returned.
    pub(in crate::rerank) async fn take_retry(self: &Arc<Self>) -> bool {
        let mut entry = LimitEntry::new(self.clone());
        let at = Instant::now();
        if self.rate.take(at).is_err() {
            return false;
        }
        entry.rate = Some(at);
        if let Some(shared) = &self.shared {
            match shared.enter_again().await {
                Ok(again) => entry.shared = again,
                Err(_) => return false,
            }
        }
        entry.begin();
        true
    }

    /// Updates the gauges of the budget and what is left of it.
    pub(in crate::rerank) fn observe(&self) {
        let now = self.now();
        let (minute, day) = self.spend.left(now);
        let shared = self.shared.as_ref().map_or((None, None), |shared| shared.left(now));
        let left = (least(minute, shared.0), least(day, shared.1));
        let budget = (self.billing, self.spend.settings);
        match &self.tenant {
            Some(tenant) => self.metrics.tenant_spend((tenant, &self.provider), budget, left),
            None => self.metrics.spend(&self.provider, budget, left),
        }
    }

    pub(super) fn now(&self) -> Calendar {
        self.wall.calendar(Instant::now())
    }

    /// Takes all that one call needs, or nothing.
    pub(super) async fn enter(self: &Arc<Self>, request: &RerankRequest) -> Result<LimitEntry, FailureClass> {
        let mut entry = LimitEntry::new(self.clone());
        let amount = estimate(self.billing, &request.query, &request.documents);
        let reserved = self.spend.reserve(amount, self.now()).map_err(|_| FailureClass::Budget)?;
        entry.reserved = Some(reserved);
        let at = Instant::now();
        self.rate.take(at).map_err(|_| FailureClass::RateLimited)?;
        entry.rate = Some(at);
        if let Some(shared) = &self.shared {
            entry.shared = shared.enter(amount).await?;
        }
        Ok(entry)
    }

    /// Corrects the estimate of a call, and learns from its response.
    pub(super) fn leave(&self, entry: LimitEntry, response: &RerankResult) {
        let (sent, bill) = match response {
            // Not every host reports its bill: then the estimate stands.
            Ok(scores) => (true, Some(self.billed(scores)).filter(|billed| *billed > 0.0)),
            Err(error) => (error.was_sent(), (!error.may_be_billed()).then_some(0.0)),
        };
        if let (Some(tenant), Ok(scores)) = (&self.tenant, response) {
            self.metrics.tenant_billed(tenant, &self.provider, self.billing, self.billed(scores));
        }
        entry.end(sent, bill);
        // What the provider says of its own limits is for its own gate.
        if self.tenant.is_none() {
            self.learn(response);
        }
    }

    fn billed(&self, scores: &Scores) -> f64 {
        match self.billing {
            Billing::SearchUnits => scores.billed_units,
            Billing::Tokens => scores.billed_tokens as f64,
            Billing::Free => 0.0,
        }
    }

    /// The limits that a response states for the next calls.
    pub(in crate::rerank) fn learn(&self, response: &RerankResult) {
        match response {
            Ok(scores) => {
                self.rate.answered();
                if let Some(left) = scores.calls_left {
                    self.rate.learn(left, Instant::now() + self.now().minute_left);
                }
            }
            Err(RerankError::Status { class: FailureClass::RateLimited, retry_after, .. }) => {
                if let Some(wait) = self.rate.rejected(*retry_after, Instant::now()) {
                    self.log_pause(wait);
                }
            }
            Err(_) => {}
        }
    }

    /// One line a minute: a short pause may follow another.
    fn log_pause(&self, wait: Duration) {
        self.lines.say("paused", || {
            let (provider, until) = (self.provider.clone(), trouble::after(wait));
            let wait = humantime::format_duration(Duration::from_millis(wait.as_millis() as u64)).to_string();
            move |left_out: Option<u64>| {
                tracing::warn!(
                    provider = &*provider,
                    until,
                    wait,
                    left_out,
                    help = KeepReason::RateLimited.help(),
                    "the provider responded with 429: no calls until then; requests_per_minute keeps below its limit"
                );
            }
        });
    }

    /// In what time the rate of calls, or the budget, lets another call through, as far as this process knows. `None`: it
    /// does now, or it is another reason.
    pub(in crate::rerank) fn asked_again(&self, reason: KeepReason) -> Option<Duration> {
        match reason {
            KeepReason::RateLimited => self.rate.wait(Instant::now()),
            KeepReason::Budget => {
                let (now, budget) = (self.now(), self.spend.settings);
                let day_is_spent = self.spend.left(now).1.is_some_and(|left| left < 1.0);
                let whole_day = day_is_spent || (budget.per_minute.is_none() && budget.per_day.is_some());
                Some(if whole_day { now.day_left } else { now.minute_left })
            }
            _ => None,
        }
    }

    /// Whether a known pause lasts until after `then`.
    pub(in crate::rerank) fn is_paused_at(&self, then: Instant) -> bool {
        self.rate.is_paused_at(then)
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
