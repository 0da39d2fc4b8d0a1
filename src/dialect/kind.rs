use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
};

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
    /// An operation of a definition, by its name there.
    Described(Name),
}

/// The name of an operation in a definition. There is one text per name, as long as the program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Name(&'static str);

/// The most names, and the longest, that metrics are kept apart by.
const MOST_NAMES: usize = 500;
const LONGEST_NAME: usize = 64;

impl SearchKind {
    /// An operation of this name. Beyond so many names, or so long ones, all are plain searches: each is a series of the
    /// metrics, and definitions may be loaded again and again.
    pub fn described(name: &str) -> Self {
        static NAMES: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
        let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
        match names.get(name) {
            Some(&known) => Self::Described(Name(known)),
            None if names.len() >= MOST_NAMES || name.len() > LONGEST_NAME => Self::Search,
            None => {
                let kept: &'static str = name.to_owned().leak();
                names.insert(kept);
                Self::Described(Name(kept))
            }
        }
    }
}

impl SearchKind {
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
            Described(Name(name)) => name,
        }
    }
}
