use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

const MINUTE: Duration = Duration::from_secs(60);
/// The first pause after a rejection that states none.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// A shorter one would be over before the retry.
const LEAST_PAUSE: Duration = Duration::from_millis(25);
/// The longest pause that a response can cause.
const LONGEST_PAUSE: Duration = MINUTE;
/// Two responses' reset times that are no further apart mean the same minute.
const SAME_MINUTE: Duration = Duration::from_secs(30);

/// The calls and the stated limits of each account of a service: a reload starts no new minute.
#[derive(Debug, Default)]
pub(in crate::rerank) struct Rates(Mutex<HashMap<[u8; 32], Arc<Mutex<Rate>>>>);

impl Rates {
    /// Those of one account. Dropped once unused and without state.
    fn of(&self, identity: [u8; 32], now: Instant) -> Arc<Mutex<Rate>> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, rate| Arc::strong_count(rate) > 1 || step(rate, |rate| rate.says_something(now)));
        all.entry(identity).or_default().clone()
    }
}

fn step<T>(rate: &Mutex<Rate>, step: impl FnOnce(&mut Rate) -> T) -> T {
    step(&mut rate.lock().unwrap_or_else(PoisonError::into_inner))
}

/// The rate of calls, shared by the layer that counts calls and the retry that makes more of them.
#[derive(Debug)]
pub(in crate::rerank) struct RateLimiter {
    max: Option<usize>,
    rate: Arc<Mutex<Rate>>,
}

impl RateLimiter {
    /// At most `per_minute` calls in any 60 seconds; `None`: no limit of its own.
    pub(in crate::rerank) fn new(per_minute: Option<u32>) -> Self {
        let max = per_minute.map(|max| usize::try_from(max).unwrap_or(usize::MAX));
        Self { max, rate: Arc::default() }
    }

    /// The same, continuing the counts of this account.
    pub(super) fn of(self, rates: &Rates, identity: [u8; 32]) -> Self {
        Self { rate: rates.of(identity, Instant::now()), ..self }
    }

    /// Takes a permit for one call now, or returns the time until one is available.
    pub(in crate::rerank) fn take(&self, now: Instant) -> Result<(), Duration> {
        self.with(|rate| rate.take(now, self.max))
    }

    /// In what time leave may be had, if not now. Takes none.
    pub(super) fn wait(&self, now: Instant) -> Option<Duration> {
        self.with(|rate| rate.clone().take(now, self.max).err())
    }

    /// Gives back leave that was taken at `at` and not used: no byte was sent.
    pub(super) fn give_back(&self, at: Instant) {
        self.with(|rate| rate.give_back(at));
    }

    /// The provider has rejected a call for its rate: no calls for as long as it `said`. Returns how long that is
    /// from now on, if this rejection is the first of its pause.
    pub(super) fn rejected(&self, said: Option<Duration>, now: Instant) -> Option<Duration> {
        self.with(|rate| rate.rejected(said, now))
    }

    /// The provider has answered: its next rejection starts the pauses anew.
    pub(super) fn answered(&self) {
        self.with(|rate| rate.rejections = 0);
    }

    /// Whether it is known now that no call may be made at `then`.
    pub(in crate::rerank) fn is_paused_at(&self, then: Instant) -> bool {
        self.with(|rate| rate.paused.is_some_and(|until| then < until))
    }

    /// The provider reports that `left` calls are left until `until`.
    pub(super) fn learn(&self, left: u64, until: Instant) {
        self.with(|rate| rate.learn(left, until));
    }

    fn with<T>(&self, of: impl FnOnce(&mut Rate) -> T) -> T {
        step(&self.rate, of)
    }
}

/// Pure: each step brings the time.
#[derive(Clone, Debug, Default)]
struct Rate {
    /// When the calls of the last minute were made: exact, where a bucket lets twice the limit through in one.
    calls: VecDeque<Instant>,
    paused: Option<Instant>,
    learned: Option<(Instant, u64)>,
    /// Consecutive rejections: each one after the pause of the one before.
    rejections: u32,
}

impl Rate {
    fn take(&mut self, now: Instant, max: Option<usize>) -> Result<(), Duration> {
        if let Some(until) = self.paused.filter(|until| now < *until) {
            return Err(until - now);
        }
        if let Some((until, left)) = self.learned
            && now < until
        {
            let Some(fewer) = left.checked_sub(1) else { return Err(until - now) };
            self.learned = Some((until, fewer));
        }
        let Some(max) = max else { return Ok(()) };
        while self.calls.front().is_some_and(|at| now.duration_since(*at) >= MINUTE) {
            self.calls.pop_front();
        }
        // There may be more than `max`: a reload has lowered it.
        let Some(too_many) = self.calls.len().checked_sub(max) else {
            self.calls.push_back(now);
            return Ok(());
        };
        Err(self.calls.get(too_many).map_or(MINUTE, |at| MINUTE.saturating_sub(now - *at)))
    }

