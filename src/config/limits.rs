//! The `limits` and `memory` sections.

use std::time::Duration;

/// Bounds of each message, each wait, and searches in flight. A time of `None` is unlimited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitsConfig {
    /// Larger searches are forwarded without reranking.
    pub max_request_bytes: usize,
    /// Larger responses, unpacked, are passed on without reranking.
    pub max_response_bytes: usize,
    /// Searches that are reranked at the same time; `None` suits memory and CPUs.
    pub max_searches_in_flight: Option<usize>,
    /// The most headers of a request, and of a response.
    pub max_headers: usize,
    /// The largest head of a request, and of a response.
    pub max_head_bytes: usize,
    /// From the first byte of a request's head to its last.
    pub head_timeout: Option<Duration>,
    /// A client's connection without a request is closed after this.
    pub idle_timeout: Option<Duration>,
    /// While no byte of a body moves, whichever side is to blame.
    pub body_timeout: Option<Duration>,
    /// While nothing goes through a connection that has switched protocols.
    pub tunnel_timeout: Option<Duration>,
}

/// Memory for everything that is buffered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemoryConfig {
    /// Bytes; `None` is a quarter of what the container or the machine has.
    pub max_buffered: Option<usize>,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            max_request_bytes: 8 << 20,
            max_response_bytes: 16 << 20,
            max_searches_in_flight: None,
            max_headers: 100,
            max_head_bytes: 64 << 10,
            head_timeout: Some(Duration::from_secs(10)),
            idle_timeout: Some(Duration::from_secs(120)),
            body_timeout: Some(Duration::from_secs(60)),
            tunnel_timeout: Some(Duration::from_secs(60 * 60)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::good;

    #[test]
    fn a_wait_of_zero_or_null_is_without_end() {
        let config = good("limits: { body_timeout: 0s, idle_timeout: null, tunnel_timeout: 5m }", &[]);
        let limits = &config.limits;
        assert_eq!((limits.body_timeout, limits.idle_timeout), (None, None));
        assert_eq!(limits.tunnel_timeout.map(|time| time.as_secs()), Some(300));
        assert_eq!(limits.head_timeout, LimitsConfig::default().head_timeout);
    }
}
