use std::{sync::Arc, time::Duration};

use moka::sync::Cache;

use super::Known;

/// The most searches remembered.
pub(super) const MOST_BYTES: u64 = 1 << 20;
/// Time to live: a walk through the pages of one search is done by then.
const FOR: Duration = Duration::from_secs(5 * 60);
/// Size of an entry beside its counts: key, pointers, the cache's own bookkeeping.
const ENTRY_BYTES: usize = 320;

/// What was known when a search was ranked: all pages of one walk are ranked by the same numbers.
pub(super) struct Memo(Cache<u64, Arc<Known>>);

impl Memo {
    pub(super) fn new() -> Self {
        let weight = |_: &u64, known: &Arc<Known>| {
            u32::try_from(ENTRY_BYTES + size_of_val(&*known.with)).unwrap_or(u32::MAX)
        };
        Self(Cache::builder().max_capacity(MOST_BYTES).weigher(weight).time_to_live(FOR).build())
    }

    pub(super) fn get_or(&self, search: u64, known: impl FnOnce() -> Known) -> Arc<Known> {
        self.0.get_with(search, || Arc::new(known()))
    }
}
