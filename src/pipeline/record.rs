//! [`SearchRecord`]: what one search did, hit by hit. A plain value; query and document text is in it only at
//! [`Capture::Text`], and never in `Debug`.

use std::{fmt, sync::Arc, time::SystemTime};

use super::{Mode, PlannedSearch, Report, Timings};
use crate::search::{Boosted, HitId, Holds, KeepReason, Passage};

/// How much of a search is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Capture {
    /// Nothing.
    #[default]
    Off,
    /// Ids, places and scores.
    Scores,
    /// Also the query's text and the documents'.
    Text,
    /// Also the bytes of the calls that were made for it. For a command that explains one search: no configuration
    /// selects it.
    Calls,
}

impl Capture {
    /// The word in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Scores => "scores",
            Self::Text => "text",
            Self::Calls => "calls",
        }
    }
}

/// What one search did.
#[derive(Clone, Debug)]
pub struct SearchRecord {
    /// When the request's head arrived.
    pub started: SystemTime,
    /// How it arrived.
    pub origin: Origin,
    /// What it asked for; `None` where it could not be read.
    pub asked: Option<Asked>,
    /// How it ended, by which provider and model, with how many scores from the cache.
    pub report: Report,
    /// Of the whole request, all its searches together.
    pub timings: Timings,
    /// The status of the client's response; `None` in shadow, which runs after it.
    pub status: Option<u16>,
    /// Why there is no response of the database's, by the word of metrics and logs.
    pub failure: Option<&'static str>,
    /// What happened to the hits: one list, or one for each group. Empty where the response was not read.
    pub lists: Vec<ListRecord>,
}

/// How a search reached the proxy.
#[derive(Clone, Debug, Default)]
pub struct Origin {
    /// The dialect's name.
    pub dialect: &'static str,
    /// The operation, by the word of metrics and logs.
    pub operation: &'static str,
    /// Of `traceparent`, where the client sent one.
    pub trace_id: Option<Arc<str>>,
    /// Whose it was, where it was a tenant's.
    pub tenant: Option<Arc<str>>,
    /// Which search of its request it is, from 0, and how many there are.
    pub search: (usize, usize),
    /// Whether it was reranked in shadow (`mode: shadow`), after its response.
    pub shadow: bool,
}

/// What a search asked for, and what was made of that.
#[derive(Clone)]
pub struct Asked {
    /// The collections or indices.
    pub collections: Vec<String>,
    /// Hits to return.
    pub limit: u64,
    /// Best hits to skip.
    pub offset: u64,
    /// How many of the best hits are reranked; `None` where none are.
    pub window: Option<u64>,
    /// How many hits the database was asked for; `None`: as many as the client asked for.
    pub widened_to: Option<u64>,
    /// The mode of its profile.
    pub mode: Mode,
    /// The share of queries that its profile reranks, over 0 up to 1.
    pub sample: f64,
    /// The query text, from [`Capture::Text`] on.
    pub query: Option<Arc<str>>,
}

/// One list of hits.
#[derive(Clone, Debug, Default)]
pub struct ListRecord {
    /// The candidates, in the database's order.
    pub hits: Vec<HitRecord>,
}

/// One candidate.
#[derive(Clone, Debug)]
pub struct HitRecord {
    /// What the database calls it.
    pub id: HitId,
    /// Its place in the database's order, from 0.
    pub from: u64,
    /// Where it went.
    pub to: NewPlace,
    /// The database's score, as it is written.
    pub database_score: Option<Box<str>>,
    /// The provider's relevance score.
    pub relevance: Option<f32>,
    /// Where that score is from.
    pub scored_by: ScoredBy,
    /// What boosts have made of that score.
    pub boosted: Option<Box<Boosted>>,
    /// Which passage of its document the score is of, if it was cut into several; the best one, where several add up.
    pub passage: Option<Passage>,
    /// What the reranker reads, from [`Capture::Text`] on.
    pub document: Option<DocumentRecord>,
}

