use std::time::Duration;

use prometheus::{
    CounterVec, GaugeVec, HistogramOpts, HistogramVec, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    core::{Collector, MetricVec, MetricVecBuilder},
};

use super::{
    Billing, FailureClass, LearnedCounts, RerankError, ScoreStore, Scores, Words, breaker::CircuitState,
    limits::SpendSettings,
};
use crate::trouble::Trouble;

const CALL_SECONDS: [f64; 12] = [0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1.0, 2.0, 5.0];
const RELEVANCE: [f64; 12] = [0.001, 0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9];

const SEARCH_UNITS: &str = "search_units";
const TOKENS: &str = "tokens";
const UNITS: [&str; 2] = [SEARCH_UNITS, TOKENS];

/// Of a metric that is there only once it is declared.
const NO_LABELS: &[&str] = &[];

/// What of a provider can be counted: which of its series there are at zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Counted {
    /// It is computed here: nothing is billed, limited or unavailable.
    Computed,
    /// It is a service behind HTTP.
    Service {
        /// What it bills.
        billing: Billing,
        /// Whether it is behind TLS.
        tls: bool,
        /// Whether it has a budget.
        budget: bool,
        /// Whether calls run on for the cache.
        background: bool,
    },
}

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
    lookups: IntCounterVec,
    entries: IntGaugeVec,
    bytes: IntGaugeVec,
    relevance: HistogramVec,
    usable: IntGauge,
    learned_collections: IntGaugeVec,
    learned_documents: IntGaugeVec,
    learned_bytes: IntGaugeVec,
}

fn add<C: Collector + Clone + 'static>(
    registry: &Registry,
    metric: prometheus::Result<C>,
) -> prometheus::Result<C> {
    let metric = metric?;
    registry.register(Box::new(metric.clone()))?;
    Ok(metric)
}

/// Removes each series whose provider, the first label, is not there.
fn keep<B: MetricVecBuilder>(gauge: &MetricVec<B>, is_there: &impl Fn(&str) -> bool) {
    let descriptions = gauge.desc();
    let Some(names) = descriptions.first().map(|desc| &desc.variable_labels) else { return };
    for family in gauge.collect() {
        for metric in family.get_metric() {
            let value = |name: &String| {
                metric.get_label().iter().find(|label| label.name() == name).map_or("", |label| label.value())
            };
            let labels: Vec<&str> = names.iter().map(value).collect();
            if labels.first().is_some_and(|provider| !is_there(provider)) {
                let _ = gauge.remove_label_values(&labels);
            }
        }
    }
}

