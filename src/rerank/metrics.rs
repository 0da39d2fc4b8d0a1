use std::time::Duration;

use prometheus::{
    CounterVec, Histogram, HistogramOpts, HistogramVec, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    core::Collector,
};

use super::{RerankError, ScoreStore, Scores};

const CALL_SECONDS: [f64; 12] = [0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1.0, 2.0, 5.0];
const RELEVANCE: [f64; 12] = [0.001, 0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9];

/// The metrics of the rerank stack. Labels are names from the configuration and words of closed lists.
#[derive(Debug)]
pub struct RerankMetrics {
    calls: IntCounterVec,
    duration: HistogramVec,
    retries: IntCounterVec,
    in_flight: IntGaugeVec,
    billed: CounterVec,
    lookups: IntCounterVec,
    entries: IntGauge,
    bytes: IntGauge,
    relevance: Histogram,
}

fn add<C: Collector + Clone + 'static>(registry: &Registry, metric: C) -> prometheus::Result<C> {
    registry.register(Box::new(metric.clone()))?;
    Ok(metric)
}

impl RerankMetrics {
    /// Creates the metrics and registers them; fails if the registry has them already.
    pub fn register(registry: &Registry) -> prometheus::Result<Self> {
        let by_provider = &["provider"];
        let metrics = Self {
            calls: add(
                registry,
                IntCounterVec::new(
                    Opts::new("rerankd_provider_calls_total", "Calls to a rerank provider, by outcome."),
                    &["provider", "status"],
                )?,
            )?,
            duration: add(
                registry,
                HistogramVec::new(
                    HistogramOpts::new(
                        "rerankd_provider_call_duration_seconds",
                        "Time of one call to a rerank provider.",
                    )
                    .buckets(CALL_SECONDS.to_vec()),
                    by_provider,
                )?,
            )?,
            retries: add(
                registry,
                IntCounterVec::new(
                    Opts::new("rerankd_provider_retries_total", "Calls that were a second try."),
                    by_provider,
                )?,
            )?,
            in_flight: add(
                registry,
                IntGaugeVec::new(
                    Opts::new("rerankd_provider_calls_in_flight", "Calls waiting for a provider's answer."),
                    by_provider,
                )?,
            )?,
            billed: add(
                registry,
                CounterVec::new(
                    Opts::new(
                        "rerankd_search_units_billed_total",
                        "Search units billed, as the provider says.",
                    ),
                    by_provider,
                )?,
            )?,
            lookups: add(
                registry,
                IntCounterVec::new(
                    Opts::new("rerankd_cache_lookups_total", "Documents looked up in the score cache."),
                    &["result"],
                )?,
            )?,
            entries: add(registry, IntGauge::new("rerankd_cache_entries", "Scores in the cache.")?)?,
            bytes: add(
                registry,
                IntGauge::new("rerankd_cache_bytes", "Estimated size of the score cache.")?,
            )?,
            relevance: add(
                registry,
                Histogram::with_opts(
                    HistogramOpts::new("rerankd_relevance_score", "Relevance scores of reranked documents.")
                        .buckets(RELEVANCE.to_vec()),
                )?,
            )?,
        };
        // Present from the start, so that a rate over the first miss is right.
        for result in ["hit", "miss"] {
            metrics.lookups.with_label_values(&[result]);
        }
        Ok(metrics)
    }

    /// Brings the cache gauges up to date; for the moment before a scrape.
    pub fn observe_cache(&self, store: &ScoreStore) {
        self.entries.set(i64::try_from(store.entries()).unwrap_or(i64::MAX));
        self.bytes.set(i64::try_from(store.bytes()).unwrap_or(i64::MAX));
    }

    pub(super) fn call(&self, provider: &str, answer: &Result<Scores, RerankError>, took: Duration) {
        let status = match answer {
            Ok(_) => "ok",
            Err(error) => error.class().reason().as_str(),
        };
        self.calls.with_label_values(&[provider, status]).inc();
        self.duration.with_label_values(&[provider]).observe(took.as_secs_f64());
        if let Ok(scores) = answer {
            self.billed.with_label_values(&[provider]).inc_by(scores.billed_units);
        }
    }

    pub(super) fn retries(&self, provider: &str) {
        self.retries.with_label_values(&[provider]).inc();
    }

    pub(super) fn in_flight(&self, provider: &str) -> IntGauge {
        self.in_flight.with_label_values(&[provider])
    }

    pub(super) fn lookups(&self, hits: usize, misses: usize) {
        self.lookups.with_label_values(&["hit"]).inc_by(hits as u64);
        self.lookups.with_label_values(&["miss"]).inc_by(misses as u64);
    }

    pub(super) fn relevance(&self, scores: &Scores) {
        for score in scores.scores.iter().flatten() {
            self.relevance.observe(f64::from(*score));
        }
    }
}
