//! [`ProxyMetrics`]: how requests were answered, for Prometheus.

use std::sync::Arc;

use http::StatusCode;
use prometheus::{IntCounter, IntCounterVec, Opts, Registry};

use super::error::Cause;

/// What was done with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Handling {
    /// It was read as a search, reranked or not.
    Search,
    /// It was passed on unread.
    Forward,
}

/// Metrics of all requests. Labels are closed sets; every series is there at zero from the start.
#[derive(Clone)]
pub struct ProxyMetrics {
    // By class of status; looked up once, not with every request.
    search: [IntCounter; CLASSES.len()],
    forward: [IntCounter; CLASSES.len()],
    failed: Arc<[(Cause, IntCounter)]>,
}

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
    /// Registers every series.
    pub fn register(registry: &Registry) -> prometheus::Result<Self> {
        let requests = IntCounterVec::new(
            Opts::new(
                "rerankd_requests_total",
                "Requests answered, by how they were handled and the response's status.",
            ),
            &["handling", "status"],
        )?;
        let failed = IntCounterVec::new(
            Opts::new(
                "rerankd_requests_failed_total",
                "Requests that rerankd had to answer itself, with an error, by cause.",
            ),
            &["cause"],
        )?;
        registry.register(Box::new(requests.clone()))?;
        registry.register(Box::new(failed.clone()))?;
        let of = |handling: Handling| {
            CLASSES.map(|status| requests.with_label_values(&[handling.as_str(), status]))
        };
        let (search, forward) = (of(Handling::Search), of(Handling::Forward));
        Ok(Self {
            search,
            forward,
            failed: Cause::all().map(|cause| (cause, failed.with_label_values(&[cause.as_str()]))).collect(),
        })
    }

    /// Counts a request that got a response, whoever made it.
    pub(super) fn answered(&self, handling: Handling, status: StatusCode) {
        let classes = match handling {
            Handling::Search => &self.search,
            Handling::Forward => &self.forward,
        };
        let [other, ..] = classes;
        classes.get(usize::from(status.as_u16() / 100)).unwrap_or(other).inc();
    }

    /// Counts a request for which the proxy itself had to answer.
    pub(super) fn failed(&self, cause: Cause) {
        for (_, counter) in self.failed.iter().filter(|(each, _)| *each == cause) {
            counter.inc();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_response_is_counted_by_handling_and_status_from_zero_on() {
        let registry = Registry::new();
        let metrics = ProxyMetrics::register(&registry).unwrap();
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
