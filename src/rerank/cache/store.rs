use std::{fmt, time::Duration};

use moka::sync::Cache;

use super::key::ScoreKey;

/// What one entry takes: key, score and the store's own bookkeeping, estimated high.
const ENTRY_BYTES: u32 = 256;

/// Scores by keyed hash, bounded in bytes and time. Outlives a reload of the configuration.
pub struct ScoreStore {
    scores: Cache<ScoreKey, f32>,
    secret: [u8; 32],
}

impl ScoreStore {
    /// An empty store of at most `max_bytes`, whose entries live for `ttl` (at most a thousand years).
    pub fn new(max_bytes: u64, ttl: Duration, secret: [u8; 32]) -> Self {
        // The store panics above this.
        const LONGEST: Duration = Duration::from_secs(1000 * 365 * 24 * 3600);
        let scores = Cache::builder()
            .max_capacity(max_bytes)
            .weigher(|_, _| ENTRY_BYTES)
            .time_to_live(ttl.min(LONGEST))
            .build();
        Self { scores, secret }
    }

    /// How many scores are held; lags a little behind.
    pub fn entries(&self) -> u64 {
        self.scores.entry_count()
    }

    /// Their estimated size.
    pub fn bytes(&self) -> u64 {
        self.scores.weighted_size()
    }

    pub(super) fn secret(&self) -> &[u8; 32] {
        &self.secret
    }

    pub(super) fn get(&self, key: &ScoreKey) -> Option<f32> {
        self.scores.get(key)
    }

    pub(super) fn put(&self, key: ScoreKey, score: f32) {
        self.scores.insert(key, score);
    }

    /// Does the store's put-off work, so that its numbers are right.
    pub(super) fn settle(&self) {
        self.scores.run_pending_tasks();
    }
}

impl fmt::Debug for ScoreStore {
    /// Without the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScoreStore").field("entries", &self.entries()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rerank::cache::KeyBase;

    #[test]
    fn the_store_stays_within_its_bytes() {
        let store = ScoreStore::new(10 * u64::from(ENTRY_BYTES), Duration::from_secs(60), [1; 32]);
        let base = KeyBase { provider: "p".into(), model: "m".into(), settings: String::new() };
        let keys = base.for_query(store.secret(), "m", "q");
        for n in 0..1000 {
            store.put(keys.document(&n.to_string()), 0.5);
        }
        store.settle();
        assert!(store.entries() <= 10 && store.bytes() <= 10 * u64::from(ENTRY_BYTES));
    }

    #[test]
    fn debug_output_hides_the_secret() {
        let store = ScoreStore::new(1024, Duration::from_secs(60), [171; 32]);
        assert_eq!(format!("{store:?}"), "ScoreStore { entries: 0, .. }");
    }
}
