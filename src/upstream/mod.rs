//! The connection pool to the search database.

pub mod body;
mod client;
mod connect;
mod error;
mod link;
mod pool;
mod socket;
mod tls;
mod watch;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{COOKIE, HOST};
use http::request::Parts;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, HeaderValue, Method, Request, Response, Uri, Version};
use http_body::Body as _;
use tokio::time::Instant;

pub use body::Body;
use client::Client;
pub use error::{UpstreamError, UpstreamSetupError};
use pool::{Came, Waiting};
pub use socket::{FEW, gathered};
pub use tls::{ClientIdentity, UpstreamTls};
use watch::{Patience, Watch};

use crate::bounds::{Wait, Waits};
use crate::workers;

/// Which `Host` the upstream sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HostHeader {
    /// The upstream's own authority.
    #[default]
    Upstream,
    /// What the client sent. Over HTTP/2 the `:authority` is the upstream's all the same.
    Preserve,
}

/// How to reach the upstream.
#[derive(Debug, Clone)]
pub struct UpstreamSettings {
    /// `http://host[:port]` or `https://host[:port]`.
    pub url: Uri,
    /// Which `Host` header goes upstream.
    pub host: HostHeader,
    /// Speak HTTP/2 (without upgrade, also in cleartext).
    pub http2: bool,
    /// Where the URL is `https://`.
    pub tls: UpstreamTls,
    /// How long making a connection may take, TLS handshake included.
    pub connect_timeout: Duration,
    /// Idle connections are closed after this; Qdrant closes its own after 5 s.
    pub idle_timeout: Duration,
    /// How long the upstream may take to begin its answer to a search once it has the request; `None` waits for
    /// ever.
    pub answer_timeout: Option<Duration>,
    /// The same for any other request: some take long by their nature.
    pub forward_timeout: Option<Duration>,
    /// How long no byte of a body may move, either way; `None` waits for ever.
    pub body_timeout: Option<Duration>,
    /// The most headers of an answer.
    pub max_headers: usize,
    /// The largest head of an answer, in bytes; at least 8 KiB.
    pub max_head_bytes: usize,
    /// Counts the waits that were given up.
    pub waits: Waits,
    /// How many workers there are, each with a pool of its own.
    pub workers: usize,
}

/// HTTP/1 parsers take this many headers without an allocation for each message.
pub const FREE_HEADERS: usize = 100;

impl UpstreamSettings {
    /// The defaults for an upstream at `url`.
    pub fn new(url: Uri) -> Self {
        Self {
            url,
            host: HostHeader::default(),
            http2: false,
            tls: UpstreamTls::default(),
            connect_timeout: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(4),
            answer_timeout: Some(Duration::from_secs(60)),
            forward_timeout: Some(Duration::from_secs(60 * 60)),
            body_timeout: Some(Duration::from_secs(60)),
            max_headers: FREE_HEADERS,
            max_head_bytes: 64 << 10,
            waits: Waits::default(),
            workers: 0,
        }
    }
}