    /// Whether it can still stand against a call.
    fn says_something(&self, now: Instant) -> bool {
        let called = self.calls.back().is_some_and(|at| now.duration_since(*at) < MINUTE);
        let stated = [self.paused, self.learned.map(|(until, _)| until)];
        called || stated.into_iter().flatten().any(|until| now < until)
    }

    fn give_back(&mut self, at: Instant) {
        if let Some(place) = self.calls.iter().rposition(|call| *call == at) {
            self.calls.remove(place);
        }
        if let Some((_, left)) = &mut self.learned {
            *left = left.saturating_add(1);
        }
    }

    /// Of the same minute the least applies: responses arrive out of order.
    fn learn(&mut self, left: u64, until: Instant) {
        let known = self.learned.filter(|(known_until, _)| until < *known_until + SAME_MINUTE);
        self.learned = Some((until, known.map_or(left, |(_, known)| known.min(left))));
    }

    /// The provider's own delay applies; without one, or where it did not suffice the time before, a second, doubled
    /// each time up to a minute.
    fn rejected(&mut self, said: Option<Duration>, now: Instant) -> Option<Duration> {
        let said = said.map(|said| said.clamp(LEAST_PAUSE, LONGEST_PAUSE));
        let paused = self.paused.filter(|until| now < *until);
        if paused.is_none() {
            self.rejections = self.rejections.saturating_add(1);
        }
        // Calls in flight together report the same.
        let doubled = self.rejections.saturating_sub(if said.is_some() { 2 } else { 1 });
        let own = FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(doubled)).min(LONGEST_PAUSE);
        let wait = match said {
            Some(said) if self.rejections <= 1 => said,
            Some(said) => said.max(own),
            None => own,
        };
        // A longer pause stays.
        self.paused = self.paused.max(Some(now + wait));
        paused.is_none().then_some(wait)
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
        let said = |seconds| Some(Duration::from_secs(seconds));
        assert_eq!(rate.rejected(said(30), now), said(30));
        assert_eq!(rate.rejected(said(1), now), None, "it is paused already");
        assert_eq!((rate.take(now), rate.wait(now)), (Err(Duration::from_secs(30)), said(30)));
        assert!(rate.take(now + Duration::from_secs(30)).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_rejection_that_says_nothing_pauses_for_a_second_and_for_twice_as_long_each_time() {
        let (rate, mut now) = (RateLimiter::new(None), Instant::now());
        for seconds in [1, 2, 4, 8, 16, 32, 60, 60] {
            assert!(rate.take(now).is_ok());
            let wait = rate.rejected(None, now).unwrap();
            assert_eq!(wait.as_secs(), seconds);
            assert_eq!(rate.rejected(None, now), None, "another call of the same moment doubles nothing");
            assert_eq!(rate.take(now), Err(wait));
            now += wait;
        }
        rate.answered();
        assert_eq!(rate.rejected(None, now), Some(Duration::from_secs(1)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_that_was_kept_and_did_not_help_is_made_longer() {
        let (rate, mut now) = (RateLimiter::new(None), Instant::now());
        for (said, millis) in [(10, 25), (10, 1000), (10, 2000), (5000, 5000), (100_000, 60_000)] {
            let wait = rate.rejected(Some(Duration::from_millis(said)), now).unwrap();
            assert_eq!(wait.as_millis(), millis);
            now += wait;
        }
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

    #[tokio::test(start_paused = true)]
    async fn a_lower_limit_counts_the_calls_of_this_minute_and_forgets_what_is_over() {
        let (rates, now) = (Rates::default(), Instant::now());
        let limiter = |per_minute| RateLimiter::new(Some(per_minute)).of(&rates, [1; 32]);
        let before = limiter(3);
        for second in [0, 10, 20] {
            assert!(before.take(now + Duration::from_secs(second)).is_ok());
        }
        drop(before);
        let after = limiter(2);
        let wait = Duration::from_secs(40);
        assert_eq!(after.take(now + Duration::from_secs(30)), Err(wait), "until two of the three are over");
        assert!(after.take(now + Duration::from_secs(30) + wait).is_ok());
        drop(after);
        tokio::time::advance(Duration::from_secs(131)).await;
        RateLimiter::new(None).of(&rates, [2; 32]);
        assert!(!rates.0.lock().unwrap().contains_key(&[1; 32]));
    }

    proptest! {
        #[test]
        fn no_sixty_seconds_see_more_calls_than_allowed(
            max in 1..5_u32, gaps in prop::collection::vec(0..40_u64, 1..100),
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
            let mut now = runtime.block_on(async { Instant::now() });
            let mut rate = Rate::default();
            let limit = Some(max as usize);
            let mut made: Vec<Instant> = Vec::new();
            for gap in gaps {
                now += Duration::from_secs(gap);
                match rate.take(now, limit) {
                    Ok(()) => made.push(now),
                    Err(wait) => {
                        prop_assert!(rate.clone().take(now + wait, limit).is_ok());
                    }
                }
                let recent = made.iter().filter(|at| now.duration_since(**at) < MINUTE).count();
                prop_assert!(recent <= max as usize);
            }
        }
    }
}
