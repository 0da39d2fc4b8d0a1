use std::{fmt, time::Duration};

use super::{KeepReason, NativeText};

/// What a dialect reads from one search of a request.
#[derive(Clone)]
pub struct SearchIntent {
    /// The collections or indices that the client named, decoded; a list because Elasticsearch takes several.
    /// `["_all"]` where none was named.
    pub collections: Vec<String>,
    /// Those names are an index expression, which may reach indices other than it spells, and every hit names the
    /// index it comes from (Elasticsearch).
    pub expression: bool,
    /// How many hits the client asked for, its default filled in.
    pub limit: u64,
    /// How many of the best hits the client skips.
    pub offset: u64,
    /// Set where this search is not to be reranked, whatever its text: sorted, sampled, size 0, not understood.
    pub keep: Option<KeepReason>,
    /// Query text in the request's own query.
    pub native: NativeText,
    /// The text that the query's vectors are of, as far as it is known who embedded what; no dialect reads it from a
    /// request.
    pub recalled: NativeText,
    /// What the body's `rerank` object (or `ext.rerank`, or a served reranker) says.
    pub caller: CallerOptions,
    /// Whether the body holds members that are the proxy's own and have to go before it is forwarded.
    pub own_members: bool,
    /// Whether one of them is also read by a search pipeline of the database, which fails without it (OpenSearch's
    /// `ext.rerank`, where an index has a pipeline by default).
    pub own_ext: bool,
    /// The first components of the dense query vector, at most 16; empty where there is none.
    pub vector: Vec<f64>,
    /// How this search may be widened.
    pub widening: Widening,
    /// The most hits that may be requested (engine limit or a compound retriever's window).
    pub max_hits: u64,
    /// Each shard returns this many hits at most, whatever the page (a kNN query's `k`).
    pub most_per_shard: Option<u64>,
    /// Hits come in groups: reranked inside each group, never widened.
    pub grouped: bool,
    /// The client's own timeout for the search, where it sets one; zero is possible.
    pub timeout: Option<Duration>,
    /// A search pipeline that the search goes through, by its name in the database (OpenSearch): what it does to the
    /// order is not seen.
    pub pipeline: Option<String>,
    /// A reranker that the request itself names. Where its id is not served, the search is forwarded unchanged.
    pub reranker: Option<NamedReranker>,
    /// The documents that it pins.
    pub pins: Pins,
}

/// Documents that a search pins: they keep their place.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Pins {
    /// Documents that the request names.
    pub documents: Vec<Pin>,
    /// Rules stored in the database may pin others.
    pub ruled: bool,
}

/// A document that a request pins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pin {
    /// Its index, by a name of it, an alias or a pattern; `None` means every document of that id.
    pub index: Option<String>,
    /// Its id.
    pub id: String,
}

impl Pins {
    /// Whether no document is pinned.
    pub fn are_none(&self) -> bool {
        self.documents.is_empty() && !self.ruled
    }
}

/// A reranker that a request names, for the database to run: Elasticsearch's `text_similarity_reranker`.
#[derive(Clone, PartialEq)]
pub struct NamedReranker {
    /// The id of its model.
    pub inference_id: String,
    /// The text to rank by.
    pub query: String,
    /// The field that is read.
    pub field: String,
    /// How many candidates are reranked; no page goes further.
    pub window: u64,
    /// A floor for relevance scores.
    pub min_score: Option<f32>,
    /// How a long text is cut for it, if it is.
    pub chunks: Option<Chunks>,
}

/// How a request cuts long texts for the reranker that it names: Elasticsearch's `chunk_rescorer`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunks {
    /// How many of a text's chunks are read: those that have most of the question's words. 0: it stays whole.
    pub size: usize,
    /// The most bytes of one; `None`: not said.
    pub bytes: Option<usize>,
    /// How many bytes at the end of one begin the next one again; `None`: not said.
    pub overlap: Option<usize>,
}

/// What one request may say about its own reranking, in the body.
#[derive(Clone, Default)]
pub struct CallerOptions {
    /// Query text.
    pub query: Option<String>,
    /// `false` switches reranking off for this search.
    pub enabled: Option<bool>,
    /// A smaller window.
    pub window: Option<u64>,
    /// A floor for relevance scores.
    pub min_score: Option<f32>,
    /// Another model, from the allow-list.
    pub model: Option<String>,
    /// Another instruction, from the allow-list.
    pub instruction: Option<String>,
    /// Other document fields, from the allow-list.
    pub fields: Option<Vec<String>>,
    /// A shorter deadline in milliseconds.
    pub deadline_ms: Option<u64>,
    /// Whether the response says in its body how the search ended.
    pub answer_block: Option<bool>,
    /// The members that are none of these, by their names.
    pub ignored: Vec<String>,
}

/// Whether requesting more hits changes which hits the client would get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Widening {
    /// The widened response, cut back, is the client's response.
    Neutral,
    /// Inner limits move too; on failure the client's own request must be sent instead.
    NotNeutral,
    /// Not widened: the page is reranked as it is.
    Never,
}

impl fmt::Debug for SearchIntent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SearchIntent")
            .field("collections", &self.collections)
            .field("limit", &self.limit)
            .field("offset", &self.offset)
            .field("keep", &self.keep)
            .field("native", &self.native)
            .field("widening", &self.widening)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}
