//! [`SearchMetrics`]: what searches did, for Prometheus.

use std::time::Duration;

use prometheus::{HistogramOpts, HistogramVec, IntCounterVec, Opts, Registry};

use super::{BlockResult, Drifts, Outcome, Report};
use crate::{
    rerank::FailureClass,
    search::{Holds, KeepReason, NothingRelevant},
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

/// How searches can end in a configuration: which series there are at zero.
#[derive(Clone, Debug, Default)]
pub struct Endings {
    /// Why the order can be kept.
    pub kept: Vec<KeepReason>,
    /// Why only some hits can be reranked.
    pub partial: Vec<KeepReason>,
    /// Whether responses can be reranked.
    pub on: bool,
    /// Whether searches can be reranked behind their responses.
    pub shadow: bool,
    /// Whether responses say in their bodies how their searches ended.
    pub blocks: bool,
    /// What becomes of searches with nothing relevant, where it is known how likely hits are.
    pub confidence: Option<Vec<NothingRelevant>>,
}

/// How the hits of a response were found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// By reading it.
    Read,
    /// Another one had the same list.
    Known,
}

impl Finding {
    fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Known => "known",
        }
    }
}

/// Metrics of searches. Labels are closed sets. What reranking does is measured alike for responses (`on`) and
/// behind them (`shadow`). A series is there from [`SearchMetrics::declare`] on, or from its first event.
#[derive(Clone)]
pub struct SearchMetrics {
    searches: IntCounterVec,
    shadows: IntCounterVec,
    rejected: IntCounterVec,
    held: IntCounterVec,
    pages: IntCounterVec,
    seconds: HistogramVec,
    upstream_seconds: HistogramVec,
    rerank_seconds: HistogramVec,
    documents: HistogramVec,
    cut: IntCounterVec,
    blocks: IntCounterVec,
    confidence: HistogramVec,
    nothing: IntCounterVec,
    /// Whether scores have moved.
    pub drifts: Drifts,
    boosted: IntCounterVec,
    moved: HistogramVec,
    top_changed: HistogramVec,
    deepest: HistogramVec,
}

const ON: &str = "on";
const SHADOW: &str = "shadow";

/// The words of [`Outcome::as_str`].
const OUTCOMES: [&str; 3] = ["applied", "partial", "kept"];

/// What keeps the order of a search in shadow, other than failures of its reranking.
const BEHIND: [KeepReason; 4] =
    [KeepReason::NotRanked, KeepReason::NoText, KeepReason::Margin, KeepReason::UpstreamError];

/// From half a millisecond to ten seconds.
const SECONDS: [f64; 14] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

