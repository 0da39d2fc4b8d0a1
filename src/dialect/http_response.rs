//! What the dialects over plain HTTP share: what a response is, and how one of the proxy's own looks.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header::CONTENT_TYPE};

use super::Verdict;

pub(super) fn verdict(status: StatusCode) -> Verdict {
    match status {
        StatusCode::OK => Verdict::Success,
        StatusCode::UNAUTHORIZED | StatusCode::NOT_FOUND => Verdict::Denied,
        _ => Verdict::Rejected,
    }
}

pub(super) fn is_json(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()) else { return false };
    let media_type = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    media_type == "application/json" || media_type.ends_with("+json")
}

pub(super) fn json_failure(status: StatusCode, body: Bytes) -> Response<Bytes> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
