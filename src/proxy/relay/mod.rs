//! [`Relay`]: requests that go on from their own bytes.
//!
//! Most requests to a database are no searches, and all that they need is one head read, judged and written, twice. What
//! every reader reads in the same way, and nothing has to be done for, passes here, searches among it that are certainly
//! not to be ranked; other searches are read here and answered. All else is hyper's: a response that is not plain is given
//! to it as it came, and so is every other message.

mod answer;
mod body;
mod buffer;
mod client;
mod exchange;
mod lent;
mod lines;
mod passing;
mod request;
pub(super) mod response;
mod rewound;
mod sending;
mod session;

use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

pub(super) use client::Client;
pub(super) use lent::Lent;
use request::Request;
pub(super) use session::{Next, run};

use super::forward::Forwarder;
use super::head_limits::HeadLimits;
use super::metrics::{Handling, ProxyMetrics};
use super::{SearchHandler, client_signature, respond, target, traced, unranked::PassedOn};
use crate::body::Body;
use crate::dialect::{Dialects, Routed};
use crate::tenant::Peer;
use crate::traces::Tracer;
use crate::upstream::Upstream;

static NO_HEADERS: LazyLock<HeaderMap> = LazyLock::new(HeaderMap::new);

/// Which requests of a listener go on as they are, and where to.
pub struct Relay {
    forwarder: Forwarder,
    searches: Option<Searches>,
    head: HeadLimits,
    metrics: ProxyMetrics,
    tracer: Option<Tracer>,
}

/// What is a search, and who answers it.
pub type Searches = (Dialects, Arc<SearchHandler>);

/// What goes on as it is.
enum Taken {
    /// No search.
    Forward,
    /// A search that is not to be ranked.
    PassedOn(PassedOn),
    /// Another one.
    Search(Asked),
}

/// A search as it came.
struct Asked {
    found: Routed,
    handler: Arc<SearchHandler>,
    request: http::Request<Body>,
}

impl Relay {
    /// Those that tell the dialects of `searches` nothing, nor are over the limits of `head`, to where `forwarder` sends;
    /// and answers searches. `None` where none can be sent so.
    pub fn new(
        forwarder: Forwarder,
        searches: Option<Searches>,
        head: HeadLimits,
        metrics: ProxyMetrics,
    ) -> Option<Self> {
        forwarder.upstream().is_raw().then_some(Self { forwarder, searches, head, metrics, tracer: None })
    }

    /// The same, tracing requests.
    pub fn tracing(self, tracer: Option<Tracer>) -> Self {
        Self { tracer, ..self }
    }

    /// What a request of this peer is, if it is taken.
    fn takes(&self, request: &Request<'_>, body: &[u8], peer: Option<&Peer>) -> Option<Taken> {
        let HeadLimits { max_headers, max_head_bytes } = self.head;
        if request.count() > max_headers || request.bytes > max_head_bytes {
            return None;
        }
        let Some((dialects, handler)) = &self.searches else { return Some(Taken::Forward) };
        let head = request.seen(&NO_HEADERS);
        let is_search = dialects.route(&head).is_some();
        if !is_search && !request.has_own {
            return dialects.told(&head).is_none().then_some(Taken::Forward);
        }
        // A signature may be over what is said to us, or over the body.
        let mut made = request.made().filter(|made| !client_signature::is_there(made))?;
        if !is_search {
            return dialects.told(&head).is_none().then_some(Taken::Forward);
        }
        let found = dialects.search(&target::head_of(&made))?;
        if let Some(peer) = peer.filter(|_| handler.pipeline.has_tenants()) {
            made.extensions_mut().insert(peer.clone());
        }
        if let Some(search) = handler.passed_on(&found, (made.headers(), made.extensions()), body) {
            return Some(Taken::PassedOn(search));
        }
        if self.head.refusal(&made, &self.forwarder).is_some() {
            return None;
        }
        made.extensions_mut().insert(request.spelling());
        *made.body_mut() = crate::body::full(Bytes::copy_from_slice(body));
        Some(Taken::Search(Asked { found, handler: handler.clone(), request: made }))
    }

    /// The response to a search.
    async fn respond(&self, mut asked: Asked) -> http::Response<Body> {
        match traced::begin(self.tracer.as_ref(), &mut asked.request, false) {
            None => self.answer(asked).await,
            // Boxed: the future of every search would be as large.
            Some(span) => Box::pin(traced::ending(span, self.answer(asked))).await,
        }
    }

    async fn answer(&self, Asked { found, handler, request }: Asked) -> http::Response<Body> {
        let Routed { dialect, route } = found;
        let response = handler.respond(&self.forwarder, &dialect, &route.endpoint, request).await;
        if let Ok(response) = &response {
            self.forwarder.responded(response.status());
        }
        let response = response.unwrap_or_else(|error| {
            self.metrics.failed(error.cause());
            self.forwarder.log_failure(&error);
            respond::failure(&error, Some(&*dialect))
        });
        self.metrics.answered(Handling::Search, response.status());
        response
    }

    fn upstream(&self) -> &Upstream {
        self.forwarder.upstream()
    }

    /// Notes that a response with this status has come. Returns the headers that it gets beside its own.
    fn answered(&self, status: u16, search: Option<PassedOn>) -> HeaderMap {
        self.upstream().raw_answered();
        let status = StatusCode::from_u16(status).unwrap_or_default();
        self.forwarder.responded(status);
        let handling = if search.is_some() { Handling::Search } else { Handling::Forward };
        self.metrics.answered(handling, status);
        search.map(|search| search.responded(status)).unwrap_or_default()
    }
}
