//! Scores in Cohere's shape.

use std::{cmp::Ordering, sync::Arc};

use bytes::Bytes;
use serde::Serialize;
use uuid::Uuid;

use super::{request::RerankCall, version::Version};
use crate::rerank::{FailureClass, Scores, Span};

#[derive(Serialize)]
struct Body<'a> {
    id: Uuid,
    results: Vec<Ranked<'a>>,
    meta: Meta<'a>,
}

#[derive(Serialize)]
struct Ranked<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    document: Option<Text<'a>>,
    index: usize,
    /// Printed with the digits that a 32-bit float has.
    relevance_score: f32,
    #[serde(skip_serializing_if = "Option::is_none")]
    relevant_spans: Option<&'a [Span]>,
}

#[derive(Serialize)]
struct Text<'a> {
    text: &'a str,
}

#[derive(Serialize)]
struct Meta<'a> {
    api_version: ApiVersion,
    billed_units: BilledUnits,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    warnings: &'a [String],
}

#[derive(Serialize)]
struct ApiVersion {
    version: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    is_experimental: Option<bool>,
}

#[derive(Serialize)]
struct BilledUnits {
    search_units: Count,
    #[serde(skip_serializing_if = "Option::is_none")]
    input_tokens: Option<u64>,
}

/// A number that is whole as a rule, and then looks so.
#[derive(Serialize)]
#[serde(untagged)]
enum Count {
    Whole(u64),
    Part(f64),
}

/// The scores of every document, or the reason why they cannot be returned.
pub(super) fn whole(asked: &RerankCall, scores: &Scores) -> Result<Vec<f32>, FailureClass> {
    if let Some(failure) = scores.failure {
        return Err(failure);
    }
    if scores.scores.len() != asked.documents.len() {
        return Err(FailureClass::BadResponse);
    }
    // What a limit on the cost of one search leaves out has no score.
    let all: Vec<f32> = scores.scores.iter().copied().collect::<Option<_>>().ok_or(FailureClass::TooLarge)?;
    if all.iter().all(|score| score.is_finite()) { Ok(all) } else { Err(FailureClass::BadResponse) }
}

/// The body of a response: results best first, ties by index.
pub(super) fn body(version: Version, id: Uuid, asked: &RerankCall, all: &[f32], scores: &Scores) -> Bytes {
    let mut order: Vec<usize> = (0..all.len()).collect();
    order.sort_by(|&a, &b| by_score(all, a, b));
    order.truncate(asked.top_n.unwrap_or(usize::MAX));
    let results = order.into_iter().filter_map(|index| {
        let echo = asked.echo.as_ref().and_then(|texts| texts.get(index));
        let document = echo.map(|text: &Arc<str>| Text { text });
        let relevant_spans = scores.spans.get(index).and_then(Option::as_deref);
        Some(Ranked { document, index, relevance_score: *all.get(index)?, relevant_spans })
    });
    let body = Body {
        id,
        results: results.collect(),
        meta: Meta {
            api_version: ApiVersion {
                version: version.number(),
                is_experimental: (version == Version::V2).then_some(false),
            },
            billed_units: BilledUnits {
                search_units: Count::of(scores.billed_units),
                input_tokens: Some(scores.billed_tokens).filter(|tokens| *tokens > 0),
            },
            warnings: &asked.warnings,
        },
    };
    // Strings and finite numbers always serialise.
    serde_json::to_vec(&body).unwrap_or_default().into()
}

fn by_score(all: &[f32], a: usize, b: usize) -> Ordering {
    let score = |at: usize| all.get(at);
    score(b).partial_cmp(&score(a)).unwrap_or(Ordering::Equal).then(a.cmp(&b))
}

impl Count {
    fn of(number: f64) -> Self {
        if number.fract() == 0.0 && number >= 0.0 { Count::Whole(number as u64) } else { Count::Part(number) }
    }
}

#[cfg(test)]
#[path = "response_tests.rs"]
mod tests;
