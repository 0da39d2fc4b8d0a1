//! [`Exchange`]: one search being answered, as all its steps share it.

use std::sync::Arc;

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Response,
    header::{CONTENT_LENGTH, ETAG, LAST_MODIFIED, TRAILER, TRANSFER_ENCODING},
    request, response,
};
use tokio::time::Instant;

use super::{Forwarder, arriving::LARGEST, framing, handler::SearchHandler, headers, notes::Notes};
use crate::{
    body::{self, Body},
    bounds::Permit,
    dialect::{Dialect, Endpoint, Framing, SearchRequest, Verdict},
    pipeline::{Report, Timings},
    wire::Page,
};

/// Reserved for a response before it is requested: where there is not even this much, sending the client's own
/// request saves the database a second one.
pub(super) const FIRST_OF_RESPONSE: usize = LARGEST;

/// What names the bytes of a response, or is a checksum of them (RFC 9110 §8.8, RFC 9530, RFC 3230, RFC 2616 §14.15): it
/// is not true of other bytes.
static OF_OLD_BYTES: [HeaderName; 6] = [
    ETAG,
    LAST_MODIFIED,
    HeaderName::from_static("content-md5"),
    HeaderName::from_static("digest"),
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("repr-digest"),
];

/// One search being answered.
#[derive(Clone)]
pub(super) struct Exchange {
    pub(super) handler: Arc<SearchHandler>,
    pub(super) forwarder: Forwarder,
    pub(super) dialect: Arc<dyn Dialect>,
    pub(super) endpoint: Arc<dyn Endpoint>,
    pub(super) parts: request::Parts,
    /// The body as the client sent it.
    pub(super) raw: Bytes,
    /// The message in it, read.
    pub(super) request: Arc<dyn SearchRequest>,
    /// What reading it takes each time.
    pub(super) working_bytes: usize,
    pub(super) asked_at: Instant,
    pub(super) timings: Timings,
    pub(super) notes: Notes,
    pub(super) _plans: Arc<Permit>,
}

/// A response with what to say about it.
pub(super) type ReportedResponse = (Response<Body>, Vec<Report>);

/// A response that has been received whole.
pub(super) struct Received {
    pub(super) parts: response::Parts,
    /// What stands before the body, where it is not part of it.
    pub(super) prefix: Bytes,
    /// Its body as it came.
    pub(super) raw: Bytes,
    pub(super) trailers: Option<HeaderMap>,
}

/// The hits of a response, with the permit for their positions.
pub(super) type FoundPage = (Arc<dyn Page>, Permit);

/// A response that has been received whole, its hits found.
pub(super) struct Came {
    pub(super) received: Received,
    pub(super) page: Arc<dyn Page>,
    /// The permit for the positions of the hits.
    pub(super) places: Permit,
}

impl Received {
    /// A response as it came.
    pub(super) fn new(parts: response::Parts, raw: Bytes, trailers: Option<HeaderMap>) -> Self {
        Self { parts, prefix: Bytes::new(), raw, trailers }
    }

    /// The response, unchanged.
    pub(super) fn into_response(self) -> Response<Body> {
        Response::from_parts(self.parts, body::whole(self.prefix, self.raw, self.trailers))
    }

    /// The response with another message: length and coding are those of the new bytes.
    pub(super) fn with_message(self, message: Bytes, framing: Framing) -> Self {
        let Self { mut parts, mut trailers, .. } = self;
        headers::replace(&mut parts.headers, &framing::coding_header(framing), None);
        let prefix = framing::prefix(framing, &message);
        let length = match framing {
            Framing::Http => {
                for name in [TRANSFER_ENCODING, TRAILER].iter().chain(&OF_OLD_BYTES) {
                    headers::replace(&mut parts.headers, name, None);
                }
                trailers = None;
                Some(HeaderValue::from(message.len()))
            }
            Framing::Grpc => None,
        };
        headers::replace(&mut parts.headers, &CONTENT_LENGTH, length);
        Self { parts, prefix, raw: message, trailers }
    }
}

impl Exchange {
    /// What a response is, as far as its head tells.
    pub(super) fn verdict(&self, response: &Response<Body>) -> Verdict {
        self.request.verdict(response.status(), response.headers())
    }

    /// Whether a response is an answer to the searches, as far as its head tells.
    pub(super) fn is_success(&self, response: &Response<Body>) -> bool {
        self.verdict(response) == Verdict::Success
    }

    /// The same of a response that has been received whole.
    pub(super) fn has_succeeded(&self, received: &Received) -> bool {
        let Received { parts, trailers, .. } = received;
        let verdict = self.request.verdict(parts.status, &parts.headers);
        verdict == Verdict::Success && self.request.ends_well(trailers.as_ref())
    }
}

/// How many searches a page answers, with hits or without.
pub(super) fn responses(page: &dyn Page) -> usize {
    let searches = page.lists().iter().map(|list| list.search);
    searches.chain(page.failed().iter().map(|failure| failure.search)).max().map_or(0, |last| last + 1)
}
