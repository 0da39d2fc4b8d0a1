//! The few responses that are the proxy's own.

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_TYPE, HeaderValue};
use http::{Response, StatusCode};

use super::ProxyError;
use crate::body::{self, Body};

/// Writes a failure in a database's own shape (JSON).
pub type Failure<'a> = &'a dyn Fn(StatusCode, &str) -> Bytes;

/// The response to a request that could not be forwarded; plain text where no dialect gives a shape.
pub fn failure(error: &ProxyError, shape: Option<Failure<'_>>) -> Response<Body> {
    let status = error.status();
    let reason = format!("rerankd: {}", error.said());
    let (kind, bytes) = match shape {
        Some(shape) => ("application/json", shape(status, &reason)),
        None => ("text/plain; charset=utf-8", Bytes::from(reason + "\n")),
    };
    let mut response = Response::new(body::full(bytes));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    // What could not be read or forwarded may end elsewhere than it seems: nothing after it is taken for a request.
    // The rest of a request that stalled is not waited for (RFC 9110 §15.5.9).
    if matches!(status, StatusCode::BAD_REQUEST | StatusCode::REQUEST_TIMEOUT) {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upstream::UpstreamError;
    use http_body_util::BodyExt;

    #[tokio::test]
    async fn a_silent_upstream_is_a_504_in_the_shape_of_the_dialect() {
        let error = ProxyError::from(UpstreamError::Silent);
        let shape = |status: StatusCode, _: &str| Bytes::from(format!("{{\"status\":{}}}", status.as_u16()));
        let response = failure(&error, Some(&shape));
        assert_eq!(response.status(), StatusCode::GATEWAY_TIMEOUT);
        assert_eq!(response.headers()[CONTENT_TYPE], "application/json");
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "{\"status\":504}");
    }
}
