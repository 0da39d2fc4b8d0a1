//! A failure of ours as gRPC has it: a response of trailers alone.

use http::header::{CONTENT_TYPE, HeaderName};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

/// What `grpc-message` may not hold as it is: the rest is printable ASCII.
const ENCODED: &AsciiSet = &CONTROLS.add(b'%');

const STATUS: HeaderName = HeaderName::from_static("grpc-status");
const MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

/// The head of the response to a call that fails with the status that a request over REST would get. There is no body:
/// the head ends the stream.
pub fn failure(status: StatusCode, message: &str) -> Response<()> {
    let mut response = Response::new(());
    *response.headers_mut() = trailers(status, message);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    response
}

/// The same as the trailers of a response whose head has been sent.
pub fn trailers(status: StatusCode, message: &str) -> HeaderMap {
    let mut trailers = HeaderMap::with_capacity(3);
    trailers.insert(STATUS, HeaderValue::from(code(status)));
    let message = utf8_percent_encode(message, ENCODED).to_string();
    if let Ok(message) = HeaderValue::try_from(message) {
        trailers.insert(MESSAGE, message);
    }
    trailers
}

/// The status of gRPC's that clients read as the same.
fn code(status: StatusCode) -> u16 {
    match status {
        StatusCode::BAD_REQUEST => 3,
        StatusCode::REQUEST_TIMEOUT | StatusCode::GATEWAY_TIMEOUT => 4,
        StatusCode::PAYLOAD_TOO_LARGE | StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => 8,
        StatusCode::LOOP_DETECTED => 9,
        StatusCode::NOT_IMPLEMENTED => 12,
        _ => 14,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_failure_of_ours_has_its_status_of_grpc() {
        for (status, code) in
            [(502, "14"), (504, "4"), (408, "4"), (400, "3"), (413, "8"), (431, "8"), (508, "9"), (501, "12")]
        {
            let response = failure(StatusCode::from_u16(status).unwrap(), "x");
            assert_eq!(response.status(), 200);
            assert_eq!(response.headers()["grpc-status"], code, "{status}");
            assert_eq!(response.headers()["content-type"], "application/grpc");
        }
    }

    #[test]
    fn a_message_is_percent_encoded_where_it_is_not_printable_ascii() {
        let response = failure(StatusCode::BAD_GATEWAY, "100 % größer\n(x: y)");
        assert_eq!(response.headers()["grpc-message"], "100 %25 gr%C3%B6%C3%9Fer%0A(x: y)");
    }
}
