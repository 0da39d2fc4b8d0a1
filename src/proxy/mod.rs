//! The client's side: classify a request, then forward it or answer the search.

mod again;
mod answer_block;
mod arriving;
mod client_io;
mod client_signature;
mod connection;
mod direct;
mod ended;
mod error;
mod exchange;
mod expect;
mod forward;
mod framing;
mod grpc;
mod guarded_body;
mod handler;
mod head_limits;
pub mod headers;
mod health;
mod host;
mod kept_order;
mod known_lists;
mod known_page;
mod listener;
mod listener_settings;
mod log;
mod metrics;
mod notes;
mod recalled;
mod relay;
mod report;
mod request_lines;
pub mod respond;
mod root;
mod scratch;
mod search;
mod search_request;
mod search_response;
mod serve;
mod shadow;
mod spelling;
mod target;
mod tls;
mod told;
mod traced;
mod tunnel;
mod unranked;
mod unread_search;

use std::sync::Arc;

use http::{Request, Response, Uri};

pub use client_signature::Signature;
pub use error::ProxyError;
pub use forward::{Forwarder, HeldBodies};
pub use framing::unpack;
pub use grpc::GrpcRoute;
pub use handler::{SearchHandler, SearchLimits};
pub use head_limits::HeadLimits;
pub use health::Health;
pub use known_lists::KnownLists;
pub use listener::Listener;
pub use listener_settings::ListenerSettings;
pub use log::SearchLog;
use metrics::Handling;
pub use metrics::ProxyMetrics;
pub use relay::Relay;
pub use root::Root;
pub use tls::{ServerTls, TlsError, TlsSettings};
pub use traced::respond as respond_traced;
pub use tunnel::TunnelSettings;

use crate::{
    body::Body,
    dialect::{Dialects, Routed, grpc::is_grpc},
    pipeline::strip_own,
    search::{Head, PathPrefix},
    signing::SignedClients,
    traces::{OpenSpan, Tracer},
    upstream::Begun,
};
use log::Aside;

/// What one listener does with requests.
#[derive(Clone)]
pub struct Proxy {
    /// Sends requests to the upstream.
    pub forwarder: Forwarder,
    /// Where gRPC calls go.
    pub grpc: GrpcRoute,
    /// The dialects in which a request may be a search.
    pub dialects: Dialects,
    /// The path below which clients find the database.
    pub path_prefix: PathPrefix,
    /// Whether the database is found below the same path.
    pub keeps_prefix: bool,
    /// Whose requests are signed anew, where the forwarder's upstream signs.
    pub lent_to: SignedClients,
    /// Answers searches.
    pub searches: Arc<SearchHandler>,
    /// Counts every response.
    pub metrics: ProxyMetrics,
    /// How large the head of a request may be.
    pub head: HeadLimits,
    /// Traces requests, if that is wanted.
    pub tracer: Option<Tracer>,
}

impl Proxy {
    /// Answers one request. Never fails: what cannot be forwarded is answered in the dialect's error shape.
    pub async fn handle(&self, mut request: Request<Body>) -> Response<Body> {
        match self.begun(&mut request) {
            None => self.answer(request).await,
            // Boxed: hyper moves the future of every request.
            Some(span) => Box::pin(traced::ending(span, self.answer(request))).await,
        }
    }

    /// The span of a request, if it is traced.
    fn begun(&self, request: &mut Request<Body>) -> Option<OpenSpan> {
        let tracer = self.tracer.as_ref()?;
        if let Some(span) = Begun::span(request.extensions()) {
            request.extensions_mut().insert(span.parent());
            return Some(span);
        }
        let span = traced::begin(Some(tracer), request, self.forwarder.upstream().signs())?;
        if let Some(dialect) = self.dialects.speaking(request.headers()) {
            span.parent().goes_to(dialect.name());
        }
        Some(span)
    }

