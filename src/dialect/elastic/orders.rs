//! Orders that are not by relevance, or that a client's cursor depends on.

use super::{settings, shape, target::Params, value::one_or_many};
use crate::wire::json::{Kind, Object, Value};

/// How deep retrievers are looked at.
const MAX_DEPTH: usize = 20;

/// Whether the order of a search has to stay, whatever its text.
pub(super) fn not_ranked(params: &Params, body: Option<&Object<'_>>) -> bool {
    let has = |name: &str| body.is_some_and(|body| body.get(name).is_some_and(|value| !value.is_null()));
    let suggest_only = has("suggest")
        && !params.has("q")
        && !["query", "knn", "retriever", "sub_searches"].into_iter().any(has);
    params.has("scroll")
        || has("search_after")
        || suggest_only
        || !settings::sorted_by_score(params, body)
        // The first page of a walk: Elasticsearch adds a tie-breaker to every sort at a point in time, so that the
        // last hit of the page is a cursor.
        || (has("pit") && is_sorted(params, body))
        // OpenSearch's choice of hits that differ from one another.
        || body.is_some_and(|body| body.at(&["ext", "mmr"]).is_some_and(|mmr| !mmr.is_null()))
        || body
            .and_then(|body| body.get("retriever"))
            .is_some_and(|retriever| shape::is_sorted(retriever, MAX_DEPTH))
}

/// Whether a search names a sort, be it by score alone.
fn is_sorted(params: &Params, body: Option<&Object<'_>>) -> bool {
    let named = |sort: Value<'_>| one_or_many(sort).iter().any(|key| key.kind() != Kind::Null);
    params.get("sort").is_some_and(|sort| !sort.is_empty())
        || body.and_then(|body| body.get("sort")).is_some_and(named)
}
