use std::{fmt, sync::Arc, time::Duration};

use super::{
    EmbeddingMetrics, Memory, MemorySettings, Recalled,
    metrics::{LookedUp, Tier},
    vector::Imprint,
};
use crate::{fleet::Fleet, search::NativeText};

/// The most vectors of one request that the fleet is asked for.
const MOST_ASKED: usize = 256;
/// How often what has expired is forgotten, at the longest.
const SWEPT_EVERY: Duration = Duration::from_secs(60);

/// The memory, and the fleet that shares it.
pub struct Recall {
    memory: Memory,
    fleet: Option<Arc<Fleet>>,
    ttl: Duration,
    metrics: EmbeddingMetrics,
}

/// The vectors of one search, as they are looked up: first each in the memory, then, if none is known there, all in the
/// fleet.
pub struct LookUp<'a> {
    recall: &'a Recall,
    text: NativeText,
    unknown: Vec<Imprint>,
    looked_up: bool,
}

impl Recall {
    /// An empty memory, whose names and keys are made of the secret that the members of `fleet` share.
    pub fn new(
        settings: MemorySettings,
        secret: &[u8; 32],
        fleet: Option<Arc<Fleet>>,
        metrics: EmbeddingMetrics,
    ) -> Self {
        let ttl = settings.ttl;
        Self { memory: Memory::new(settings, secret), fleet, ttl, metrics }
    }

    /// Remembers which text `vector` is of: here at once, and in the background for the fleet. Returns whether it is
    /// remembered here.
    pub fn remember(&self, vector: &[f32], text: &str) -> bool {
        let Some(imprint) = self.memory.imprint(vector) else { return false };
        let Some(sealed) = self.memory.sealed(&imprint, text) else { return false };
        let kept = self.memory.keep(&imprint, &sealed);
        if let Some(fleet) = &self.fleet {
            fleet.share_text(imprint.name(), sealed, self.ttl);
        }
        self.metrics.held(self.memory.entries(), self.memory.bytes());
        kept
    }

    /// Whether nothing can be found: no vector need be read.
    pub fn is_empty(&self) -> bool {
        self.fleet.is_none() && self.memory.is_empty()
    }

    /// Begins to look up the vectors of one search.
    pub fn search(&self) -> LookUp<'_> {
        LookUp { recall: self, text: NativeText::None, unknown: Vec::new(), looked_up: false }
    }

    /// The texts of the searches of one request. The fleet is asked for what the memory does not know, in one round trip
    /// and within its own timeout.
    pub async fn texts(&self, mut searches: Vec<LookUp<'_>>) -> Vec<NativeText> {
        if let Some(fleet) = &self.fleet {
            self.ask(fleet, &mut searches).await;
        }
        searches.into_iter().map(|search| search.text).collect()
    }

    async fn ask(&self, fleet: &Fleet, searches: &mut [LookUp<'_>]) {
        let wanting = || searches.iter().filter(|search| search.text == NativeText::None);
        let names: Vec<[u8; 16]> =
            wanting().flat_map(|search| &search.unknown).take(MOST_ASKED).map(Imprint::name).collect();
        if names.is_empty() {
            return;
        }
        let mut sealed = fleet.texts(&names).await.into_iter();
        for search in searches.iter_mut().filter(|search| search.text == NativeText::None) {
            for imprint in std::mem::take(&mut search.unknown) {
                let Some(sealed) = sealed.next().flatten() else { continue };
                let Some(text) = imprint.open(&sealed) else { continue };
                self.memory.keep(&imprint, &sealed);
                search.text.add(text.as_str().into());
            }
            search.count(Tier::Fleet);
        }
        self.metrics.held(self.memory.entries(), self.memory.bytes());
    }

    /// Forgets what has expired, now and then, for as long as it is polled.
    pub async fn keep(&self) {
        let every = (self.ttl / 2).clamp(Duration::from_secs(1), SWEPT_EVERY);
        loop {
            tokio::time::sleep(every).await;
            self.memory.sweep();
            self.metrics.held(self.memory.entries(), self.memory.bytes());
        }
    }
}

impl LookUp<'_> {
    /// Looks a vector of the search up in the memory.
    pub fn vector(&mut self, vector: &[f32]) {
        let Some(imprint) = self.recall.memory.imprint(vector) else { return };
        self.looked_up = true;
        match self.recall.memory.recall_by(&imprint) {
            Recalled::Known(text) => self.text.add(text.as_str().into()),
            Recalled::Ambiguous => self.text = NativeText::Several,
            Recalled::Unknown if self.recall.fleet.is_some() && self.unknown.len() < MOST_ASKED => {
                self.unknown.push(imprint);
            }
            Recalled::Unknown => {}
        }
    }

    /// Counts the search, once all its vectors were looked up in the memory. Without a vector none was.
    pub fn looked_up(self) -> Self {
        if self.looked_up {
            self.count(Tier::Memory);
        }
        self
    }

    fn count(&self, tier: Tier) {
        let result = match self.text {
            NativeText::One(_) => LookedUp::Found,
            NativeText::Several => LookedUp::Ambiguous,
            _ => LookedUp::Missed,
        };
        self.recall.metrics.looked_up(tier, result);
    }
}

impl fmt::Debug for Recall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recall").field("memory", &self.memory).finish_non_exhaustive()
    }
}
