//! `text_similarity_reranker`: the reranker that a request asks Elasticsearch to run.

use super::{
    chunks, settings,
    shape::{self, DEFAULT_RANK_WINDOW, RERANKER},
    target::Params,
    value::is_filled,
    value::one_or_many,
};
use crate::{
    search::NamedReranker,
    wire::json::{Edits, Kind, Object, ObjectEdit, Value},
};

/// The model where the request names none (Elasticsearch 8.18 on).
const DEFAULT_INFERENCE_ID: &str = ".rerank-v1-elasticsearch";
/// Retrievers nested deeper than this are left to the upstream.
const MAX_DEPTH: usize = 20;
/// Field names with more parts than any mapping has.
const MOST_FIELD_PARTS: usize = 32;
const LONGEST_FIELD: usize = 1000;

/// The outermost retriever of a request where it is a reranker that could be served.
pub(super) struct Reranker {
    /// What the request says of it.
    pub(super) named: NamedReranker,
    /// The retriever that finds its candidates, as JSON, with the outer filter too.
    pub(super) inner: String,
    /// How many candidates there can be.
    pub(super) candidates: u64,
}

/// `None` where there is none, where another place holds it, or where the upstream will reject it.
pub(super) fn read(params: &Params, body: Option<&Object<'_>>, size: u64) -> Option<Reranker> {
    let body = body?;
    let retriever = only_member(body.get("retriever")?, RERANKER)?;
    if stands_beside_others(params, body) {
        return None;
    }
    let known = [
        "retriever",
        "field",
        "inference_id",
        "inference_text",
        "rank_window_size",
        "min_score",
        "filter",
        "chunk_rescorer",
        "allow_rerank_failures",
        "_name",
    ];
    let members = retriever.members()?;
    if members.iter().any(|member| !known.contains(&member.key.as_ref())) {
        return None;
    }
    let given = |key: &str| {
        let member = members.iter().rev().find(|member| member.key == key)?;
        Some(member.value).filter(|value| !value.is_null())
    };
    let text = |key: &str| given(key)?.as_str().filter(|text| !text.trim().is_empty());
    let field = text("field").filter(|field| is_name(field))?.into_owned();
    let inference_id = match given("inference_id") {
        Some(id) => id.as_str()?.into_owned(),
        None => DEFAULT_INFERENCE_ID.to_owned(),
    };
    let window = match given("rank_window_size") {
        Some(window) => settings::whole(window)?,
        None => DEFAULT_RANK_WINDOW,
    };
    let min_score = match given("min_score") {
        Some(floor) => Some(settings::decimal(floor)? as f32).filter(|floor| floor.is_finite()),
        None => None,
    };
    // A page beyond the window is rejected.
    if window == 0 || size > window {
        return None;
    }
    let inner = given("retriever")?;
    let candidates = candidates(inner)?.min(window);
    let query = text("inference_text")?.into_owned();
    let chunks = match given("chunk_rescorer") {
        Some(chunks) => Some(chunks::read(chunks)?),
        None => None,
    };
    let named = NamedReranker { inference_id, query, field, window, min_score, chunks };
    let inner = match given("filter") {
        Some(filter) => filtered(inner, filter)?,
        None => inner.text().to_owned(),
    };
    Some(Reranker { named, inner, candidates })
}

/// The value of the only member, if it has this name.
fn only_member<'a>(object: Value<'a>, name: &str) -> Option<Value<'a>> {
    match &object.members()?[..] {
        [only] if only.key == name => Some(only.value),
        _ => None,
    }
}

/// What Elasticsearch rejects beside such a retriever.
fn stands_beside_others(params: &Params, body: &Object<'_>) -> bool {
    const REFUSED: [&str; 11] = [
        "query",
        "knn",
        "sub_searches",
        "sort",
        "rescore",
        "rank",
        "search_after",
        "terminate_after",
        "min_score",
        "slice",
        // It is accepted, but applies to the reranker's output.
        "post_filter",
    ];
    body.members()
        .iter()
        .any(|member| REFUSED.contains(&member.key.as_ref()) && is_filled(Some(member.value)))
        || ["q", "sort", "scroll", "terminate_after"].iter().any(|name| params.has(name))
}

/// A field's own name: no pattern, and no deeper than a mapping goes.
fn is_name(field: &str) -> bool {
    field.len() <= LONGEST_FIELD
        && field.split('.').count() <= MOST_FIELD_PARTS
        && !field.contains('*')
        && field.split('.').all(|part| !part.is_empty())
}

/// The most candidates that an inner retriever gives; `None` for one that is not understood.
fn candidates(inner: Value<'_>) -> Option<u64> {
    let members = inner.members()?;
    let [only] = &members[..] else { return None };
    let understood = matches!(only.key.as_ref(), "standard" | "knn" | "rrf" | "linear")
        && only.value.kind() == Kind::Object
        && !shape::reranks_upstream(inner, MAX_DEPTH)
        && !shape::is_sorted(inner, MAX_DEPTH);
    if !understood {
        return None;
    }
    shape::of_retriever(inner).ok().map(|(_, most)| most)
}

/// A retriever's text with this filter before its own.
fn filtered(retriever: Value<'_>, filter: Value<'_>) -> Option<String> {
    let text = retriever.text();
    let settings = Value::parse(text.as_bytes()).ok()?.members()?.pop()?.value;
    let filters = [Some(filter), settings.get("filter").filter(|filter| !filter.is_null())];
    let filters: Vec<&str> = filters.into_iter().flatten().flat_map(one_or_many).map(Value::text).collect();
    let mut edit = ObjectEdit::new(settings)?;
    edit.set("filter", format!("[{}]", filters.join(",")));
    let mut edits = Edits::new();
    edit.finish(&mut edits);
    String::from_utf8(edits.apply_to(text.as_bytes())).ok()
}