/// Closed list: how a provider can be unavailable.
fn unavailable() -> impl Iterator<Item = &'static str> {
    ["status", "broken"].into_iter().chain(Trouble::ALL.map(Trouble::as_str))
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
    /// Creates the metrics and registers them; fails if the registry has them already.
    pub fn register(registry: &Registry) -> prometheus::Result<Self> {
        let counter = |name: &str, help: &str, labels: &[&str]| {
            add(registry, IntCounterVec::new(Opts::new(name, help), labels))
        };
        let gauges = |name: &str, help: &str, labels: &[&str]| {
            add(registry, IntGaugeVec::new(Opts::new(name, help), labels))
        };
        let duration = HistogramOpts::new(
            "rerankd_provider_call_duration_seconds",
            "Time of a call to a rerank provider, in seconds.",
        );
        let units = Opts::new(
            "rerankd_search_units_billed_total",
            "Search units billed, as the rerank provider says.",
        );
        let spend_left = Opts::new(
            "rerankd_spend_left",
            "What is left of a rerank provider's budget for this minute or day, in the unit of the label.",
        );
        let spend_limit = Opts::new(
            "rerankd_spend_limit",
            "The whole budget of a rerank provider for a minute or day, in the unit of the label.",
        );
        let relevance = HistogramOpts::new(
            "rerankd_relevance_score",
            "Relevance scores of reranked documents, from 0 to 1.",
        );
        let provider = &["provider"];
        Ok(Self {
            calls: counter(
                "rerankd_provider_calls_total",
                "Calls to a rerank provider, by how they ended.",
                &["provider", "status"],
            )?,
            duration: add(registry, HistogramVec::new(duration.buckets(CALL_SECONDS.to_vec()), provider))?,
            retries: counter(
                "rerankd_provider_retries_total",
                "Calls to a rerank provider that were a retry.",
                provider,
            )?,
            retries_rejected: counter(
                "rerankd_provider_retries_rejected_total",
                "Retries that were not made, because the retry budget was spent or the rate limit left no room.",
                provider,
            )?,
            in_flight: gauges(
                "rerankd_provider_calls_in_flight",
                "Calls that wait for a response of a rerank provider.",
                provider,
            )?,
            units: add(registry, CounterVec::new(units, provider))?,
            tokens: counter(
                "rerankd_tokens_billed_total",
                "Tokens billed, as the rerank provider says.",
                provider,
            )?,
            shed: counter(
                "rerankd_provider_shed_total",
                "Calls that were not made, by the limit, budget or circuit that prevented them.",
                &["provider", "reason"],
            )?,
            failed_over: counter(
                "rerankd_provider_failovers_total",
                "Requests that a rerank provider could not score, so that the next one was asked, by reason.",
                &["provider", "reason"],
            )?,
            coalesced: counter(
                "rerankd_provider_coalesced_total",
                "Requests that shared an equal call in flight instead of making their own (single-flight).",
                provider,
            )?,
            landed_alone: counter(
                "rerankd_provider_background_calls_total",
                "Calls that went on for the cache after everybody who waited for them had left.",
                provider,
            )?,
            unavailable: counter(
                "rerankd_provider_unavailable_total",
                "Calls that ended with provider_unavailable, by cause: an error status, the name, the connection or TLS.",
                &["provider", "cause"],
            )?,
            ready: gauges(
                "rerankd_provider_ready",
                "Whether a rerank provider can be asked: 1 if so, 0 if it is named and its key is missing.",
                provider,
            )?,
            circuit: gauges(
                "rerankd_circuit_state",
                "State of the circuit to a rerank provider: 0 closed, 1 half open, 2 open.",
                provider,
            )?,
            circuit_changes: counter(
                "rerankd_circuit_changes_total",
                "Changes of the circuit to a rerank provider, by new state and, where it opened, by reason.",
                &["provider", "state", "reason"],
            )?,
            spend_left: add(registry, GaugeVec::new(spend_left, &["provider", "unit", "window"]))?,
            spend_limit: add(registry, GaugeVec::new(spend_limit, &["provider", "unit", "window"]))?,
            lookups: counter(
                "rerankd_cache_lookups_total",
                "Documents looked up in the score cache.",
                &["result"],
            )?,
            entries: gauges("rerankd_cache_entries", "Scores in the score cache.", NO_LABELS)?,
            bytes: gauges("rerankd_cache_bytes", "Estimated size of the score cache, in bytes.", NO_LABELS)?,
            relevance: add(registry, HistogramVec::new(relevance.buckets(RELEVANCE.to_vec()), NO_LABELS))?,
            usable: add(
                registry,
                IntGauge::new(
                    "rerankd_providers_usable",
                    "Rerank providers of the configured chain that have the key they need; at 0 nothing is reranked.",
                ),
            )?,
            learned_collections: gauges(
                "rerankd_lexical_collections",
                "Collections whose words lexical learns: learned once enough documents were seen, learning before.",
                &["state"],
            )?,
            learned_documents: gauges(
                "rerankd_lexical_documents",
                "Documents that lexical has learned words from.",
                NO_LABELS,
            )?,
            learned_bytes: gauges(
                "rerankd_lexical_bytes",
                "Estimated size of what lexical has learned, in bytes.",
                NO_LABELS,
            )?,
        })
    }

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

    /// Puts a provider's series there at zero, so that rates over the first event are right.
    pub(super) fn declare(&self, provider: &str, counted: Counted) {
        self.relevance.with_label_values(NO_LABELS);
        self.in_flight.with_label_values(&[provider]);
        self.duration.with_label_values(&[provider]);
        let Counted::Service { billing, tls, budget, background } = counted else {
            for status in ["ok", "given_up", "deadline"] {
                self.calls.with_label_values(&[provider, status]);
            }
            return;
        };
        for counter in [&self.retries, &self.retries_rejected, &self.coalesced] {
            counter.with_label_values(&[provider]);
        }
        if background {
            self.landed_alone.with_label_values(&[provider]);
        }
        match billing {
            Billing::Tokens => drop(self.tokens.with_label_values(&[provider])),
            Billing::SearchUnits => drop(self.units.with_label_values(&[provider])),
            Billing::Free => {}
        }
        self.declare_failures(provider, tls, budget);
    }

    fn declare_failures(&self, provider: &str, tls: bool, budget: bool) {
        for status in ["ok", "given_up"] {
            self.calls.with_label_values(&[provider, status]);
        }
        for class in FailureClass::OF_PROVIDER {
            self.calls.with_label_values(&[provider, class.reason().as_str()]);
        }
        for cause in unavailable().filter(|cause| tls || !cause.starts_with("tls")) {
            self.unavailable.with_label_values(&[provider, cause]);
        }
        for class in
            FailureClass::OF_LIMITS.into_iter().filter(|class| budget || *class != FailureClass::Budget)
        {
            self.shed.with_label_values(&[provider, class.reason().as_str()]);
        }
        self.circuit.with_label_values(&[provider]);
        let open = FailureClass::OF_CIRCUIT.map(CircuitState::Open);
        for state in [CircuitState::Closed, CircuitState::HalfOpen].into_iter().chain(open) {
            self.circuit_changes.with_label_values(&change(provider, state));
        }
    }

    /// Puts there at zero that the next provider of a chain was asked in this one's place.
    pub(super) fn declare_failover(&self, provider: &str) {
        for class in FailureClass::OF_CHAIN {
            self.failed_over.with_label_values(&[provider, class.reason().as_str()]);
        }
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
        if let Ok(scores) = response {
            self.units.with_label_values(&[provider]).inc_by(scores.billed_units);
            self.tokens.with_label_values(&[provider]).inc_by(scores.billed_tokens);
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
        billing: Billing,
        budget: SpendSettings,
        left: (Option<f64>, Option<f64>),
    ) {
        let unit = match billing {
            Billing::Tokens => TOKENS,
            Billing::SearchUnits | Billing::Free => SEARCH_UNITS,
        };
        for (window, limit, left) in [("minute", budget.per_minute, left.0), ("day", budget.per_day, left.1)]
        {
            for each in UNITS {
                let labels = [provider, each, window];
                match limit.zip(left).filter(|_| each == unit) {
                    Some((limit, left)) => {
                        self.spend_limit.with_label_values(&labels).set(limit as f64);
                        self.spend_left.with_label_values(&labels).set(left);
                    }
                    // A reload may have taken it away; mostly it was never there.
                    None => {
                        let _ = self.spend_limit.remove_label_values(&labels);
                        let _ = self.spend_left.remove_label_values(&labels);
                    }
                }
            }
        }
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
