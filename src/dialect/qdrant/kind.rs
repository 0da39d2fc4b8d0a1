//! The kinds of search, whatever the protocol.

use crate::dialect::SearchKind;

/// All that a server has.
pub(super) const ALL: [SearchKind; 11] = {
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
    ]
};

/// What is searched by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Query,
    Search,
    Recommend,
    Discover,
}

/// How many searches a request holds and how its hits come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Single,
    Batch,
    Groups,
}

/// The name for metrics and logs; `None` for what no server has.
pub(super) fn kind(verb: Verb, form: Form) -> Option<SearchKind> {
    Some(match (verb, form) {
        (Verb::Query, Form::Single) => SearchKind::Query,
        (Verb::Query, Form::Batch) => SearchKind::QueryBatch,
        (Verb::Query, Form::Groups) => SearchKind::QueryGroups,
        (Verb::Search, Form::Single) => SearchKind::Search,
        (Verb::Search, Form::Batch) => SearchKind::SearchBatch,
        (Verb::Search, Form::Groups) => SearchKind::SearchGroups,
        (Verb::Recommend, Form::Single) => SearchKind::Recommend,
        (Verb::Recommend, Form::Batch) => SearchKind::RecommendBatch,
        (Verb::Recommend, Form::Groups) => SearchKind::RecommendGroups,
        (Verb::Discover, Form::Single) => SearchKind::Discover,
        (Verb::Discover, Form::Batch) => SearchKind::DiscoverBatch,
        (Verb::Discover, Form::Groups) => return None,
    })
}
