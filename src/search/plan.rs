use bytes::Bytes;

/// Which fields of a hit make its document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FieldSet {
    /// The names that the ecosystem uses; see `document::AUTO_FIELDS`.
    Auto,
    /// These dotted paths, in this order.
    Named(Vec<String>),
    /// Every string field.
    All,
}

/// What to ask upstream for one search.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchPlan {
    /// Ask for this many hits from offset 0; `None` leaves limit and offset as the client wrote them.
    pub hits: Option<u64>,
    /// Dotted paths of fields the answer has to hold; empty asks for nothing more.
    pub fields: Vec<String>,
}

impl FetchPlan {
    /// The client's own search, less the proxy's own members.
    pub fn as_asked() -> Self {
        Self { hits: None, fields: Vec::new() }
    }
}

/// A request rewritten for its plans.
#[derive(Clone, Debug)]
pub struct Rewrite {
    /// Path and query string.
    pub target: String,
    /// The body.
    pub body: Bytes,
    /// For each search, what the rewrite added to its hits and `join` has to take away.
    pub strips: Vec<Strip>,
}

/// Members to take out of every hit of a search again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Strip {
    /// The paths, from the hit's own object down.
    pub paths: Vec<StripPath>,
    /// Cut `hits.total` back to this (Elasticsearch's pure top-level kNN: `min(total, k)`).
    pub total_at_most: Option<u64>,
}

/// One member inside a hit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StripPath {
    /// Keys from the hit's object down.
    pub keys: Vec<String>,
    /// How many leading keys stay even when emptied; deeper objects that become empty go too.
    pub keep: usize,
}
