//! [`Collection`]: in how many documents of one collection each word was.

use std::{
    collections::{HashMap, HashSet},
    hash::{BuildHasherDefault, Hasher},
    time::Duration,
};

use tokio::time::Instant;

/// Documents of one generation: as many say of a word how rare it is as well as more would.
pub(super) const MOST_DOCUMENTS: usize = 2_048;
/// Words of one generation: common ones come early; what comes later is rare, and taken for it.
pub(super) const MOST_TERMS: usize = 28_672;
/// A full generation learns no more until it is so old: more documents cost time and add little.
const FULL_FOR: Duration = Duration::from_secs(60 * 60);
/// The oldest that a generation gets: what has not passed while two of them were is forgotten.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// What is learned of one collection: in two generations, so that what is gone from it is forgotten. A document is in
/// one of them.
pub(super) struct Collection {
    current: Generation,
    former: Generation,
    begun: Instant,
}

/// Documents of some time, and in how many of them each word is.
#[derive(Default)]
pub(super) struct Generation {
    pub(super) documents: HashSet<u64, AsIs>,
    pub(super) terms: HashMap<u32, u16, AsIs>,
}

impl Collection {
    pub(super) fn new(now: Instant) -> Self {
        Self { current: Generation::default(), former: Generation::default(), begun: now }
    }

    /// Whether this document has to be read: it was not of late, and there is room.
    pub(super) fn wants(&mut self, document: u64, now: Instant) -> bool {
        self.age(now);
        self.has_room() && !self.current.documents.contains(&document)
    }

    /// Whether any document has to be read.
    pub(super) fn wants_any(&mut self, now: Instant) -> bool {
        self.age(now);
        self.has_room()
    }

    /// Counts a document that has these words, each of them once. One that is known from the generation before is
    /// counted there no more.
    pub(super) fn learn(&mut self, document: u64, terms: &[u32], now: Instant) {
        if !self.wants(document, now) {
            return;
        }
        if self.former.documents.remove(&document) {
            self.former.take_out(terms);
        }
        self.current.documents.insert(document);
        self.current.put_in(terms);
    }

    /// Replaces what was learned here by what another member has learned: they may have documents in common, and none
    /// may be counted twice.
    pub(super) fn adopt(&mut self, learned: Generation, now: Instant) {
        *self = Self { current: Generation::default(), former: learned, begun: now };
    }

    /// All that is known, as one generation.
    pub(super) fn whole(&self) -> Generation {
        let documents = self.current.documents.union(&self.former.documents).copied().collect();
        let mut terms = self.former.terms.clone();
        for (term, count) in &self.current.terms {
            let sum = terms.entry(*term).or_default();
            *sum = sum.saturating_add(*count);
        }
        Generation { documents, terms }
    }

    pub(super) fn holds(&self, document: u64) -> bool {
        self.current.documents.contains(&document) || self.former.documents.contains(&document)
    }

    /// How many documents are known.
    pub(super) fn documents(&self) -> usize {
        self.current.documents.len() + self.former.documents.len()
    }

    /// In how many of them the word is.
    pub(super) fn with(&self, term: u32) -> u32 {
        let of = |generation: &Generation| generation.terms.get(&term).copied().map_or(0, u32::from);
        of(&self.current) + of(&self.former)
    }

    /// Its size in memory, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.current.bytes() + self.former.bytes() + size_of::<Self>()
    }

    fn has_room(&self) -> bool {
        self.current.documents.len() < MOST_DOCUMENTS
    }

    fn age(&mut self, now: Instant) {
        let age = now.saturating_duration_since(self.begun);
        if age >= LONGEST || (age >= FULL_FOR && !self.has_room()) {
            self.former = std::mem::take(&mut self.current);
            self.begun = now;
        }
    }
}

impl Generation {
    fn put_in(&mut self, terms: &[u32]) {
        for term in terms {
            if let Some(count) = self.terms.get_mut(term) {
                *count = count.saturating_add(1);
            } else if self.terms.len() < MOST_TERMS {
                self.terms.insert(*term, 1);
            }
        }
    }

    fn take_out(&mut self, terms: &[u32]) {
        for term in terms {
            if let Some(count) = self.terms.get_mut(term) {
                *count = count.saturating_sub(1);
                if *count == 0 {
                    self.terms.remove(term);
                }
            }
        }
    }

    /// The tables' own layout: a byte beside each slot.
    fn bytes(&self) -> usize {
        let documents = self.documents.capacity() * (size_of::<u64>() + 1);
        let terms = self.terms.capacity() * (size_of::<(u32, u16)>() + 1);
        // An eighth of the slots is always free.
        (documents + terms) * 8 / 7
    }
}

type AsIs = BuildHasherDefault<Spread>;

/// Spreads the bits of what is a keyed hash already: without the secret it cannot be chosen.
#[derive(Default)]
pub(super) struct Spread(u64);

impl Hasher for Spread {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write_u32(&mut self, bits: u32) {
        self.write_u64(bits.into());
    }

    fn write_u64(&mut self, bits: u64) {
        // The golden ratio of 2^64: Knuth, "The Art of Computer Programming", volume 3, 6.4.
        self.0 = (self.0 ^ bits).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|&byte| self.write_u64(byte.into()));
    }
}

#[cfg(test)]
#[path = "collection_tests.rs"]
mod tests;
