//! Request loops: an upstream that leads, through other proxies, to this process again.
//!
//! Requests are sent on unmarked by default. Only once an upstream has many requests outstanding and has answered
//! none meanwhile, as it does where each request causes another one, do they carry a mark. One that comes back with
//! it ends the loop, and for a while every request is marked.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
};
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use tokio::time::Instant;

/// The header of the mark. Marks of other processes are kept: theirs show loops through several of us.
const HEADER: HeaderName = HeaderName::from_static(HOP);
/// Its name.
pub const HOP: &str = "x-rerankd-hop";
/// How long every request is marked after one has come back.
const ALERT: Duration = Duration::from_secs(60);

/// This process's mark. Clones are the same.
#[derive(Clone, Debug)]
pub struct Mark(Arc<Marked>);

#[derive(Debug)]
struct Marked {
    value: HeaderValue,
    /// Whether any request has carried it: mostly none ever does.
    used: AtomicBool,
    start: Instant,
    /// Until when all are marked, in milliseconds since `start`.
    alert: AtomicU64,
}

/// The requests that one upstream has outstanding.
#[derive(Debug)]
pub(super) struct Owed {
    /// Requests that were sent since its last response.
    count: AtomicU32,
    suspect: u32,
}

impl Mark {
    /// A random one: it reveals nothing about this process.
    pub fn random() -> Self {
        let value = uuid::Uuid::new_v4().simple().to_string();
        let value = HeaderValue::from_str(&value).unwrap_or(HeaderValue::from_static("rerankd"));
        let (used, alert) = (AtomicBool::new(false), AtomicU64::new(0));
        Self(Arc::new(Marked { value, used, start: Instant::now(), alert }))
    }

    /// Whether a request has been here before; from then on all are marked for a while.
    pub(super) fn returned(&self, headers: &HeaderMap) -> bool {
        let is_ours = || headers.get_all(&HEADER).iter().any(|value| *value == self.0.value);
        let ours = self.0.used.load(Ordering::Relaxed) && is_ours();
        if ours {
            let until = self.0.start.elapsed().saturating_add(ALERT).as_millis();
            self.0.alert.store(u64::try_from(until).unwrap_or(u64::MAX), Ordering::Relaxed);
        }
        ours
    }

    fn is_alert(&self) -> bool {
        let until = self.0.alert.load(Ordering::Relaxed);
        until > 0 && self.0.start.elapsed() < Duration::from_millis(until)
    }
}

impl Owed {
    /// Suspects a loop at this many.
    pub(super) fn new(suspect: u32) -> Self {
        Self { count: AtomicU32::new(0), suspect }
    }

    /// Counts one more request: marks it where there may be a loop.
    pub(super) fn sending(&self, mark: &Mark, headers: &mut HeaderMap) {
        if let Some(value) = self.marks(mark) {
            headers.append(HEADER, value.clone());
        }
    }

    /// The same; the value of the mark, where it is to be marked.
    pub(super) fn marks<'a>(&self, mark: &'a Mark) -> Option<&'a HeaderValue> {
        let owed = self.count.fetch_add(1, Ordering::Relaxed);
        let is_suspect = owed >= self.suspect || mark.is_alert();
        if is_suspect {
            mark.0.used.store(true, Ordering::Relaxed);
        }
        is_suspect.then_some(&mark.0.value)
    }

    /// The upstream has answered, or failed.
    pub(super) fn answered(&self) {
        self.count.store(0, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether the next request is marked, and recognised as ours when it comes back.
    fn marked(owed: &Owed, mark: &Mark) -> bool {
        let mut headers = HeaderMap::new();
        owed.sending(mark, &mut headers);
        headers.contains_key(HEADER)
    }

    #[tokio::test(start_paused = true)]
    async fn only_an_upstream_that_owes_many_responses_and_gives_none_is_suspected() {
        let (owed, mark) = (Owed::new(3), Mark::random());
        for _ in 0..10 {
            assert!(!marked(&owed, &mark) && !marked(&owed, &mark));
            owed.answered();
        }
        assert!(!marked(&owed, &mark) && !marked(&owed, &mark) && !marked(&owed, &mark));
        assert!(marked(&owed, &mark) && marked(&owed, &mark));
        owed.answered();
        assert!(!marked(&owed, &mark));
    }

    #[tokio::test(start_paused = true)]
    async fn a_mark_that_comes_back_is_known_beside_those_of_others_and_all_are_marked_for_a_minute() {
        let (owed, mark, other) = (Owed::new(0), Mark::random(), Mark::random());
        let mut headers = HeaderMap::new();
        assert!(!mark.returned(&headers));
        owed.sending(&other, &mut headers);
        assert!(!mark.returned(&headers), "another one of us in front is no circle");
        owed.sending(&mark, &mut headers);
        let calm = Owed::new(100);
        assert!(!marked(&calm, &mark));
        assert!(mark.returned(&headers) && other.returned(&headers));
        assert!(marked(&calm, &mark));
        tokio::time::advance(ALERT + Duration::from_secs(1)).await;
        assert!(!marked(&calm, &mark));
    }
}