impl SearchMetrics {
    /// Registers every metric, without any series.
    pub fn register(registry: &Registry) -> prometheus::Result<Self> {
        let searches = IntCounterVec::new(
            Opts::new("rerankd_searches_total", "Searches that got a response, by how they ended and why."),
            &["dialect", "operation", "outcome", "reason"],
        )?;
        let shadows = IntCounterVec::new(
            Opts::new(
                "rerankd_shadow_searches_total",
                "Searches reranked in shadow, by how that ended and why.",
            ),
            &["dialect", "operation", "outcome", "reason"],
        )?;
        let rejected = IntCounterVec::new(
            Opts::new(
                "rerankd_widening_rejected_total",
                "Searches that the database failed with more hits or fields, and that were asked again as the client wrote them.",
            ),
            &["dialect"],
        )?;
        let held = IntCounterVec::new(
            Opts::new(
                "rerankd_hits_held_total",
                "Hits that held their place, because their index is excluded or because they are pinned.",
            ),
            &["cause"],
        )?;
        let pages = IntCounterVec::new(
            Opts::new(
                "rerankd_pages_total",
                "Responses whose hits were found, by how: read, or known from one with the same list of hits.",
            ),
            &["hits"],
        )?;
        let cut = IntCounterVec::new(
            Opts::new(
                "rerankd_documents_cut_total",
                "Documents that were scored by their passages (rerank.passages).",
            ),
            &["mode"],
        )?;
        let blocks = IntCounterVec::new(
            Opts::new(
                "rerankd_answer_blocks_total",
                "Responses that were to say in their bodies how their searches ended, by what became of that.",
            ),
            &["result"],
        )?;
        let nothing = IntCounterVec::new(
            Opts::new(
                "rerankd_nothing_relevant_total",
                "Searches whose best hit is hardly relevant (rerank.confidence.least), by what became of their hits.",
            ),
            &["action", "mode"],
        )?;
        let boosted = IntCounterVec::new(
            Opts::new(
                "rerankd_hits_boosted_total",
                "Hits whose relevance was changed by their fields (rerank.boosts).",
            ),
            &["mode"],
        )?;
        let seconds = HistogramVec::new(
            HistogramOpts::new(
                "rerankd_search_duration_seconds",
                "Time from the head of a search to the head of its response, in seconds.",
            )
            .buckets(SECONDS.to_vec()),
            &["outcome"],
        )?;
        let metrics = Self {
            searches,
            shadows,
            rejected,
            held,
            pages,
            cut,
            blocks,
            confidence: histogram(
                "rerankd_best_hit_confidence",
                "Probability that the best hit of a reranked search is relevant, where rerank.confidence is set.",
                &[0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0],
            )?,
            nothing,
            drifts: Drifts::register(registry)?,
            boosted,
            seconds,
            upstream_seconds: histogram(
                "rerankd_upstream_duration_seconds",
                "Time that a search waited for the database, in seconds.",
                &SECONDS,
            )?,
            rerank_seconds: histogram(
                "rerankd_rerank_duration_seconds",
                "Time of the rerank step of a search (documents, scores, order), in seconds.",
                &SECONDS,
            )?,
            documents: histogram(
                "rerankd_rerank_documents",
                "Documents in the rerank step of a search.",
                &[1.0, 5.0, 10.0, 20.0, 30.0, 50.0, 75.0, 100.0, 150.0, 200.0, 500.0],
            )?,
            moved: histogram(
                "rerankd_hit_displacement",
                "Mean distance between the old and the new place of the returned hits of a reranked search, in places.",
                &[0.0, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0],
            )?,
            top_changed: histogram(
                "rerankd_top_changed_ratio",
                "Share of the first ten returned hits that were not among the database's first ten, from 0 to 1.",
                &[0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0],
            )?,
            deepest: histogram(
                "rerankd_promotion_depth",
                "Old place, counted from 0, of the deepest hit that reached the first ten.",
                &[0.0, 1.0, 3.0, 5.0, 9.0, 14.0, 19.0, 29.0, 49.0, 99.0, 199.0],
            )?,
        };
        registry.register(Box::new(metrics.searches.clone()))?;
        registry.register(Box::new(metrics.shadows.clone()))?;
        registry.register(Box::new(metrics.rejected.clone()))?;
        registry.register(Box::new(metrics.held.clone()))?;
        registry.register(Box::new(metrics.pages.clone()))?;
        registry.register(Box::new(metrics.cut.clone()))?;
        registry.register(Box::new(metrics.blocks.clone()))?;
        registry.register(Box::new(metrics.nothing.clone()))?;
        registry.register(Box::new(metrics.boosted.clone()))?;
        registry.register(Box::new(metrics.seconds.clone()))?;
        for histogram in [
            &metrics.upstream_seconds,
            &metrics.rerank_seconds,
            &metrics.documents,
            &metrics.moved,
            &metrics.top_changed,
            &metrics.deepest,
            &metrics.confidence,
        ] {
            registry.register(Box::new(histogram.clone()))?;
        }
        Ok(metrics)
    }

    /// Puts the series of one dialect and operation there at zero, so that a rate over the first event is right.
    pub fn declare(&self, dialect: &str, operation: &str, endings: &Endings) {
        let put = |counter: &IntCounterVec, outcome: Outcome| {
            counter.with_label_values(&[dialect, operation, outcome.as_str(), outcome.reason()]);
        };
        let Endings { kept, partial, on, shadow, .. } = endings;
        self.rejected.with_label_values(&[dialect]);
        for (counter, _) in
            [(&self.searches, on), (&self.shadows, shadow)].into_iter().filter(|(_, may)| **may)
        {
            put(counter, Outcome::Applied);
            partial.iter().for_each(|reason| put(counter, Outcome::Partial(*reason)));
        }
        kept.iter().for_each(|reason| put(&self.searches, Outcome::Kept(*reason)));
        let failures = FailureClass::OF_CHAIN.map(FailureClass::reason);
        let behind = kept.iter().filter(|reason| failures.contains(reason) || BEHIND.contains(reason));
        behind.filter(|_| *shadow).for_each(|reason| put(&self.shadows, Outcome::Kept(*reason)));
        self.declare_effects(endings);
    }