/// Where a hit went. Places are those of the whole search, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NewPlace {
    /// Into the client's response, to this place.
    Response(u64),
    /// To this place, which is not on the page that the client asked for.
    OffPage(u64),
    /// Dropped by the floor for relevance scores.
    BelowFloor,
}

/// Where a relevance score is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScoredBy {
    /// From the cache.
    Cache,
    /// From a provider's call for this search.
    Provider,
    /// There is no score.
    Nobody(Unscored),
}

/// Why a hit has no relevance score.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unscored {
    /// No text in its document fields.
    NoText,
    /// Not among the best candidates that are reranked.
    PastWindow,
    /// It keeps its place: it is not sent to the provider.
    Holds(Holds),
    /// It was not scored, for this reason.
    Reason(KeepReason),
}

/// The text that a reranker reads for a hit.
#[derive(Clone, PartialEq, Eq)]
pub struct DocumentRecord {
    /// As much as was sent. Where the score was cached nothing was: then what was sent when it was scored.
    pub text: Arc<str>,
    /// Whether the hit's own text is longer.
    pub cut: bool,
}

/// The most characters of a headline.
const HEADLINE: usize = 90;

impl DocumentRecord {
    /// A name for it on one line: its title, or how it begins.
    pub fn headline(&self) -> String {
        crate::document::headline(&self.text, HEADLINE)
    }
}

impl Asked {
    /// What this search asked for; its text from [`Capture::Text`] on.
    pub fn of(search: &PlannedSearch, capture: Capture) -> Self {
        let work = search.work.as_ref().ok();
        Self {
            collections: search.intent.collections.clone(),
            limit: search.intent.limit,
            offset: search.intent.offset,
            window: work.map(|work| work.window),
            widened_to: search.fetch.hits,
            mode: search.profile.mode,
            sample: search.profile.sample,
            query: work.filter(|_| capture >= Capture::Text).map(|work| work.query.clone()),
        }
    }
}

impl SearchRecord {
    /// The same without a word of query or documents.
    pub fn without_text(&self) -> Self {
        let mut record = self.clone();
        if let Some(asked) = &mut record.asked {
            asked.query = None;
        }
        for hit in record.lists.iter_mut().flat_map(|list| &mut list.hits) {
            hit.document = None;
        }
        record
    }

    /// Whether it holds text.
    pub fn has_text(&self) -> bool {
        self.asked.as_ref().is_some_and(|asked| asked.query.is_some())
            || self.lists.iter().flat_map(|list| &list.hits).any(|hit| hit.document.is_some())
    }

    /// Its approximate size in memory, in bytes.
    pub fn bytes(&self) -> usize {
        let of_hit = |hit: &HitRecord| {
            size_of::<HitRecord>()
                + hit.id.id.len()
                + hit.id.index.as_ref().map_or(0, String::len)
                + hit.database_score.as_ref().map_or(0, |score| score.len())
                + hit.document.as_ref().map_or(0, |document| document.text.len())
        };
        let of_asked = |asked: &Asked| {
            let names: usize = asked.collections.iter().map(|name| name.len() + size_of::<String>()).sum();
            names + asked.query.as_ref().map_or(0, |query| query.len())
        };
        let hits: usize = self.lists.iter().flat_map(|list| &list.hits).map(of_hit).sum();
        size_of::<Self>() + hits + self.asked.as_ref().map_or(0, of_asked)
    }
}

impl fmt::Debug for Asked {
    /// Without the text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Asked")
            .field("collections", &self.collections)
            .field("limit", &self.limit)
            .field("offset", &self.offset)
            .field("window", &self.window)
            .field("widened_to", &self.widened_to)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for DocumentRecord {
    /// Shows its length only.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DocumentRecord").field("bytes", &self.text.len()).field("cut", &self.cut).finish()
    }
}
