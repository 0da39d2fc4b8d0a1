//! The members of a fleet share what they have learned: the one that knows most documents of a collection writes all
//! that it knows, and those that know clearly less load it. So no document is ever counted twice, and a member that
//! has just started knows what the others do.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{runtime::Handle, time::Instant};

use super::{
    Words,
    collection::{Generation, MOST_DOCUMENTS, MOST_TERMS},
};
use crate::fleet::Fleet;

/// The least time between two exchanges of a collection.
const EVERY: Duration = Duration::from_secs(60);
/// Its time to live in Redis.
const TTL: Duration = Duration::from_secs(48 * 60 * 60);
/// The most collections whose last exchange is remembered.
const MOST_TURNS: usize = 4_096;
/// The first byte of what is written.
const VERSION: u8 = 1;
/// Bytes of the check at the end.
const CHECK: usize = 8;

/// The connection to the others, if there are any.
pub(super) struct Exchange {
    fleet: Option<Arc<Fleet>>,
    /// The last exchange of each collection.
    turns: Mutex<HashMap<u64, Instant>>,
}

impl Exchange {
    pub(super) fn new(fleet: Option<Arc<Fleet>>) -> Self {
        Self { fleet, turns: Mutex::default() }
    }

    /// The fleet, if the collection's exchange is due.
    fn due(&self, collection: u64) -> Option<Arc<Fleet>> {
        let fleet = self.fleet.clone()?;
        let now = Instant::now();
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        if turns.len() >= MOST_TURNS {
            turns.retain(|_, last| now.saturating_duration_since(*last) < EVERY);
        }
        let is_due = turns.get(&collection).is_none_or(|last| now.saturating_duration_since(*last) >= EVERY);
        if !is_due || turns.len() >= MOST_TURNS {
            return None;
        }
        turns.insert(collection, now);
        Some(fleet)
    }
}

impl Words {
    /// Exchanges what is known of a collection with the fleet, in a task of its own, if it is due.
    pub(in crate::rerank) fn exchange(self: &Arc<Self>, collection: &str) {
        let name = self.collection(collection);
        let (Some(fleet), Ok(runtime)) = (self.exchange.due(name), Handle::try_current()) else { return };
        let (words, collection) = (self.clone(), collection.to_owned());
        runtime.spawn(async move {
            let theirs = fleet.words(name).await.and_then(|bytes| decode(name, &bytes));
            if let Some(own) = words.settle(&collection, name, theirs) {
                fleet.tell_words(name, &encode(name, &own), TTL).await;
            }
        });
    }

    /// Loads what others know if it is clearly more; else writes what is known here, if that is clearly more.
    fn settle(&self, collection: &str, name: u64, theirs: Option<Generation>) -> Option<Generation> {
        let known = theirs.as_ref().map_or(0, |theirs| theirs.documents.len());
        let own = self.look(name, |collection| collection.documents()).unwrap_or(0);
        if is_more(known, own)
            && let Some(theirs) = theirs
        {
            self.change(collection, |collection, now| collection.adopt(theirs, now));
            return None;
        }
        if is_more(own, known) { self.look(name, |collection| collection.whole()) } else { None }
    }
}

/// Whether these are clearly more documents: by a quarter, since each exchange costs as much as all of them.
fn is_more(one: usize, other: usize) -> bool {
    one > other + other / 4
}

/// Documents, then words with their counts, each after its number, then a check.
fn encode(name: u64, known: &Generation) -> Vec<u8> {
    let mut bytes = vec![VERSION];
    bytes.extend((known.documents.len() as u32).to_le_bytes());
    let mut documents: Vec<u64> = known.documents.iter().copied().collect();
    documents.sort_unstable();
    documents.iter().for_each(|document| bytes.extend(document.to_le_bytes()));
    let mut terms: Vec<(u32, u16)> = known.terms.iter().map(|(term, count)| (*term, *count)).collect();
    terms.sort_unstable();
    bytes.extend((terms.len() as u32).to_le_bytes());
    for (term, count) in terms {
        bytes.extend(term.to_le_bytes());
        bytes.extend(count.to_le_bytes());
    }
    bytes.extend(check(name, &bytes));
    bytes
}

/// `None` for what is damaged, of another collection, of another version, or larger than anybody writes.
fn decode(name: u64, bytes: &[u8]) -> Option<Generation> {
    let (body, found) = bytes.split_at_checked(bytes.len().checked_sub(CHECK)?)?;
    if found != check(name, body) {
        return None;
    }
    let (version, rest) = body.split_first()?;
    if *version != VERSION {
        return None;
    }
    let (documents, rest) = section::<8>(rest, 2 * MOST_DOCUMENTS)?;
    let (terms, rest) = section::<6>(rest, 2 * MOST_TERMS)?;
    let term =
        |[a, b, c, d, e, f]: &[u8; 6]| (u32::from_le_bytes([*a, *b, *c, *d]), u16::from_le_bytes([*e, *f]));
    rest.is_empty().then(|| Generation {
        documents: documents.iter().map(|bytes| u64::from_le_bytes(*bytes)).collect(),
        terms: terms.iter().map(term).collect(),
    })
}

/// So many items of `N` bytes as the number before them says, at most `most`, and what follows.
fn section<const N: usize>(bytes: &[u8], most: usize) -> Option<(&[[u8; N]], &[u8])> {
    let (number, rest) = bytes.split_first_chunk::<4>()?;
    let number = usize::try_from(u32::from_le_bytes(*number)).ok().filter(|number| *number <= most)?;
    let (items, rest) = rest.split_at_checked(number.checked_mul(N)?)?;
    Some((items.as_chunks().0, rest))
}

fn check(name: u64, bytes: &[u8]) -> [u8; CHECK] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&name.to_le_bytes());
    hasher.update(bytes);
    hasher.finalize().as_bytes().first_chunk().copied().unwrap_or_default()
}

#[cfg(test)]
#[path = "exchange_tests.rs"]
mod tests;
