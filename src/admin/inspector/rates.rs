//! [`Rates`]: from counters to events a second, computed at each request; costs nothing without one.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// The span of a rate, about.
const SPAN: Duration = Duration::from_secs(10);
/// Requests closer to each other are not remembered.
const LEAST: Duration = Duration::from_millis(500);

/// The counters of some moments of the last seconds.
#[derive(Default)]
pub(super) struct Rates<const N: usize>(Mutex<VecDeque<(Instant, [f64; N])>>);

impl<const N: usize> Rates<N> {
    /// Events a second of each counter, and the seconds that they were counted over; `None` at the first request in a
    /// while.
    pub(super) fn look(&self, counters: [f64; N]) -> Option<(Duration, [f64; N])> {
        let now = Instant::now();
        let mut looks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // The last one beyond the span stays, so that there is one to compare with.
        while looks.get(1).is_some_and(|(at, _)| now - *at >= SPAN) {
            looks.pop_front();
        }
        if looks.front().is_some_and(|(at, _)| now - *at > 3 * SPAN) {
            looks.clear();
        }
        let first = looks.front().copied();
        if looks.back().is_none_or(|(at, _)| now - *at >= LEAST) {
            looks.push_back((now, counters));
        }
        let (at, before) = first.filter(|(at, _)| now - *at >= LEAST)?;
        let seconds = (now - at).as_secs_f64();
        let rate = |place: usize| (counters[place] - before[place]).max(0.0) / seconds;
        Some((now - at, std::array::from_fn(rate)))
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_rate_is_that_of_the_last_seconds_and_unknown_at_the_first_look() {
        let rates = Rates::<1>::default();
        assert_eq!(rates.look([100.0]), None);
        assert_eq!(rates.look([101.0]), None, "too close to tell");
        for second in 1..=30 {
            advance(Duration::from_secs(1)).await;
            let (span, [rate]) = rates.look([100.0 + 5.0 * f64::from(second)]).unwrap();
            assert!(span <= SPAN + Duration::from_secs(1) && (rate - 5.0).abs() < 1e-9, "{span:?} {rate}");
        }
        advance(Duration::from_secs(60)).await;
        assert_eq!(rates.look([500.0]), None, "nobody looked for long");
    }
}
