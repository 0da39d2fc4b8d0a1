//! OpenSearch's search pipelines, as far as a request says which one its search goes through. That of an index by
//! default is not seen.

use std::borrow::Cow;

use super::{target::Params, value::one_or_many};
use crate::wire::json::{Kind, Object, Value};

/// The pipeline of a request.
pub(super) enum SearchPipeline<'a> {
    /// None is named, or `_none`.
    None,
    /// One that OpenSearch holds: what it does is not seen.
    Named(Cow<'a, str>),
    /// One that stands in the body.
    Inline(Value<'a>),
}

/// The pipeline that takes effect: the query string wins over the body.
pub(super) fn of<'a>(params: &'a Params, body: Option<&Object<'a>>) -> SearchPipeline<'a> {
    let named = |name: Cow<'a, str>| match name.as_ref() {
        "_none" => SearchPipeline::None,
        _ => SearchPipeline::Named(name),
    };
    if let Some(name) = params.get("search_pipeline") {
        return named(Cow::Borrowed(name));
    }
    let value = body.and_then(|body| body.get("search_pipeline")).filter(|value| !value.is_null());
    match value {
        None => SearchPipeline::None,
        Some(value) => value.as_str().map_or(SearchPipeline::Inline(value), named),
    }
}

/// Whether all that an inline pipeline does is known to leave a reranked order right, whatever the size: it prepares
/// the query, normalises scores, or changes hits one by one. What reranks, collapses, cuts by rank, personalises or
/// asks for more is not, nor is any processor not known here.
pub(super) fn only_prepares(inline: Value<'_>) -> bool {
    let known: [(&str, &[&str]); 3] = [
        ("request_processors", &["filter_query", "neural_query_enricher"]),
        ("phase_results_processors", &["normalization-processor", "score-ranker-processor"]),
        ("response_processors", &["rename_field", "split", "hybrid_score_explanation"]),
    ];
    let Some(members) = inline.members() else { return false };
    members.iter().all(|member| {
        if matches!(member.key.as_ref(), "description" | "version") {
            return true;
        }
        let Some((_, harmless)) = known.iter().find(|(kind, _)| *kind == member.key) else { return false };
        one_or_many(member.value).into_iter().all(|processor| {
            let names = processor.members().filter(|names| !names.is_empty());
            names.is_some_and(|names| names.iter().all(|name| harmless.contains(&name.key.as_ref())))
        })
    })
}

/// Whether the body speaks to processors of the pipeline that rerank, or make a response from the hits.
pub(super) fn is_spoken_to(body: Option<&Object<'_>>) -> bool {
    let ext = body.and_then(|body| body.get("ext")).filter(|ext| ext.kind() == Kind::Object);
    let speaks = |name: &str| ext.is_some_and(|ext| ext.get(name).is_some_and(|value| !value.is_null()));
    ["rerank", "ml_inference", "personalize_request_parameters", "generative_qa_parameters"]
        .into_iter()
        .any(speaks)
}
