//! [`TraceMetrics`]: what became of spans.

use prometheus::{IntCounter, IntCounterVec, Opts, Registry};

/// Counts spans. There are series once traces are on.
#[derive(Clone)]
pub struct TraceMetrics {
    spans: IntCounterVec,
}

/// The series.
#[derive(Clone)]
pub(super) struct Counts {
    pub(super) exported: IntCounter,
    /// The collector did not take them.
    pub(super) failed: IntCounter,
    /// The queue was full.
    pub(super) dropped: IntCounter,
}

impl TraceMetrics {
    /// Registers the metric, without any series.
    pub fn register(registry: &Registry) -> prometheus::Result<Self> {
        let help = "Spans of traces, by what became of them: exported, failed (not taken), dropped (the queue was full).";
        let spans = IntCounterVec::new(Opts::new("rerankd_trace_spans_total", help), &["result"])?;
        registry.register(Box::new(spans.clone()))?;
        Ok(Self { spans })
    }

    /// The series, from now on there.
    pub(super) fn counts(&self) -> Counts {
        let of = |result| self.spans.with_label_values(&[result]);
        Counts { exported: of("exported"), failed: of("failed"), dropped: of("dropped") }
    }
}
