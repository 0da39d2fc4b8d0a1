use std::{
    fmt,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::time::Instant;
use zeroize::Zeroizing;

use super::{
    seal,
    secret::VectorSecret,
    shard::{Entry, Home, Shard},
    tolerant::{self, Sketch},
    vector::{Imprint, tells_texts_apart},
};
use crate::search::is_blank;

/// The most that an entry takes beside its text, in bytes.
pub const ENTRY_BYTES: usize = 200;
/// A longer text is not a question that a reranker would read.
const LONGEST_TEXT: usize = 64 << 10;
/// The most shards, each with a lock of its own, and the fewest bytes that one has.
const SHARDS: usize = 16;
const SHARD_BYTES: usize = 1 << 20;

/// How much is remembered, and for how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemorySettings {
    /// The most bytes of all entries together; 0 remembers nothing.
    pub max_bytes: usize,
    /// How long a text is remembered after it was embedded last.
    pub ttl: Duration,
    /// Whether a vector that is nearly the one remembered is taken for it: scaled, cut and normalised, rounded.
    pub tolerant: bool,
}

impl Default for MemorySettings {
    fn default() -> Self {
        Self { max_bytes: 16 << 20, ttl: Duration::from_secs(3600), tolerant: false }
    }
}

/// Texts by their vectors, sealed, bounded in bytes and time, the least recently used evicted first.
pub struct Memory {
    secret: VectorSecret,
    settings: MemorySettings,
    shards: Box<[Mutex<Shard>]>,
    /// Of all shards; so that an empty memory is known to be empty without a lock.
    entries: AtomicUsize,
    bytes: AtomicUsize,
    /// What times are counted from.
    began: Instant,
}

/// What is known of a vector.
#[derive(PartialEq, Eq)]
pub enum Recalled {
    /// It is that of this text.
    Known(Zeroizing<String>),
    /// Nothing.
    Unknown,
    /// Several texts have vectors that are nearly this one; only of a tolerant memory.
    Ambiguous,
}

impl Memory {
    /// An empty one, with names and keys made of `secret`, which the members of a fleet share.
    pub fn new(settings: MemorySettings, secret: &[u8; 32]) -> Self {
        let count = (settings.max_bytes / SHARD_BYTES).clamp(1, SHARDS);
        let shard = |_| Mutex::new(Shard::new(settings.max_bytes / count));
        Self {
            secret: VectorSecret::new(secret),
            shards: (0..count).map(shard).collect(),
            settings,
            entries: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
            began: Instant::now(),
        }
    }

    /// Whether nothing is remembered.
    pub fn is_empty(&self) -> bool {
        self.entries() == 0
    }

    /// How many texts are remembered.
    pub fn entries(&self) -> usize {
        self.entries.load(Relaxed)
    }

    /// What they take, in bytes.
    pub fn bytes(&self) -> usize {
        self.bytes.load(Relaxed)
    }

    /// What the memory needs of a vector; `None` of one that says nothing of a text: empty, all zeros, or with a
    /// component that is no finite number.
    pub(super) fn imprint(&self, vector: &[f32]) -> Option<Imprint> {
        self.imprint_of(None, vector)
    }

    /// The same of a vector of this tenant's, where what it embeds is kept apart from what all have.
    pub(super) fn imprint_of(&self, tenant: Option<&str>, vector: &[f32]) -> Option<Imprint> {
        if !tells_texts_apart(vector) {
            return None;
        }
        let own = tenant.map(|tenant| self.secret.of_tenant(tenant));
        let secret = own.as_ref().unwrap_or(&self.secret);
        let tolerant = self.settings.tolerant;
        let sketches = if tolerant { tolerant::sketches(secret, vector) } else { Vec::new() };
        Some(Imprint::of(secret, vector, sketches))
    }

    /// Remembers that `vector` is that of `text`. A text that was remembered for it before is forgotten: texts that
    /// one model gives one vector differ in capitals or white space, and the newer is the one about to be searched for.
    ///
    /// A blank text, one of over 64 KiB and a vector that says nothing are not remembered. Returns whether it is.
    pub fn remember(&self, vector: &[f32], text: &str) -> bool {
        let Some(imprint) = self.imprint(vector) else { return false };
        self.sealed(&imprint, text).is_some_and(|sealed| self.keep(&imprint, &sealed))
    }

    /// Seals a text for a vector; `None` for what is not to be remembered.
    pub(super) fn sealed(&self, imprint: &Imprint, text: &str) -> Option<Vec<u8>> {
        is_question(text).then(|| seal::seal(&imprint.key, text)).flatten()
    }

