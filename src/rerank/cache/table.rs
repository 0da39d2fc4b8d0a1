use std::{cmp::Reverse, sync::Arc};

use super::key::DocumentHash;

/// The cached scores of one query: rows of 96 bits of a document's hash and 32 of its score, sorted, in one allocation
/// that is never changed. Clones share it.
///
/// The first row is the head: how many rows there are, the time of the oldest and of the newest. Where these are not one time, the
/// times of all follow the rows, four to a row.
#[derive(Clone)]
pub(super) struct Table(Arc<[u128]>);

/// Some scores of one query that have just arrived.
pub(super) type Fresh = Vec<(DocumentHash, f32)>;

/// A time, in seconds since the store began.
pub(super) type Second = u32;

/// The two counters in front of what an `Arc` points to.
const COUNTERS: usize = 16;
const TIMES_A_ROW: usize = 4;

impl Table {
    /// What is there when `fresh` scores have arrived `now`: of `old`, those from `alive_from` on that are not replaced; at
    /// most `most`, the newest.
    pub(super) fn merged(
        old: Option<&Self>,
        fresh: Fresh,
        now: Second,
        alive_from: Second,
        most: usize,
    ) -> Self {
        let fresh = fresh.into_iter().map(|(document, score)| (row(document, score), now));
        let mut rows: Vec<(u128, Second)> = fresh.collect();
        // The sort is stable: what is fresh stays in front of what it replaces.
        rows.extend(old.into_iter().flat_map(|old| old.alive(alive_from)));
        rows.sort_by_key(|(row, _)| row & !DocumentHash::BELOW);
        rows.dedup_by_key(|(row, _)| *row & !DocumentHash::BELOW);
        if rows.len() > most {
            rows.sort_by_key(|(_, time)| Reverse(*time));
            rows.truncate(most);
            rows.sort_unstable_by_key(|(row, _)| *row);
        }
        Self::of(&rows)
    }

    fn of(rows: &[(u128, Second)]) -> Self {
        let times = || rows.iter().map(|(_, time)| *time);
        let (oldest, newest) = (times().min().unwrap_or_default(), times().max().unwrap_or_default());
        let count = u32::try_from(rows.len()).unwrap_or(u32::MAX);
        let mut all = Vec::with_capacity(1 + rows.len() + rows.len().div_ceil(TIMES_A_ROW));
        all.push(packed([count, oldest, newest, 0]));
        all.extend(rows.iter().map(|(row, _)| *row));
        if oldest != newest {
            all.extend(rows.chunks(TIMES_A_ROW).map(|four| {
                let mut times = [0; TIMES_A_ROW];
                times.iter_mut().zip(four).for_each(|(time, (_, of_row))| *time = *of_row);
                packed(times)
            }));
        }
        Self(all.into())
    }

    /// How many scores there are, expired ones with them.
    pub(super) fn len(&self) -> usize {
        self.head()[0] as usize
    }

    /// The size of its allocation.
    pub(super) fn bytes(&self) -> usize {
        COUNTERS + size_of_val(&*self.0)
    }

    fn oldest(&self) -> Second {
        self.head()[1]
    }

    /// The time of the newest score.
    pub(super) fn newest(&self) -> Second {
        self.head()[2]
    }

    /// The scores of documents, in their order, of those that have one from `alive_from` on.
    pub(super) fn scores(&self, documents: &[DocumentHash], alive_from: Second) -> Vec<Option<f32>> {
        let (rows, all_alive) = (self.rows(), self.oldest() >= alive_from);
        let of = |document: &DocumentHash| {
            let at = place(rows, document.bits());
            let row = *rows.get(at)?;
            let is_it = row & !DocumentHash::BELOW == document.bits();
            (is_it && (all_alive || self.time(at) >= alive_from)).then(|| score(row))
        };
        documents.iter().map(of).collect()
    }

    #[cfg(test)]
    pub(super) fn score(&self, document: DocumentHash, alive_from: Second) -> Option<f32> {
        self.scores(&[document], alive_from)[0]
    }

    fn alive(&self, from: Second) -> impl Iterator<Item = (u128, Second)> {
        let rows = self.rows().iter().enumerate().map(|(at, row)| (*row, self.time(at)));
        rows.filter(move |(_, time)| *time >= from)
    }

    fn head(&self) -> [u32; 4] {
        self.0.first().map_or([0; 4], |head| unpacked(*head))
    }

    fn rows(&self) -> &[u128] {
        self.0.get(1..=self.len()).unwrap_or_default()
    }

    fn time(&self, at: usize) -> Second {
        let [count, oldest, ..] = self.head();
        let times = self.0.get(1 + count as usize + at / TIMES_A_ROW);
        times.map_or(oldest, |times| unpacked(*times)[at % TIMES_A_ROW])
    }
}