    async fn answer(&self, mut request: Request<Body>) -> Response<Body> {
        let unsigned = self.forwarder.upstream().signs().then(|| self.unsigned(&mut request)).flatten();
        // Its path is that of a service, never below a prefix.
        let is_call = self.grpc.is_call(&request);
        let forwarder = self.grpc.forwarder().filter(|_| is_call).unwrap_or(&self.forwarder);
        let is_below = is_call || target::take_prefix_off(&mut request, &self.path_prefix, self.keeps_prefix);
        let found = match is_below && is_call == is_grpc(request.headers()) && !target::is_ambiguous(&request)
        {
            true => self.dialects.route(&target::head_of(&request)),
            false => None,
        };
        let handling = if found.is_some() { Handling::Search } else { Handling::Forward };
        let shape = found.as_ref().map(|found| &found.dialect).or(self.dialects.speaking(request.headers()));
        let shape = shape.filter(|_| is_call == is_grpc(request.headers())).cloned();
        let refusal = unsigned.or_else(|| self.refusal(&request, forwarder, is_call));
        let response = match (refusal, found) {
            (Some(error), _) => {
                if is_call {
                    Box::pin(grpc::drain(request.into_body())).await;
                }
                Err(error)
            }
            (None, Some(found)) if client_signature::is_there(&request) => {
                Box::pin(self.searches.pass_by(forwarder, found, request, Aside::Signed)).await
            }
            // Boxed: hyper moves the future of every request, and that of a search is large.
            (None, Some(Routed { dialect, route })) if !route.below_prefix => {
                Box::pin(self.searches.respond(forwarder, &dialect, &route.endpoint, request)).await
            }
            (None, Some(found)) => {
                Box::pin(self.searches.pass_by(forwarder, found, request, Aside::BelowPrefix)).await
            }
            (None, None) => {
                let told = self.dialects.told(&target::head_of(&request)).filter(|_| is_below && !is_call);
                let told = told.map(told::Listening::new);
                let response = forwarder.forward(without_own_headers(request)).await;
                match told {
                    Some(told) => {
                        let room = self.searches.bounds.response_bytes.nothing();
                        response.map(|response| told::heard(response, told, room))
                    }
                    None => response,
                }
            }
        };
        if let Ok(response) = &response {
            forwarder.responded(response.status());
        }
        let response = response.unwrap_or_else(|error| {
            self.metrics.failed(error.cause());
            forwarder.log_failure(&error);
            match is_call {
                true => grpc::failed(&error),
                false => respond::failure(&error, shape.as_deref()),
            }
        });
        self.metrics.answered(handling, response.status());
        if is_call { grpc::ending(response) } else { response }
    }

    /// Who passes on what goes on as it is; `None` where nothing does.
    pub fn relay(&self) -> Option<Relay> {
        let Self { forwarder, dialects, searches, head, metrics, .. } = self;
        let relay = || {
            let searches = (dialects.clone(), searches.clone());
            let relay = Relay::new(forwarder.clone(), Some(searches), *head, metrics.clone());
            relay.map(|relay| relay.tracing(self.tracer.clone()))
        };
        if self.path_prefix.is_empty() { relay() } else { None }
    }

    /// A head as the dialects read it: without the clients' prefix, if it has one.
    pub fn seen<'a>(&self, head: Head<'a>) -> Head<'a> {
        match self.path_prefix.strip(head.path) {
            Some((_, "")) => Head { path: "/", ..head },
            Some((_, rest)) => Head { path: rest, ..head },
            None => head,
        }
    }

    /// A target as clients write it: below their prefix.
    pub fn below_prefix(&self, target: &Uri) -> Uri {
        if self.path_prefix.strip(target.path()).is_some() {
            return target.clone();
        }
        format!("{}{target}", self.path_prefix.as_str()).parse().unwrap_or_default()
    }

    /// What becomes of the signature of a request.
    pub fn signature(&self, request: &Request<Body>) -> Signature {
        match self.forwarder.upstream().signs() {
            true => Signature::OfOurs,
            false if client_signature::is_there(request) => Signature::OfClient,
            false => Signature::None,
        }
    }

    /// Takes its client's signature off a request; why it is refused, if it has none and has to.
    fn unsigned(&self, request: &mut Request<Body>) -> Option<ProxyError> {
        match client_signature::taken_off(request) {
            None => Some(ProxyError::Unforwardable),
            Some(false) if self.lent_to == SignedClients::Signed => Some(ProxyError::Unsigned),
            Some(_) => None,
        }
    }

    /// Why a request is not even looked at.
    fn refusal(&self, request: &Request<Body>, to: &Forwarder, is_call: bool) -> Option<ProxyError> {
        let nowhere = is_call && self.grpc.forwarder().is_none();
        self.head.refusal(request, to).or(nowhere.then_some(ProxyError::NoGrpcAddress))
    }
}

/// A signed request keeps them: its signature may be over them.
fn without_own_headers(request: Request<Body>) -> Request<Body> {
    if client_signature::is_there(&request) {
        return request;
    }
    let (mut parts, body) = request.into_parts();
    parts.headers = strip_own(parts.headers);
    Request::from_parts(parts, body)
}
