//! The connection pool to the search database.

mod address;
mod begun;
mod client;
mod connect;
mod cork;
mod error;
mod http2;
mod kept;
mod link;
mod log;
mod pool;
mod raw;
mod request_line;
mod response_body;
mod response_timeout;
mod returning;
mod signed;
mod socket;
mod standing;
pub mod target;
mod tls;
mod tried;
mod watch;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::TE;
use http::request::Parts;
use http::uri::{Authority, Scheme};
use http::{HeaderMap, HeaderValue, Method, Request, Response, Uri};
use http_body::Body as _;
use tokio::time::Instant;

use crate::body::{self, Arrived, Body, Stalled};
use address::Address;
pub use begun::Begun;
use client::Client;
pub use cork::Corked;
pub use error::{UpstreamError, UpstreamSetupError};
use raw::RawPool;
pub use raw::{RawConnection, RawHome};
use response_body::Came;
use response_timeout::ResponseTimeout;
use returning::Owed;
pub use returning::{HOP, Mark};
use signed::AllOfBody;
pub use socket::{FEW, gathered};
pub use standing::Failing;
use standing::Standing;
pub use target::{RawTarget, STAND_IN, is_odd};
pub use tls::{ClientIdentity, UpstreamTls, certificate};
pub use tried::traced_try;
use watch::{SilenceLimits, Watch};

use crate::bounds::{TimeoutKind, Timeouts};
use crate::signing::Signer;
use crate::trouble::Lines;
use crate::workers;

/// Which `Host` the upstream sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HostHeader {
    /// The upstream's own authority.
    #[default]
    Upstream,
    /// What the client sent; over HTTP/2 in `:authority`.
    Preserve,
}

/// How to reach the upstream.
#[derive(Debug, Clone)]
pub struct UpstreamSettings {
    /// `http://host[:port]` or `https://host[:port]`.
    pub url: Uri,
    /// The path below which the database is found: empty, or with its slash before and none behind.
    pub path_prefix: String,
    /// Which `Host` header goes upstream.
    pub host: HostHeader,
    /// Speak HTTP/2 (without upgrade, also in cleartext).
    pub http2: bool,
    /// Requests are gRPC calls: they say that they take trailers.
    pub grpc: bool,
    /// Where the URL is `https://`.
    pub tls: UpstreamTls,
    /// Signs every request, if the database wants that.
    pub signer: Option<Signer>,
    /// How long making a connection may take, TLS handshake included.
    pub connect_timeout: Duration,
    /// Idle timeout of connections; Qdrant closes its own after 5 s.
    pub idle_timeout: Duration,
    /// Timeout for the head of the response to a search, once the upstream has the request; `None`: unlimited.
    pub response_timeout: Option<Duration>,
    /// The same for any other request: some take long by their nature; `None`: unlimited.
    pub forward_timeout: Option<Duration>,
    /// Timeout while no byte of a body moves, either way; `None`: unlimited.
    pub body_timeout: Option<Duration>,
    /// The most headers of a response.
    pub max_headers: usize,
    /// The largest head of a response, in bytes; at least 8 KiB.
    pub max_head_bytes: usize,
    /// Counts the timeouts that expired.
    pub waits: Timeouts,
    /// How many workers there are, each with a pool of its own.
    pub workers: usize,
    /// Recognises requests that come back to this process.
    pub mark: Mark,
    /// Once this many requests are outstanding without any response, they are marked.
    pub suspect_after: u32,
}

/// Whether a search is sent in another form if this one is not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// It is: this form gets half of the response timeout.
    First,
    /// It is not.
    Last,
}

/// A body with no more bytes is handed to HTTP/2 as a whole.
const SMALL: usize = 64 << 10;

/// HTTP/1 parsers take this many headers without an allocation for each message.
pub const FREE_HEADERS: usize = 100;

impl UpstreamSettings {
    /// The defaults for an upstream at `url`.
    pub fn new(url: Uri) -> Self {
        Self {
            url,
            path_prefix: String::new(),
            host: HostHeader::default(),
            http2: false,
            grpc: false,
            tls: UpstreamTls::default(),
            signer: None,
            connect_timeout: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(4),
            response_timeout: Some(Duration::from_secs(60)),
            forward_timeout: Some(Duration::from_secs(60 * 60)),
            body_timeout: Some(Duration::from_secs(60)),
            max_headers: FREE_HEADERS,
            max_head_bytes: 64 << 10,
            waits: Timeouts::default(),
            workers: 0,
            mark: Mark::random(),
            suspect_after: 32,
        }
    }
}

