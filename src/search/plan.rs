use std::sync::Arc;

use bytes::Bytes;

use super::Template;

/// How long documents are cut into passages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PassageRule {
    /// The most bytes of a passage; a text that is no longer is one passage.
    pub bytes: usize,
    /// About how many bytes at the end of a passage begin the next one again; at most half of `bytes`.
    pub overlap: usize,
    /// The most passages of a text; what follows them is not read.
    pub most: usize,
}

/// Which fields of a hit make its document.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum FieldSet {
    /// The well-known names; see `document::AUTO_FIELDS`.
    Auto,
    /// These dotted paths, in this order.
    Named(Vec<String>),
    /// Those of a template, put together as it says.
    Template(Arc<Template>),
    /// Every string field.
    All,
}

impl FieldSet {
    /// What it holds in memory by itself, in bytes.
    pub fn held_bytes(&self) -> usize {
        match self {
            Self::Named(names) => names.iter().map(|name| size_of::<String>() + name.capacity()).sum(),
            Self::Auto | Self::Template(_) | Self::All => 0,
        }
    }
}

/// How many lists, one inside the other, a key on a field's path may hold and the field still be found. More than
/// occurs in practice; each level adds names that are requested from the database.
pub const NESTED_LISTS: usize = 2;

/// The fields that a response has to hold, whatever fields the client requested.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WantedFields {
    /// These dotted paths; none requests nothing more. A dot may also be part of a key, and the path may lead through
    /// lists, up to [`NESTED_LISTS`] one inside the other: every field that a document may be made of has to be
    /// returned.
    Named(Arc<[String]>),
    /// Every field.
    All,
}

impl WantedFields {
    /// Nothing beyond the fields that the client requested.
    pub fn none() -> Self {
        Self::Named(Arc::default())
    }

    /// These, and more.
    pub fn and<'n>(self, more: impl IntoIterator<Item = &'n str>) -> Self {
        let Self::Named(names) = self else { return self };
        let mut all = names.to_vec();
        for name in more {
            if !all.iter().any(|there| there == name) {
                all.push(name.to_owned());
            }
        }
        Self::Named(all.into())
    }

    /// Whether nothing is requested beyond that.
    pub fn is_none(&self) -> bool {
        matches!(self, Self::Named(names) if names.is_empty())
    }
}

/// What to request upstream for one search.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchPlan {
    /// Requests this many hits from offset 0; `None` leaves limit and offset as the client wrote them.
    pub hits: Option<u64>,
    /// What documents are made of.
    pub fields: WantedFields,
    /// Requests the index name of each hit, where the client has it hidden.
    pub origins: bool,
    /// Requests the candidates of the request's own reranker instead of its result.
    pub without_reranker: bool,
}

impl FetchPlan {
    /// The client's own search, less the proxy's own members.
    pub fn as_asked() -> Self {
        Self { hits: None, fields: WantedFields::none(), origins: false, without_reranker: false }
    }
}

/// A request rewritten for its plans.
#[derive(Clone, Debug)]
pub struct Rewrite {
    /// Path and query string.
    pub target: String,
    /// The body.
    pub body: Bytes,
    /// For each search, what the rewrite added to its hits and `join` has to remove.
    pub strips: Vec<Strip>,
}

/// Members to remove from every hit of a search.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Strip {
    /// The paths, from the hit's own object down.
    pub paths: Vec<StripPath>,
    /// What is kept of an object that was requested as a whole.
    pub selection: Option<Selection>,
    /// Cut `hits.total` back to this.
    pub total_at_most: Option<MostHits>,
    /// The list is removed too if none of its hits is kept, with what holds nothing else (Elasticsearch's
    /// `filter_path`).
    pub hides_empty: bool,
}

/// The most hits that a search can have counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MostHits {
    /// This many (Elasticsearch's top-level kNN: the nearest `k` of all).
    InAll(u64),
    /// This many on each shard (a kNN query of either product).
    OnEachShard(u64),
}

/// One member inside a hit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StripPath {
    /// Keys from the hit's object down.
    pub keys: Vec<String>,
    /// How many leading keys stay even when emptied; deeper objects that become empty go too.
    pub keep: usize,
}

/// The part of an object of the hit that the client requested.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    /// The hit's member that holds the object.
    pub member: String,
    /// A value stays if it lies on one of these paths, or below its end.
    pub paths: Vec<Vec<PathStep>>,
}

/// One step of a path into an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathStep {
    /// The member of that name.
    Key(String),
    /// Every element of an array.
    Elements,
    /// Some element of an array by its number; such a path leads to no element at all.
    Element,
}