/// The first of the sorted `rows` that is not below these bits. They are those of a hash, and so about where their share of the
/// whole range says.
fn place(rows: &[u128], bits: u128) -> usize {
    let share = (bits >> 96) as u64 * rows.len() as u64;
    let mut at = (share >> 32) as usize;
    while rows.get(at).is_some_and(|row| *row < bits) {
        at += 1;
    }
    while at.checked_sub(1).and_then(|before| rows.get(before)).is_some_and(|row| *row >= bits) {
        at -= 1;
    }
    at
}

fn row(document: DocumentHash, score: f32) -> u128 {
    document.bits() | u128::from(score.to_bits())
}

fn score(row: u128) -> f32 {
    f32::from_bits((row & DocumentHash::BELOW) as u32)
}

fn packed(words: [u32; 4]) -> u128 {
    words.into_iter().rev().fold(0, |bits, word| bits << 32 | u128::from(word))
}

fn unpacked(row: u128) -> [u32; 4] {
    [0, 32, 64, 96].map(|shift| (row >> shift) as u32)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn document(n: u8) -> DocumentHash {
        DocumentHash::new(u128::from(n).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835))
    }

    proptest! {
        /// Steps of (seconds that pass, documents that are scored then).
        #[test]
        fn a_table_is_a_map_whose_scores_live_for_their_own_time(
            steps in prop::collection::vec(
                (0..4_u32, prop::collection::btree_map(0..40_u8, -9.0..9.0_f32, 0..12)), 0..12),
            ttl in 1..8_u32,
        ) {
            let (mut table, mut model, mut now) = (None, BTreeMap::new(), 0);
            for (passed, scored) in steps {
                now += passed;
                let alive_from = (now + 1).saturating_sub(ttl);
                let fresh = scored.iter().rev().map(|(n, score)| (document(*n), *score)).collect();
                table = Some(Table::merged(table.as_ref(), fresh, now, alive_from, usize::MAX));
                model.extend(scored.into_iter().map(|(n, score)| (n, (score, now))));
                model.retain(|_, (_, at)| now - *at < ttl);
                let table = table.as_ref().unwrap();
                prop_assert_eq!(table.len(), model.len(), "what has expired is dropped");
                for later in [0, 1, ttl] {
                    let alive_from = (now + later + 1).saturating_sub(ttl);
                    for n in 0..40 {
                        let known = model.get(&n).filter(|(_, at)| now + later - at < ttl);
                        prop_assert_eq!(table.score(document(n), alive_from), known.map(|(score, _)| *score));
                    }
                }
            }
        }

        #[test]
        fn a_table_keeps_the_newest_of_what_is_too_much(counts in prop::collection::vec(0..20_u8, 1..6)) {
            let (mut table, mut scored) = (None, Vec::new());
            for (now, count) in (0..).zip(counts) {
                let from = scored.len() as u8;
                let fresh: Fresh = (from..from + count).map(|n| (document(n), f32::from(n))).collect();
                scored.extend((from..from + count).map(|n| (n, now)));
                table = Some(Table::merged(table.as_ref(), fresh, now, 0, 16));
            }
            let table = table.unwrap();
            prop_assert_eq!(table.len(), scored.len().min(16));
            let oldest_left = scored.iter().rev().take(16).map(|(_, at)| *at).min();
            for (n, at) in scored {
                let is_known = table.score(document(n), 0).is_some();
                prop_assert!(is_known || Some(at) <= oldest_left, "{n} of {at}");
            }
        }
    }

    #[test]
    fn scores_of_one_time_take_sixteen_bytes_each_and_of_several_twenty() {
        let fresh = |numbers: std::ops::Range<u8>| numbers.map(|n| (document(n), 0.5)).collect();
        let one = Table::merged(None, fresh(0..48), 7, 0, 100);
        assert_eq!(one.bytes(), COUNTERS + 16 + 48 * 16);
        let two = Table::merged(Some(&one), fresh(48..96), 8, 0, 100);
        assert_eq!(two.bytes(), COUNTERS + 16 + 96 * 20);
        assert_eq!((two.newest(), two.len()), (8, 96));
    }

    #[test]
    fn a_document_beside_a_known_one_is_not_it() {
        let known = DocumentHash::new(5 << 32);
        let table = Table::merged(None, vec![(known, -0.0)], 0, 0, 10);
        assert_eq!(table.score(known, 0).map(f32::to_bits), Some((-0.0_f32).to_bits()));
        for beside in [4_u128, 6] {
            assert_eq!(table.score(DocumentHash::new(beside << 32), 0), None);
        }
    }

    #[test]
    fn an_empty_table_knows_nothing() {
        let table = Table::merged(None, Vec::new(), 3, 0, 10);
        assert_eq!((table.len(), table.score(document(0), 0)), (0, None));
    }
}
