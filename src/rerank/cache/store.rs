use std::{
    fmt,
    hash::{BuildHasherDefault, Hasher},
    sync::Arc,
    time::Duration,
};

use moka::sync::Cache;
use tokio::time::{Instant, timeout_at};

use super::key::{KeySecret, ScoreKey};
use crate::{
    fleet::Fleet,
    rerank::{Span, Spans},
};

/// Size of one entry: key, score and the store's own bookkeeping, measured as resident memory of a full store.
const ENTRY_BYTES: u32 = 320;

type Scores = Cache<ScoreKey, f32, BuildHasherDefault<AsItIs>>;
type Passages = Cache<ScoreKey, Spans, BuildHasherDefault<AsItIs>>;

/// Passages may take one part in this many of the store's bytes, beside the scores.
const SPANS_SHARE: u64 = 4;
/// Size of one passage.
const SPAN_BYTES: u32 = size_of::<Span>() as u32;

/// Takes a key's own bits for its hash: without the secret they cannot be chosen.
#[derive(Default)]
struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write_u64(&mut self, bits: u64) {
        self.0 ^= bits;
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(byte);
        }
    }
}

/// Scores by keyed hash, bounded in bytes and time. Outlives a reload of the configuration.
pub struct ScoreStore {
    /// `None` caches nothing; the secret still keys equal work.
    scores: Option<Scores>,
    /// The passages of documents, where they were requested; not in the second tier.
    spans: Option<Passages>,
    secret: KeySecret,
    /// The second tier.
    fleet: Option<Arc<Fleet>>,
    /// Whether its members share limits.
    share_limits: bool,
}

impl ScoreStore {
    /// An empty store of at most `max_bytes`, 0 for none, whose entries live for `ttl` (at most a thousand years).
    pub fn new(max_bytes: u64, ttl: Duration, secret: [u8; 32]) -> Self {
        // The store panics above this.
        const LONGEST: Duration = Duration::from_secs(1000 * 365 * 24 * 3600);
        let scores = (max_bytes > 0).then(|| {
            Cache::builder()
                .max_capacity(max_bytes)
                .weigher(|_, _| ENTRY_BYTES)
                .time_to_live(ttl.min(LONGEST))
                .build_with_hasher(BuildHasherDefault::default())
        });
        let spans = (max_bytes > 0).then(|| {
            Cache::builder()
                .max_capacity(max_bytes / SPANS_SHARE)
                .weigher(|_, spans: &Spans| {
                    let passages = u32::try_from(spans.len()).unwrap_or(u32::MAX);
                    passages.saturating_mul(SPAN_BYTES).saturating_add(ENTRY_BYTES)
                })
                .time_to_live(ttl.min(LONGEST))
                .build_with_hasher(BuildHasherDefault::default())
        });
        Self { scores, spans, secret: KeySecret::new(&secret), fleet: None, share_limits: false }
    }

    /// The same with a second tier, which others share, and maybe limits with it.
    pub fn with_fleet(self, fleet: Fleet, share_limits: bool) -> Self {
        Self { fleet: Some(Arc::new(fleet)), share_limits, ..self }
    }

    /// The fleet, if its members keep limits together.
    pub(in crate::rerank) fn sharing_limits(&self) -> Option<Arc<Fleet>> {
        self.fleet.clone().filter(|_| self.share_limits)
    }

    /// Starts to connect to the second tier, if there is one and it has not started.
    pub fn connect(&self) {
        self.fleet.iter().for_each(|fleet| fleet.connect());
    }

    /// Waits until the second tier, if there is one, has connected or failed to, but not longer than `within`.
    pub async fn tried(&self, within: Duration) {
        if let Some(fleet) = &self.fleet {
            fleet.tried(within).await;
        }
    }

    /// Waits until everything queued for the second tier is written, but not longer than `within`.
    pub async fn flush(&self, within: Duration) {
        if let Some(fleet) = &self.fleet {
            fleet.flush(within).await;
        }
    }

    /// Whether anything is remembered, here or in the second tier.
    pub fn is_on(&self) -> bool {
        self.scores.is_some() || self.fleet.is_some()
    }

    /// How many scores are held.
    pub fn entries(&self) -> u64 {
        self.settled().map_or(0, Cache::entry_count)
    }

    /// Their estimated size.
    pub fn bytes(&self) -> u64 {
        self.settled().map_or(0, Cache::weighted_size)
    }

    /// With the store's deferred work done, so that its numbers are right.
    fn settled(&self) -> Option<&Scores> {
        self.scores.as_ref().inspect(|scores| scores.run_pending_tasks())
    }

    /// The second tier.
    pub fn fleet(&self) -> Option<Arc<Fleet>> {
        self.fleet.clone()
    }

    pub(in crate::rerank) fn secret(&self) -> &KeySecret {
        &self.secret
    }

    /// The score of this key, if it is cached here.
    pub fn get(&self, key: &ScoreKey) -> Option<f32> {
        self.scores.as_ref()?.get(key)
    }

    /// The passages of this key, if they are cached here.
    pub(super) fn spans(&self, key: &ScoreKey) -> Option<Spans> {
        self.spans.as_ref()?.get(key)
    }

    /// Stores passages here.
    pub(super) fn keep_spans(&self, key: ScoreKey, spans: Spans) {
        if let Some(all) = &self.spans {
            all.insert(key, spans);
        }
    }

    /// Stores a score here, not in the second tier.
    pub fn put(&self, key: ScoreKey, score: f32) {
        if let Some(scores) = &self.scores {
            scores.insert(key, score);
        }
    }

    /// Stores fresh scores, in the second tier too.
    pub(super) fn keep(&self, fresh: impl Iterator<Item = (ScoreKey, f32)>) {
        let mut shared = Vec::new();
        for (key, score) in fresh {
            self.put(key, score);
            shared.push((key.0, score));
        }
        if let Some(fleet) = &self.fleet {
            fleet.remember(shared);
        }
    }

    /// Reads what the second tier knows of `keys`, all that are missing at once, until the deadline `until`.
    pub(super) async fn fetch(&self, keys: &[ScoreKey], until: Instant) {
        let Some(fleet) = &self.fleet else { return };
        let missing: Vec<[u8; 16]> =
            keys.iter().filter(|key| self.get(key).is_none()).map(|key| key.0).collect();
        let Ok(scores) = timeout_at(until, fleet.scores(&missing)).await else { return };
        for (id, score) in missing.into_iter().zip(scores) {
            if let Some(score) = score {
                self.put(ScoreKey(id), score);
            }
        }
    }
}

impl fmt::Debug for ScoreStore {
    /// Shows no secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScoreStore").field("entries", &self.entries()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_store_stays_within_its_bytes() {
        let store = ScoreStore::new(10 * u64::from(ENTRY_BYTES), Duration::from_secs(60), [1; 32]);
        for n in 0..100 {
            store.put(ScoreKey([n; 16]), 0.5);
        }
        assert!(store.entries() <= 10 && store.bytes() <= 10 * u64::from(ENTRY_BYTES));
    }

    #[test]
    fn a_store_of_no_bytes_remembers_nothing() {
        let store = ScoreStore::new(0, Duration::from_secs(60), [1; 32]);
        store.put(ScoreKey([1; 16]), 0.5);
        assert_eq!((store.get(&ScoreKey([1; 16])), store.entries()), (None, 0));
    }

    #[test]
    fn debug_output_hides_the_secret() {
        let store = ScoreStore::new(1024, Duration::from_secs(60), [171; 32]);
        assert_eq!(format!("{store:?}"), "ScoreStore { entries: 0, .. }");
    }
}
