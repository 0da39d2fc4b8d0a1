//! [`ProxyMetrics`]: how requests were answered, for Prometheus.

use std::sync::{Arc, OnceLock};

use http::StatusCode;
use prometheus::{IntCounter, IntCounterVec, Opts, Registry};

use super::error::Cause;

/// What was done with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Handling {
    /// It was read as a search, reranked or not.
    Search,
    /// It was passed on without being read.
    Forward,
}

/// Metrics of all requests. Labels are closed sets; a series is there from [`ProxyMetrics::declare`] on, or from its first
/// event.
#[derive(Clone)]
pub struct ProxyMetrics {
    requests: IntCounterVec,
    failed: IntCounterVec,
    // By class of status; looked up once, not with every request.
    search: Arc<OnceLock<ByClass>>,
    forward: Arc<OnceLock<ByClass>>,
}

type ByClass = [IntCounter; CLASSES.len()];

/// A status stands for the class at its first digit, any other for the first.
const CLASSES: [&str; 6] = ["other", "1xx", "2xx", "3xx", "4xx", "5xx"];

impl Handling {
    fn as_str(self) -> &'static str {
        match self {
            Self::Search => "search",
            Self::Forward => "forward",
        }
    }
}

impl ProxyMetrics {
    /// Registers the metrics, without any series.
    pub fn register(registry: &Registry) -> prometheus::Result<Self> {
        let requests = IntCounterVec::new(
            Opts::new(
                "rerankd_requests_total",
                "Requests that got a response, by how they were handled and the class of its status.",
            ),
            &["handling", "status"],
        )?;
        let failed = IntCounterVec::new(
            Opts::new(
                "rerankd_requests_failed_total",
                "Requests that got an error of rerankd's own as their response, by cause.",
            ),
            &["cause"],
        )?;
        registry.register(Box::new(requests.clone()))?;
        registry.register(Box::new(failed.clone()))?;
        Ok(Self { requests, failed, search: Arc::default(), forward: Arc::default() })
    }

    /// Puts the series there at zero: of searches, if a listener knows any, of what can go wrong with TLS, if a database
    /// is behind it, and with signatures, if a listener signs.
    pub fn declare(&self, searches: bool, tls: bool, signs: bool) {
        if searches {
            self.by_class(Handling::Search);
        }
        self.by_class(Handling::Forward);
        let may_be = |cause: &Cause| (tls || !cause.is_tls()) && (signs || !cause.is_of_signing());
        for cause in Cause::all().filter(may_be) {
            self.failed.with_label_values(&[cause.as_str()]);
        }
    }

    fn by_class(&self, handling: Handling) -> &ByClass {
        let found = match handling {
            Handling::Search => &self.search,
            Handling::Forward => &self.forward,
        };
        found.get_or_init(|| {
            CLASSES.map(|status| self.requests.with_label_values(&[handling.as_str(), status]))
        })
    }

    /// Counts a request that got a response, the database's or our own.
    pub(super) fn answered(&self, handling: Handling, status: StatusCode) {
        let classes = self.by_class(handling);
        let [other, ..] = classes;
        classes.get(usize::from(status.as_u16() / 100)).unwrap_or(other).inc();
    }

    /// Counts a request for which the proxy itself had to answer.
    pub(super) fn failed(&self, cause: Cause) {
        self.failed.with_label_values(&[cause.as_str()]).inc();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_response_is_counted_by_handling_and_status_from_zero_on() {
        let registry = Registry::new();
        let metrics = ProxyMetrics::register(&registry).unwrap();
        assert!(registry.gather().is_empty(), "nothing is configured");
        metrics.declare(true, true, false);
        metrics.answered(Handling::Search, StatusCode::OK);
        metrics.answered(Handling::Forward, StatusCode::BAD_GATEWAY);
        metrics.answered(Handling::Forward, StatusCode::from_u16(999).unwrap());
        metrics.failed(Cause::Broken);
        let text = prometheus::TextEncoder::new().encode_to_string(&registry.gather()).unwrap();
        for line in [
            "rerankd_requests_total{handling=\"search\",status=\"2xx\"} 1",
            "rerankd_requests_total{handling=\"search\",status=\"5xx\"} 0",
            "rerankd_requests_total{handling=\"forward\",status=\"5xx\"} 1",
            "rerankd_requests_total{handling=\"forward\",status=\"other\"} 1",
            "rerankd_requests_failed_total{cause=\"broken\"} 1",
            "rerankd_requests_failed_total{cause=\"unreachable\"} 0",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in {text}");
        }
    }
}
