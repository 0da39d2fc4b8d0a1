//! kNN queries that alone rank a search: OpenSearch's `knn` and `neural`, Elasticsearch's `knn` query. Their `k` bounds
//! what is found on each shard, so that a larger page alone brings no candidates.

use super::{
    settings::{FilterPath, whole},
    target::Params,
    value::is_filled,
    value::one_or_many,
};
use crate::{
    dialect::SearchKind,
    wire::json::{Edits, Kind, Object, ObjectEdit, Value},
};

/// Deeper queries hold more than one clause.
const MAX_DEPTH: usize = 8;

/// A kNN clause.
pub(super) struct Nearest<'a> {
    /// The object with `k`.
    settings: Value<'a>,
    /// How many neighbours each shard gives.
    pub(super) k: u64,
}

/// The only clause of a search, where it is a kNN clause, and nothing counts or cuts what it finds. Of a page that
/// reaches beyond `k` the total has to show how much there is. `own` as for [`super::request::intent`].
pub(super) fn nearest<'a>(own: &Params, body: &Object<'a>, from: u64, size: u64) -> Option<Nearest<'a>> {
    const AFTER: [&str; 11] = [
        "knn",
        "retriever",
        "rank",
        "sub_searches",
        "aggs",
        "aggregations",
        "post_filter",
        "collapse",
        "rescore",
        "terminate_after",
        "search_after",
    ];
    let depends = AFTER.iter().any(|key| is_filled(body.get(key)));
    let counts = counts(own, body);
    if depends || tells_k(own, body) || own.has("q") || own.has("terminate_after") || counts == Some(true) {
        return None;
    }
    let reaches = |k: u64| k >= from.saturating_add(size) || (k > from && counts.is_none());
    sole(body.get("query")?, MAX_DEPTH).filter(|nearest| nearest.k > 0 && reaches(nearest.k))
}

/// Whether the response mentions the `k` that was requested.
pub(super) fn tells_k(own: &Params, body: &Object<'_>) -> bool {
    let wanted = |value: Value<'_>| !matches!(value.text(), "false" | "\"false\"" | "null");
    ["explain", "profile"]
        .into_iter()
        .any(|key| own.get(key).is_some_and(|value| value != "false") || body.get(key).is_some_and(wanted))
}

/// Whether the client says that it wants to know how many there are, or that it does not. The total is set back, but
/// between shards of which some hold fewer than `k` it cannot be determined exactly.
fn counts(own: &Params, body: &Object<'_>) -> Option<bool> {
    match own.get("track_total_hits") {
        Some(wanted) => Some(wanted != "false"),
        None => body.get("track_total_hits").map(|wanted| wanted.as_bool() != Some(false)),
    }
}

fn sole(query: Value<'_>, depth: usize) -> Option<Nearest<'_>> {
    let depth = depth.checked_sub(1)?;
    let [clause] = <[_; 1]>::try_from(query.members()?).ok()?;
    match clause.key.as_ref() {
        "knn" if clause.value.get("field").is_some_and(|field| field.kind() == Kind::String) => {
            settings(clause.value)
        }
        "knn" | "neural" => {
            let [field] = <[_; 1]>::try_from(clause.value.members()?).ok()?;
            settings(field.value)
        }
        "bool" => sole(only_clause(clause.value)?, depth),
        _ => None,
    }
}

fn settings(settings: Value<'_>) -> Option<Nearest<'_>> {
    Some(Nearest { settings, k: whole(settings.get("k")?)? })
}

/// The only clause of a `bool` query. A filter beside it would take from the nearest `k` after they were found.
fn only_clause(bool_query: Value<'_>) -> Option<Value<'_>> {
    let mut found = None;
    for member in bool_query.members()? {
        match member.key.as_ref() {
            "must" | "should" => {
                for clause in one_or_many(member.value) {
                    if found.replace(clause).is_some() {
                        return None;
                    }
                }
            }
            "boost" | "_name" | "minimum_should_match" | "adjust_pure_negative" => {}
            _ if !is_filled(Some(member.value)) => {}
            _ => return None,
        }
    }
    found
}

impl Nearest<'_> {
    /// Requests this many from each shard, and at least as many candidates on its way.
    pub(super) fn deepen(&self, hits: u64, edits: &mut Edits) {
        let Some(mut edit) = ObjectEdit::new(self.settings) else { return };
        let less = |value: Option<Value<'_>>| value.and_then(whole).is_some_and(|number| number < hits);
        for key in ["k", "num_candidates"] {
            if less(self.settings.get(key)) {
                edit.set(key, hits.to_string());
            }
        }
        edit.finish(edits);
        let method = self.settings.get("method_parameters");
        if let Some(method) = method.filter(|method| less(method.get("ef_search")))
            && let Some(mut edit) = ObjectEdit::new(method)
        {
            edit.set("ef_search", hits.to_string());
            edit.finish(edits);
        }
    }
}

/// Whether the response shows a total without the number of shards that is needed to set it back.
pub(super) fn hides_shards(kind: SearchKind, shared: &Params) -> bool {
    let at = |path: [&'static str; 2]| -> Vec<&str> {
        let batch = matches!(kind, SearchKind::Msearch | SearchKind::MsearchTemplate);
        batch.then_some("responses").into_iter().chain(path).collect()
    };
    FilterPath::read(shared).is_some_and(|filter| {
        let total = filter.includes(&at(["hits", "total"]))
            || filter.includes(&[at(["hits", "total"]), vec!["value"]].concat());
        total && !filter.includes(&at(["_shards", "total"]))
    })
}
