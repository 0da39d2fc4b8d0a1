//! The metrics' names, help texts and labels.

use prometheus::{
    CounterVec, GaugeVec, HistogramOpts, HistogramVec, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    core::Collector,
};

use super::{NO_LABELS, RerankMetrics, TenantMetrics};

const CALL_SECONDS: [f64; 12] = [0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1.0, 2.0, 5.0];
const RELEVANCE: [f64; 12] = [0.001, 0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9];

fn add<C: Collector + Clone + 'static>(
    registry: &Registry,
    metric: prometheus::Result<C>,
) -> prometheus::Result<C> {
    let metric = metric?;
    registry.register(Box::new(metric.clone()))?;
    Ok(metric)
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
            tenant: TenantMetrics::register(registry)?,
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
}
