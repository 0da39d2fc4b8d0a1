use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

const MINUTE: u64 = 60;
const DAY: u64 = 24 * 60 * MINUTE;

/// The calendar's time, read once from the system and carried on by tokio's clock, so that tests can pause it
/// and a clock set back gives no budget a second time.
#[derive(Clone, Copy, Debug)]
pub(super) struct WallClock {
    since_epoch: Duration,
    at: Instant,
}

/// The minute and the day (UTC) of one moment, counted from 1970: the windows of budgets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Calendar {
    pub(super) minute: u64,
    pub(super) day: u64,
    /// Until the minute ends.
    pub(super) minute_left: Duration,
    /// Until the day ends.
    pub(super) day_left: Duration,
}

impl WallClock {
    /// The system's time.
    pub(super) fn system() -> Self {
        Self::starting_at(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
    }

    pub(super) fn starting_at(since_epoch: Duration) -> Self {
        Self { since_epoch, at: Instant::now() }
    }

    pub(super) fn calendar(&self, now: Instant) -> Calendar {
        let time = self.since_epoch + now.saturating_duration_since(self.at);
        let seconds = time.as_secs();
        let into = |length: u64| {
            Duration::from_secs(seconds % length) + Duration::from_nanos(time.subsec_nanos().into())
        };
        Calendar {
            minute: seconds / MINUTE,
            day: seconds / DAY,
            minute_left: Duration::from_secs(MINUTE).saturating_sub(into(MINUTE)),
            day_left: Duration::from_secs(DAY).saturating_sub(into(DAY)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn minutes_and_days_turn_with_the_clock() {
        let wall = WallClock::starting_at(Duration::from_secs(DAY - 1));
        let before = wall.calendar(Instant::now());
        assert_eq!((before.minute, before.day, before.minute_left.as_secs()), (1439, 0, 1));
        assert_eq!(before.day_left.as_secs(), 1);
        tokio::time::advance(Duration::from_secs(1)).await;
        let after = wall.calendar(Instant::now());
        assert_eq!((after.minute, after.day, after.minute_left.as_secs()), (1440, 1, 60));
    }
}
