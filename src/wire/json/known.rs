//! [`KnownList`]: the hits of a response that was read before, for one with the same list of hits.
//!
//! Who asks again gets the same hits, and around them what is new each time: how long it took. An array that has the same
//! bytes has its hits at the same places, so that only what stands around it has to be read.

use std::{
    array, fmt,
    hash::{Hash, Hasher},
    ops::Range,
    sync::Arc,
};

use bytes::Bytes;
use highway::{HighwayHash, HighwayHasher, Key};

use super::{
    Pieces,
    hits::{Hit, HitArray, Hits},
};
use crate::search::{FieldSet, KeptNames};

/// The array begins within so many bytes, or is not looked for.
const FIRST: usize = 4 << 10;
/// So many bytes of the array tell it from most others.
const BEGINNING: usize = 256;
/// An array with fewer bytes is read about as fast.
const LEAST: usize = 1 << 10;
/// What an array becomes where its hits are left out.
const EMPTY: usize = 2;

/// So many parts of an array are hashed side by side, so many bytes of each in turn.
const LANES: usize = 2;
const STRIDE: usize = 256;

/// What stands behind an array is no part of how it begins.
const _: () = assert!(BEGINNING <= LEAST);

/// What arrays of hits are named with: nobody who does not have it can make two arrays with one name.
#[derive(Clone)]
pub struct ListKey([u64; 4]);

/// The hits of one array, and a name of its bytes. Holds none of these bytes themselves.
pub struct KnownList {
    /// How many bytes it has, brackets included.
    bytes: usize,
    /// 256 bits of a keyed hash of them.
    name: [u64; 4],
    /// Where it began in the response that was read: its hits' places count from that response's beginning.
    start: usize,
    hits: Hits,
    kept_names: Arc<KeptNames>,
}

impl ListKey {
    /// A key of these random bits.
    pub fn new(random: [u64; 4]) -> Self {
        Self(random)
    }

    /// What tells the array that begins at `start` from most others without reading all of it, and those who ask for it from
    /// each other.
    pub fn beginning(&self, response: &[u8], start: usize, asker: &impl Hash) -> u64 {
        let mut hasher = HighwayHasher::new(Key(self.0));
        let end = response.len().min(start.saturating_add(BEGINNING));
        response.get(start..end).unwrap_or_default().hash(&mut hasher);
        asker.hash(&mut hasher);
        hasher.finish()
    }

    /// Of these bytes, and of no others. Parts of them are hashed side by side, which takes three quarters of the time: each step
    /// of one hash waits for the step before.
    fn name(&self, bytes: &[u8]) -> [u64; 4] {
        let part = bytes.len() / LANES / STRIDE * STRIDE;
        let mut parts: [_; LANES] = array::from_fn(|_| HighwayHasher::new(Key(self.0)));
        for step in (0..part).step_by(STRIDE) {
            for (lane, hasher) in parts.iter_mut().enumerate() {
                let from = lane * part + step;
                hasher.append(bytes.get(from..from + STRIDE).unwrap_or_default());
            }
        }
        let mut all = HighwayHasher::new(Key(self.0));
        let words = parts.into_iter().flat_map(HighwayHasher::finalize256);
        words.for_each(|word| all.append(&word.to_le_bytes()));
        all.append(bytes.get(part * LANES..).unwrap_or_default());
        all.append(&bytes.len().to_le_bytes());
        all.finalize256()
    }
}

impl KnownList {
    /// The list of these hits of a response, whose documents are made of `fields`, each at most `max_bytes` long. `None` where
    /// knowing it saves little, and where [`start_of_list`] would not find it.
    pub(super) fn new(
        key: &ListKey,
        response: &[u8],
        list: &HitArray,
        (fields, max_bytes): (&FieldSet, usize),
    ) -> Option<Self> {
        let bytes = response.get(list.array.clone()).filter(|bytes| is_worth(bytes.len(), response))?;
        let is_found = !list.sorted && start_of_list(response) == Some(list.array.start);
        is_found.then(|| Self {
            bytes: bytes.len(),
            name: key.name(bytes),
            start: list.array.start,
            hits: list.hits.clone(),
            kept_names: Arc::new(KeptNames::new(list.hits.len(), fields, max_bytes)),
        })
    }

    /// Whether the array that begins at `start` of a response is this one, and worth knowing there.
    pub fn is_at(&self, key: &ListKey, response: &[u8], start: usize) -> bool {
        let array = response.get(self.array(start)).filter(|_| is_worth(self.bytes, response));
        array.is_some_and(|array| array.ends_with(b"]") && key.name(array) == self.name)
    }

    /// Where it stands if it begins at `start`.
    pub fn array(&self, start: usize) -> Range<usize> {
        start..start.saturating_add(self.bytes)
    }

    /// Where it began in the response that was read.
    pub fn start(&self) -> usize {
        self.start
    }

    /// The response, in which the array begins at `start`, without any hits.
    pub fn taken_out(&self, response: &Bytes, start: usize) -> Option<Bytes> {
        let array = Some(self.array(start)).filter(|array| array.end <= response.len())?;
        let mut left = Pieces::of(response, 2);
        left.keep(0..start + 1);
        left.keep(array.end - 1..response.len());
        Some(left.into_bytes())
    }

    /// What it holds in memory, in bytes.
    pub fn held_bytes(&self) -> usize {
        size_of::<Self>() + self.hits_bytes() + self.kept_names.held_bytes()
    }

    /// What a page holds with its hits, in bytes.
    pub fn hits_bytes(&self) -> usize {
        self.hits.capacity() * size_of::<Hit>() + self.hits.iter().map(Hit::held_bytes).sum::<usize>()
    }

    /// The names of its hits' documents.
    pub(super) fn kept_names(&self) -> Arc<KeptNames> {
        self.kept_names.clone()
    }

    /// The place of what stands behind the array, where the place is that in the response without hits.
    pub(super) fn behind(&self, place: Range<usize>, start: usize) -> Range<usize> {
        match place.start >= start + EMPTY {
            true => place.start + self.bytes - EMPTY..place.end + self.bytes - EMPTY,
            false => place,
        }
    }

    /// Its hits, where the array begins at `start`.
    pub(super) fn hits(&self, start: usize) -> Hits {
        if start == self.start {
            return self.hits.clone();
        }
        Arc::new(self.hits.iter().map(|hit| hit.moved(self.start, start)).collect())
    }
}

impl fmt::Debug for KnownList {
    /// Shows no bits of its name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KnownList").field("hits", &self.hits.len()).finish_non_exhaustive()
    }
}

/// Where an array of objects begins that is likely the list of hits: the first one. Those that stand in it begin later, and
/// what stands before is short.
pub fn start_of_list(response: &[u8]) -> Option<usize> {
    memchr::memmem::find(response.get(..FIRST).unwrap_or(response), b"[{")
}

/// Whether not reading so many bytes of a response saves more than it takes: the rest of it is copied, and read.
fn is_worth(bytes: usize, response: &[u8]) -> bool {
    bytes >= LEAST && bytes >= response.len() / 2
}
