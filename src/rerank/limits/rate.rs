use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

const MINUTE: Duration = Duration::from_secs(60);
/// Ends of one minute, told by two answers, are not further apart.
const SAME_MINUTE: Duration = Duration::from_secs(30);

/// How many calls may go, shared by the layer that counts calls and the retry that makes more of them.
#[derive(Debug)]
pub(in crate::rerank) struct RateLimiter(Mutex<Rate>);

impl RateLimiter {
    /// At most `per_minute` calls in any 60 seconds; `None` knows no limit of its own.
    pub(in crate::rerank) fn new(per_minute: Option<u32>) -> Self {
        Self(Mutex::new(Rate::new(per_minute)))
    }

    /// Takes leave for one call now, or says in what time one may be had.
    pub(in crate::rerank) fn take(&self, now: Instant) -> Result<(), Duration> {
        self.with(|rate| rate.take(now))
    }

    /// Gives back leave that was taken at `at` and not used: no byte was sent.
    pub(super) fn give_back(&self, at: Instant) {
        self.with(|rate| rate.give_back(at));
    }

    /// Lets nobody call before `until`.
    pub(super) fn pause(&self, until: Instant) {
        self.with(|rate| rate.pause(until));
    }

    /// The provider says that `left` calls are left until `until`.
    pub(super) fn learn(&self, left: u64, until: Instant) {
        self.with(|rate| rate.learn(left, until));
    }

    fn with<T>(&self, step: impl FnOnce(&mut Rate) -> T) -> T {
        step(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Pure: each step brings the time.
#[derive(Clone, Debug)]
struct Rate {
    max: Option<usize>,
    /// When the calls of the last minute were made: exact, where a bucket lets twice the limit through in one.
    calls: VecDeque<Instant>,
    paused: Option<Instant>,
    learned: Option<(Instant, u64)>,
}

impl Rate {
    fn new(per_minute: Option<u32>) -> Self {
        let max = per_minute.map(|max| usize::try_from(max).unwrap_or(usize::MAX));
        Self { max, calls: VecDeque::new(), paused: None, learned: None }
    }

    fn take(&mut self, now: Instant) -> Result<(), Duration> {
        if let Some(until) = self.paused.filter(|until| now < *until) {
            return Err(until - now);
        }
        if let Some((until, left)) = self.learned
            && now < until
        {
            let Some(fewer) = left.checked_sub(1) else { return Err(until - now) };
            self.learned = Some((until, fewer));
        }
        let Some(max) = self.max else { return Ok(()) };
        while self.calls.front().is_some_and(|at| now.duration_since(*at) >= MINUTE) {
            self.calls.pop_front();
        }
        match self.calls.front() {
            Some(oldest) if self.calls.len() >= max => Err(MINUTE.saturating_sub(now - *oldest)),
            _ => {
                self.calls.push_back(now);
                Ok(())
            }
        }
    }

    fn give_back(&mut self, at: Instant) {
        if let Some(place) = self.calls.iter().rposition(|call| *call == at) {
            self.calls.remove(place);
        }
        if let Some((_, left)) = &mut self.learned {
            *left = left.saturating_add(1);
        }
    }

    /// Of the same minute the least stands: answers come out of order.
    fn learn(&mut self, left: u64, until: Instant) {
        let known = self.learned.filter(|(known_until, _)| until < *known_until + SAME_MINUTE);
        self.learned = Some((until, known.map_or(left, |(_, known)| known.min(left))));
    }

    /// A longer pause stands.
    fn pause(&mut self, until: Instant) {
        self.paused = self.paused.max(Some(until));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_pause_is_for_everybody_and_never_shortened() {
        let (rate, now) = (RateLimiter::new(None), Instant::now());
        assert!(rate.take(now).is_ok());
        rate.pause(now + Duration::from_secs(30));
        rate.pause(now + Duration::from_secs(1));
        assert_eq!(rate.take(now), Err(Duration::from_secs(30)));
        assert!(rate.take(now + Duration::from_secs(30)).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_trial_key_has_left_is_not_overdrawn() {
        let (rate, now) = (RateLimiter::new(None), Instant::now());
        let until = now + Duration::from_secs(20);
        rate.learn(2, until);
        assert!(rate.take(now).is_ok() && rate.take(now).is_ok());
        assert_eq!(rate.take(now), Err(Duration::from_secs(20)));
        rate.give_back(now);
        assert!(rate.take(now).is_ok());
        assert!(rate.take(until).is_ok(), "a new minute");
    }

    proptest! {
        #[test]
        fn no_sixty_seconds_see_more_calls_than_allowed(
            max in 1..5_u32, gaps in prop::collection::vec(0..40_u64, 1..100),
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
            let mut now = runtime.block_on(async { Instant::now() });
            let mut rate = Rate::new(Some(max));
            let mut made: Vec<Instant> = Vec::new();
            for gap in gaps {
                now += Duration::from_secs(gap);
                match rate.take(now) {
                    Ok(()) => made.push(now),
                    Err(wait) => {
                        prop_assert!(rate.clone().take(now + wait).is_ok());
                    }
                }
                let recent = made.iter().filter(|at| now.duration_since(**at) < MINUTE).count();
                prop_assert!(recent <= max as usize);
            }
        }
    }
}
