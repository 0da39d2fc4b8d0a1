//! What is said of requests that were signed and rejected all the same.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use super::SigningMetrics;
use crate::trouble::Lines;

/// AWS takes a signature within five minutes of its own clock.
const MOST_SKEW: Duration = Duration::from_secs(5 * 60);
/// The date of a response has whole seconds, and took its time.
const NEARLY: Duration = Duration::from_secs(4 * 60 + 30);

/// What a 403 to a signed request is taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// Our clock and the database's differ by more than a signature may be old.
    ClockSkew,
    /// The role may not do this, or the credentials are no longer good.
    Rejected,
}

impl Doubt {
    /// Each.
    pub const ALL: [Self; 2] = [Self::ClockSkew, Self::Rejected];

    /// The word in metric and log.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ClockSkew => "clock_skew",
            Self::Rejected => "rejected",
        }
    }

    /// By the response's date, where it has one.
    pub fn of(date: Option<SystemTime>, now: SystemTime) -> Self {
        let differ =
            |date: SystemTime| now.duration_since(date).unwrap_or_else(|error| error.duration()) > NEARLY;
        if date.is_some_and(differ) { Self::ClockSkew } else { Self::Rejected }
    }

    const fn remedy(self) -> &'static str {
        match self {
            Self::ClockSkew => {
                "the clock of this machine differs from the database's by more than a signature may be old: set it \
                 right (NTP)"
            }
            Self::Rejected => {
                "the credentials that rerankd signs with may not do this: see the access policy of the domain (or the \
                 data access policy of the collection), service and region of upstream.sign, and upstream.host"
            }
        }
    }
}

/// One line a minute for each.
#[derive(Clone, Debug)]
pub(super) struct Doubts {
    lines: Arc<Lines>,
    metrics: SigningMetrics,
}

impl Doubts {
    pub(super) fn new(metrics: SigningMetrics) -> Self {
        Self { lines: Arc::default(), metrics }
    }

    pub(super) fn say(&self, doubt: Doubt, address: &str) {
        self.metrics.rejected(doubt);
        self.lines.say(doubt.as_str(), || {
            let address = address.to_owned();
            move |left_out: Option<u64>| {
                tracing::warn!(
                    cause = doubt.as_str(),
                    address,
                    remedy = doubt.remedy(),
                    most_skew_s = (doubt == Doubt::ClockSkew).then(|| MOST_SKEW.as_secs()),
                    left_out,
                    help = "docs/aws.md#rejected",
                    "upstream: it answers a signed request with 403"
                );
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    #[test]
    fn a_rejection_is_laid_to_the_clock_only_where_the_clocks_differ() {
        let now = UNIX_EPOCH + Duration::from_secs(1_000_000);
        let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
        assert_eq!(Doubt::of(Some(now - minutes(6)), now), Doubt::ClockSkew);
        assert_eq!(Doubt::of(Some(now + minutes(6)), now), Doubt::ClockSkew);
        assert_eq!(Doubt::of(Some(now + minutes(2)), now), Doubt::Rejected);
        assert_eq!(Doubt::of(None, now), Doubt::Rejected);
    }
}
