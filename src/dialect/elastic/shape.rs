//! The shape of a search's query, as far as widening depends on it.

use super::{
    nearest::{nearest, tells_k},
    settings::whole,
    target::Params,
    value::{MAX_RESULT_WINDOW, is_filled, one_or_many},
};
use crate::{
    search::Widening,
    wire::json::{Kind, Object, Value},
};

/// Deeper queries are taken for ones that cannot be widened.
const MAX_DEPTH: usize = 40;
/// The name of the retriever that is a reranker.
pub(super) const RERANKER: &str = "text_similarity_reranker";
/// `rank_window_size` where the client names none.
pub(super) const DEFAULT_RANK_WINDOW: u64 = 10;

/// How a search may be widened.
pub(super) struct Shape {
    pub(super) widening: Widening,
    pub(super) max_hits: u64,
    /// The most hits that all pages of the search have together: the effective `k` of a pure top-level kNN search, the
    /// window of a compound retriever.
    pub(super) k: Option<u64>,
    /// The `k` of a kNN query that alone ranks the search.
    pub(super) most_per_shard: Option<u64>,
}

/// `Err` where a number that matters is none.
pub(super) fn widening(
    params: &Params,
    body: Option<&Object<'_>>,
    from: u64,
    size: u64,
) -> Result<Shape, ()> {
    let mut shape =
        Shape { widening: Widening::Neutral, max_hits: MAX_RESULT_WINDOW, k: None, most_per_shard: None };
    let mut most = MAX_RESULT_WINDOW;
    let has = |name: &str| body.is_some_and(|body| is_filled(body.get(name)));
    // What counts or cuts after the nearest `k` were found, or speaks of `k`.
    let after_k = ["aggs", "aggregations", "post_filter", "collapse"].into_iter().any(has)
        || body.is_some_and(|body| tells_k(params, body));
    let never = params.has("terminate_after")
        || ["terminate_after", "rescore", "rank", "sub_searches"].into_iter().any(has)
        || body.and_then(|body| body.at(&["collapse", "inner_hits"])).is_some();
    let queried = params.has("q") || has("query") || has("retriever");
    if let Some(knn) = body.and_then(pure_knn).filter(|_| !queried) {
        let k = match knn.get("k").filter(|k| !k.is_null()) {
            Some(k) => whole(k).filter(|&k| k > 0).ok_or(())?,
            // Unset, it follows the size.
            None => size,
        };
        if let Some(candidates) = knn.get("num_candidates").filter(|c| !c.is_null()) {
            whole(candidates).ok_or(())?;
        }
        shape.k = Some(k);
        shape.widening = Widening::NotNeutral;
    } else if has("knn") {
        shape.widening = Widening::Never;
    } else if let Some(retriever) = body.and_then(|body| body.get("retriever")) {
        (shape.widening, shape.max_hits) = of_retriever(retriever)?;
        // A page that reaches over its window ends there; only one that is larger than it is rejected.
        shape.k =
            (shape.widening == Widening::NotNeutral && size <= shape.max_hits).then_some(shape.max_hits);
        most = if shape.k.is_some() { u64::MAX } else { shape.max_hits };
    } else if let Some(query) = body.and_then(|body| body.get("query"))
        && !params.has("q")
        && follows_size(query, MAX_DEPTH)
    {
        shape.widening = Widening::Never;
    } else if let Some(nearest) = body.and_then(|body| nearest(params, body, from, size)) {
        shape.widening = Widening::NotNeutral;
        shape.most_per_shard = Some(nearest.k);
    }
    let past_window = from.saturating_add(size) > most;
    if never || past_window || (after_k && shape.widening == Widening::NotNeutral) {
        shape.widening = Widening::Never;
    }
    Ok(shape)
}

/// The `knn` object of a body, if there is exactly one.
pub(super) fn pure_knn<'a>(body: &Object<'a>) -> Option<Value<'a>> {
    body.get("knn").filter(|knn| knn.kind() == Kind::Object)
}

