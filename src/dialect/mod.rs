//! How databases speak: one folder per dialect. Bytes in, bytes out: no clock, no socket, no `async`.
//!
//! A [`Dialect`] finds in a request's head which search it is: its [`Endpoint`]. That reads the body into a
//! [`SearchRequest`], which says what is asked for, rewrites itself, and finds the hits of its response: a
//! [`Page`](crate::wire::Page).

pub mod elastic;
mod error;
pub mod grpc;
mod http_response;
mod kind;
#[cfg(test)]
mod laws;
mod own;
pub mod paths;
pub mod qdrant;
mod reading;
mod request;
#[cfg(test)]
mod test_support;
mod weaviate;

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode};

pub use elastic::Elastic;
pub use error::DialectError;
pub use kind::SearchKind;
pub use paths::Paths;
pub use request::{Endpoint, Framing, SearchRequest, Told, Verdict};
pub use weaviate::WeaviateGrpc;

use crate::search::Head;

/// How one database's searches look on the wire. Pure, so that one suite of laws holds every implementation to the
/// same promises.
pub trait Dialect: Send + Sync + 'static {
    /// The dialect's name, as in the metric label.
    fn name(&self) -> &'static str;
    /// The kinds of search that [`route`](Self::route) may find.
    fn kinds(&self) -> &[SearchKind];
    /// Whether requests with these headers are written in this dialect's protocol, whatever they ask for.
    fn speaks(&self, headers: &HeaderMap) -> bool;
    /// The search that a head asks for, found before the body is read; `None` for what is none.
    fn route(&self, head: &Head<'_>) -> Option<Route>;
    /// Who has to hear the response to a call that is no search, if anybody: the names of collections that searches
    /// address by an id are told there. To be asked before the call goes on: what it may rename is forgotten at once.
    fn told(&self, _head: &Head<'_>) -> Option<Arc<dyn Told>> {
        None
    }
    /// Our own failure in this database's error shape, so that its client libraries can read it.
    fn failure(&self, status: StatusCode, message: &str) -> Response<Bytes>;
}

/// What a head asks for in a dialect.
#[derive(Clone)]
pub struct Route {
    /// The search.
    pub endpoint: Arc<dyn Endpoint>,
    /// It would be one if its path did not begin with something more: it is forwarded, since that may be a prefix
    /// added by a proxy in between, or mean something to the database.
    pub below_prefix: bool,
}

/// A search, or what looks like one, and its dialect.
#[derive(Clone)]
pub struct Routed {
    /// Whose it is.
    pub dialect: Arc<dyn Dialect>,
    /// Which one, and whether it is to be read.
    pub route: Route,
}

/// The dialects of a listener: none, or those that its database is spoken to in (their paths do not overlap).
#[derive(Clone, Default)]
pub struct Dialects(Vec<Arc<dyn Dialect>>);

impl Dialects {
    /// In the order in which they are tried.
    pub fn new(dialects: Vec<Arc<dyn Dialect>>) -> Self {
        Self(dialects)
    }

    /// The search that this head asks for, or what would be one without the beginning of its path.
    pub fn route(&self, head: &Head<'_>) -> Option<Routed> {
        let mut below = None;
        for dialect in self.0.iter().filter(|dialect| dialect.speaks(head.headers)) {
            match dialect.route(head) {
                Some(route) if route.below_prefix => {
                    below = below.or_else(|| Some(Routed { dialect: dialect.clone(), route }));
                }
                Some(route) => return Some(Routed { dialect: dialect.clone(), route }),
                None => {}
            }
        }
        below
    }

    /// The same where it certainly is a search.
    pub fn search(&self, head: &Head<'_>) -> Option<Routed> {
        self.route(head).filter(|found| !found.route.below_prefix)
    }

    /// Who has to hear the response to a call that is no search.
    pub fn told(&self, head: &Head<'_>) -> Option<Arc<dyn Told>> {
        self.0.iter().find_map(|dialect| dialect.told(head))
    }

    /// Whether there is any.
    pub fn any(&self) -> bool {
        !self.0.is_empty()
    }

    /// The dialect whose error shape suits the response to a request with these headers: the only one in whose
    /// protocol it is written.
    pub fn speaking(&self, headers: &HeaderMap) -> Option<&Arc<dyn Dialect>> {
        let mut speaking = self.0.iter().filter(|dialect| dialect.speaks(headers));
        speaking.next().filter(|_| speaking.next().is_none())
    }
}
