use std::sync::{Arc, Mutex, PoisonError};

use tokio::time::Instant;

/// The latest deadline of the callers of a call. One that joins it later may have a later deadline than the first.
#[derive(Clone)]
pub(super) struct CallerDeadline(Arc<Mutex<Instant>>);

impl CallerDeadline {
    pub(super) fn new(until: Instant) -> Self {
        Self(Arc::new(Mutex::new(until)))
    }

    /// Adds a caller with this deadline.
    pub(super) fn joined(&self, until: Instant) {
        let mut latest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *latest = until.max(*latest);
    }

    /// The latest deadline of all callers.
    pub(super) fn until(&self) -> Instant {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
