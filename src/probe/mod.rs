//! One search run inside the program, twice: as the database ranks it, and through the same pipeline as the server.
//! Shared by `rerankd eval`, `calibrate` and `explain`.

mod explained;

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri, Version};
use tokio::time::{Duration, Instant};

use crate::{
    app::{self, Offline, StartError},
    body::{self, Body, BodyRead},
    bounds::Budget,
    config::Config,
    dialect::grpc::is_grpc,
    pipeline::{Outcome, SearchRecord, Witness},
    proxy::Proxy,
    rerank::ScoreStore,
    search::{Head, HitAt, KeepReason},
    tenant::AsTenant,
};

pub use crate::proxy::Signature;
pub use explained::{Explained, Unexplained};

/// A larger response is not read.
const RESPONSE_BYTES: usize = 64 << 20;

/// Timeout of connecting to Redis: after it the search goes on without.
const MAX_WAIT: Duration = Duration::from_secs(2);

/// A request as a client would send it. Without `Debug`: it holds the query's text.
#[derive(Clone)]
pub struct Ask {
    /// The method.
    pub method: Method,
    /// Path and query string.
    pub target: Uri,
    /// The headers, content type included.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Ask {
    /// Whether it is a gRPC call.
    pub fn is_call(&self) -> bool {
        is_grpc(&self.headers)
    }
}

/// Searches through the proxy of one listener.
#[derive(Clone)]
pub struct Probe {
    proxy: Proxy,
    store: Arc<ScoreStore>,
    /// Whose the searches are.
    tenant: Option<AsTenant>,
}

/// The parts of a response that are compared.
#[derive(Clone, Debug)]
pub struct ProbeResponse {
    /// The ids of its hits, best first.
    pub ids: Vec<String>,
    /// The time until the last byte had arrived.
    pub took: Duration,
}

/// The result of a search through the pipeline.
#[derive(Clone)]
pub struct Reranked {
    /// The client's response.
    pub response: ProbeResponse,
    /// What was done, hit by hit, text included.
    pub record: SearchRecord,
}

/// Why a search has no response.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProbeError {
    /// The configuration has no listener of this number.
    #[error("the configuration has no such listener")]
    NoListener,
    /// The request is no search in the listener's dialect.
    #[error("the request is not a search that rerankd reads")]
    NotASearch,
    /// The request cannot be read.
    #[error("the search cannot be read ({})", .0.as_str())]
    Unread(KeepReason),
    /// It holds several searches, or none.
    #[error("the request holds {0} searches, not one")]
    NotOne(usize),
    /// The database, or the way to it, failed.
    #[error("the database answered {0}")]
    Status(StatusCode),
    /// The response broke off, or is none to a search.
    #[error("the response could not be read")]
    Response,
}

impl Probe {
    /// A probe of this listener's database, counted from 0. Blocks on the disk; needs a Tokio runtime.
    pub fn new(config: &Config, listener: usize) -> Result<Result<Self, ProbeError>, StartError> {
        let Offline { proxies, store, .. } = app::offline(config)?;
        let proxy = proxies.into_iter().nth(listener);
        Ok(proxy.map(|proxy| Self { proxy, store, tenant: None }).ok_or(ProbeError::NoListener))
    }

    /// The same for searches of the tenant of this name.
    pub fn as_tenant(self, name: &str) -> Self {
        Self { tenant: Some(AsTenant(name.into())), ..self }
    }

    /// Waits until Redis, if it is configured, has been connected to or cannot be: until then its scores are not known.
    pub async fn ready(&self) {
        self.store.tried(MAX_WAIT).await;
    }

    /// Waits until what was paid for is written to Redis, if it is configured.
    pub async fn flush(&self) {
        self.store.flush(MAX_WAIT).await;
    }

