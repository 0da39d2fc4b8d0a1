use std::{
    hash::{BuildHasherDefault, Hasher},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use quick_cache::{Lifecycle, OptionsBuilder, Weighter, sync::Cache};
use tokio::time::Instant;

use super::{
    key::QueryName,
    table::{Fresh, Second, Table},
};

/// What is counted for a query beside its table: its slot in the cache, its share of the index and of what is remembered
/// of evicted ones. Measured as resident memory of a full store (`benches/proxy/run --only footprint`).
const QUERY_BYTES: u64 = 128;
/// The most scores of one query; the oldest go.
const MOST_SCORES: usize = 10_000;
/// What a score takes at most: a row, and a time of its own.
const SCORE_BYTES: u64 = 20;
/// The fewest bytes of a part of the cache that has a lock of its own, and the most parts.
const PART_BYTES: u64 = 4 << 20;
const MOST_PARTS: u64 = 64;
/// What a query takes with 50 scores; only the number of evicted ones that are remembered depends on it.
const USUAL_BYTES: u64 = 1024;
/// How long expired scores may stay in memory, in seconds.
const SWEEP: Second = 60;

/// Scores by query, bounded in bytes and time. What is asked for again stays longest, by a modified CLOCK-Pro.
///
/// Why not `moka`: its own bookkeeping of a query takes 400 bytes where this takes 120, which is 27 bytes for each of 50 scores.
pub(super) struct Queries {
    tables: Cache<QueryName, Table, Weight, BuildHasherDefault<AsItIs>, Held>,
    /// Whoever adds scores to a query holds the lock of its name meanwhile, so that nobody's are lost.
    adding: [Mutex<()>; 16],
    held: Held,
    most_scores: usize,
    /// What times are counted from.
    began: Instant,
    ttl: Second,
    swept: AtomicU32,
}

impl Queries {
    /// At most `max_bytes`; a score lives for `ttl`, rounded up to whole seconds. `None`: there is no room for any.
    pub(super) fn new(max_bytes: u64, ttl: Duration) -> Option<Self> {
        let parts = 1 << (max_bytes / PART_BYTES).clamp(1, MOST_PARTS).ilog2();
        // A table that takes more than its part would not be kept at all, so that it is cut to most of it.
        let room = (max_bytes / parts).checked_sub(QUERY_BYTES)? / SCORE_BYTES * 3 / 4;
        let most_scores = usize::try_from(room).unwrap_or(MOST_SCORES).min(MOST_SCORES);
        let options = OptionsBuilder::new()
            .shards(usize::try_from(parts).ok()?)
            .weight_capacity(max_bytes)
            .estimated_items_capacity(usize::try_from(max_bytes / USUAL_BYTES).ok()?)
            .build()
            .ok()?;
        let held = Held::default();
        let tables = Cache::with_options(options, Weight, BuildHasherDefault::default(), held.clone());
        let ttl = ttl.as_secs().saturating_add(u64::from(ttl.subsec_nanos() > 0));
        (most_scores > 0).then(|| Self {
            tables,
            adding: Default::default(),
            held,
            most_scores,
            began: Instant::now(),
            ttl: Second::try_from(ttl).unwrap_or(Second::MAX),
            swept: AtomicU32::new(0),
        })
    }

    /// The scores of a query, and from which time on they are good.
    pub(super) fn get(&self, query: &QueryName) -> Option<(Table, Second)> {
        let table = self.tables.get(query)?;
        Some((table, self.alive_from(self.now())))
    }

    /// Adds scores to those of a query, in place of older ones.
    pub(super) fn add(&self, query: QueryName, fresh: Fresh) {
        let now = self.now();
        let lock = self.adding.get(query.0[15] as usize % self.adding.len());
        let _adding = lock.map(|lock| lock.lock().unwrap_or_else(PoisonError::into_inner));
        let old = self.tables.peek(&query);
        let table = Table::merged(old.as_ref(), fresh, now, self.alive_from(now), self.most_scores);
        if table.len() > 0 {
            self.held.add(table.len());
            self.tables.insert(query, table);
        }
    }

    /// How many scores there are.
    pub(super) fn len(&self) -> usize {
        self.held.0.load(Relaxed)
    }

    /// What they take.
    pub(super) fn bytes(&self) -> u64 {
        self.tables.weight()
    }

    /// Forgets queries all of whose scores have expired, at most once in [`SWEEP`] seconds. Somebody has to call this now and then: what
    /// nobody asks for again would stay until its room is needed.
    pub(super) fn sweep(&self) {
        let now = self.now();
        let swept = self.swept.load(Relaxed);
        if now < swept.saturating_add(SWEEP)
            || self.swept.compare_exchange(swept, now, Relaxed, Relaxed).is_err()
        {
            return;
        }
        let alive_from = self.alive_from(now);
        self.tables.retain(|_, table| {
            let is_alive = table.newest() >= alive_from;
            if !is_alive {
                self.held.remove(table.len());
            }
            is_alive
        });
    }

    fn now(&self) -> Second {
        Second::try_from(self.began.elapsed().as_secs()).unwrap_or(Second::MAX)
    }

    /// The earliest time whose scores have not expired.
    fn alive_from(&self, now: Second) -> Second {
        now.saturating_add(1).saturating_sub(self.ttl)
    }
}

/// Counts the scores of tables that go in and out.
#[derive(Clone, Default)]
struct Held(Arc<AtomicUsize>);

impl Held {
    fn add(&self, scores: usize) {
        self.0.fetch_add(scores, Relaxed);
    }

    fn remove(&self, scores: usize) {
        self.0.fetch_sub(scores, Relaxed);
    }
}

impl Lifecycle<QueryName, Table> for Held {
    type RequestState = ();

    fn begin_request(&self) {}

    /// Also what is replaced, and what is not let in.
    fn on_evict(&self, (): &mut (), _: QueryName, table: Table) {
        self.remove(table.len());
    }
}

#[derive(Clone)]
struct Weight;

impl Weighter<QueryName, Table> for Weight {
    fn weight(&self, _: &QueryName, table: &Table) -> u64 {
        QUERY_BYTES + allocated(table.bytes()) as u64
    }
}

/// What the allocator gives where so many bytes are wanted: its sizes are a quarter of a power of two apart.
fn allocated(bytes: usize) -> usize {
    let step = 1 << bytes.max(64).ilog2().saturating_sub(2);
    bytes.next_multiple_of(step)
}

/// Takes a key's own bits for its hash: without the secret they cannot be chosen.
#[derive(Default)]
pub(super) struct AsItIs(u64);

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

#[cfg(test)]
mod tests {
    use super::{super::key::DocumentHash, *};

    const DAY: Duration = Duration::from_secs(24 * 3600);

    fn query(n: u64) -> QueryName {
        let mut name = [0; 16];
        name[..8].copy_from_slice(&n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes());
        QueryName(name)
    }

    fn documents(numbers: impl IntoIterator<Item = u64>) -> Fresh {
        let hash = |n: u64| DocumentHash::new(u128::from(n.wrapping_mul(0x9e37_79b9_7f4a_7c15)) << 64);
        numbers.into_iter().map(|n| (hash(n), n as f32)).collect()
    }

    fn known(queries: &Queries, of: u64, numbers: std::ops::Range<u64>) -> usize {
        let Some((table, alive_from)) = queries.get(&query(of)) else { return 0 };
        let scores = documents(numbers).into_iter().map(|(document, _)| table.score(document, alive_from));
        scores.flatten().count()
    }

    #[test]
    fn it_stays_within_its_bytes_and_counts_its_scores() {
        for max_bytes in [3000, 100_000, 9 << 20] {
            let queries = Queries::new(max_bytes, DAY).unwrap();
            for n in 0..max_bytes / 300 {
                queries.add(query(n), documents(0..n % 60));
            }
            let held: usize = queries.tables.iter().map(|(_, table)| table.len()).sum();
            assert!(queries.bytes() <= max_bytes && queries.bytes() > max_bytes / 2, "{}", queries.bytes());
            assert_eq!(queries.len(), held);
        }
    }

    #[test]
    fn scores_that_are_added_at_once_are_all_kept() {
        let queries = Queries::new(64 << 20, DAY).unwrap();
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let queries = &queries;
                scope.spawn(move || {
                    for n in 0..50 {
                        queries.add(query(n % 2), documents([thread * 50 + n]));
                    }
                });
            }
        });
        assert_eq!(known(&queries, 0, 0..400) + known(&queries, 1, 0..400), 400);
        assert_eq!(queries.len(), 400);
    }

    #[tokio::test(start_paused = true)]
    async fn a_score_lives_for_its_own_time_although_others_of_its_query_are_newer() {
        let queries = Queries::new(1 << 20, Duration::from_secs(100)).unwrap();
        queries.add(query(1), documents(0..10));
        tokio::time::advance(Duration::from_secs(60)).await;
        queries.add(query(1), documents(5..15));
        assert_eq!(known(&queries, 1, 0..15), 15);
        tokio::time::advance(Duration::from_secs(40)).await;
        assert_eq!((known(&queries, 1, 0..5), known(&queries, 1, 5..15)), (0, 10));
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!(known(&queries, 1, 0..15), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn what_has_expired_leaves_the_memory_although_nobody_asks_for_it() {
        let queries = Queries::new(1 << 20, Duration::from_secs(100)).unwrap();
        queries.add(query(1), documents(0..10));
        tokio::time::advance(Duration::from_secs(90)).await;
        queries.add(query(2), documents(0..7));
        queries.sweep();
        assert_eq!(queries.len(), 17);
        tokio::time::advance(Duration::from_secs(70)).await;
        queries.sweep();
        assert_eq!((queries.len(), queries.tables.len()), (7, 1));
    }

    #[test]
    fn a_query_has_at_most_ten_thousand_scores() {
        let queries = Queries::new(64 << 20, DAY).unwrap();
        queries.add(query(1), documents(0..MOST_SCORES as u64 + 500));
        assert_eq!((queries.len(), known(&queries, 1, 0..20_000)), (MOST_SCORES, MOST_SCORES));
    }

    #[test]
    fn a_query_larger_than_the_whole_cache_is_cut_and_neither_lost_nor_let_in() {
        let queries = Queries::new(4096, DAY).unwrap();
        queries.add(query(1), documents(0..5000));
        let kept = queries.len();
        assert!(kept > 100 && queries.bytes() <= 4096, "{kept}");
        queries.add(query(1), documents(0..5000));
        assert_eq!(queries.len(), kept);
    }

    #[test]
    fn what_is_asked_for_again_outlives_what_is_asked_for_once() {
        let queries = Queries::new(1 << 20, DAY).unwrap();
        for n in 0..20_000 {
            queries.add(query(n), documents(0..50));
            assert_eq!(known(&queries, 0, 0..50), 50, "after {n}");
        }
    }

    #[test]
    fn no_room_for_a_score_is_no_cache() {
        assert!(Queries::new(0, DAY).is_none() && Queries::new(QUERY_BYTES + 10, DAY).is_none());
    }

    #[test]
    fn sizes_of_the_allocator_are_known() {
        let sizes = [(16, 16), (64, 64), (65, 80), (832, 896), (896, 896), (897, 1024), (160_032, 163_840)];
        for (wanted, given) in sizes {
            assert_eq!(allocated(wanted), given, "{wanted}");
        }
    }
}
