//! What a 200 answer says. Any breach refuses the whole of it: part of an answer with one bad place may be wrong
//! everywhere.

use serde_json::Value;

use super::shape::{Shape, Units};
use crate::rerank::RerankError;

/// An answer as the service meant it, before its scores are mapped.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Read {
    /// One finite score per document, in the order of the request.
    pub(super) scores: Vec<f64>,
    pub(super) billed_units: f64,
    pub(super) billed_tokens: u64,
    /// The model that the answer names, where the shape reads it.
    pub(super) model: Option<String>,
}

/// No model has a longer name; this one goes into a header.
const LONGEST_NAME: usize = 200;

/// Reads an answer for so many documents.
pub(super) fn read(shape: &Shape, body: &[u8], documents: usize) -> Result<Read, RerankError> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let Ok(answer) = serde_json::from_slice::<Value>(body) else {
        return Err(RerankError::BadResponse("not JSON"));
    };
    let results = match shape.results {
        Some(name) => answer.as_object().and_then(|answer| answer.get(name)),
        None => Some(&answer),
    };
    let Some(results) = results.and_then(Value::as_array) else {
        return Err(RerankError::BadResponse("not a rerank answer of this kind of provider"));
    };
    let scores = scores(results, shape.score, documents)?;
    let number = |pointer: &str| answer.pointer(pointer)?.as_f64().filter(|number| *number >= 0.0);
    let billed_units = match shape.units {
        Units::None => 0.0,
        // An odd `meta` is no reason to refuse good scores.
        Units::At(pointer) => number(pointer).unwrap_or(0.0),
        Units::PerHundred => documents.div_ceil(100) as f64,
    };
    let billed_tokens = shape.tokens.and_then(number).unwrap_or(0.0) as u64;
    let model =
        shape.answered_by.and_then(|pointer| answer.pointer(pointer)?.as_str()).filter(|name| is_name(name));
    Ok(Read { scores, billed_units, billed_tokens, model: model.map(str::to_owned) })
}

fn scores(results: &[Value], name: &str, documents: usize) -> Result<Vec<f64>, RerankError> {
    let bad = |why| Err(RerankError::BadResponse(why));
    let mut places = vec![None; documents];
    for result in results {
        let Some(index) = result.get("index").and_then(Value::as_u64) else {
            return bad("a result has no index");
        };
        let Some(score) = result.get(name).and_then(Value::as_f64).filter(|score| score.is_finite()) else {
            return bad("a result has no score");
        };
        let Some(place) = usize::try_from(index).ok().and_then(|index| places.get_mut(index)) else {
            return bad("index out of range");
        };
        if place.replace(score).is_some() {
            return bad("index given twice");
        }
    }
    match places.into_iter().collect::<Option<Vec<f64>>>() {
        Some(scores) => Ok(scores),
        None => bad("not every document scored"),
    }
}

/// A text that can stand for a model in a header.
pub(super) fn is_name(text: &str) -> bool {
    !text.is_empty() && text.len() <= LONGEST_NAME && text.bytes().all(|byte| byte.is_ascii_graphic())
}
