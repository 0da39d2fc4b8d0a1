//! [`RerankMetrics`]: the metrics of the rerank stack.

mod declare;
mod register;
mod tenant;

use std::time::Duration;

use prometheus::{
    CounterVec, GaugeVec, HistogramVec, IntCounterVec, IntGauge, IntGaugeVec,
    core::{Collector, MetricVec, MetricVecBuilder},
};

pub(super) use declare::Counted;
use tenant::TenantMetrics;

use super::{
    Billing, FailureClass, LearnedCounts, RerankError, ScoreStore, Scores, Words, breaker::CircuitState,
    limits::SpendSettings,
};

const SEARCH_UNITS: &str = "search_units";
const TOKENS: &str = "tokens";
const UNITS: [&str; 2] = [SEARCH_UNITS, TOKENS];

/// Of a metric that is there only once it is declared.
const NO_LABELS: &[&str] = &[];

/// The metrics of the rerank stack. Labels are names from the configuration and words of closed lists. A series is there
/// from the moment that what it is about is configured, or from its first event.
#[derive(Debug)]
pub struct RerankMetrics {
    calls: IntCounterVec,
    duration: HistogramVec,
    retries: IntCounterVec,
    pub(super) retries_rejected: IntCounterVec,
    in_flight: IntGaugeVec,
    units: CounterVec,
    tokens: IntCounterVec,
    shed: IntCounterVec,
    failed_over: IntCounterVec,
    coalesced: IntCounterVec,
    landed_alone: IntCounterVec,
    unavailable: IntCounterVec,
    ready: IntGaugeVec,
    circuit: IntGaugeVec,
    circuit_changes: IntCounterVec,
    spend_left: GaugeVec,
    spend_limit: GaugeVec,
    tenant: TenantMetrics,
    lookups: IntCounterVec,
    entries: IntGaugeVec,
    bytes: IntGaugeVec,
    relevance: HistogramVec,
    usable: IntGauge,
    learned_collections: IntGaugeVec,
    learned_documents: IntGaugeVec,
    learned_bytes: IntGaugeVec,
}

/// Removes each series whose provider, the first label, is not there.
fn keep<B: MetricVecBuilder>(gauge: &MetricVec<B>, is_there: &impl Fn(&str) -> bool) {
    keep_by(gauge, |labels| labels.first().is_none_or(|provider| is_there(provider)));
}

/// Removes each series whose labels, in their order, are of nothing that is there.
fn keep_by<B: MetricVecBuilder>(gauge: &MetricVec<B>, is_there: impl Fn(&[&str]) -> bool) {
    let descriptions = gauge.desc();
    let Some(names) = descriptions.first().map(|desc| &desc.variable_labels) else { return };
    for family in gauge.collect() {
        for metric in family.get_metric() {
            let value = |name: &String| {
                metric.get_label().iter().find(|label| label.name() == name).map_or("", |label| label.value())
            };
            let labels: Vec<&str> = names.iter().map(value).collect();
            if !is_there(&labels) {
                let _ = gauge.remove_label_values(&labels);
            }
        }
    }
}

/// Sets the gauges of a budget and of what is left of it, `(minute, day)`; `of` are the labels before unit and window.
fn set_spend(
    (limits, lefts): (&GaugeVec, &GaugeVec),
    of: &[&str],
    (billing, budget): (Billing, SpendSettings),
    left: (Option<f64>, Option<f64>),
) {
    let unit = unit(billing);
    for (window, limit, left) in [("minute", budget.per_minute, left.0), ("day", budget.per_day, left.1)] {
        for each in UNITS {
            let labels = [of, &[each, window]].concat();
            match limit.zip(left).filter(|_| each == unit) {
                Some((limit, left)) => {
                    limits.with_label_values(&labels).set(limit as f64);
                    lefts.with_label_values(&labels).set(left);
                }
                // A reload may have taken it away; mostly it was never there.
                None => {
                    let _ = limits.remove_label_values(&labels);
                    let _ = lefts.remove_label_values(&labels);
                }
            }
        }
    }
}

fn unit(billing: Billing) -> &'static str {
    match billing {
        Billing::Tokens => TOKENS,
        Billing::SearchUnits | Billing::Free => SEARCH_UNITS,
    }
}

/// The labels of a change of a circuit.
fn change(provider: &str, state: CircuitState) -> [&str; 3] {
    match state {
        CircuitState::Closed => [provider, "closed", "none"],
        CircuitState::HalfOpen => [provider, "half_open", "none"],
        CircuitState::Open(class) => [provider, "open", class.reason().as_str()],
    }
}

