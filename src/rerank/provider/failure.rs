//! What an answer that is no success means. Its text tells only errors of one status apart; it goes nowhere else,
//! since it may quote the query or a document.

use std::{
    borrow::Cow,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use http::{HeaderMap, StatusCode, header};
use serde_json::Value;

use super::shape::Shape;
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
    let wait = quirk.and_then(|quirk| quirk.wait);
    RerankError::Status { status, class, retry_after: retry_after(headers, now).or(wait) }
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

/// How many calls a trial key of Cohere's has left in this minute, where the service says so.
pub(super) fn trial_calls_left(headers: &HeaderMap) -> Option<u64> {
    headers.get("x-trial-endpoint-call-remaining")?.to_str().ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    #[test]
    fn waits_are_read_from_dates_and_milliseconds_too() {
        let wait = |name: &'static str, value: &'static str| {
            let headers =
                HeaderMap::from_iter([(HeaderName::from_static(name), HeaderValue::from_static(value))]);
            retry_after(&headers, UNIX_EPOCH + Duration::from_secs(100))
        };
        assert_eq!(wait("retry-after", "Thu, 01 Jan 1970 00:01:50 GMT"), Some(Duration::from_secs(10)));
        assert_eq!(wait("retry-after", "Thu, 01 Jan 1970 00:00:10 GMT"), Some(Duration::ZERO));
        assert_eq!(wait("retry-after", "1.5"), Some(Duration::from_millis(1500)));
        assert_eq!(wait("retry-after", "-1"), None);
        assert_eq!(wait("retry-after", "1e300"), None);
        assert_eq!(wait("retry-after-ms", "250"), Some(Duration::from_millis(250)));
        assert_eq!(wait("x-ratelimit-reset", "103"), Some(Duration::from_secs(3)));
        assert_eq!(wait("x-ratelimit-reset", "NaN"), None);
    }
}