    /// Remembers a text that was sealed for this vector. Returns whether there is room for it.
    pub(super) fn keep(&self, imprint: &Imprint, sealed: &[u8]) -> bool {
        let mut record = sealed.to_vec();
        if let (Some(sketch), Some(nonce)) = (imprint.sketches.first(), sealed.get(..seal::NONCE)) {
            record.extend(sketch.tail(&self.secret, nonce, &imprint.key));
        }
        let now = self.now();
        let ttl = u64::try_from(self.settings.ttl.as_millis()).unwrap_or(u64::MAX);
        let home = Home::of(imprint);
        let entry = Entry { mark: home.mark, expires: now.saturating_add(ttl), record: record.into() };
        self.with(home.place, |shard| shard.put(home, entry, now))
    }

    /// The text of `vector`.
    pub fn recall(&self, vector: &[f32]) -> Recalled {
        if self.is_empty() {
            return Recalled::Unknown;
        }
        self.imprint(vector).map_or(Recalled::Unknown, |imprint| self.recall_by(&imprint))
    }

    /// The text of the vector that has this imprint.
    pub(super) fn recall_by(&self, imprint: &Imprint) -> Recalled {
        match self.exact(imprint) {
            Some(text) => Recalled::Known(text),
            None => self.alike(imprint),
        }
    }

    fn exact(&self, imprint: &Imprint) -> Option<Zeroizing<String>> {
        let (home, now) = (Home::of(imprint), self.now());
        let record = self.with(home.place, |shard| shard.record(home, now))?;
        let tail = imprint.sketches.first().map_or(0, Sketch::tail_bytes);
        seal::open(&imprint.key, record.get(..record.len().checked_sub(tail)?)?)
    }

    /// The one text of the vectors that are nearly this one.
    fn alike(&self, imprint: &Imprint) -> Recalled {
        let now = self.now();
        let mut found = Recalled::Unknown;
        for sketch in &imprint.sketches {
            for (place, record) in self.with(sketch.place, |shard| shard.neighbours(sketch.place, now)) {
                let Some(text) = self.open_alike(sketch, &record) else { continue };
                match &found {
                    Recalled::Known(other) if *other != text => return Recalled::Ambiguous,
                    _ => found = Recalled::Known(text),
                }
                self.with(place, |shard| shard.touch(place));
            }
        }
        found
    }

    fn open_alike(&self, sketch: &Sketch, record: &[u8]) -> Option<Zeroizing<String>> {
        let (sealed, tail) = record.split_at_checked(record.len().checked_sub(sketch.tail_bytes())?)?;
        let key = sketch.key(&self.secret, sealed.get(..seal::NONCE)?, tail)?;
        seal::open(&key, sealed)
    }

    /// Forgets what has expired. Entries that nobody asks for again expire all the same, so somebody has to call this
    /// now and then; it takes the locks one by one.
    pub fn sweep(&self) {
        let now = self.now();
        for shard in &self.shards {
            self.counted(shard, |shard| shard.sweep(now));
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Takes a step in the shard of a place; neighbours have the same.
    fn with<T: Default>(&self, place: u64, step: impl FnOnce(&mut Shard) -> T) -> T {
        let at = (place >> 32) as usize % self.shards.len();
        self.shards.get(at).map_or_else(T::default, |shard| self.counted(shard, step))
    }

    fn counted<T>(&self, shard: &Mutex<Shard>, step: impl FnOnce(&mut Shard) -> T) -> T {
        let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
        let (entries, bytes) = (shard.len(), shard.bytes());
        let done = step(&mut shard);
        // They wrap, and so may a difference.
        self.entries.fetch_add(shard.len().wrapping_sub(entries), Relaxed);
        self.bytes.fetch_add(shard.bytes().wrapping_sub(bytes), Relaxed);
        done
    }
}

fn is_question(text: &str) -> bool {
    text.len() <= LONGEST_TEXT && !is_blank(text)
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (entries, bytes) = (self.entries(), self.bytes());
        f.debug_struct("Memory").field("entries", &entries).field("bytes", &bytes).finish_non_exhaustive()
    }
}

impl fmt::Debug for Recalled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Recalled::Known(_) => "Known(…)",
            Recalled::Unknown => "Unknown",
            Recalled::Ambiguous => "Ambiguous",
        })
    }
}

#[cfg(test)]
#[path = "memory_tests.rs"]
mod tests;
