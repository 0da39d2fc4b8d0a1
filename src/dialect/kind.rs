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