impl RerankMetrics {
    /// How many providers of the active chain can be used at all.
    pub fn usable_providers(&self, count: usize) {
        self.usable.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// Brings the cache gauges up to date; for the moment before a scrape.
    /// `None`: nothing is cached.
    pub(super) fn observe_cache(&self, store: Option<&ScoreStore>) {
        let Some(store) = store else {
            self.entries.reset();
            return self.bytes.reset();
        };
        store.sweep();
        self.entries.with_label_values(NO_LABELS).set(i64::try_from(store.entries()).unwrap_or(i64::MAX));
        self.bytes.with_label_values(NO_LABELS).set(i64::try_from(store.bytes()).unwrap_or(i64::MAX));
        // There before the first scrape, so that a rate over the first miss is right.
        for result in ["hit", "miss"] {
            self.lookups.with_label_values(&[result]);
        }
    }

    /// Brings the gauges of what `lexical` has learned up to date; for the moment before a scrape.
    /// `None`: there is no `lexical`.
    pub(super) fn observe_words(&self, words: Option<&Words>) {
        let Some(words) = words else {
            self.learned_collections.reset();
            self.learned_documents.reset();
            return self.learned_bytes.reset();
        };
        let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        let LearnedCounts { learned, learning, documents, bytes } = words.counts();
        for (state, count) in [("learned", learned), ("learning", learning)] {
            self.learned_collections.with_label_values(&[state]).set(number(count));
        }
        self.learned_documents.with_label_values(NO_LABELS).set(number(documents));
        self.learned_bytes.with_label_values(NO_LABELS).set(number(bytes));
    }

    pub(super) fn call(&self, provider: &str, response: &Result<Scores, RerankError>, took: Duration) {
        let status = match response {
            Ok(_) => "ok",
            Err(error) => error.class().reason().as_str(),
        };
        self.calls.with_label_values(&[provider, status]).inc();
        if let Some(error) = response.as_ref().err()
            && error.class() == FailureClass::ProviderUnavailable
        {
            self.unavailable.with_label_values(&[provider, error.cause()]).inc();
        }
        self.duration.with_label_values(&[provider]).observe(took.as_secs_f64());
        // Nothing billed is no series of a unit that the provider does not bill.
        if let Ok(Scores { billed_units, .. }) = response
            && *billed_units > 0.0
        {
            self.units.with_label_values(&[provider]).inc_by(*billed_units);
        }
        if let Ok(Scores { billed_tokens: billed @ 1.., .. }) = response {
            self.tokens.with_label_values(&[provider]).inc_by(*billed);
        }
    }

    /// Counts a call whose callers are all gone.
    pub(super) fn given_up(&self, provider: &str, took: Duration) {
        self.calls.with_label_values(&[provider, "given_up"]).inc();
        self.duration.with_label_values(&[provider]).observe(took.as_secs_f64());
    }

    pub(super) fn retries(&self, provider: &str) {
        self.retries.with_label_values(&[provider]).inc();
    }

    pub(super) fn retry_rejected(&self, provider: &str) {
        self.retries_rejected.with_label_values(&[provider]).inc();
    }

    pub(super) fn in_flight(&self, provider: &str) -> IntGauge {
        self.in_flight.with_label_values(&[provider])
    }

    pub(super) fn shed(&self, provider: &str, class: FailureClass) {
        self.shed.with_label_values(&[provider, class.reason().as_str()]).inc();
    }

    pub(super) fn failed_over(&self, provider: &str, class: FailureClass) {
        self.failed_over.with_label_values(&[provider, class.reason().as_str()]).inc();
    }

    pub(super) fn coalesced(&self, provider: &str) {
        self.coalesced.with_label_values(&[provider]).inc();
    }

    pub(super) fn landed_alone(&self, provider: &str) {
        self.landed_alone.with_label_values(&[provider]).inc();
    }

    /// Sets whether a provider can be used at all.
    pub(super) fn ready(&self, provider: &str, ready: bool) {
        self.ready.with_label_values(&[provider]).set(i64::from(ready));
    }

    pub(super) fn circuit(&self, provider: &str, state: CircuitState) {
        let number = match state {
            CircuitState::Closed => 0,
            CircuitState::HalfOpen => 1,
            CircuitState::Open(_) => 2,
        };
        self.circuit.with_label_values(&[provider]).set(number);
    }

    pub(super) fn circuit_changed(&self, provider: &str, state: CircuitState) {
        self.circuit(provider, state);
        self.circuit_changes.with_label_values(&change(provider, state)).inc();
    }

    /// A budget and what is left of it, `(minute, day)`.
    pub(super) fn spend(
        &self,
        provider: &str,
        budget: (Billing, SpendSettings),
        left: (Option<f64>, Option<f64>),
    ) {
        set_spend((&self.spend_limit, &self.spend_left), &[provider], budget, left);
    }

    /// Removes the gauges of providers that a reload has removed: they would keep their last value forever. Their
    /// counters stay.
    pub(super) fn keep(&self, is_there: impl Fn(&str) -> bool) {
        keep(&self.circuit, &is_there);
        keep(&self.ready, &is_there);
        keep(&self.spend_left, &is_there);
        keep(&self.spend_limit, &is_there);
    }

    pub(super) fn lookups(&self, hits: usize, misses: usize) {
        self.lookups.with_label_values(&["hit"]).inc_by(hits as u64);
        self.lookups.with_label_values(&["miss"]).inc_by(misses as u64);
    }

    pub(super) fn relevance(&self, scores: &Scores) {
        // Added up here first: others count at the same place.
        let relevance = self.relevance.with_label_values(NO_LABELS).local();
        scores.scores.iter().flatten().for_each(|score| relevance.observe(f64::from(*score)));
        relevance.flush();
    }
}