/// The database, with pools of connections to it. Cheap to clone; clones share the pools.
#[derive(Debug, Clone)]
pub struct Upstream {
    /// One for each worker, after the one for whatever is no worker: a connection is used by the worker that has
    /// made it.
    clients: Arc<[Client]>,
    scheme: Scheme,
    authority: Authority,
    host_value: HeaderValue,
    host: HostHeader,
    http2: bool,
    answer_timeout: Option<Duration>,
    forward_timeout: Option<Duration>,
    body_timeout: Option<Duration>,
    max_head_bytes: usize,
    waits: Waits,
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
        let clients = Client::several(settings.workers.saturating_add(1), &settings, &scheme, &origin)?;
        Ok(Self {
            clients: clients.into(),
            scheme,
            authority,
            host_value,
            host: settings.host,
            http2: settings.http2,
            answer_timeout: settings.answer_timeout,
            forward_timeout: settings.forward_timeout,
            body_timeout: settings.body_timeout,
            max_head_bytes: settings.max_head_bytes,
            waits: settings.waits,
        })
    }

    /// That of the worker that this runs on.
    fn client(&self) -> Option<&Client> {
        self.clients.get(workers::place()).or(self.clients.first())
    }

    /// Whether HTTP/2 is spoken upstream.
    pub fn is_http2(&self) -> bool {
        self.http2
    }

    /// Sends a request whose target is in origin form, and waits for the head of the answer.
    ///
    /// A GET or HEAD without body is sent once more if a connection breaks before an answer; any request is
    /// if a pooled connection turned out to be closed before a byte of it was written.
    ///
    /// `upgrade`: it asks for another protocol, and what follows a 101 is wanted.
    pub async fn send(&self, request: Request<Body>, upgrade: bool) -> Result<Response<Body>, UpstreamError> {
        let harmless = matches!(*request.method(), Method::GET | Method::HEAD);
        if !harmless || !request.body().is_end_stream() {
            return self.send_streamed(request, upgrade).await;
        }
        let (parts, _) = request.into_parts();
        self.send_whole(parts, Bytes::new(), upgrade, self.forward_timeout).await
    }

    /// Sends a search whose body is in memory, and waits for the head of the answer. It is sent once more if a
    /// connection breaks before that.
    pub async fn send_search(&self, parts: Parts, bytes: Bytes) -> Result<Response<Body>, UpstreamError> {
        self.send_whole(parts, bytes, false, self.answer_timeout).await
    }

    /// Sends a request whose body is in memory; once more if a connection breaks before an answer.
    async fn send_whole(
        &self,
        parts: Parts,
        bytes: Bytes,
        upgrade: bool,
        answer: Option<Duration>,
    ) -> Result<Response<Body>, UpstreamError> {
        let mut again = Some((parts.clone(), bytes.clone()));
        let (mut parts, mut bytes) = (parts, bytes);
        loop {
            // HTTP/2 takes a body piece by piece.
            let watched = self.http2 && !bytes.is_empty();
            // A request without a body is all there from the start.
            let (once_sent, since) = (!bytes.is_empty(), Instant::now());
            let connection = if once_sent { self.body_timeout.or(answer) } else { answer };
            let request = Request::from_parts(parts, body::full(bytes));
            let sent = match watched {
                true => self.send_watched(request, upgrade, answer).await,
                false => {
                    self.send_once(request, upgrade, Waiting::Since { since, connection, answer, once_sent })
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
    ) -> Result<Response<Body>, UpstreamError> {
        if request.body().is_end_stream() {
            let (since, answer) = (Instant::now(), self.forward_timeout);
            let waiting = Waiting::Since { since, connection: answer, answer, once_sent: false };
            return self.send_once(request, upgrade, waiting).await;
        }
        if request.body().size_hint().exact() == Some(0) {
            request = said_empty(request, self.body_timeout).await?;
        }
        self.send_watched(request, upgrade, self.forward_timeout).await
    }

    async fn send_watched(
        &self,
        request: Request<Body>,
        upgrade: bool,
        answer: Option<Duration>,
    ) -> Result<Response<Body>, UpstreamError> {
        let watch = Watch::new();
        let request =
            request.map(|body| Body::new(watch.request(body, self.body_timeout, self.waits.clone())));
        tokio::select! {
            result = Box::pin(self.send_once(request, upgrade, Waiting::Watched(&watch))) => result,
            () = watch.silence(Patience { body: self.body_timeout, answer }) => {
                self.waits.given_up(Wait::Answer);
                Err(UpstreamError::Silent)
            }
        }
    }

    async fn send_once(
        &self,
        mut request: Request<Body>,
        upgrade: bool,
        waiting: Waiting<'_>,
    ) -> Result<Response<Body>, UpstreamError> {
        let client = self.client().ok_or(UpstreamError::Unforwardable)?;
        self.address(&mut request)?;
        let answer = Box::pin(client.send(request, upgrade, waiting)).await;
        if let Err(UpstreamError::Silent) = answer {
            self.waits.given_up(Wait::Answer);
        }
        let answer = answer?;
        // hyper's buffer, which is its own limit, may be up to twice as large.
        if body::head_bytes(answer.headers()) > self.max_head_bytes {
            return Err(UpstreamError::LargeHead);
        }
        Ok(answer.map(|body| match body {
            Came::Whole(body) => body,
            Came::Streamed(body) => {
                let watch = waiting.watch().cloned().unwrap_or_else(Watch::new);
                Body::new(watch.answer(body, self.body_timeout, self.waits.clone()))
            }
        }))
    }

    /// Puts the upstream's address on a request: target, version and `Host`.
    fn address(&self, request: &mut Request<Body>) -> Result<(), UpstreamError> {
        if *request.method() == Method::CONNECT {
            return Err(UpstreamError::Unforwardable);
        }
        let asked = std::mem::take(request.uri_mut()).into_parts();
        let path = asked.path_and_query.unwrap_or_else(|| PathAndQuery::from_static("/"));
        *request.uri_mut() = match self.http2 {
            true => self.absolute(path)?,
            false => Uri::from(path),
        };

        let from_http2 = request.version() == Version::HTTP_2;
        let headers = request.headers_mut();
        let mut hosts = headers.iter_mut().filter(|(name, _)| *name == HOST);
        let theirs = hosts.next().map(|(_, value)| value);
        if hosts.next().is_some() {
            return Err(UpstreamError::Unforwardable);
        }
        let host = match (self.host, &asked.authority) {
            (HostHeader::Upstream, _) => self.host_value.clone(),
            // An absolute target stands above the `Host` beside it (RFC 9112 §3.2.2).
            (HostHeader::Preserve, Some(authority)) => {
                HeaderValue::from_str(authority.as_str()).map_err(|_| UpstreamError::Unforwardable)?
            }
            (HostHeader::Preserve, None) => theirs.as_deref().unwrap_or(&self.host_value).clone(),
        };
        match theirs {
            _ if self.http2 => *headers = without(headers, &[HOST]),
            Some(theirs) if !from_http2 => *theirs = host,
            _ => *headers = with_host(headers, host, from_http2),
        }
        *request.version_mut() = if self.http2 { Version::HTTP_2 } else { Version::HTTP_11 };
        Ok(())
    }

    /// The target with the upstream's address, as HTTP/2 has it.
    fn absolute(&self, path: PathAndQuery) -> Result<Uri, UpstreamError> {
        let mut target = http::uri::Parts::default();
        target.scheme = Some(self.scheme.clone());
        target.authority = Some(self.authority.clone());
        target.path_and_query = Some(path);
        Uri::from_parts(target).map_err(|_| UpstreamError::Unforwardable)
    }
}

/// Waits for the end of a body that declares a length of 0 and goes on: over HTTP/1 the request would be complete, and
/// acted on, before that is found to be wrong.
async fn said_empty(
    request: Request<Body>,
    patience: Option<Duration>,
) -> Result<Request<Body>, UpstreamError> {
    let (parts, mut body) = request.into_parts();
    while body::next_frame(&mut body, patience).await.map_err(UpstreamError::of_request)?.is_some() {}
    Ok(Request::from_parts(parts, body::empty()))
}

/// `HeaderMap::remove` moves the last name into the gap; this keeps the order.
fn without(headers: &HeaderMap, names: &[http::HeaderName]) -> HeaderMap {
    let mut kept = HeaderMap::with_capacity(headers.len());
    for (name, value) in headers.iter().filter(|(name, _)| !names.contains(name)) {
        kept.append(name, value.clone());
    }
    kept
}

/// `Host` in the place where the client had it, or first; cookies that HTTP/2 has split put together again.
fn with_host(headers: &HeaderMap, host: HeaderValue, from_http2: bool) -> HeaderMap {
    let mut out = HeaderMap::with_capacity(headers.len() + 1);
    if !headers.contains_key(HOST) {
        out.insert(HOST, host.clone());
    }
    for (name, value) in headers {
        if name == HOST {
            out.insert(HOST, host.clone());
        } else if let (true, &COOKIE, Some(before)) = (from_http2, name, out.get(name)) {
            let joined = [before.as_bytes(), b"; ", value.as_bytes()].concat();
            match HeaderValue::from_bytes(&joined) {
                Ok(joined) => out.insert(COOKIE, joined),
                Err(_) => None,
            };
        } else {
            out.append(name, value.clone());
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upstream(url: &'static str) -> Result<Upstream, UpstreamSetupError> {
        Upstream::new(UpstreamSettings::new(Uri::from_static(url)))
    }

    #[test]
    fn a_url_with_more_than_an_address_is_refused() {
        assert!(matches!(upstream("http://db:1/prefix"), Err(UpstreamSetupError::UrlExtras)));
        assert!(matches!(upstream("http://me:secret@db:1"), Err(UpstreamSetupError::UrlExtras)));
        assert!(matches!(upstream("/just/a/path"), Err(UpstreamSetupError::Url)));
        assert!(matches!(upstream("ftp://db:1"), Err(UpstreamSetupError::Url)));
        assert!(upstream("https://db:1/").is_ok());
    }

    #[test]
    fn host_keeps_its_place_and_split_cookies_are_joined() {
        let mut headers = HeaderMap::new();
        headers.append("accept", HeaderValue::from_static("*/*"));
        headers.append(COOKIE, HeaderValue::from_static("a=1"));
        headers.append(HOST, HeaderValue::from_static("client"));
        headers.append(COOKIE, HeaderValue::from_static("b=2"));
        let out = with_host(&headers, HeaderValue::from_static("db"), true);
        let flat: Vec<_> = out.iter().map(|(n, v)| (n.as_str(), v.to_str().unwrap())).collect();
        assert_eq!(flat, [("accept", "*/*"), ("cookie", "a=1; b=2"), ("host", "db")]);
    }
}
