//! [`Endpoint`] and [`SearchRequest`]: a search on its way through a dialect.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use super::{DialectError, SearchKind};
use crate::{
    search::{FetchPlan, Rewrite, SearchIntent, Unread},
    wire::{
        Page,
        json::{BlockPlace, JsonPage},
    },
};

/// An operation of a database that searches, with what a request's head says about it.
pub trait Endpoint: Send + Sync + 'static {
    /// Which search, for metrics and logs.
    fn kind(&self) -> SearchKind;
    /// How the messages are packed into bodies.
    fn framing(&self) -> Framing {
        Framing::Http
    }
    /// The one search that a request with this body (unpacked) makes, as far as the head tells; `None` where only
    /// reading it tells, or where something in it may be the proxy's own.
    fn unread(&self, _request: &[u8]) -> Option<Unread<'_>> {
        None
    }
    /// The most memory that reading a request takes at a time beside it, in bytes.
    fn working_bytes(&self, request: &[u8]) -> usize;
    /// Reads through a request (unpacked), once for all that follows. On `Err` it is forwarded untouched.
    fn read(self: Arc<Self>, request: Bytes) -> Result<Arc<dyn SearchRequest>, DialectError>;
}

/// How a message is packed into the body of a request or a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// The body is the message, in the codings that `content-encoding` names (RFC 9110 §8.4).
    Http,
    /// A prefix of five bytes, then the message, compressed as `grpc-encoding` names where the prefix says so; trailers
    /// end it (gRPC over HTTP/2).
    Grpc,
}

/// A request with searches, read.
pub trait SearchRequest: Send + Sync + 'static {
    /// The message that was read.
    fn body(&self) -> &Bytes;
    /// What is held in memory beside it, in bytes.
    fn held_bytes(&self) -> usize;
    /// What each of its searches asks for. On `Err` it is forwarded untouched.
    fn intents(&self) -> Result<Vec<SearchIntent>, DialectError>;
    /// Gives `each` the dense vectors that rank the searches with these numbers, in the form of lists of components,
    /// with the number of the search: those of its query and of what that is made of, none that only filter. A vector
    /// that is stored in the database, a sparse one, or several as one are none of them. For the searches whose
    /// intents have been read.
    fn vectors(&self, searches: &[usize], each: &mut dyn FnMut(usize, &[f32])) -> Result<(), DialectError>;
    /// The same searches, requesting the hits and fields of each plan, without the proxy's own members. A plan of
    /// [`FetchPlan::as_asked`] changes nothing else; if no search needs a change, target and body are the client's
    /// own bytes.
    fn rewrite(&self, plans: &[FetchPlan]) -> Result<Rewrite, DialectError>;
    /// The searches of a batch with these numbers, in their order, as a batch of their own, and what to strip from
    /// each. `None` where a batch fails as a whole, and where there are no batches.
    fn pick(&self, _plans: &[FetchPlan], _searches: &[usize]) -> Option<Rewrite> {
        None
    }
    /// The response to a batch with those of some searches replaced: the number of each in it, and in `other`, the
    /// response to what [`pick`](Self::pick) has made.
    fn merge(&self, _response: &Bytes, _other: &Bytes, _places: &[(usize, usize)]) -> Option<Bytes> {
        None
    }
    /// What a response is, as far as its status and its headers tell.
    fn verdict(&self, status: StatusCode, headers: &HeaderMap) -> Verdict;
    /// Whether a response whose head is one of success ends as one, too.
    fn ends_well(&self, _trailers: Option<&HeaderMap>) -> bool {
        true
    }
    /// What a rejection says, where that stands in its headers.
    fn complaint(&self, _headers: &HeaderMap) -> Option<Vec<u8>> {
        None
    }
    /// Whether the database may reject a request for the name of a field that it does not have.
    fn may_reject_names(&self) -> bool {
        false
    }
    /// Where a response can say how its searches ended.
    fn block_place(&self) -> BlockPlace {
        BlockPlace::Nowhere
    }
    /// Whether a response with these headers is of a format that is read.
    fn can_read(&self, headers: &HeaderMap) -> bool;
    /// The most memory that the places of the hits of a response (unpacked) take while they are found, in bytes.
    fn page_bytes(&self, response: &[u8]) -> usize;
    /// Finds the hits of a response (unpacked) to this request.
    fn page(&self, response: Bytes) -> Result<Arc<dyn Page>, DialectError>;
    /// Finds those of a response to what [`rewrite`](Self::rewrite) has made of these plans. On `Err` the response may
    /// also be well-formed, and say that the database has not done what was requested of it.
    fn page_for(&self, response: Bytes, _plans: &[&FetchPlan]) -> Result<Arc<dyn Page>, DialectError> {
        self.page(response)
    }
    /// The page of a response that hits were taken out of, in dialects all of whose endpoints find hits alike, and by nothing
    /// but their own bytes: it gets those that are known of these. `None` in other dialects, and where it cannot be read.
    fn page_without_hits(&self, _response: Bytes) -> Option<JsonPage> {
        None
    }
}

/// Learns from the response to a call that is no search.
pub trait Told: Send + Sync + 'static {
    /// The call has ended: with all of a response of success, without content codings, or unheard (`None`), perhaps with
    /// no response.
    fn hear(&self, response: Option<&[u8]>);
}

/// What a response is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// An answer to the searches.
    Success,
    /// A failure that has nothing to do with how much was requested: credentials, or what is not there.
    Denied,
    /// Any other failure.
    Rejected,
}
