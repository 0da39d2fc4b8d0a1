//! Counting embedding calls.

use std::sync::Arc;

use super::{CallMetrics, ending::Ending};

/// One call, which is counted once: when it has ended, or when it is dropped before.
pub(super) struct Counted {
    service: Arc<str>,
    metrics: CallMetrics,
    ended: bool,
}

impl Counted {
    pub(super) fn new(service: Arc<str>, metrics: CallMetrics) -> Self {
        Self { service, metrics, ended: false }
    }

    /// Counts it, and says so for who is looking for what became of a call: never with a text.
    pub(super) fn end(mut self, ending: Ending) {
        self.count(ending);
    }

    fn count(&mut self, ending: Ending) {
        self.ended = true;
        self.metrics.ended(&self.service, ending);
        tracing::debug!(service = %self.service, result = ending.as_str(), "an embedding call");
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        if !self.ended {
            self.count(Ending::Broken);
        }
    }
}
