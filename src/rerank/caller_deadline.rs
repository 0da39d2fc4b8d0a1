use std::sync::{Arc, Mutex, PoisonError};

use tokio::time::Instant;

/// Until when somebody waits for a call. Who joins it later may have more patience than who began it.
#[derive(Clone)]
pub(super) struct CallerDeadline(Arc<Mutex<Instant>>);

impl CallerDeadline {
    pub(super) fn new(until: Instant) -> Self {
        Self(Arc::new(Mutex::new(until)))
    }

    /// One more waits, until then.
    pub(super) fn joined(&self, until: Instant) {
        let mut latest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *latest = until.max(*latest);
    }

    /// When the most patient one stops waiting.
    pub(super) fn until(&self) -> Instant {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
