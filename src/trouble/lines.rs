//! [`Lines`]: of failures with one cause, one line a minute, which says how many others there were.

use std::{
    error::Error,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::telemetry::chain;

/// How long a cause is not told again.
const EVERY: Duration = Duration::from_secs(60);

/// What has been told of one peer. Causes are words of a closed list.
#[derive(Debug, Default)]
pub struct Lines(Mutex<Vec<LoggedCondition>>);

#[derive(Debug)]
struct LoggedCondition {
    cause: &'static str,
    at: Instant,
    /// Since then.
    others: u64,
}

/// Whom a line is about.
#[derive(Clone, Copy, Debug)]
pub struct Peer<'a> {
    /// What it is to us: `upstream`, `provider`.
    pub role: &'static str,
    /// Its name in the configuration; empty where it has none.
    pub name: &'a str,
    /// Scheme, host and port.
    pub address: &'a str,
}

impl Lines {
    /// Whether this failure is to be told: then how many of its cause were not, since the last that was.
    fn due(&self, cause: &'static str, now: Instant) -> Option<u64> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match all.iter_mut().find(|told| told.cause == cause) {
            Some(told) if now.saturating_duration_since(told.at) < EVERY => {
                told.others += 1;
                None
            }
            Some(told) => {
                told.at = now;
                Some(std::mem::take(&mut told.others))
            }
            None => {
                all.push(LoggedCondition { cause, at: now, others: 0 });
                Some(0)
            }
        }
    }
}

/// One line for each cause and minute: whom it is about, the metric's word for the cause, what to do, what the system
/// said, and how many failures of this cause since the last line had none.
pub fn warn(lines: &Lines, peer: Peer<'_>, cause: &'static str, remedy: &str, error: &(dyn Error + 'static)) {
    let Some(suppressed) = lines.due(cause, Instant::now()) else { return };
    let Peer { role, name, address } = peer;
    let detail = chain(error);
    match name {
        "" => tracing::warn!(address, cause, suppressed, detail, "{role}: {remedy}"),
        name => tracing::warn!(name, address, cause, suppressed, detail, "{role}: {remedy}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cause_has_one_line_a_minute_and_counts_the_others() {
        let (lines, start) = (Lines::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(lines.due("connection_refused", at(0)), Some(0));
        assert_eq!(lines.due("connection_refused", at(1)), None);
        assert_eq!(lines.due("silent", at(2)), Some(0));
        assert_eq!(lines.due("connection_refused", at(59)), None);
        assert_eq!(lines.due("connection_refused", at(60)), Some(2));
        assert_eq!(lines.due("connection_refused", at(61)), None);
        assert_eq!(lines.due("connection_refused", at(500)), Some(1));
        assert_eq!(lines.due("connection_refused", at(560)), Some(0));
    }
}