/// The database, with pools of connections to it. Cheap to clone; clones share the pools.
#[derive(Debug, Clone)]
pub struct Upstream {
    /// One for each worker, after the one for all other threads: a connection is used by the worker that made it.
    clients: Arc<[Client]>,
    /// Likewise, for requests that are sent as they are; none where they cannot be.
    raw: Arc<[RawPool]>,
    address: Address,
    grpc: bool,
    signer: Option<Signer>,
    connect_timeout: Duration,
    response_timeout: Option<Duration>,
    forward_timeout: Option<Duration>,
    body_timeout: Option<Duration>,
    max_headers: usize,
    max_head_bytes: usize,
    waits: Timeouts,
    mark: Mark,
    owed: Arc<Owed>,
    lines: Arc<Lines>,
    standing: Arc<Standing>,
}

impl Upstream {
    /// Prepares the pool; connects to nothing yet.
    pub fn new(settings: UpstreamSettings) -> Result<Self, UpstreamSetupError> {
        let parts = settings.url.clone().into_parts();
        let (Some(scheme), Some(authority)) = (parts.scheme, parts.authority) else {
            return Err(UpstreamSetupError::Url);
        };
        if scheme != Scheme::HTTP && scheme != Scheme::HTTPS {
            return Err(UpstreamSetupError::Url);
        }
        let has_path = parts.path_and_query.is_some_and(|path| path.as_str() != "/");
        if has_path || authority.as_str().contains('@') {
            return Err(UpstreamSetupError::UrlExtras);
        }
        let host_value = HeaderValue::from_str(authority.as_str()).map_err(|_| UpstreamSetupError::Url)?;

        let origin = Uri::builder().scheme(scheme.clone()).authority(authority.clone()).path_and_query("/");
        let origin = origin.build().map_err(|_| UpstreamSetupError::Url)?;
        let connector = connect::connector(&scheme, &settings)?;
        let count = settings.workers.saturating_add(1);
        let clients = Client::several(count, &settings, &origin, &connector);
        let idle = clients.iter().filter_map(Client::idle);
        let raw: Arc<[RawPool]> = idle.filter_map(|idle| RawPool::new(idle, &origin, &connector)).collect();
        Ok(Self {
            clients: clients.into(),
            raw,
            address: Address {
                scheme,
                authority,
                host_value,
                path_prefix: settings.path_prefix,
                host: settings.host,
                http2: settings.http2,
            },
            grpc: settings.grpc,
            signer: settings.signer,
            connect_timeout: settings.connect_timeout,
            response_timeout: settings.response_timeout,
            forward_timeout: settings.forward_timeout,
            body_timeout: settings.body_timeout,
            max_headers: settings.max_headers,
            max_head_bytes: settings.max_head_bytes,
            waits: settings.waits,
            mark: settings.mark,
            owed: Arc::new(Owed::new(settings.suspect_after)),
            lines: Arc::default(),
            standing: Arc::default(),
        })
    }

    /// Whether a request has been sent by this process before: the upstream leads back to it.
    pub fn comes_back(&self, headers: &HeaderMap) -> bool {
        self.mark.returned(headers)
    }

    /// The pool of the worker that this runs on.
    fn client(&self) -> Option<&Client> {
        self.clients.get(workers::place()).or(self.clients.first())
    }

    /// Its host and port.
    pub fn authority(&self) -> &Authority {
        &self.address.authority
    }

    /// Whether HTTP/2 is spoken upstream.
    pub fn is_http2(&self) -> bool {
        self.address.http2
    }

    /// Whether requests are gRPC calls.
    pub fn is_grpc(&self) -> bool {
        self.grpc
    }

    /// Sends a request whose target is in origin form, and waits for the head of the response.
    ///
    /// A GET or HEAD without body is sent once more if a connection breaks before a response; any request is
    /// if a pooled connection turned out to be closed before a byte of it was written.
    ///
    /// `upgrade`: it asks for another protocol, and what follows a 101 is wanted.
    pub async fn send(&self, request: Request<Body>, upgrade: bool) -> Result<Response<Body>, UpstreamError> {
        self.send_within(request, upgrade, self.forward_timeout).await
    }

