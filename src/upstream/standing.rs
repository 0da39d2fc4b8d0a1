//! [`Standing`]: whether the last exchange with an upstream succeeded, for the inspector. A success costs one load.

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::SystemTime,
};

/// The cause of a response whose status is an error of the server's own.
pub(super) const SERVER_ERROR: &str = "5xx";

/// Consecutive failed exchanges, up to the last one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failing {
    /// Why the last one failed: a word of a closed list.
    pub cause: &'static str,
    /// Why the last one failed for which there was no response; `None` if all had one, with an error status.
    pub unanswered: Option<&'static str>,
    /// When the first one failed.
    pub since: SystemTime,
    /// When the last one failed.
    pub last: SystemTime,
    /// How many there are.
    pub requests: u64,
}

/// The state of one upstream. It is not probed: this is what the clients' own requests met.
#[derive(Debug, Default)]
pub(super) struct Standing {
    is_failing: AtomicBool,
    failing: Mutex<Option<Failing>>,
}

impl Standing {
    /// Notes a success. Returns the failures that are over with it, once.
    pub(super) fn works(&self) -> Option<Failing> {
        if !self.is_failing.load(Ordering::Relaxed) {
            return None;
        }
        let mut failing = self.lock();
        self.is_failing.store(false, Ordering::Relaxed);
        failing.take()
    }

    /// Notes a failure.
    pub(super) fn fails(&self, cause: &'static str, now: SystemTime) {
        let mut failing = self.lock();
        let none = Failing { cause, unanswered: None, since: now, last: now, requests: 0 };
        let before = failing.unwrap_or(none);
        let unanswered = if cause == SERVER_ERROR { before.unanswered } else { Some(cause) };
        *failing = Some(Failing { cause, unanswered, last: now, requests: before.requests + 1, ..before });
        self.is_failing.store(true, Ordering::Relaxed);
    }

    /// The failures up to the last exchange; `None` if that one succeeded, or there was none.
    pub(super) fn failing(&self) -> Option<Failing> {
        *self.lock()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Failing>> {
        self.failing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn an_upstream_fails_from_the_first_failure_until_an_exchange_goes_well() {
        let standing = Standing::default();
        assert_eq!(standing.works(), None);
        let (first, second) = (SystemTime::UNIX_EPOCH, SystemTime::UNIX_EPOCH + Duration::from_secs(9));
        standing.fails("connection_refused", first);
        standing.fails("silent", second);
        standing.fails(SERVER_ERROR, second);
        let unanswered = Some("silent");
        let failing = Failing { cause: SERVER_ERROR, unanswered, since: first, last: second, requests: 3 };
        assert_eq!(standing.failing(), Some(failing));
        assert_eq!(standing.works(), Some(failing));
        assert_eq!((standing.works(), standing.failing()), (None, None));
    }
}
