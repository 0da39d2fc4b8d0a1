//! The few responses that are the proxy's own.

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_TYPE, HeaderValue};
use http::{Response, StatusCode, Version};

use super::ProxyError;
use crate::{
    body::{self, Body},
    dialect::Dialect,
};

/// The response to a request that could not be forwarded; plain text where no dialect gives a shape.
pub fn failure(error: &ProxyError, shape: Option<&dyn Dialect>) -> Response<Body> {
    let status = error.status();
    let reason = format!("rerankd: {}", error.said());
    let mut response = match shape {
        Some(dialect) => dialect.failure(status, &reason),
        None => plain(status, reason),
    };
    // What could not be read or forwarded may end elsewhere than it seems: nothing after it is taken for a request.
    // The rest of a request that stalled, or is too large, is not waited for (RFC 9110 §15.5.9, §15.5.14).
    use StatusCode as Is;
    if matches!(status, Is::BAD_REQUEST | Is::REQUEST_TIMEOUT | Is::PAYLOAD_TOO_LARGE) {
        closing(&mut response, Version::HTTP_11);
    }
    response.map(body::full)
}

/// Says with the response to a request of this version of HTTP/1 that its connection ends with it, but for one that hands
/// it to a tunnel.
pub(super) fn closing<B>(response: &mut Response<B>, version: Version) {
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        return;
    }
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    if version == Version::HTTP_10 {
        // hyper says `keep-alive` besides with one of another version.
        *response.version_mut() = version;
    }
}

fn plain(status: StatusCode, reason: String) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(reason + "\n"));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{dialect::Elastic, upstream::UpstreamError};
    use http_body_util::BodyExt;

    #[tokio::test]
    async fn a_silent_upstream_is_a_504_in_the_shape_of_the_dialect() {
        let error = ProxyError::from(UpstreamError::Silent);
        let response = failure(&error, Some(&Elastic));
        assert_eq!(response.status(), StatusCode::GATEWAY_TIMEOUT);
        assert_eq!(response.headers()[CONTENT_TYPE], "application/json");
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert!(body.ends_with(b"\"status\":504}"));
    }
}
