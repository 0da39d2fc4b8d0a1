//! [`SearchMetrics`]: what searches did, for Prometheus.

use std::time::Duration;

use prometheus::{HistogramOpts, HistogramVec, IntCounterVec, Opts, Registry};

use super::{Outcome, Report};
use crate::{
    rerank::FailureClass,
    search::{Holds, KeepReason},
};

/// Time spent in the parts of a search.
#[derive(Clone, Copy, Debug, Default)]
pub struct Timings {
    /// From the request's head to the response's.
    pub total: Duration,
    /// Waiting for the database.
    pub upstream: Duration,
    /// The rerank step.
    pub rerank: Duration,
}

/// Metrics of searches. Labels are closed sets. What reranking does is measured alike for responses (`on`) and
/// behind them (`shadow`).
#[derive(Clone)]
pub struct SearchMetrics {
    searches: IntCounterVec,
    shadows: IntCounterVec,
    rejected: IntCounterVec,
    held: IntCounterVec,
    seconds: HistogramVec,
    upstream_seconds: HistogramVec,
    rerank_seconds: HistogramVec,
    documents: HistogramVec,
    moved: HistogramVec,
    top_changed: HistogramVec,
    deepest: HistogramVec,
}

const ON: &str = "on";
const SHADOW: &str = "shadow";

/// The words of [`Outcome::as_str`].
const OUTCOMES: [&str; 3] = ["applied", "partial", "kept"];

/// What keeps the order of a search in shadow, beside failures of its reranking.
const BEHIND: [KeepReason; 4] =
    [KeepReason::NotRanked, KeepReason::NoText, KeepReason::Margin, KeepReason::UpstreamError];

/// From half a millisecond to ten seconds.
const SECONDS: [f64; 14] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

impl SearchMetrics {
    /// Registers every series; the label sets of `dialects` and `operations` are there at zero from the start.
    pub fn register(registry: &Registry) -> prometheus::Result<Self> {
        let searches = IntCounterVec::new(
            Opts::new("rerankd_searches_total", "Searches answered, by how they ended and why."),
            &["dialect", "operation", "outcome", "reason"],
        )?;
        let shadows = IntCounterVec::new(
            Opts::new(
                "rerankd_shadow_searches_total",
                "Searches reranked behind the database's own response, by how that ended and why.",
            ),
            &["dialect", "operation", "outcome", "reason"],
        )?;
        let rejected = IntCounterVec::new(
            Opts::new(
                "rerankd_widening_rejected_total",
                "Searches that the database failed with more hits or fields, and answered as the client had asked.",
            ),
            &["dialect"],
        )?;
        let held = IntCounterVec::new(
            Opts::new(
                "rerankd_hits_held_total",
                "Hits that held their place: of an index that is not let in (excluded), or pinned.",
            ),
            &["cause"],
        )?;
        for cause in Holds::ALL {
            held.with_label_values(&[cause.as_str()]);
        }
        let seconds = HistogramVec::new(
            HistogramOpts::new(
                "rerankd_search_duration_seconds",
                "Time from a search's head to the head of its response.",
            )
            .buckets(SECONDS.to_vec()),
            &["outcome"],
        )?;
        for outcome in OUTCOMES {
            seconds.with_label_values(&[outcome]);
        }
        let metrics = Self {
            searches,
            shadows,
            rejected,
            held,
            seconds,
            upstream_seconds: histogram(
                "rerankd_upstream_duration_seconds",
                "Time a search waited for the database.",
                &SECONDS,
            )?,
            rerank_seconds: histogram(
                "rerankd_rerank_duration_seconds",
                "Time of the rerank step: documents, scores, order.",
                &SECONDS,
            )?,
            documents: histogram(
                "rerankd_rerank_documents",
                "Documents in the rerank step of one search.",
                &[1.0, 5.0, 10.0, 20.0, 30.0, 50.0, 75.0, 100.0, 150.0, 200.0, 500.0],
            )?,
            moved: histogram(
                "rerankd_hit_displacement",
                "Mean distance between old and new place of the returned hits of one reranked search.",
                &[0.0, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0],
            )?,
            top_changed: histogram(
                "rerankd_top_changed_ratio",
                "Share of the first ten returned hits that were not among the database's first ten.",
                &[0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0],
            )?,
            deepest: histogram(
                "rerankd_promotion_depth",
                "Old place (from 0) of the deepest hit that reached the first ten.",
                &[0.0, 1.0, 3.0, 5.0, 9.0, 14.0, 19.0, 29.0, 49.0, 99.0, 199.0],
            )?,
        };
        registry.register(Box::new(metrics.searches.clone()))?;
        registry.register(Box::new(metrics.shadows.clone()))?;
        registry.register(Box::new(metrics.rejected.clone()))?;
        registry.register(Box::new(metrics.held.clone()))?;
        registry.register(Box::new(metrics.seconds.clone()))?;
        for histogram in [
            &metrics.upstream_seconds,
            &metrics.rerank_seconds,
            &metrics.documents,
            &metrics.moved,
            &metrics.top_changed,
            &metrics.deepest,
        ] {
            registry.register(Box::new(histogram.clone()))?;
        }
        Ok(metrics)
    }

