//! The field numbers of requests: each kind of search has its own.

use crate::dialect::qdrant::kind::{Form, Verb};

/// `collection_name` of all requests, and of a batch.
pub(super) const COLLECTION: u32 = 1;
/// The searches of a batch.
pub(super) const SEARCHES: u32 = 2;
/// `timeout` of a batch.
pub(super) const BATCH_TIMEOUT: u32 = 4;

/// Where a search says what.
#[derive(Debug)]
pub(super) struct Numbers {
    pub limit: u32,
    /// Groups have none.
    pub offset: Option<u32>,
    /// The size of each group.
    pub group_size: Option<u32>,
    pub with_payload: u32,
    pub with_vectors: u32,
    pub timeout: u32,
    /// How examples are used (Recommend).
    pub strategy: Option<u32>,
    /// Where the examples stand (Recommend).
    pub examples: Option<ExampleNumbers>,
    /// Whether the vector is a sparse one (Search).
    pub sparse_indices: Option<u32>,
}

/// The examples of a recommendation: ids of points, and vectors.
#[derive(Clone, Copy, Debug)]
pub(super) struct ExampleNumbers {
    pub positive: u32,
    pub negative: u32,
    pub positive_vectors: u32,
    pub negative_vectors: u32,
}

/// The query and the prefetches of a message that has them.
#[derive(Clone, Copy, Debug)]
pub(super) struct QueryNumbers {
    pub prefetch: u32,
    pub query: u32,
}

/// `QueryPoints` and `QueryPointGroups`.
pub(super) const POINTS: QueryNumbers = QueryNumbers { prefetch: 2, query: 3 };
/// `PrefetchQuery`.
pub(super) const PREFETCH: QueryNumbers = QueryNumbers { prefetch: 1, query: 2 };

/// The vector of `SearchPoints` and `SearchPointGroups`, and the target of `DiscoverPoints`.
pub(super) const VECTOR: u32 = 2;
pub(super) const TARGET: u32 = 2;

const NONE: Numbers = Numbers {
    limit: 0,
    offset: None,
    group_size: None,
    with_payload: 0,
    with_vectors: 0,
    timeout: 0,
    strategy: None,
    examples: None,
    sparse_indices: None,
};
const QUERY: Numbers =
    Numbers { limit: 8, offset: Some(9), with_payload: 11, with_vectors: 10, timeout: 15, ..NONE };
const QUERY_GROUPS: Numbers =
    Numbers { limit: 11, group_size: Some(12), with_payload: 8, with_vectors: 9, timeout: 16, ..NONE };
const SEARCH: Numbers = Numbers {
    limit: 4,
    offset: Some(9),
    with_payload: 6,
    with_vectors: 11,
    timeout: 13,
    sparse_indices: Some(15),
    ..NONE
};
const SEARCH_GROUPS: Numbers = Numbers {
    limit: 4,
    group_size: Some(11),
    with_payload: 5,
    with_vectors: 9,
    timeout: 14,
    sparse_indices: Some(16),
    ..NONE
};
const RECOMMEND: Numbers = Numbers {
    limit: 5,
    offset: Some(10),
    with_payload: 7,
    with_vectors: 12,
    timeout: 19,
    strategy: Some(16),
    examples: Some(ExampleNumbers { positive: 2, negative: 3, positive_vectors: 17, negative_vectors: 18 }),
    ..NONE
};
const RECOMMEND_GROUPS: Numbers = Numbers {
    limit: 5,
    group_size: Some(13),
    with_payload: 6,
    with_vectors: 10,
    timeout: 20,
    strategy: Some(17),
    examples: Some(ExampleNumbers { positive: 2, negative: 3, positive_vectors: 18, negative_vectors: 19 }),
    ..NONE
};
const DISCOVER: Numbers =
    Numbers { limit: 5, offset: Some(8), with_payload: 6, with_vectors: 10, timeout: 13, ..NONE };

/// Those of a search, alone or in a batch, or of one in groups.
pub(super) fn of(verb: Verb, form: Form) -> &'static Numbers {
    match (verb, form) {
        (Verb::Query, Form::Groups) => &QUERY_GROUPS,
        (Verb::Query, _) => &QUERY,
        (Verb::Search, Form::Groups) => &SEARCH_GROUPS,
        (Verb::Search, _) => &SEARCH,
        (Verb::Recommend, Form::Groups) => &RECOMMEND_GROUPS,
        (Verb::Recommend, _) => &RECOMMEND,
        (Verb::Discover, _) => &DISCOVER,
    }
}
