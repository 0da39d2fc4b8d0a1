use std::time::Duration;

use prometheus::{HistogramOpts, HistogramVec, IntCounterVec, Opts, Registry};

use super::{
    error::{self, Fault, Meaning},
    version::Version,
};

/// Metrics of the endpoint. Labels are closed sets.
#[derive(Clone)]
pub struct ApiMetrics {
    requests: IntCounterVec,
    seconds: HistogramVec,
}

/// Scored, rejected for the caller's own fault, or failed.
const OUTCOMES: [&str; 3] = ["ok", "rejected", "failed"];

impl ApiMetrics {
    /// Registers the metrics, without any series.
    pub fn register(registry: &Registry) -> prometheus::Result<Self> {
        let requests = IntCounterVec::new(
            Opts::new("rerankd_api_requests_total", "Requests to the rerank API, by how they ended and why."),
            &["version", "outcome", "reason"],
        )?;
        let seconds = HistogramVec::new(
            HistogramOpts::new(
                "rerankd_api_request_duration_seconds",
                "Time from the head of a request to the rerank API to its response, in seconds.",
            )
            .buckets(vec![
                0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
            ]),
            &["outcome"],
        )?;
        registry.register(Box::new(requests.clone()))?;
        registry.register(Box::new(seconds.clone()))?;
        Ok(Self { requests, seconds })
    }

    /// Puts the series of failures there at zero, so that a rate over the first one is right.
    pub fn declare(&self) {
        for version in [Version::V1, Version::V2] {
            self.requests.with_label_values(&[label(Some(version)), "ok", "none"]);
            for meaning in error::failures() {
                self.requests.with_label_values(&[label(Some(version)), outcome(&meaning), meaning.reason]);
            }
        }
        for outcome in OUTCOMES {
            self.seconds.with_label_values(&[outcome]);
        }
    }

    /// Counts one request; `None` is one that got its scores.
    pub(super) fn ended(&self, version: Option<Version>, error: Option<&Meaning>, took: Duration) {
        let (outcome, reason) = error.map_or(("ok", "none"), |meaning| (outcome(meaning), meaning.reason));
        self.requests.with_label_values(&[label(version), outcome, reason]).inc();
        self.seconds.with_label_values(&[outcome]).observe(took.as_secs_f64());
    }
}

fn outcome(meaning: &Meaning) -> &'static str {
    match meaning.fault {
        Fault::Caller => "rejected",
        Fault::Service => "failed",
    }
}

fn label(version: Option<Version>) -> &'static str {
    match version {
        Some(Version::V1) => "v1",
        Some(Version::V2) => "v2",
        None => "none",
    }
}
