//! The client's side: classify a request, then forward it or answer the search.

pub mod coding;
mod connection;
mod error;
mod expect;
mod forward;
pub mod headers;
mod listener;
mod metrics;
mod notes;
mod report;
pub mod respond;
mod search;
mod shadow;
mod tls;

use std::sync::Arc;

use http::{Request, Response};

pub use error::ProxyError;
pub use forward::Forwarder;
pub use listener::{ClientAddr, Listener, ListenerSettings};
use metrics::Handling;
pub use metrics::ProxyMetrics;
pub use search::{SearchHandler, SearchLimits};
pub use tls::{ServerTls, TlsError, TlsSettings};

use crate::{dialect::Dialects, pipeline::strip_own, search::Head, upstream::Body};

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
            Some((dialect, kind)) => self.searches.answer(&self.forwarder, &dialect, kind, request).await,
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
}

fn without_own_headers(request: Request<Body>) -> Request<Body> {
    let (mut parts, body) = request.into_parts();
    parts.headers = strip_own(parts.headers);
    Request::from_parts(parts, body)
}
