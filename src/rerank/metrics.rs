use std::time::Duration;

use prometheus::{
    CounterVec, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry,
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

/// The metrics of the rerank stack. Labels are names from the configuration and words of closed lists.
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
    entries: IntGauge,
    bytes: IntGauge,
    relevance: Histogram,
    usable: IntGauge,
    learned_collections: IntGaugeVec,
    learned_documents: IntGauge,
    learned_bytes: IntGauge,
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

/// How a provider can be unavailable.
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
            "Time of one call to a rerank provider.",
        );
        let units =
            Opts::new("rerankd_search_units_billed_total", "Search units billed, as the provider says.");
        let spend_left = Opts::new(
            "rerankd_spend_left",
            "What is left of a provider's budget for this minute or day; absent where none is set.",
        );
        let spend_limit = Opts::new(
            "rerankd_spend_limit",
            "A provider's whole budget for a minute or day; absent where none is set.",
        );
        let relevance =
            HistogramOpts::new("rerankd_relevance_score", "Relevance scores of reranked documents.");
        let provider = &["provider"];
        let metrics = Self {
            calls: counter(
                "rerankd_provider_calls_total",
                "Calls to a rerank provider, by outcome.",
                &["provider", "status"],
            )?,
            duration: add(registry, HistogramVec::new(duration.buckets(CALL_SECONDS.to_vec()), provider))?,
            retries: counter("rerankd_provider_retries_total", "Calls that were a second try.", provider)?,
            retries_rejected: counter(
                "rerankd_provider_retries_rejected_total",
                "Second tries not made: the retry budget was spent, or the provider's rate left no room.",
                provider,
            )?,
            in_flight: gauges(
                "rerankd_provider_calls_in_flight",
                "Calls waiting for a provider's response.",
                provider,
            )?,
            units: add(registry, CounterVec::new(units, provider))?,
            tokens: counter("rerankd_tokens_billed_total", "Tokens billed, as the provider says.", provider)?,
            shed: counter(
                "rerankd_provider_shed_total",
                "Calls not made, by the limit, budget or circuit that prevented them.",
                &["provider", "reason"],
            )?,
            failed_over: counter(
                "rerankd_provider_failovers_total",
                "Requests that a provider could not score and the next one was asked, by reason.",
                &["provider", "reason"],
            )?,
            coalesced: counter(
                "rerankd_provider_coalesced_total",
                "Requests that joined an equal call in flight.",
                provider,
            )?,
            landed_alone: counter(
                "rerankd_provider_background_calls_total",
                "Calls that ran on for the cache after all who waited had left.",
                provider,
            )?,
            unavailable: counter(
                "rerankd_provider_unavailable_total",
                "Calls that ended with provider_unavailable, by how: an error status, a name not found, TLS, no connection, one that broke.",
                &["provider", "cause"],
            )?,
            ready: gauges(
                "rerankd_provider_ready",
                "1 for a provider that can be asked, 0 for one that is named and has no key.",
                provider,
            )?,
            circuit: gauges(
                "rerankd_circuit_state",
                "State of a provider's circuit: 0 closed, 1 half open, 2 open.",
                provider,
            )?,
            circuit_changes: counter(
                "rerankd_circuit_changes_total",
                "Changes of a provider's circuit, by the new state and, for open, why.",
                &["provider", "state", "reason"],
            )?,
            spend_left: add(registry, GaugeVec::new(spend_left, &["provider", "unit", "window"]))?,
            spend_limit: add(registry, GaugeVec::new(spend_limit, &["provider", "unit", "window"]))?,
            lookups: counter(
                "rerankd_cache_lookups_total",
                "Documents looked up in the score cache.",
                &["result"],
            )?,
            entries: add(registry, IntGauge::new("rerankd_cache_entries", "Scores in the cache."))?,
            bytes: add(registry, IntGauge::new("rerankd_cache_bytes", "Estimated size of the score cache."))?,
            relevance: add(registry, Histogram::with_opts(relevance.buckets(RELEVANCE.to_vec())))?,
            usable: add(
                registry,
                IntGauge::new(
                    "rerankd_providers_usable",
                    "Providers of the configured chain that have the key they need. At 0 nothing is reranked.",
                ),
            )?,
            learned_collections: gauges(
                "rerankd_lexical_collections",
                "Collections whose words lexical learns, by whether enough documents have passed for words to weigh in full.",
                &["state"],
            )?,
            learned_documents: add(
                registry,
                IntGauge::new("rerankd_lexical_documents", "Documents that lexical has learned words from."),
            )?,
            learned_bytes: add(
                registry,
                IntGauge::new("rerankd_lexical_bytes", "Estimated size of what lexical has learned."),
            )?,
        };
        // Present from the start, so that a rate over the first miss is right.
        for result in ["hit", "miss"] {
            metrics.lookups.with_label_values(&[result]);
        }
        Ok(metrics)
    }

    /// How many providers of the chain active can be asked at all.
    pub fn usable_providers(&self, count: usize) {
        self.usable.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// Brings the cache gauges up to date; for the moment before a scrape.
    pub fn observe_cache(&self, store: &ScoreStore) {
        self.entries.set(i64::try_from(store.entries()).unwrap_or(i64::MAX));
        self.bytes.set(i64::try_from(store.bytes()).unwrap_or(i64::MAX));
    }

    /// Brings the gauges of what `lexical` has learned up to date; for the moment before a scrape.
    pub fn observe_words(&self, words: &Words) {
        let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        let LearnedCounts { learned, learning, documents, bytes } = words.counts();
        for (state, count) in [("learned", learned), ("learning", learning)] {
            self.learned_collections.with_label_values(&[state]).set(number(count));
        }
        self.learned_documents.set(number(documents));
        self.learned_bytes.set(number(bytes));
    }

    /// Puts a provider's series there at zero, so that rates over the first event are right.
    pub(super) fn declare(&self, provider: &str) {
        for counter in
            [&self.retries, &self.retries_rejected, &self.tokens, &self.coalesced, &self.landed_alone]
        {
            counter.with_label_values(&[provider]);
        }
        self.units.with_label_values(&[provider]);
        self.in_flight.with_label_values(&[provider]);
        self.circuit.with_label_values(&[provider]);
        self.duration.with_label_values(&[provider]);
        for status in ["ok", "given_up"] {
            self.calls.with_label_values(&[provider, status]);
        }
        for class in FailureClass::OF_PROVIDER {
            self.calls.with_label_values(&[provider, class.reason().as_str()]);
        }
        for cause in unavailable() {
            self.unavailable.with_label_values(&[provider, cause]);
        }
        for class in FailureClass::OF_LIMITS {
            self.shed.with_label_values(&[provider, class.reason().as_str()]);
        }
        for class in FailureClass::OF_CHAIN {
            self.failed_over.with_label_values(&[provider, class.reason().as_str()]);
        }
        let open = FailureClass::OF_CIRCUIT.map(CircuitState::Open);
        for state in [CircuitState::Closed, CircuitState::HalfOpen].into_iter().chain(open) {
            self.circuit_changes.with_label_values(&change(provider, state));
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

    /// A call that all who waited for it have left.
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

    /// Whether a provider can be asked at all.
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

    /// Takes away the states of providers that a reload has removed: they would stand for ever as they last
    /// were. Their counters stay.
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
        let relevance = self.relevance.local();
        scores.scores.iter().flatten().for_each(|score| relevance.observe(f64::from(*score)));
        relevance.flush();
    }
}