    /// Puts the series of one dialect and operation there at zero.
    pub fn declare(&self, dialect: &str, operation: &str) {
        let put = |counter: &IntCounterVec, outcome: Outcome| {
            counter.with_label_values(&[dialect, operation, outcome.as_str(), outcome.reason()]);
        };
        self.rejected.with_label_values(&[dialect]);
        let failures = FailureClass::OF_CHAIN.map(FailureClass::reason);
        for counter in [&self.searches, &self.shadows] {
            put(counter, Outcome::Applied);
            failures.iter().for_each(|reason| put(counter, Outcome::Partial(*reason)));
        }
        KeepReason::ALL.iter().for_each(|reason| put(&self.searches, Outcome::Kept(*reason)));
        failures.iter().chain(&BEHIND).for_each(|reason| put(&self.shadows, Outcome::Kept(*reason)));
    }

    /// Counts one search of a request.
    pub fn search(&self, dialect: &str, operation: &str, report: &Report) {
        count(&self.searches, dialect, operation, report.outcome);
        self.effect(ON, report);
    }

    /// Counts one request that the database rejected for its widening.
    pub fn widening_rejected(&self, dialect: &str) {
        self.rejected.with_label_values(&[dialect]).inc();
    }

    /// Counts one search that was reranked behind its response.
    pub fn shadow(&self, dialect: &str, operation: &str, report: &Report) {
        count(&self.shadows, dialect, operation, report.outcome);
        self.effect(SHADOW, report);
    }

    /// What reranking did to the order.
    fn effect(&self, mode: &str, report: &Report) {
        let mode = &[mode];
        for cause in Holds::ALL {
            self.held.with_label_values(&[cause.as_str()]).inc_by(report.held.of(cause) as u64);
        }
        if report.documents > 0 {
            self.documents.with_label_values(mode).observe(report.documents as f64);
        }
        let moves = &report.moves;
        if let (Outcome::Applied | Outcome::Partial(_), Some(distance)) =
            (report.outcome, moves.mean_distance)
        {
            self.moved.with_label_values(mode).observe(distance);
            self.top_changed.with_label_values(mode).observe(moves.top_changed.unwrap_or(0.0));
            self.deepest.with_label_values(mode).observe(moves.deepest.unwrap_or(0) as f64);
        }
    }

    /// Records the times of one request with searches.
    pub fn request(&self, outcome: Outcome, timings: &Timings) {
        self.seconds.with_label_values(&[outcome.as_str()]).observe(timings.total.as_secs_f64());
        self.times(ON, timings);
    }

    /// Records the times of one request that was reranked behind its response.
    pub fn shadow_times(&self, timings: &Timings) {
        self.times(SHADOW, timings);
    }

    fn times(&self, mode: &str, timings: &Timings) {
        self.upstream_seconds.with_label_values(&[mode]).observe(timings.upstream.as_secs_f64());
        if !timings.rerank.is_zero() {
            self.rerank_seconds.with_label_values(&[mode]).observe(timings.rerank.as_secs_f64());
        }
    }
}

fn count(counter: &IntCounterVec, dialect: &str, operation: &str, outcome: Outcome) {
    counter.with_label_values(&[dialect, operation, outcome.as_str(), outcome.reason()]).inc();
}

/// By mode, both there at zero from the start.
fn histogram(name: &str, help: &str, buckets: &[f64]) -> prometheus::Result<HistogramVec> {
    let histogram = HistogramVec::new(HistogramOpts::new(name, help).buckets(buckets.to_vec()), &["mode"])?;
    for mode in [ON, SHADOW] {
        histogram.with_label_values(&[mode]);
    }
    Ok(histogram)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_series_of_an_operation_is_there_at_zero_from_the_start() {
        let registry = Registry::new();
        SearchMetrics::register(&registry).unwrap().declare("qdrant", "query");
        let text = prometheus::TextEncoder::new().encode_to_string(&registry.gather()).unwrap();
        for (counter, outcome, reason) in [
            ("searches", "partial", "timeout"),
            ("searches", "kept", "no_query"),
            ("shadow_searches", "applied", "none"),
            ("shadow_searches", "partial", "deadline"),
            ("shadow_searches", "kept", "budget"),
            ("shadow_searches", "kept", "no_text"),
        ] {
            let series = format!(
                "rerankd_{counter}_total{{dialect=\"qdrant\",operation=\"query\",outcome=\"{outcome}\",reason=\"{reason}\"}} 0"
            );
            assert!(text.contains(&series), "{series} not in\n{text}");
        }
        assert!(text.contains("rerankd_widening_rejected_total{dialect=\"qdrant\"} 0"), "{text}");
        assert!(text.contains("rerankd_rerank_duration_seconds_count{mode=\"shadow\"} 0"), "{text}");
    }
}
