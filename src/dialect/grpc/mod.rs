//! What the dialects over gRPC share: which requests are calls, what a response is, how messages are read, and how a
//! failure of ours looks.

pub mod failure;
pub mod health;
mod object;
mod status;
mod timeout;

use http::{HeaderMap, HeaderValue, Method, header::CONTENT_TYPE};

pub(super) use object::{Object, reading_bytes};
pub(super) use status::{is_success, message, verdict};
pub(super) use timeout::of as timeout;

use crate::search::Head;

/// Whether a message with these headers is gRPC's as it is (gRPC-Web, which browsers speak, is not).
pub fn is_grpc(headers: &HeaderMap) -> bool {
    const GRPC: &[u8] = b"application/grpc";
    let media_type = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    let Some((start, rest)) = media_type.split_at_checked(GRPC.len()) else { return false };
    let is_web = rest.get(..4).is_some_and(|rest| rest.eq_ignore_ascii_case(b"-web"));
    start.eq_ignore_ascii_case(GRPC) && !is_web
}

/// The method of a service that a head calls, and whether something stands before the service's name. gRPC has one
/// spelling of each path, and no other is served.
pub(super) fn method_of<'h>(service: &str, head: &Head<'h>) -> Option<(&'h str, bool)> {
    if head.method != Method::POST || head.query.is_some() {
        return None;
    }
    let (before, method) = head.path.strip_prefix('/')?.rsplit_once('/')?;
    match before.strip_suffix(service)? {
        "" => Some((method, false)),
        before if before.ends_with('/') => Some((method, true)),
        _ => None,
    }
}
