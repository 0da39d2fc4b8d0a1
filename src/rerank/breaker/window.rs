use std::time::Duration;

use tokio::time::Instant;

/// The window is counted in this many parts; the oldest is dropped as a whole.
const PARTS: u32 = 10;

/// Recent calls, by result.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Counts {
    pub(super) calls: u32,
    pub(super) failed: u32,
    pub(super) slow: u32,
}

/// A sliding window over the results of calls. Knows no clock: each call brings the time.
#[derive(Debug)]
pub(super) struct OutcomeWindow {
    part: Duration,
    begun: Instant,
    counts: [(u64, Counts); PARTS as usize],
}

impl OutcomeWindow {
    /// An empty window that reaches `length` back.
    pub(super) fn new(length: Duration, now: Instant) -> Self {
        let part = (length / PARTS).max(Duration::from_millis(1));
        Self { part, begun: now, counts: [(0, Counts::default()); PARTS as usize] }
    }

    /// Adds one call.
    pub(super) fn add(&mut self, failed: bool, slow: bool, now: Instant) {
        let number = self.number(now);
        let (of, counts) = &mut self.counts[(number % u64::from(PARTS)) as usize];
        if *of != number {
            (*of, *counts) = (number, Counts::default());
        }
        counts.calls = counts.calls.saturating_add(1);
        counts.failed = counts.failed.saturating_add(u32::from(failed));
        counts.slow = counts.slow.saturating_add(u32::from(slow));
    }

    /// What the window holds now.
    pub(super) fn total(&self, now: Instant) -> Counts {
        let newest = self.number(now);
        let oldest = (newest + 1).saturating_sub(u64::from(PARTS));
        self.counts.iter().filter(|(of, _)| (oldest..=newest).contains(of)).fold(
            Counts::default(),
            |sum, (_, part)| Counts {
                calls: sum.calls.saturating_add(part.calls),
                failed: sum.failed.saturating_add(part.failed),
                slow: sum.slow.saturating_add(part.slow),
            },
        )
    }

    fn number(&self, now: Instant) -> u64 {
        let since = now.saturating_duration_since(self.begun).as_nanos() / self.part.as_nanos();
        u64::try_from(since).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_is_older_than_the_window_counts_no_more() {
        let begun = Instant::now();
        let at = |seconds| begun + Duration::from_secs(seconds);
        let mut window = OutcomeWindow::new(Duration::from_secs(10), begun);
        window.add(true, false, at(0));
        window.add(false, true, at(5));
        assert_eq!(window.total(at(9)), Counts { calls: 2, failed: 1, slow: 1 });
        assert_eq!(window.total(at(10)), Counts { calls: 1, failed: 0, slow: 1 });
        assert_eq!(window.total(at(15)), Counts::default());
        window.add(false, false, at(25));
        assert_eq!(window.total(at(25)), Counts { calls: 1, failed: 0, slow: 0 });
    }
}