/// How a search with this retriever may be widened, and the most hits that it gives.
pub(super) fn of_retriever(retriever: Value<'_>) -> Result<(Widening, u64), ()> {
    let members = retriever.members().unwrap_or_default();
    let [only] = &members[..] else { return Ok((Widening::Never, MAX_RESULT_WINDOW)) };
    match only.key.as_ref() {
        "standard" => {
            let settled =
                ["terminate_after", "search_after", "sort"].iter().all(|k| only.value.get(k).is_none())
                    && only.value.at(&["collapse", "inner_hits"]).is_none()
                    && !only.value.get("query").is_some_and(|query| follows_size(query, MAX_DEPTH));
            Ok((if settled { Widening::Neutral } else { Widening::Never }, MAX_RESULT_WINDOW))
        }
        // Inside its own window a compound retriever does not look at the size; past it upstream rejects.
        "rrf" | "linear" => {
            let window = match only.value.get("rank_window_size").filter(|window| !window.is_null()) {
                Some(window) => whole(window).filter(|&window| window > 0).ok_or(())?,
                None => DEFAULT_RANK_WINDOW,
            };
            Ok((Widening::NotNeutral, window.min(MAX_RESULT_WINDOW)))
        }
        _ => Ok((Widening::Never, MAX_RESULT_WINDOW)),
    }
}

/// Whether the first page, or the total, depends on how many hits are requested: `hybrid`, `semantic`, and `knn`
/// whose `k` follows the size. Looks at every key, so a field of such a name counts too: that errs on the safe side.
fn follows_size(query: Value<'_>, depth: usize) -> bool {
    let Some(depth) = depth.checked_sub(1) else { return true };
    match query.kind() {
        Kind::Object => query.members().unwrap_or_default().into_iter().any(|member| {
            matches!(member.key.as_ref(), "hybrid" | "semantic" | "wrapper")
                || (member.key == "knn" && !has_k(member.value))
                || follows_size(member.value, depth)
        }),
        Kind::Array => {
            let items = query.items().unwrap_or_default();
            let nested = |item: &Value<'_>| matches!(item.kind(), Kind::Object | Kind::Array);
            items.into_iter().filter(nested).any(|item| follows_size(item, depth))
        }
        _ => false,
    }
}

/// `k` of Elasticsearch's query, or under OpenSearch's field (which may bound by score or distance instead).
fn has_k(knn: Value<'_>) -> bool {
    knn.get("k").is_some()
        || knn.members().unwrap_or_default().into_iter().any(|field| {
            field.value.kind() == Kind::Object
                && ["k", "min_score", "max_distance"].iter().any(|key| field.value.get(key).is_some())
        })
}

/// Whether a retriever, or one inside it, is a reranker that runs upstream.
pub(super) fn reranks_upstream(retriever: Value<'_>, depth: usize) -> bool {
    any_retriever(retriever, depth, &|kind, _| kind == RERANKER)
}

/// Whether a retriever, or one inside it, orders by something other than relevance, or pages with a cursor.
pub(super) fn is_sorted(retriever: Value<'_>, depth: usize) -> bool {
    any_retriever(retriever, depth, &|kind, value| {
        let of_standard = value.get("sort").is_some() || value.get("search_after").is_some();
        // One chooses hits that differ from one another.
        kind == "diversify" || (kind == "standard" && of_standard)
    })
}

fn any_retriever(retriever: Value<'_>, depth: usize, test: &dyn Fn(&str, Value<'_>) -> bool) -> bool {
    let Some(depth) = depth.checked_sub(1) else { return true };
    retriever.members().unwrap_or_default().into_iter().any(|kind| {
        let children =
            ["retriever", "retrievers"].iter().filter_map(|key| kind.value.get(key)).flat_map(one_or_many);
        test(&kind.key, kind.value)
            || children
                .into_iter()
                .any(|child| any_retriever(child.get("retriever").unwrap_or(child), depth, test))
    })
}