    /// Whether the request is one search; nothing is sent.
    pub fn check(&self, ask: &Ask) -> Result<(), ProbeError> {
        let head = self.proxy.seen(head(ask));
        let found = self.proxy.dialects.search(&head).ok_or(ProbeError::NotASearch)?;
        let request = found.route.endpoint.read(ask.body.clone());
        let intents = request
            .and_then(|request| request.intents())
            .map_err(|error| ProbeError::Unread(error.reason()))?;
        if intents.len() == 1 { Ok(()) } else { Err(ProbeError::NotOne(intents.len())) }
    }

    /// The database's own response.
    pub async fn plain(&self, ask: &Ask) -> Result<ProbeResponse, ProbeError> {
        let mut ask = ask.clone();
        ask.headers.insert(HeaderName::from_static("x-rerank"), HeaderValue::from_static("off"));
        self.send(&ask, &Witness::default()).await
    }

    /// The response that the server would give, and what it did for it.
    pub async fn reranked(&self, ask: &Ask) -> Result<Reranked, ProbeError> {
        let witness = Witness::default();
        let response = self.send(ask, &witness).await?;
        let record = witness.take().into_iter().next().ok_or(ProbeError::Response)?;
        Ok(Reranked { response, record })
    }

    async fn send(&self, ask: &Ask, witness: &Witness) -> Result<ProbeResponse, ProbeError> {
        let started = Instant::now();
        let response = self.proxy.handle(self.request(ask, witness)).await;
        if response.status() != StatusCode::OK {
            return Err(ProbeError::Status(response.status()));
        }
        let room = Budget::new(RESPONSE_BYTES).nothing();
        let bytes = match body::read_up_to(response.into_body(), RESPONSE_BYTES, room, None).await {
            Ok(BodyRead::Whole { bytes, .. }) => bytes,
            Ok(BodyRead::TooLarge(_) | BodyRead::NoRoom(_)) | Err(_) => return Err(ProbeError::Response),
        };
        Ok(ProbeResponse { ids: self.ids(ask, bytes)?, took: started.elapsed() })
    }

    fn request(&self, ask: &Ask, witness: &Witness) -> Request<Body> {
        let mut request = request(&self.proxy, ask, witness);
        if let Some(tenant) = &self.tenant {
            request.extensions_mut().insert(tenant.clone());
        }
        request
    }

    fn ids(&self, ask: &Ask, response: Bytes) -> Result<Vec<String>, ProbeError> {
        let head = self.proxy.seen(head(ask));
        let found = self.proxy.dialects.search(&head).ok_or(ProbeError::NotASearch)?;
        let request = found.route.endpoint.read(ask.body.clone());
        let page = request.and_then(|request| request.page(response)).map_err(|_| ProbeError::Response)?;
        let of_list = |(list, hits): (usize, usize)| (0..hits).map(move |hit| HitAt { list, hit });
        let hits = page.lists().iter().map(|list| list.hits).enumerate().flat_map(of_list);
        Ok(hits.map(|at| page.id(at).id).collect())
    }
}

impl Reranked {
    /// Why the order was kept, if it was.
    pub fn kept(&self) -> Option<KeepReason> {
        match self.record.report.outcome {
            Outcome::Kept(reason) => Some(reason),
            Outcome::Applied | Outcome::Partial(_) => None,
        }
    }
}

fn request(proxy: &Proxy, ask: &Ask, witness: &Witness) -> Request<Body> {
    let mut request = Request::new(body::full(ask.body.clone()));
    *request.method_mut() = ask.method.clone();
    // The path of a call is that of a service, never below a prefix.
    *request.uri_mut() = if ask.is_call() { ask.target.clone() } else { proxy.below_prefix(&ask.target) };
    *request.headers_mut() = ask.headers.clone();
    // A call is one only over HTTP/2; any other request need not name the recipient.
    *request.version_mut() = if ask.is_call() { Version::HTTP_2 } else { Version::HTTP_10 };
    request.extensions_mut().insert(witness.clone());
    request
}

fn head(ask: &Ask) -> Head<'_> {
    Head { method: &ask.method, path: ask.target.path(), query: ask.target.query(), headers: &ask.headers }
}
