use std::sync::{Arc, Mutex, PoisonError};

use super::spend::SpendSettings;
use crate::{
    fleet::{Fleet, RateToken, Shared, SharedReservation},
    rerank::{FailureClass, wall::Calendar},
};

/// The limits of one provider that a whole fleet keeps together. Where the fleet is away each member's own limits
/// stand alone.
pub(super) struct SharedLimits {
    fleet: Arc<Fleet>,
    provider: Arc<str>,
    per_minute: Option<u32>,
    spend: SpendSettings,
    /// What the fleet granted last, which tells what it had left.
    last: Mutex<Option<SharedReservation>>,
}

/// What a call has taken of the fleet's limits.
#[derive(Default)]
pub(super) struct SharedEntry {
    rate: Option<RateToken>,
    spend: Option<SharedReservation>,
}

impl SharedLimits {
    pub(super) fn new(
        fleet: Arc<Fleet>,
        provider: Arc<str>,
        per_minute: Option<u32>,
        spend: SpendSettings,
    ) -> Self {
        Self { fleet, provider, per_minute, spend, last: Mutex::default() }
    }

    /// Takes all that one call needs, or nothing.
    pub(super) async fn enter(&self, amount: f64) -> Result<SharedEntry, FailureClass> {
        let spend = match self.spend {
            SpendSettings { per_minute: None, per_day: None } => None,
            SpendSettings { per_minute, per_day } => {
                granted(self.fleet.take_spend(&self.provider, amount, per_minute, per_day).await)
                    .map_err(|()| FailureClass::Budget)?
            }
        };
        if spend.is_some() {
            self.last.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&spend);
        }
        match self.take_rate().await {
            Ok(rate) => Ok(SharedEntry { rate, spend }),
            Err(class) => {
                self.settle(spend, 0.0);
                Err(class)
            }
        }
    }

    /// What the fleet had left of this minute's and of this day's budget when it granted the last call; none where it
    /// has not said so.
    pub(super) fn left(&self, now: Calendar) -> (Option<f64>, Option<f64>) {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.as_ref().map_or((None, None), |last| last.left_at(now.minute, now.day))
    }

    /// Leave for one more call.
    pub(super) async fn take_rate(&self) -> Result<Option<RateToken>, FailureClass> {
        let Some(per_minute) = self.per_minute else { return Ok(None) };
        granted(self.fleet.take_rate(&self.provider, per_minute).await)
            .map_err(|()| FailureClass::RateLimited)
    }

    /// Puts right what a call was counted as: whether it was sent, and its bill where that is known.
    pub(super) fn leave(&self, entry: SharedEntry, sent: bool, billed: Option<f64>) {
        if let Some(token) = entry.rate.filter(|_| !sent) {
            self.fleet.give_back(token);
        }
        if let Some(billed) = billed {
            self.settle(entry.spend, billed);
        }
    }

    fn settle(&self, reservation: Option<SharedReservation>, billed: f64) {
        if let Some(reservation) = reservation {
            self.fleet.settle(reservation, billed);
        }
    }
}

/// What was granted, nothing where the fleet is away, or a refusal.
fn granted<T>(answer: Shared<T>) -> Result<Option<T>, ()> {
    match answer {
        Shared::Granted(leave) => Ok(Some(leave)),
        Shared::Away => Ok(None),
        Shared::Refused { .. } => Err(()),
    }
}
