//! What a response is: gRPC says so in its trailers, or in its head where nothing else follows.

use http::{HeaderMap, StatusCode};
use percent_encoding::percent_decode;

use crate::dialect::{Verdict, http_response};

const STATUS: &str = "grpc-status";
const MESSAGE: &str = "grpc-message";

/// The statuses of gRPC by their numbers.
const OK: u32 = 0;
const NOT_FOUND: u32 = 5;
const PERMISSION_DENIED: u32 = 7;
const UNIMPLEMENTED: u32 = 12;
const UNAUTHENTICATED: u32 = 16;

/// What a response is by its head. One without a status goes on, and its trailers say more.
pub(in crate::dialect) fn verdict(status: StatusCode, headers: &HeaderMap) -> Verdict {
    match code(headers) {
        None | Some(Ok(OK)) => http_response::verdict(status),
        Some(Ok(NOT_FOUND | PERMISSION_DENIED | UNIMPLEMENTED | UNAUTHENTICATED)) => Verdict::Denied,
        _ => Verdict::Rejected,
    }
}

/// Whether these trailers end a success.
pub(in crate::dialect) fn is_success(trailers: &HeaderMap) -> bool {
    code(trailers) == Some(Ok(OK))
}

/// The status that these headers or trailers give; `Err` for what is no number.
fn code(headers: &HeaderMap) -> Option<Result<u32, ()>> {
    let value = headers.get(STATUS)?.to_str().ok().and_then(|text| text.trim().parse().ok());
    Some(value.ok_or(()))
}

/// What the server says of its status, decoded.
pub(in crate::dialect) fn message(headers: &HeaderMap) -> Option<Vec<u8>> {
    Some(percent_decode(headers.get(MESSAGE)?.as_bytes()).collect())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn with(status: &'static [u8]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(STATUS, HeaderValue::from_bytes(status).unwrap());
        headers
    }

    #[test]
    fn a_status_other_than_0_is_a_failure_also_with_http_200() {
        let verdict = |status| super::verdict(StatusCode::OK, &with(status));
        assert_eq!(super::verdict(StatusCode::OK, &HeaderMap::new()), Verdict::Success, "it goes on");
        assert_eq!(verdict(b"0"), Verdict::Success);
        for denied in [&b"5"[..], b"7", b"12", b"16"] {
            assert_eq!(verdict(denied), Verdict::Denied, "{denied:?}");
        }
        for rejected in [&b"1"[..], b"3", b"8", b"13", b"14", b"", b"zero", b"-0.5", b"\xff"] {
            assert_eq!(verdict(rejected), Verdict::Rejected, "{rejected:?}");
        }
        let too_large = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
        assert_eq!(super::verdict(too_large, &HeaderMap::new()), Verdict::Rejected);
        assert_eq!(super::verdict(StatusCode::UNAUTHORIZED, &with(b"0")), Verdict::Denied);
    }

    #[test]
    fn only_trailers_with_a_status_of_0_end_a_success() {
        assert!(is_success(&with(b"0")));
        for other in [HeaderMap::new(), with(b"5"), with(b""), with(b"zero")] {
            assert!(!is_success(&other), "{other:?}");
        }
    }

    #[test]
    fn a_message_is_decoded() {
        let mut headers = with(b"13");
        headers.insert(MESSAGE, HeaderValue::from_static("Wrong input: 10%25 of gr%C3%B6%C3%9Fe"));
        assert_eq!(message(&headers).unwrap(), "Wrong input: 10% of größe".as_bytes());
        assert_eq!(message(&with(b"0")), None);
    }
}
