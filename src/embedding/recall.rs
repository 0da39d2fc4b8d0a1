use std::{fmt, sync::Arc, time::Duration};

use super::{EmbeddingMetrics, Memory, MemorySettings, vector::Imprint};
use crate::fleet::Fleet;

/// How often what has expired is forgotten, at the longest.
const SWEPT_EVERY: Duration = Duration::from_secs(60);

/// The memory, and the fleet that shares it. [`LookUp`](super::LookUp) finds a search's text in it.
pub struct Recall {
    pub(super) memory: Memory,
    pub(super) fleet: Option<Arc<Fleet>>,
    ttl: Duration,
    pub(super) metrics: EmbeddingMetrics,
}

impl Recall {
    /// An empty memory, whose names and keys are made of the secret that the members of `fleet` share.
    pub fn new(
        settings: MemorySettings,
        secret: &[u8; 32],
        fleet: Option<Arc<Fleet>>,
        metrics: EmbeddingMetrics,
    ) -> Self {
        let ttl = settings.ttl;
        Self { memory: Memory::new(settings, secret), fleet, ttl, metrics }
    }

    /// Remembers which text `vector` is of: here at once, and in the background for the fleet. Returns whether it is
    /// remembered here.
    pub fn remember(&self, vector: &[f32], text: &str) -> bool {
        self.remember_of(None, vector, text)
    }

    /// The same; `tenant`: only searches of this tenant find it.
    pub fn remember_of(&self, tenant: Option<&str>, vector: &[f32], text: &str) -> bool {
        let Some(imprint) = self.memory.imprint_of(tenant, vector) else { return false };
        let Some(sealed) = self.memory.sealed(&imprint, text) else { return false };
        let kept = self.memory.keep(&imprint, &sealed);
        if let Some(fleet) = &self.fleet {
            fleet.share_text(imprint.name(), sealed, self.ttl);
        }
        if kept {
            self.metrics.remembered();
        }
        self.show_held();
        kept
    }

    /// Whether nothing can be found: no vector need be read.
    pub fn is_empty(&self) -> bool {
        self.fleet.is_none() && self.memory.is_empty()
    }

    /// Forgets what has expired, now and then, for as long as it is polled.
    pub async fn keep(&self) {
        let every = (self.ttl / 2).clamp(Duration::from_secs(1), SWEPT_EVERY);
        loop {
            tokio::time::sleep(every).await;
            self.memory.sweep();
            self.show_held();
        }
    }

    /// Keeps what the fleet knew, sealed for this vector.
    pub(super) fn take_over(&self, imprint: &Imprint, sealed: &[u8]) {
        self.memory.keep(imprint, sealed);
        self.show_held();
    }

    fn show_held(&self) {
        self.metrics.held(self.memory.entries(), self.memory.bytes());
    }
}

impl fmt::Debug for Recall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recall").field("memory", &self.memory).finish_non_exhaustive()
    }
}
