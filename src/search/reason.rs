/// Why the database's order was kept. One closed list: the words of `x-rerank-status` and of the metric label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum KeepReason {
    Off,
    NoQuery,
    AmbiguousQuery,
    StaleQuery,
    NoText,
    NoProvider,
    NotRanked,
    PastWindow,
    Unsupported,
    Malformed,
    UpstreamError,
    Shadow,
    NotSampled,
    Skipped,
    Margin,
    Deadline,
    RateLimited,
    Budget,
    CircuitOpen,
    Overloaded,
    InvalidRequest,
    TooLarge,
    Auth,
    Billing,
    NotFound,
    QuotaExhausted,
    ProviderUnavailable,
    Timeout,
    BadResponse,
}

impl KeepReason {
    /// Every reason.
    pub const ALL: [KeepReason; 29] = {
        use KeepReason::*;
        [
            Off,
            NoQuery,
            AmbiguousQuery,
            StaleQuery,
            NoText,
            NoProvider,
            NotRanked,
            PastWindow,
            Unsupported,
            Malformed,
            UpstreamError,
            Shadow,
            NotSampled,
            Skipped,
            Margin,
            Deadline,
            RateLimited,
            Budget,
            CircuitOpen,
            Overloaded,
            InvalidRequest,
            TooLarge,
            Auth,
            Billing,
            NotFound,
            QuotaExhausted,
            ProviderUnavailable,
            Timeout,
            BadResponse,
        ]
    };

    /// The word for headers, labels and logs.
    pub fn as_str(self) -> &'static str {
        use KeepReason::*;
        match self {
            Off => "off",
            NoQuery => "no_query",
            AmbiguousQuery => "ambiguous_query",
            StaleQuery => "stale_query",
            NoText => "no_text",
            NoProvider => "no_provider",
            NotRanked => "not_ranked",
            PastWindow => "past_window",
            Unsupported => "unsupported",
            Malformed => "malformed",
            TooLarge => "too_large",
            UpstreamError => "upstream_error",
            Shadow => "shadow",
            NotSampled => "not_sampled",
            Skipped => "skipped",
            Margin => "margin",
            Deadline => "deadline",
            RateLimited => "rate_limited",
            Budget => "budget",
            CircuitOpen => "circuit_open",
            Overloaded => "overloaded",
            InvalidRequest => "invalid_request",
            Auth => "auth",
            Billing => "billing",
            NotFound => "not_found",
            QuotaExhausted => "quota_exhausted",
            ProviderUnavailable => "provider_unavailable",
            Timeout => "timeout",
            BadResponse => "bad_response",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_a_heading_for_every_reason_and_no_other() {
        let page = include_str!("../../docs/reasons.md");
        let words: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("## ")).collect();
        assert_eq!(words, KeepReason::ALL.map(KeepReason::as_str));
    }
}
