//! What an error response means. Its text only distinguishes errors of one status; it goes nowhere else, since it may
//! quote the query or a document.

use std::{borrow::Cow, time::SystemTime};

use http::{HeaderMap, StatusCode};
use serde_json::Value;

use super::{rejection, retry_after, shape::Shape};
use crate::rerank::{FailureClass, RerankError};

/// The class of an error, and when to come back.
pub(super) fn classify(
    shape: &Shape,
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
    now: SystemTime,
) -> RerankError {
    let status = status.as_u16();
    let said = || said(shape, headers, body);
    let quirk = shape.quirks.iter().find(|quirk| quirk.status == status && said().contains(quirk.says));
    let class = quirk.map_or_else(|| usual(status), |quirk| quirk.class);
    if let FailureClass::TooLarge | FailureClass::InvalidRequest | FailureClass::ProviderUnavailable = class {
        let words = rejection::words(body);
        let known_otherwise = quirk.is_some() && class != FailureClass::TooLarge;
        if class == FailureClass::TooLarge || !known_otherwise && rejection::is_too_large(status, &words) {
            return RerankError::TooLarge { status, stated: rejection::stated(&words) };
        }
    }
    let wait = quirk.and_then(|quirk| quirk.wait);
    RerankError::Status { status, class, retry_after: retry_after::wait(headers, now).or(wait) }
}

fn usual(status: u16) -> FailureClass {
    match status {
        401 | 403 => FailureClass::Auth,
        402 => FailureClass::Billing,
        404 => FailureClass::NotFound,
        413 => FailureClass::TooLarge,
        429 => FailureClass::RateLimited,
        // 424 is a model behind the service that failed.
        408 | 424 | 499 => FailureClass::ProviderUnavailable,
        501 => FailureClass::InvalidRequest,
        500.. => FailureClass::ProviderUnavailable,
        400..=498 => FailureClass::InvalidRequest,
        _ => FailureClass::BadResponse,
    }
}

/// The error's text and AWS's name for it; the whole body where it is no JSON.
fn said(shape: &Shape, headers: &HeaderMap, body: &[u8]) -> String {
    let text: Cow<'_, str> = match serde_json::from_slice::<Value>(body) {
        Ok(error) => {
            let text = shape.errors.iter().find_map(|pointer| error.pointer(pointer)?.as_str());
            text.unwrap_or_default().to_owned().into()
        }
        Err(_) => String::from_utf8_lossy(body),
    };
    let kind = headers.get("x-amzn-errortype").and_then(|value| value.to_str().ok()).unwrap_or_default();
    format!("{text} {kind}")
}

/// How many calls a trial key of Cohere's has left in this minute, where the service reports it.
pub(super) fn trial_calls_left(headers: &HeaderMap) -> Option<u64> {
    headers.get("x-trial-endpoint-call-remaining")?.to_str().ok()?.trim().parse().ok()
}
