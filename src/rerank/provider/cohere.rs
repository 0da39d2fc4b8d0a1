//! Cohere's v2 rerank format: bytes to send, what an answer says. No clock, no socket.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use http::{HeaderMap, StatusCode, header};
use serde::{Deserialize, Serialize};

use crate::rerank::{FailureClass, RerankError};

/// What is sent with every call. `Serialize` is never derived for it: only documented fields go out.
#[derive(Clone, Debug)]
pub struct Format {
    /// The configured model.
    pub model: Arc<str>,
    /// See [`crate::rerank::CohereSettings`].
    pub max_tokens_per_doc: Option<u32>,
    /// See [`crate::rerank::CohereSettings`].
    pub priority: Option<u16>,
}

/// What a model reads, in tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ModelLimits {
    /// Query and document together.
    pub context: usize,
    /// The query is cut to this.
    pub query: usize,
}

/// The limits of a model; of an unknown one, the smallest known.
pub fn limits(model: &str) -> ModelLimits {
    match model {
        "rerank-v4.0-pro" | "rerank-v4.0-fast" | "rerank-v5.0-pro" | "rerank-v5.0-fast" => {
            ModelLimits { context: 32_768, query: 16_384 }
        }
        _ => ModelLimits { context: 4_096, query: 2_048 },
    }
}

/// The least urgent `priority`.
pub const LOWEST_PRIORITY: u16 = 999;

/// The service's own cut of a document if none is sent.
const DEFAULT_TOKENS_PER_DOC: usize = 4_096;

/// More than a token takes in any script on average: a cut too long is mended by the service, one too short is not.
const BYTES_PER_TOKEN: usize = 6;

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    query: &'a str,
    documents: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens_per_doc: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    priority: Option<u16>,
}

impl Format {
    /// The body of a request. `top_n` is never sent: what is not returned has no score.
    pub fn body(&self, model: &str, query: &str, documents: &[Arc<str>]) -> Vec<u8> {
        let limits = limits(model);
        let wanted = self.max_tokens_per_doc.map_or(DEFAULT_TOKENS_PER_DOC, |tokens| tokens as usize);
        let document_bytes = wanted.min(limits.context).saturating_mul(BYTES_PER_TOKEN);
        let body = Body {
            model,
            query: cut(query, limits.query * BYTES_PER_TOKEN),
            documents: documents.iter().map(|text| cut(text, document_bytes)).collect(),
            max_tokens_per_doc: self.max_tokens_per_doc,
            priority: self.priority,
        };
        // Strings and numbers always serialise; an empty body would be refused by the service.
        serde_json::to_vec(&body).unwrap_or_default()
    }
}

fn cut(text: &str, bytes: usize) -> &str {
    let mut end = bytes.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[derive(Deserialize)]
struct Parsed {
    results: Vec<Scored>,
    // Loose: an odd `meta` is no reason to refuse good scores.
    meta: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct Scored {
    index: u64,
    relevance_score: f64,
}

/// Scores in the order of the documents, and the search units billed. Any breach refuses the whole answer.
pub fn parse(body: &[u8], documents: usize) -> Result<(Vec<f32>, f64), RerankError> {
    let bad = |why| Err(RerankError::BadResponse(why));
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    // A derived type would take an array for an object, member by member.
    if body.trim_ascii_start().first() != Some(&b'{') {
        return bad("not a JSON object");
    }
    let Ok(parsed) = serde_json::from_slice::<Parsed>(body) else {
        return bad("not a rerank answer");
    };
    let mut scores = vec![None; documents];
    for Scored { index, relevance_score } in parsed.results {
        let Some(place) = usize::try_from(index).ok().and_then(|index| scores.get_mut(index)) else {
            return bad("index out of range");
        };
        if !(0.0..=1.0).contains(&relevance_score) {
            return bad("score out of range");
        }
        if place.replace(relevance_score as f32).is_some() {
            return bad("index given twice");
        }
    }
    let Some(scores) = scores.into_iter().collect::<Option<Vec<f32>>>() else {
        return bad("not every document scored");
    };
    let billed = parsed
        .meta
        .and_then(|meta| meta.pointer("/billed_units/search_units")?.as_f64())
        .filter(|units| units.is_finite() && *units >= 0.0)
        .unwrap_or(0.0);
    Ok((scores, billed))
}

/// What an answer that is no success means. The body only tells the two kinds of 429 apart.
pub fn classify(status: StatusCode, headers: &HeaderMap, body: &[u8], now: SystemTime) -> RerankError {
    let class = match status.as_u16() {
        300..=399 => FailureClass::BadResponse,
        401 | 403 => FailureClass::Auth,
        402 => FailureClass::Billing,
        404 => FailureClass::NotFound,
        413 => FailureClass::TooLarge,
        429 if monthly(body) => FailureClass::QuotaExhausted,
        429 => FailureClass::RateLimited,
        408 | 499 => FailureClass::ProviderUnavailable,
        501 => FailureClass::InvalidRequest,
        500.. => FailureClass::ProviderUnavailable,
        400..=498 => FailureClass::InvalidRequest,
        _ => FailureClass::BadResponse,
    };
    RerankError::Status { status: status.as_u16(), class, retry_after: retry_after(headers, now) }
}

/// The spent allowance of a trial key; the per-minute text has no month in it.
fn monthly(body: &[u8]) -> bool {
    memchr::memmem::find(body, b"/ month").is_some()
}

/// When the service says to come back: `retry-after-ms`, `retry-after` (seconds or a date) or `x-ratelimit-reset`.
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    // The service's own clock, so that ours may be wrong.
    let now =
        text(header::DATE.as_str()).and_then(|date| httpdate::parse_http_date(date).ok()).unwrap_or(now);
    let seconds = |text: &str| Duration::try_from_secs_f64(text.parse().ok()?).ok();
    let until = |time: SystemTime| time.duration_since(now).unwrap_or_default();
    if let Some(millis) = text("retry-after-ms").and_then(|text| text.parse().ok()) {
        return Some(Duration::from_millis(millis));
    }
    if let Some(said) = text("retry-after") {
        let date = || httpdate::parse_http_date(said).ok().map(until);
        if let Some(time) = seconds(said).or_else(date) {
            return Some(time);
        }
    }
    let reset = UNIX_EPOCH.checked_add(seconds(text("x-ratelimit-reset")?)?)?;
    Some(until(reset))
}

/// How many calls a trial key has left in this minute, where the service says so.
pub fn trial_calls_left(headers: &HeaderMap) -> Option<u64> {
    headers.get("x-trial-endpoint-call-remaining")?.to_str().ok()?.trim().parse().ok()
}

#[cfg(test)]
#[path = "cohere_tests.rs"]
mod tests;
