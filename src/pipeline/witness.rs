//! [`Witness`]: sees what the searches of one request did, text included.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;

use super::{Capture, PlannedSearch, SearchRecord};
use crate::{
    document,
    rerank::CallLog,
    search::{Hit, HitId, HitPage, Strip},
};

/// Put into a request's extensions by a caller inside the program (`rerankd eval`, `rerankd explain`): all that was
/// done is recorded here, before the response, and not in the inspector. No client can do that.
#[derive(Clone)]
pub struct Witness {
    capture: Capture,
    seen: Arc<Mutex<Seen>>,
}

/// What a witness saw of one request.
#[derive(Clone, Default)]
pub struct Seen {
    /// One for each search of the request.
    pub records: Vec<SearchRecord>,
    /// The decisions about them, at [`Capture::Calls`]; none where the request could not be read.
    pub searches: Vec<PlannedSearch>,
    /// The requests to the database, in order, at [`Capture::Calls`].
    pub asked: Vec<Question>,
    /// The calls to providers, at [`Capture::Calls`], if there were any.
    pub calls: Option<CallLog>,
    /// The names of the fields that each hit came with, at [`Capture::Calls`].
    pub fields: HashMap<HitId, Vec<String>>,
    /// Why there is no response of the database's.
    pub failure: Option<String>,
}

/// A request sent to the database.
#[derive(Clone)]
pub struct Question {
    /// Path and query string.
    pub target: String,
    /// The body.
    pub body: Bytes,
    /// Whether that is what the client sent, byte for byte.
    pub unchanged: bool,
    /// For each search, what was added to its hits and is removed again.
    pub strips: Vec<Strip>,
    /// The status of the response; `None` if none came.
    pub status: Option<u16>,
    /// Until the head of the response.
    pub took: Duration,
}

/// The names of the fields that the hits of a page came with, except those that may not be read; `id` is the
/// dialect's.
pub fn field_names(page: &HitPage, id: impl Fn(&[u8], &Hit) -> HitId) -> HashMap<HitId, Vec<String>> {
    let hits = page.lists.iter().flat_map(|list| &list.hits).filter(|hit| hit.holds.is_none());
    hits.map(|hit| (id(&page.body, hit), document::top_level_keys(&page.body, hit))).collect()
}

impl Default for Witness {
    /// A witness of the records alone.
    fn default() -> Self {
        Self { capture: Capture::Text, seen: Arc::default() }
    }
}

impl Witness {
    /// A witness of everything that is sent, too.
    pub fn of_calls() -> Self {
        Self { capture: Capture::Calls, seen: Arc::default() }
    }

    /// How much it sees.
    pub fn capture(&self) -> Capture {
        self.capture
    }

    /// Takes the records out.
    pub fn take(&self) -> Vec<SearchRecord> {
        self.take_all().records
    }

    /// Takes everything recorded out.
    pub fn take_all(&self) -> Seen {
        std::mem::take(&mut *self.lock())
    }

    /// Records this.
    pub fn see(&self, seen: Seen) {
        *self.lock() = seen;
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Question {
    /// Shows no text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Question")
            .field("bytes", &self.body.len())
            .field("unchanged", &self.unchanged)
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}
