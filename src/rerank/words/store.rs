//! [`Words`]: what is learned of all collections.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::time::Instant;

use super::{ENOUGH_DOCUMENTS, Reader, collection::Collection, exchange::Exchange, memo::Memo, names::Names};
use crate::{rerank::ScoreStore, search::Document};

/// The most bytes of all collections together; the least recently searched is forgotten first.
const MOST_BYTES: usize = 16 << 20;

/// How rare words are in each collection, learned from the candidates that pass. Keyed hashes and counts, no text; at
/// most 16 MiB, and one more for the searches of the last minutes. Outlives a reload of the configuration.
pub struct Words {
    names: Names,
    store: Arc<ScoreStore>,
    state: Mutex<State>,
    memo: Memo,
    pub(super) exchange: Exchange,
}

#[derive(Default)]
struct State {
    collections: HashMap<u64, CollectionEntry>,
    /// Incremented with each search.
    tick: u64,
}

struct CollectionEntry {
    collection: Collection,
    used: u64,
    /// It has been logged that enough is learned.
    stated: bool,
}

/// A document to learn from: its name, and its words by their names.
pub(in crate::rerank) type ToLearn = (u64, Box<[u32]>);

/// What is known of a search's words from documents that are not its own candidates. Those are all about the question:
/// among them its words would seem common.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::rerank) struct Known {
    /// How many documents.
    pub(in crate::rerank) documents: u32,
    /// In how many of them each term of the query is.
    pub(in crate::rerank) with: Box<[u32]>,
}

/// How much is learned, over all collections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LearnedCounts {
    /// Collections of which enough is known for words to weigh in full.
    pub learned: usize,
    /// Collections of which something is known.
    pub learning: usize,
    /// Documents.
    pub documents: usize,
    /// Bytes.
    pub bytes: usize,
}

impl Words {
    /// Empty. Keys are made under the secret of the store; where that has a fleet, words are exchanged with it.
    pub fn new(store: &Arc<ScoreStore>) -> Self {
        Self {
            names: Names::new(store.secret().words()),
            store: store.clone(),
            state: Mutex::default(),
            memo: Memo::new(),
            exchange: Exchange::new(store.fleet()),
        }
    }

    /// How much is learned.
    pub fn counts(&self) -> LearnedCounts {
        let state = self.state();
        let mut counts = LearnedCounts::default();
        for entry in state.collections.values() {
            let documents = entry.collection.documents();
            let place = if is_enough(documents) { &mut counts.learned } else { &mut counts.learning };
            *place += 1;
            counts.documents += documents;
            counts.bytes += entry.collection.bytes();
        }
        counts
    }

    /// A reader of documents for [`Words::learn`].
    pub(in crate::rerank) fn reader(&self) -> Reader {
        Reader::new(self.names)
    }

    /// The names of terms.
    pub(in crate::rerank) fn terms(&self, terms: &[String]) -> Vec<u32> {
        terms.iter().map(|term| self.names.term(term)).collect()
    }

    /// The name of a document.
    pub(in crate::rerank) fn name(&self, document: &Document) -> u64 {
        self.names.document(&self.store.secret().digest(document))
    }

    pub(super) fn collection(&self, name: &str) -> u64 {
        self.names.collection(name)
    }

    /// Whether any document of the collection need be read.
    pub(super) fn wants_any(&self, collection: &str) -> bool {
        self.with(collection, |entry, now| entry.collection.wants_any(now))
    }

    /// Which of these documents have to be read to learn from them.
    pub(in crate::rerank) fn wanted(&self, collection: &str, documents: &[u64]) -> Vec<bool> {
        self.with(collection, |entry, now| {
            documents.iter().map(|document| entry.collection.wants(*document, now)).collect()
        })
    }

    /// What is known of `terms` from other documents than these, each given with the terms (by place) that it has.
    pub(in crate::rerank) fn known(
        &self,
        collection: &str,
        query: &str,
        terms: &[u32],
        documents: &[(u64, Vec<usize>)],
    ) -> Arc<Known> {
        let names: Vec<u64> = documents.iter().map(|(name, _)| *name).collect();
        let search = self.names.search(self.names.collection(collection), query, &names);
        self.memo.get_or(search, || {
            self.with(collection, |entry, _| of_others(&entry.collection, terms, documents))
        })
    }

    /// Learns from documents that have passed.
    pub(in crate::rerank) fn learn(&self, collection: &str, documents: &[ToLearn]) {
        if documents.is_empty() {
            return;
        }
        let news = self.with(collection, |entry, now| {
            for (document, terms) in documents {
                entry.collection.learn(*document, terms, now);
            }
            entry.news()
        });
        self.tell(collection, news);
    }

    /// Reads what is known of a collection, if anything is.
    pub(super) fn look<T>(&self, collection: u64, look: impl FnOnce(&Collection) -> T) -> Option<T> {
        self.state().collections.get(&collection).map(|entry| look(&entry.collection))
    }

    /// Changes what is known of a collection.
    pub(super) fn change(&self, collection: &str, change: impl FnOnce(&mut Collection, Instant)) {
        let news = self.with(collection, |entry, now| {
            change(&mut entry.collection, now);
            entry.news()
        });
        self.tell(collection, news);
    }

    fn tell(&self, collection: &str, news: Option<usize>) {
        if let Some(documents) = news {
            tracing::info!(
                collection,
                documents,
                "lexical has seen enough of the collection: its words weigh in full from now on"
            );
        }
    }

    fn with<T>(&self, collection: &str, act: impl FnOnce(&mut CollectionEntry, Instant) -> T) -> T {
        let now = Instant::now();
        let name = self.names.collection(collection);
        let mut state = self.state();
        state.tick += 1;
        let used = state.tick;
        let entry = state.collections.entry(name).or_insert_with(|| CollectionEntry {
            collection: Collection::new(now),
            used,
            stated: false,
        });
        entry.used = used;
        let before = entry.collection.bytes();
        let response = act(entry, now);
        if entry.collection.bytes() > before || before == 0 {
            state.forget();
        }
        response
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Forgets the least recently searched, until the rest is within the limit.
    fn forget(&mut self) {
        let mut bytes: usize = self.collections.values().map(|entry| entry.collection.bytes()).sum();
        while bytes > MOST_BYTES {
            let oldest = self.collections.iter().min_by_key(|(_, entry)| entry.used).map(|(name, _)| *name);
            let Some(entry) = oldest.and_then(|name| self.collections.remove(&name)) else { return };
            bytes -= entry.collection.bytes();
        }
    }
}

impl CollectionEntry {
    /// How many documents are known, once these are enough.
    fn news(&mut self) -> Option<usize> {
        let documents = self.collection.documents();
        let news = is_enough(documents) && !self.stated;
        self.stated |= news;
        news.then_some(documents)
    }
}

fn is_enough(documents: usize) -> bool {
    documents >= ENOUGH_DOCUMENTS as usize
}

fn of_others(collection: &Collection, terms: &[u32], documents: &[(u64, Vec<usize>)]) -> Known {
    let mut with: Box<[u32]> = terms.iter().map(|term| collection.with(*term)).collect();
    let mut count = u32::try_from(collection.documents()).unwrap_or(u32::MAX);
    for (name, has) in documents.iter().filter(|(name, _)| collection.holds(*name)) {
        let _ = name;
        count = count.saturating_sub(1);
        for at in has {
            if let Some(with) = with.get_mut(*at) {
                *with = with.saturating_sub(1);
            }
        }
    }
    Known { documents: count, with }
}

impl fmt::Debug for Words {
    /// Shows how much is known only.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Words").field("counts", &self.counts()).finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
