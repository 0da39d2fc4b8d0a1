//! [`Witness`]: sees what the searches of one request did, text included.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;

use super::{Capture, Holding, PlannedSearch, SearchRecord};
use crate::{
    document,
    rerank::CallLog,
    search::{HitAt, HitId, Strip},
    wire::Page,
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

/// The names of the fields that the hits of a page came with, except those that may not be read.
pub(super) fn field_names(page: &dyn Page, holding: &Holding) -> HashMap<HitId, Vec<String>> {
    let of_list = |(list, hits): (usize, usize)| (0..hits).map(move |hit| HitAt { list, hit });
    let all = page.lists().iter().map(|list| list.hits).enumerate().flat_map(of_list);
    let free = all.filter(|&at| holding.of(at).is_none());
    free.map(|at| (page.id(at), document::top_level_keys(page, at))).collect()
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
