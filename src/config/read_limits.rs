//! The `limits` and `memory` sections, and times that may be without end.

use std::time::Duration;

use super::{
    limits::{LimitsConfig, MemoryConfig},
    problem::Problems,
    section::Section,
    values::{self, whole},
};

/// hyper reads no less at a time.
const LEAST_HEAD: usize = 8 << 10;
const MOST_HEAD: usize = 1 << 20;

/// Reads `limits`.
pub(super) fn limits(top: &Section<'_>, problems: &mut Problems) -> LimitsConfig {
    let mut to = LimitsConfig::default();
    let known = [
        "max_request_bytes",
        "max_response_bytes",
        "max_searches_in_flight",
        "max_headers",
        "max_head_bytes",
        "head_timeout",
        "idle_timeout",
        "body_timeout",
        "tunnel_timeout",
    ];
    let section = Section::open(top.node("limits"), "limits", &known, problems);
    section.set("max_request_bytes", &mut to.max_request_bytes, problems, values::memory);
    section.set("max_response_bytes", &mut to.max_response_bytes, problems, values::memory);
    let searches = whole(1, 100_000);
    section.set_option("max_searches_in_flight", &mut to.max_searches_in_flight, problems, searches);
    section.set("max_headers", &mut to.max_headers, problems, whole(1, 10_000));
    section.set("max_head_bytes", &mut to.max_head_bytes, problems, head);
    max_wait(&section, "head_timeout", &mut to.head_timeout, problems);
    max_wait(&section, "idle_timeout", &mut to.idle_timeout, problems);
    max_wait(&section, "body_timeout", &mut to.body_timeout, problems);
    max_wait(&section, "tunnel_timeout", &mut to.tunnel_timeout, problems);
    to
}

/// Reads `memory`.
pub(super) fn memory(top: &Section<'_>, problems: &mut Problems) -> MemoryConfig {
    let mut to = MemoryConfig::default();
    let section = Section::open(top.node("memory"), "memory", &["max_buffered"], problems);
    section.set_option("max_buffered", &mut to.max_buffered, problems, values::memory);
    to
}

/// A time to wait at `key`; zero and null are without end.
pub(super) fn max_wait(
    section: &Section<'_>,
    key: &str,
    slot: &mut Option<Duration>,
    problems: &mut Problems,
) {
    section.set_option(key, slot, problems, values::duration_or_none);
    slot.take_if(|time| time.is_zero());
}

fn head(text: &str) -> Result<usize, String> {
    match values::memory(text)? {
        size if (LEAST_HEAD..=MOST_HEAD).contains(&size) => Ok(size),
        _ => Err(format!("`{text}` is not from 8KiB to 1MiB.")),
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
