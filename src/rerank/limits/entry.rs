use std::sync::Arc;

use tokio::time::Instant;

use super::{gate::Gate, shared::SharedEntry, spend::Reservation};

/// What a call has taken of its provider's limits. Dropped before the call began it releases all; after that the
/// result of the call is unknown, and its estimate stands.
pub(super) struct LimitEntry {
    gate: Arc<Gate>,
    pub(super) reserved: Option<Reservation>,
    pub(super) rate: Option<Instant>,
    pub(super) shared: Option<SharedEntry>,
    begun: bool,
}

impl LimitEntry {
    pub(super) fn new(gate: Arc<Gate>) -> Self {
        Self { gate, reserved: None, rate: None, shared: None, begun: false }
    }

    /// From now on the call may have been sent.
    pub(super) fn begin(&mut self) {
        self.begun = true;
    }

    /// Corrects the estimate of the call: whether it was sent, and its bill where that is known.
    pub(super) fn end(mut self, sent: bool, billed: Option<f64>) {
        self.settle(sent, billed);
    }

    fn settle(&mut self, sent: bool, billed: Option<f64>) {
        if let (Some(at), false) = (self.rate.take(), sent) {
            self.gate.rate.give_back(at);
        }
        if let (Some(reserved), Some(billed)) = (self.reserved.take(), billed) {
            self.gate.spend.settle(reserved, billed);
        }
        if let Some(shared) = self.shared.take() {
            shared.end(sent, billed);
        }
    }
}

impl Drop for LimitEntry {
    fn drop(&mut self) {
        let billed = (!self.begun).then_some(0.0);
        self.settle(self.begun, billed);
    }
}
