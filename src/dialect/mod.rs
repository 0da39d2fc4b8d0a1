//! One folder per wire format. Bytes in, bytes out: no clock, no socket, no `async`.

pub mod elastic;
mod error;
mod hits;
mod ids;
mod own;
pub mod qdrant;
mod reading;
mod select;
pub mod splice;
#[cfg(test)]
mod test_support;
mod weight;

use std::sync::Arc;

use bytes::Bytes;
use http::StatusCode;

pub use elastic::Elastic;
pub use error::DialectError;
pub use reading::Reading;
pub use weight::{splitting_bytes, working_bytes};

use crate::search::{FetchPlan, Head, Hit, HitId, HitPage, Ranking, Rewrite, SearchIntent, Strip};

/// What a method and path mean in a dialect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// Not a search: forwarded, streamed.
    Forward,
    /// A search, by its name in metrics and logs.
    Search(SearchKind),
    /// What would be a search if its path did not begin with something more: forwarded, since it may be a prefix
    /// added by a proxy in between, or mean something to the database.
    BelowPrefix(SearchKind),
}

/// The kinds of search, over all dialects; the metric label `operation`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum SearchKind {
    Query,
    QueryBatch,
    QueryGroups,
    Search,
    SearchBatch,
    SearchGroups,
    Recommend,
    RecommendBatch,
    RecommendGroups,
    Discover,
    DiscoverBatch,
    Msearch,
    SearchTemplate,
    MsearchTemplate,
}

impl SearchKind {
    /// Every kind.
    pub const ALL: [SearchKind; 14] = {
        use SearchKind::*;
        [
            Query,
            QueryBatch,
            QueryGroups,
            Search,
            SearchBatch,
            SearchGroups,
            Recommend,
            RecommendBatch,
            RecommendGroups,
            Discover,
            DiscoverBatch,
            Msearch,
            SearchTemplate,
            MsearchTemplate,
        ]
    };

    /// The word for labels and logs.
    pub fn as_str(self) -> &'static str {
        use SearchKind::*;
        match self {
            Query => "query",
            QueryBatch => "query_batch",
            QueryGroups => "query_groups",
            Search => "search",
            SearchBatch => "search_batch",
            SearchGroups => "search_groups",
            Recommend => "recommend",
            RecommendBatch => "recommend_batch",
            RecommendGroups => "recommend_groups",
            Discover => "discover",
            DiscoverBatch => "discover_batch",
            Msearch => "msearch",
            SearchTemplate => "search_template",
            MsearchTemplate => "msearch_template",
        }
    }
}

