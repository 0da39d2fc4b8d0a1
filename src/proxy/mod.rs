//! The client's side: classify a request, then forward it or answer the search.

mod again;
mod answered;
mod asked;
mod client_io;
pub mod coding;
mod connection;
mod error;
mod expect;
mod forward;
pub mod headers;
mod kept;
mod listener;
mod metrics;
mod notes;
mod report;
pub mod respond;
mod scratch;
mod search;
mod serve;
mod shadow;
mod tied;
mod tls;
mod tunnel;

use std::sync::Arc;

use http::{Request, Response};

pub use error::ProxyError;
pub use forward::Forwarder;
pub use listener::{Listener, ListenerSettings};
use metrics::Handling;
pub use metrics::ProxyMetrics;
pub use search::{SearchHandler, SearchLimits};
pub use tls::{ServerTls, TlsError, TlsSettings};
pub use tunnel::TunnelSettings;

use crate::{
    dialect::Dialects,
    pipeline::strip_own,
    search::Head,
    upstream::{self, Body},
};

/// What one listener does with requests.
#[derive(Clone)]
pub struct Proxy {
    /// Speaks to the upstream.
    pub forwarder: Forwarder,
    /// The dialects in which a request may be a search.
    pub dialects: Dialects,
    /// Answers searches.
    pub searches: Arc<SearchHandler>,
    /// Counts every answer.
    pub metrics: ProxyMetrics,
    /// The most headers of a request. More are refused by HTTP/1's parser; this is for HTTP/2.
    pub max_headers: usize,
    /// The largest head of a request, in bytes. The parsers' own limits are not so exact.
    pub max_head_bytes: usize,
}

impl Proxy {
    /// Answers one request. Never fails: what cannot be forwarded is answered in the dialect's error shape.
    pub async fn handle(&self, request: Request<Body>) -> Response<Body> {
        let head = Head {
            method: request.method(),
            path: request.uri().path(),
            query: request.uri().query(),
            headers: request.headers(),
        };
        let found = self.dialects.search(&head).map(|(dialect, kind)| (dialect.clone(), kind));
        let handling = if found.is_some() { Handling::Search } else { Handling::Forward };
        let shape = found.as_ref().map(|(dialect, _)| dialect.clone()).or(self.dialects.only().cloned());
        let answer = match found {
            _ if self.is_large(&request) => Err(ProxyError::LargeHead),
            // Boxed: hyper moves the future of every request, and that of a search is large.
            Some((dialect, kind)) => {
                Box::pin(self.searches.answer(&self.forwarder, &dialect, kind, request)).await
            }
            None => self.forwarder.forward(without_own_headers(request)).await,
        };
        let answer = answer.unwrap_or_else(|error| {
            self.metrics.failed(error.cause());
            match &shape {
                Some(dialect) => {
                    respond::failure(&error, Some(&|status, text| dialect.failure(status, text)))
                }
                None => respond::failure(&error, None),
            }
        });
        self.metrics.answered(handling, answer.status());
        answer
    }

    fn is_large(&self, request: &Request<Body>) -> bool {
        let target = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
        let bytes = target + upstream::body::head_bytes(request.headers());
        request.headers().len() > self.max_headers || bytes > self.max_head_bytes
    }
}

fn without_own_headers(request: Request<Body>) -> Request<Body> {
    let (mut parts, body) = request.into_parts();
    parts.headers = strip_own(parts.headers);
    Request::from_parts(parts, body)
}