    /// Sends a request by which a client asks whether the database is there: it has a short time, that for a connection.
    pub async fn send_probe(&self, request: Request<Body>) -> Result<Response<Body>, UpstreamError> {
        let response = self.response_timeout.unwrap_or(self.connect_timeout).min(self.connect_timeout);
        self.send_within(request, false, Some(response)).await
    }

    async fn send_within(
        &self,
        request: Request<Body>,
        upgrade: bool,
        response: Option<Duration>,
    ) -> Result<Response<Body>, UpstreamError> {
        let harmless = matches!(*request.method(), Method::GET | Method::HEAD);
        if !harmless || !request.body().is_end_stream() {
            return self.send_streamed(request, upgrade, response).await;
        }
        let (parts, _) = request.into_parts();
        self.send_whole(parts, Bytes::new(), upgrade, response, true).await
    }

    /// Sends a search whose body is in memory, and waits for the head of the response. It is sent once more if a
    /// connection breaks before that.
    pub async fn send_search(
        &self,
        parts: Parts,
        bytes: Bytes,
        turn: Turn,
    ) -> Result<Response<Body>, UpstreamError> {
        self.send_whole(parts, bytes, false, self.search_timeout(turn), true).await
    }

    /// The same, where it was sent before.
    pub async fn send_search_once(
        &self,
        parts: Parts,
        bytes: Bytes,
        turn: Turn,
    ) -> Result<Response<Body>, UpstreamError> {
        self.send_whole(parts, bytes, false, self.search_timeout(turn), false).await
    }

    /// The timeout for the head of the response to a search.
    fn search_timeout(&self, turn: Turn) -> Option<Duration> {
        match turn {
            Turn::First => self.response_timeout.map(|all| all / 2),
            Turn::Last => self.response_timeout,
        }
    }

    /// Sends a request whose body is in memory; if it may be `repeated`, once more if a connection breaks before a
    /// response.
    async fn send_whole(
        &self,
        mut parts: Parts,
        bytes: Bytes,
        upgrade: bool,
        response: Option<Duration>,
        repeated: bool,
    ) -> Result<Response<Body>, UpstreamError> {
        if self.signs() {
            parts.extensions.insert(AllOfBody(bytes.clone()));
        }
        let mut again = repeated.then(|| (parts.clone(), bytes.clone()));
        let (mut parts, mut bytes) = (parts, bytes);
        loop {
            // HTTP/2 takes a larger body piece by piece.
            let watched = self.address.http2 && bytes.len() > SMALL;
            // A request without a body is complete from the start.
            let (once_sent, since) = (!bytes.is_empty(), Instant::now());
            let connection = if once_sent { self.body_timeout.or(response) } else { response };
            let body = if bytes.is_empty() { body::empty() } else { body::full(bytes) };
            let request = Request::from_parts(parts, body);
            let sent = match watched {
                true => self.send_watched(request, upgrade, response).await,
                false => {
                    self.send_once(
                        request,
                        upgrade,
                        ResponseTimeout::Since { since, connection, response, once_sent },
                    )
                    .await
                }
            };
            match (sent, again.take()) {
                (Err(error), Some(once_more)) if error.is_broken() => (parts, bytes) = once_more,
                (sent, _) => return sent,
            }
        }
    }

    /// Sends a request whose body comes from the client.
    async fn send_streamed(
        &self,
        mut request: Request<Body>,
        upgrade: bool,
        response: Option<Duration>,
    ) -> Result<Response<Body>, UpstreamError> {
        if self.address.http2 {
            let (parts, body) = request.into_parts();
            let body = match body::arrived(body, SMALL) {
                Arrived::Whole(bytes) if bytes.is_empty() => body::empty(),
                Arrived::Whole(bytes) => {
                    let waiting = ResponseTimeout::Since {
                        since: Instant::now(),
                        connection: response,
                        response,
                        once_sent: false,
                    };
                    return self
                        .send_once(Request::from_parts(parts, body::full(bytes)), upgrade, waiting)
                        .await;
                }
                Arrived::Rest(body) => body,
            };
            request = Request::from_parts(parts, body);
        }
        if request.body().is_end_stream() {
            let since = Instant::now();
            let waiting = ResponseTimeout::Since { since, connection: response, response, once_sent: false };
            return self.send_once(request, upgrade, waiting).await;
        }
        if request.body().size_hint().exact() == Some(0) {
            request = self.said_empty(request).await?;
        }
        self.send_watched(request, upgrade, response).await
    }