/// One database's wire format of searches. Pure, so that one suite of laws holds every implementation to the same
/// promises.
///
/// One search calls, in this order: `classify` (is it a search?), `read` and `parse` (one intent each), `widen` (the
/// request upstream), `split` (hits as byte ranges of the response), `join` (those ranges in the new order). For
/// searches of a batch that failed, `pick` makes the second request and `merge` puts its response in.
pub trait Dialect: Send + Sync + 'static {
    /// The dialect's name, as in the configuration and the metric label.
    fn name(&self) -> &'static str;
    /// The kinds of search that `classify` may return.
    fn kinds(&self) -> &'static [SearchKind];
    /// Decides from the head alone, before the body is read.
    fn classify(&self, head: &Head<'_>) -> Operation;
    /// Reads through a body (already decompressed), once for all that follows. On `Err` the request is forwarded
    /// untouched.
    fn read(&self, head: &Head<'_>, body: Bytes) -> Result<Reading, DialectError>;
    /// One intent per search in head and body. On `Err` the request is forwarded untouched.
    fn parse(&self, head: &Head<'_>, reading: &Reading) -> Result<Vec<SearchIntent>, DialectError>;
    /// The same searches, requesting the hits and fields of each plan, without the proxy's own members. A plan of
    /// [`FetchPlan::as_asked`] changes nothing else; if no search needs a change, target and body are the client's
    /// own bytes.
    fn widen(&self, head: &Head<'_>, reading: &Reading, plans: &[FetchPlan])
    -> Result<Rewrite, DialectError>;
    /// The searches of a batch with these numbers, in their order, as a batch of their own, and what to strip from
    /// each. `None` where a batch fails as a whole, and in dialects without batches.
    fn pick(
        &self,
        _head: &Head<'_>,
        _reading: &Reading,
        _plans: &[FetchPlan],
        _searches: &[usize],
    ) -> Option<Rewrite> {
        None
    }
    /// The response to a batch with those of some searches replaced: the number of each in it, and in `other`, the
    /// response to what [`pick`](Self::pick) has made.
    fn merge(&self, _response: &Bytes, _other: &Bytes, _places: &[(usize, usize)]) -> Option<Bytes> {
        None
    }
    /// Finds each hit as a byte range of `body` (the response to a request of this head).
    fn split(&self, head: &Head<'_>, body: Bytes) -> Result<HitPage, DialectError>;
    /// The page again with only the hits of each ranking, in that order, less what `widen` had added.
    /// One ranking per list of the page; one strip per search. `None` as a ranking leaves the list as it is
    /// (strips apart).
    fn join(&self, page: &HitPage, strips: &[Strip], rankings: &[Option<Ranking>]) -> Bytes;
    /// The database's id of a hit of `body`. Reads the hit's bytes again: for records, not for every response.
    fn id(&self, body: &[u8], hit: &Hit) -> HitId;
    /// Our own failure in this database's error shape, so that its client libraries can parse it.
    fn failure(&self, status: StatusCode, message: &str) -> Bytes;
}

/// A search, or what looks like one, and its dialect.
#[derive(Clone, Debug)]
pub struct Found<D> {
    /// Whose it is.
    pub dialect: D,
    /// Which one.
    pub kind: SearchKind,
    /// There is more before the path of the search: it is not read.
    pub below_prefix: bool,
}

impl<D> Found<D> {
    /// The same with the dialect otherwise.
    pub fn map<E>(self, with: impl FnOnce(D) -> E) -> Found<E> {
        Found { dialect: with(self.dialect), kind: self.kind, below_prefix: self.below_prefix }
    }
}

/// The dialects of a listener: none, one, or all (`auto`: their paths do not overlap).
#[derive(Clone, Default)]
pub struct Dialects(Vec<Arc<dyn Dialect>>);

impl Dialects {
    /// In the order in which they are tried.
    pub fn new(dialects: Vec<Arc<dyn Dialect>>) -> Self {
        Self(dialects)
    }

    /// The dialect in which this head is a search, and which search.
    pub fn search(&self, head: &Head<'_>) -> Option<(&Arc<dyn Dialect>, SearchKind)> {
        self.0.iter().find_map(|dialect| match dialect.classify(head) {
            Operation::Search(kind) => Some((dialect, kind)),
            Operation::Forward | Operation::BelowPrefix(_) => None,
        })
    }

    /// The same, or the dialect in which it would be one without the beginning of its path.
    pub fn find(&self, head: &Head<'_>) -> Option<Found<&Arc<dyn Dialect>>> {
        let mut below = None;
        for dialect in &self.0 {
            match dialect.classify(head) {
                Operation::Search(kind) => return Some(Found { dialect, kind, below_prefix: false }),
                Operation::BelowPrefix(kind) => {
                    below = below.or(Some(Found { dialect, kind, below_prefix: true }));
                }
                Operation::Forward => {}
            }
        }
        below
    }

    /// Whether there is any.
    pub fn any(&self) -> bool {
        !self.0.is_empty()
    }

    /// The only dialect, if there is just one; its error shape suits every response.
    pub fn only(&self) -> Option<&Arc<dyn Dialect>> {
        match self.0.as_slice() {
            [dialect] => Some(dialect),
            _ => None,
        }
    }
}
