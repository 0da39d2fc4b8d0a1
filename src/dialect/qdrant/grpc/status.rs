//! Whether a response is a success: gRPC says so in its trailers, or in its head where nothing else follows.

use http::HeaderMap;
use percent_encoding::percent_decode;

const STATUS: &str = "grpc-status";
const MESSAGE: &str = "grpc-message";

/// The status that these headers or trailers give, by its number in gRPC; `None` where they give none that is a number.
pub fn code(headers: &HeaderMap) -> Option<u32> {
    headers.get(STATUS)?.to_str().ok()?.trim().parse().ok()
}

/// What the server says of its status, decoded.
pub fn message(headers: &HeaderMap) -> Option<Vec<u8>> {
    Some(percent_decode(headers.get(MESSAGE)?.as_bytes()).collect())
}

/// Whether a response is a success, by its head and the trailers after it, which a response without a body lacks. One that
/// gives no status is none.
pub fn is_success(head: &HeaderMap, trailers: Option<&HeaderMap>) -> bool {
    match trailers {
        // A status in the head ends a response; one that goes on all the same has to hold with both.
        Some(trailers) => code(trailers) == Some(0) && code(head).is_none_or(|code| code == 0),
        None => code(head) == Some(0),
    }
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
    fn only_a_status_of_0_at_the_end_is_a_success() {
        let none = HeaderMap::new();
        assert!(is_success(&none, Some(&with(b"0"))));
        assert!(is_success(&with(b"0"), None), "a head that is all of it");
        assert!(is_success(&with(b"0"), Some(&with(b"0"))));
        for (head, trailers) in [
            (&none, None),
            (&none, Some(&none)),
            (&none, Some(&with(b"5"))),
            (&none, Some(&with(b""))),
            (&none, Some(&with(b"zero"))),
            (&none, Some(&with(b"\xff"))),
            (&with(b"13"), None),
            (&with(b"13"), Some(&with(b"0"))),
            (&with(b"0"), Some(&none)),
        ] {
            assert!(!is_success(head, trailers), "{head:?} {trailers:?}");
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