    /// Waits for the end of a body that declares a length of 0 and goes on: over HTTP/1 the request would be
    /// complete, and acted on, before the error is found.
    async fn said_empty(&self, request: Request<Body>) -> Result<Request<Body>, UpstreamError> {
        let (parts, mut body) = request.into_parts();
        loop {
            match body::next_frame(&mut body, self.body_timeout).await {
                Ok(Some(_)) => {}
                Ok(None) => return Ok(Request::from_parts(parts, body::empty())),
                Err(error) if error.is::<Stalled>() => {
                    self.waits.given_up(TimeoutKind::RequestBody);
                    return Err(UpstreamError::RequestStalled);
                }
                Err(error) => return Err(UpstreamError::RequestBody(error)),
            }
        }
    }

    async fn watch_one(
        &self,
        request: Request<Body>,
        upgrade: bool,
        response: Option<Duration>,
    ) -> Result<Response<Body>, UpstreamError> {
        let watch = Watch::new();
        let request =
            request.map(|body| Body::new(watch.request(body, self.body_timeout, self.waits.clone())));
        tokio::select! {
            result = Box::pin(self.send_one(request, upgrade, ResponseTimeout::Watched(&watch))) => result,
            () = watch.silence(SilenceLimits { body: self.body_timeout, response }) => {
                self.waits.given_up(TimeoutKind::Response);
                Err(UpstreamError::Silent)
            }
        }
    }

    async fn send_one(
        &self,
        mut request: Request<Body>,
        upgrade: bool,
        waiting: ResponseTimeout<'_>,
    ) -> Result<Response<Body>, UpstreamError> {
        let client = self.client().ok_or(UpstreamError::Unforwardable)?;
        self.address.put_on(&mut request)?;
        if self.grpc && !request.headers().contains_key(TE) {
            request.headers_mut().insert(TE, HeaderValue::from_static("trailers"));
        }
        if let Some(signer) = &self.signer {
            // Boxed: the future of every request would have room for it.
            Box::pin(signed::sign(signer, &mut request)).await?;
        }
        self.owed.sending(&self.mark, request.headers_mut());
        let response = Box::pin(client.send(request, upgrade, waiting)).await;
        self.owed.answered();
        if let Err(UpstreamError::Silent) = response {
            self.waits.given_up(TimeoutKind::Response);
        }
        let response = response?;
        self.is_signature_good(response.status(), response.headers());
        // hyper's own limit is its buffer, which may be larger.
        if body::head_bytes(response.headers()) > self.max_head_bytes {
            return Err(UpstreamError::LargeHead);
        }
        Ok(response.map(|body| match body {
            Came::Whole(body) => body,
            Came::Streamed(body) => {
                let watch = waiting.watch().cloned().unwrap_or_else(Watch::new);
                // A stream of gRPC's may be silent for hours. That its peers are there, pings tell on both sides.
                let limit = self.body_timeout.filter(|_| !self.grpc);
                Body::new(watch.respond(body, limit, self.waits.clone()))
            }
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upstream(url: &'static str) -> Result<Upstream, UpstreamSetupError> {
        Upstream::new(UpstreamSettings::new(Uri::from_static(url)))
    }

    #[test]
    fn a_url_with_more_than_an_address_is_rejected() {
        assert!(matches!(upstream("http://db:1/prefix"), Err(UpstreamSetupError::UrlExtras)));
        assert!(matches!(upstream("http://me:secret@db:1"), Err(UpstreamSetupError::UrlExtras)));
        assert!(matches!(upstream("/just/a/path"), Err(UpstreamSetupError::Url)));
        assert!(matches!(upstream("ftp://db:1"), Err(UpstreamSetupError::Url)));
        assert!(upstream("https://db:1/").is_ok());
    }
}
