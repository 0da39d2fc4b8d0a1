use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

use super::spend::SpendSettings;
use crate::{
    fleet::{Fleet, Leave, Shared, SharedLimit, Wanted},
    rerank::{FailureClass, wall::Calendar},
};

/// The limits of one provider that a whole fleet shares. While Redis is unreachable each member's own limits apply
/// alone.
pub(super) struct SharedLimits {
    fleet: Arc<Fleet>,
    provider: Arc<str>,
    /// Of each call, but for what it costs.
    wanted: Wanted,
    /// The fleet's last response, with what was left.
    last: Mutex<Option<Leave>>,
}

/// A call's share of the fleet's limits. All of it is returned if it is dropped.
pub(super) struct SharedEntry {
    fleet: Arc<Fleet>,
    leave: Option<Leave>,
}

impl SharedLimits {
    pub(super) fn new(
        fleet: Arc<Fleet>,
        provider: Arc<str>,
        calls_per_minute: Option<u32>,
        spend: SpendSettings,
    ) -> Self {
        let SpendSettings { per_minute: spend_per_minute, per_day: spend_per_day } = spend;
        let wanted = Wanted { calls_per_minute, amount: 0.0, spend_per_minute, spend_per_day };
        Self { fleet, provider, wanted, last: Mutex::default() }
    }

    /// Takes all that one call needs, or nothing; `None` where there is no limit or Redis is unreachable.
    pub(super) async fn enter(&self, amount: f64) -> Result<Option<SharedEntry>, FailureClass> {
        let entry = self.take(Wanted { amount, ..self.wanted }).await?;
        if let Some(leave) = entry.as_ref().and_then(|entry| entry.leave.clone()) {
            *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(leave);
        }
        Ok(entry)
    }

    /// A permit for a retry of a call, which costs no more.
    pub(super) async fn enter_again(&self) -> Result<Option<SharedEntry>, FailureClass> {
        let calls_per_minute = self.wanted.calls_per_minute;
        self.take(Wanted { calls_per_minute, ..Wanted::default() }).await
    }

    /// What the fleet had left of this minute's and of this day's budget when it granted the last call; none where it
    /// has not reported it.
    pub(super) fn left(&self, now: Calendar) -> (Option<f64>, Option<f64>) {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.as_ref().map_or((None, None), |last| last.left_at(now.minute, now.day))
    }

    /// Runs in a task of its own: what the fleet grants to a caller that is gone meanwhile is returned.
    async fn take(&self, wanted: Wanted) -> Result<Option<SharedEntry>, FailureClass> {
        if !wanted.is_limited() {
            return Ok(None);
        }
        let (fleet, provider) = (self.fleet.clone(), self.provider.clone());
        let (tell, stated) = oneshot::channel();
        tokio::spawn(async move {
            let response = match fleet.take(&provider, &wanted).await {
                Shared::Granted(leave) => Ok(Some(SharedEntry { fleet, leave: Some(leave) })),
                Shared::Away => Ok(None),
                Shared::Rejected { by: SharedLimit::Rate, .. } => Err(FailureClass::RateLimited),
                Shared::Rejected { by: SharedLimit::Spend, .. } => Err(FailureClass::Budget),
            };
            let _ = tell.send(response);
        });
        // Without a response the runtime is shutting down.
        stated.await.unwrap_or(Ok(None))
    }
}

impl SharedEntry {
    /// Corrects the estimate of a call: whether it was sent, and its bill where that is known.
    pub(super) fn end(mut self, sent: bool, billed: Option<f64>) {
        let Some(leave) = self.leave.take() else { return };
        if !sent {
            self.fleet.give_back(&leave);
        }
        if let Some(billed) = billed {
            self.fleet.settle(&leave, billed);
        }
    }
}

impl Drop for SharedEntry {
    fn drop(&mut self) {
        if let Some(leave) = self.leave.take() {
            self.fleet.give_back(&leave);
            self.fleet.settle(&leave, 0.0);
        }
    }
}
