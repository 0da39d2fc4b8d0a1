//! [`Draining`]: clients are told to go elsewhere, and are served until they do.

use std::sync::{Mutex, PoisonError};

use prometheus::{IntGauge, Registry};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::admin::{Condition, Readiness};

/// Whether, and since when. It does not end but with the process.
pub(super) struct Draining {
    /// Holds until it begins.
    serving: Condition,
    /// Tells the listeners.
    told: CancellationToken,
    gauge: IntGauge,
    since: Mutex<Option<Instant>>,
}

impl Draining {
    /// Not yet, and nothing is ready before [`Draining::serves`].
    pub(super) fn register(
        registry: &Registry,
        readiness: &Readiness,
        told: CancellationToken,
    ) -> prometheus::Result<Self> {
        let help = "Whether rerankd drains: 1 from `rerankd drain` or SIGTERM on, when clients are told to go elsewhere.";
        let gauge = IntGauge::new("rerankd_draining", help)?;
        registry.register(Box::new(gauge.clone()))?;
        Ok(Self { serving: readiness.condition("draining"), told, gauge, since: Mutex::default() })
    }

    /// From here on it is ready, as far as this goes.
    pub(super) fn serves(&self) {
        self.serving.set(true);
    }

    /// Begins it, if it has not begun; since when it lasts, and whether it is new.
    pub(super) fn begin(&self) -> (Instant, bool) {
        let mut since = self.since.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = since.is_none();
        if is_new {
            self.serving.set(false);
            self.gauge.set(1);
            self.told.cancel();
        }
        (*since.get_or_insert_with(Instant::now), is_new)
    }
}
