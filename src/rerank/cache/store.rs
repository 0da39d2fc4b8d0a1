use std::{fmt, hash::BuildHasherDefault, sync::Arc, time::Duration};

use moka::sync::Cache;
use tokio::time::{Instant, timeout_at};

use super::{
    key::{DocumentHash, KeySecret, Keys, QueryName},
    queries::{AsItIs, Queries},
    table::Fresh,
};
use crate::{
    fleet::Fleet,
    rerank::{Span, Spans},
};

/// Size of one entry of passages beside them: key and the store's own bookkeeping, measured as resident memory of a full
/// store.
const ENTRY_BYTES: u32 = 320;

type Passages = Cache<(QueryName, DocumentHash), Spans, BuildHasherDefault<AsItIs>>;

/// Passages may take one part in this many of the store's bytes, beside the scores.
const SPANS_SHARE: u64 = 4;
/// Size of one passage.
const SPAN_BYTES: u32 = size_of::<Span>() as u32;

/// Scores by keyed hash, bounded in bytes and time. Outlives a reload of the configuration.
pub struct ScoreStore {
    /// `None` caches nothing; the secret still keys equal work.
    scores: Option<Queries>,
    /// The passages of documents, where they were requested; not in the second tier.
    spans: Option<Passages>,
    secret: KeySecret,
    ttl: Duration,
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
        let scores = Queries::new(max_bytes, ttl);
        Self { scores, spans, secret: KeySecret::new(&secret), ttl, fleet: None, share_limits: false }
    }

    /// The same with a second tier, which others share, and maybe limits with it.
    pub fn with_fleet(self, fleet: Fleet, share_limits: bool) -> Self {
        Self { fleet: Some(Arc::new(fleet)), share_limits, ..self }
    }

    /// An empty store of this size for one tenant, under the same secret and before the same second tier: what is in it
    /// nobody else finds, nor it what others have.
    pub(in crate::rerank) fn apart(&self, tenant: &str, max_bytes: u64) -> Self {
        let own = Self::new(max_bytes, self.ttl, self.secret.of_tenant(tenant));
        // Without a cache of its own it would read that of the fleet alone, and pay a round trip for each search.
        let fleet = self.fleet.clone().filter(|_| max_bytes > 0);
        Self { fleet, share_limits: self.share_limits, ..own }
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

    /// How many scores are held, expired ones with them that nobody has looked for.
    pub fn entries(&self) -> u64 {
        self.scores.as_ref().map_or(0, |scores| scores.len() as u64)
    }

    /// Their estimated size.
    pub fn bytes(&self) -> u64 {
        self.scores.as_ref().map_or(0, Queries::bytes)
    }

    /// Forgets what has expired, where that was not done lately.
    pub(in crate::rerank) fn sweep(&self) {
        if let Some(scores) = &self.scores {
            scores.sweep();
        }
    }

    /// The second tier.
    pub fn fleet(&self) -> Option<Arc<Fleet>> {
        self.fleet.clone()
    }

    pub(in crate::rerank) fn secret(&self) -> &KeySecret {
        &self.secret
    }

    /// The scores of these documents that are cached here, in their order.
    pub fn known(&self, keys: &Keys) -> Vec<Option<f32>> {
        let Some((table, alive_from)) = self.scores.as_ref().and_then(|scores| scores.get(&keys.query))
        else {
            return vec![None; keys.documents.len()];
        };
        table.scores(&keys.documents, alive_from)
    }

    /// The passages of a document of this query, if they are cached here.
    pub(super) fn spans(&self, query: QueryName, document: DocumentHash) -> Option<Spans> {
        self.spans.as_ref()?.get(&(query, document))
    }

    /// Stores passages here.
    pub(super) fn keep_spans(&self, query: QueryName, document: DocumentHash, spans: Spans) {
        if let Some(all) = &self.spans {
            all.insert((query, document), spans);
        }
    }

    /// Stores scores of a query here, not in the second tier.
    pub fn put(&self, query: QueryName, fresh: Vec<(DocumentHash, f32)>) {
        if let Some(scores) = &self.scores
            && !fresh.is_empty()
        {
            scores.add(query, fresh);
        }
    }

    /// Stores fresh scores, in the second tier too.
    pub(super) fn keep(&self, query: QueryName, fresh: Fresh) {
        if let Some(fleet) = &self.fleet {
            fleet.remember(
                query.0,
                fresh.iter().map(|(document, score)| (document.bytes(), *score)).collect(),
            );
        }
        self.put(query, fresh);
    }

    /// Adds to the `known` scores of `keys` what the second tier knows of the others, all of them at once, until the
    /// deadline `until`.
    pub(super) async fn fetch(&self, keys: &Keys, known: &mut [Option<f32>], until: Instant) {
        let Some(fleet) = &self.fleet else { return };
        let mut missing = Vec::new();
        for (document, score) in keys.documents.iter().zip(known.iter()) {
            if score.is_none() {
                missing.push(*document);
            }
        }
        let wanted: Vec<[u8; 12]> = missing.iter().map(|document| document.bytes()).collect();
        let Ok(found) = timeout_at(until, fleet.scores(&keys.query.0, &wanted)).await else { return };
        let found = missing.into_iter().zip(found);
        self.put(
            keys.query,
            found.clone().filter_map(|(document, score)| Some((document, score?))).collect(),
        );
        let places = known.iter_mut().filter(|score| score.is_none());
        places.zip(found).for_each(|(place, (_, score))| *place = score);
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
    fn a_store_of_no_bytes_remembers_nothing() {
        let store = ScoreStore::new(0, Duration::from_secs(60), [1; 32]);
        let (query, document) = (QueryName([1; 16]), DocumentHash::new(1 << 64));
        store.put(query, vec![(document, 0.5)]);
        let keys = Keys { query, documents: [document].into() };
        assert_eq!((store.known(&keys), store.entries()), (vec![None], 0));
    }

    #[test]
    fn debug_output_hides_the_secret() {
        let store = ScoreStore::new(1024, Duration::from_secs(60), [171; 32]);
        assert_eq!(format!("{store:?}"), "ScoreStore { entries: 0, .. }");
    }
}