    /// What is not measured by operation.
    fn declare_effects(&self, endings: &Endings) {
        for cause in Holds::ALL {
            self.held.with_label_values(&[cause.as_str()]);
        }
        for finding in [Finding::Read, Finding::Known] {
            self.pages.with_label_values(&[finding.as_str()]);
        }
        for outcome in OUTCOMES {
            self.seconds.with_label_values(&[outcome]);
        }
        self.upstream_seconds.with_label_values(&[ON]);
        for result in BlockResult::ALL.iter().filter(|_| endings.blocks) {
            self.blocks.with_label_values(&[result.as_str()]);
        }
        for (mode, _) in [(ON, endings.on), (SHADOW, endings.shadow)].iter().filter(|(_, may)| *may) {
            for histogram in [
                &self.upstream_seconds,
                &self.rerank_seconds,
                &self.documents,
                &self.moved,
                &self.top_changed,
                &self.deepest,
            ] {
                histogram.with_label_values(&[*mode]);
            }
            self.cut.with_label_values(&[*mode]);
            for action in endings.confidence.iter().flatten() {
                self.nothing.with_label_values(&[action.as_str(), *mode]);
            }
            if endings.confidence.is_some() {
                self.confidence.with_label_values(&[*mode]);
            }
            self.boosted.with_label_values(&[*mode]);
        }
    }

    /// Counts one search of a request.
    pub fn search(&self, dialect: &str, operation: &str, report: &Report) {
        count(&self.searches, dialect, operation, report.outcome);
        self.effect(ON, report);
    }

    /// Counts one request that the database rejected because it was widened.
    pub fn widening_rejected(&self, dialect: &str) {
        self.rejected.with_label_values(&[dialect]).inc();
    }

    /// Counts one response whose hits were found.
    pub fn page(&self, finding: Finding) {
        self.pages.with_label_values(&[finding.as_str()]).inc();
    }

    /// Counts one response that was to say how its searches ended.
    pub fn answer_block(&self, result: BlockResult) {
        self.blocks.with_label_values(&[result.as_str()]).inc();
    }

    /// Counts one search that was reranked in shadow, after its response was sent.
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
            self.cut.with_label_values(mode).inc_by(report.cut as u64);
            self.boosted.with_label_values(mode).inc_by(report.boosted as u64);
        }
        if let Some(confidence) = report.confidence {
            self.confidence.with_label_values(mode).observe(f64::from(confidence));
        }
        if let Some(action) = report.nothing_relevant {
            self.nothing.with_label_values(&[action.as_str(), mode[0]]).inc();
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

    /// Records the times of one request that was reranked in shadow.
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

/// By mode.
fn histogram(name: &str, help: &str, buckets: &[f64]) -> prometheus::Result<HistogramVec> {
    HistogramVec::new(HistogramOpts::new(name, help).buckets(buckets.to_vec()), &["mode"])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn declared(endings: &Endings) -> String {
        let registry = Registry::new();
        SearchMetrics::register(&registry).unwrap().declare("qdrant", "query", endings);
        prometheus::TextEncoder::new().encode_to_string(&registry.gather()).unwrap()
    }

    #[test]
    fn every_series_of_an_operation_that_can_end_so_is_there_at_zero_from_the_start() {
        let text = declared(&Endings {
            kept: vec![KeepReason::NoQuery, KeepReason::NoText, KeepReason::Budget, KeepReason::Shadow],
            partial: vec![KeepReason::Timeout],
            on: true,
            shadow: true,
            blocks: false,
            confidence: None,
        });
        for (counter, outcome, reason) in [
            ("searches", "applied", "none"),
            ("searches", "partial", "timeout"),
            ("searches", "kept", "no_query"),
            ("shadow_searches", "applied", "none"),
            ("shadow_searches", "partial", "timeout"),
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

    #[test]
    fn how_searches_cannot_end_has_no_series() {
        let text = declared(&Endings { kept: vec![KeepReason::NoProvider], ..Endings::default() });
        assert!(text.contains("outcome=\"kept\",reason=\"no_provider\"} 0"), "{text}");
        for absent in ["applied", "partial\",", "shadow", "rerankd_rerank_", "rerankd_hit_displacement"] {
            let found = text.lines().find(|line| line.contains(absent) && !line.contains("duration"));
            assert_eq!(found, None);
        }
    }
}
