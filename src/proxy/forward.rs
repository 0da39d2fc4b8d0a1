//! Passing requests on to the upstream and its responses back.

use std::mem;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, EXPECT, HeaderValue, TRAILER, TRANSFER_ENCODING};
use http::request::Parts;
use http::{HeaderMap, Method, Request, Response, StatusCode, Version};
use http_body::{Body as _, Frame};
use http_body_util::{Limited, StreamBody};
use hyper::upgrade::OnUpgrade;

use super::connection::ConnectionHandle;
use super::tunnel::{self, TunnelSettings};
use super::{ProxyError, direct, expect, grpc, headers, headers::Hop, target};
use crate::body::{self, Body, BodyRead, BoxError, Stalled};
use crate::bounds::{Budget, TimeoutKind, Timeouts};
use crate::upstream::{Turn, Upstream};

/// Passes requests on to one upstream. Cheap to clone; clones share the pool.
#[derive(Debug, Clone)]
pub struct Forwarder {
    upstream: Upstream,
    tunnels: TunnelSettings,
    held: Option<HeldBodies>,
}

/// How bodies are held that have to be whole before they are forwarded, since they are signed.
#[derive(Debug, Clone)]
pub struct HeldBodies {
    /// Larger ones are refused.
    pub request_bytes: usize,
    /// What all that is buffered is counted in.
    pub budget: Budget,
    /// Timeout for the next bytes of a client's body.
    pub body_timeout: Option<Duration>,
    /// Counts the timeouts that expired.
    pub waits: Timeouts,
}

impl Forwarder {
    /// Forwards to this upstream.
    pub fn new(upstream: Upstream, tunnels: TunnelSettings) -> Self {
        Self { upstream, tunnels, held: None }
    }

    /// The same, holding bodies so where that is necessary.
    pub fn holding(self, held: HeldBodies) -> Self {
        Self { held: Some(held), ..self }
    }

    /// The database, with the connections to it.
    pub(super) fn upstream(&self) -> &Upstream {
        &self.upstream
    }

    /// Whether a request has been sent by us already.
    pub(super) fn comes_back(&self, headers: &HeaderMap) -> bool {
        self.upstream.comes_back(headers)
    }

    /// Logs a failure that is not the client's fault.
    pub fn log_failure(&self, error: &ProxyError) {
        if let Some(remedy) = error.remedy() {
            self.upstream.log_failure(error.cause().as_str(), remedy, error);
        }
    }

    /// Notes that the upstream answered with this status.
    pub fn responded(&self, status: StatusCode) {
        self.upstream.responded(status);
    }

    /// Passes a request on unchanged, and the response back as it comes: both bodies are streamed. A request that has to
    /// be signed is read whole first.
    pub async fn forward(&self, mut request: Request<Body>) -> Result<Response<Body>, ProxyError> {
        if self.upstream.signs() {
            return Box::pin(self.forward_read(request)).await;
        }
        let hop = Hop::of(request.headers());
        if !hop.only_chunked() {
            return Err(ProxyError::Unforwardable);
        }
        let upgrade = hop.asks_upgrade(request.headers())
            && request.version() == Version::HTTP_11
            && !self.upstream.is_http2();
        let client_side = upgrade.then(|| hyper::upgrade::on(&mut request));
        let connection = request.extensions_mut().remove::<ConnectionHandle>();
        *request.headers_mut() = hop.end_to_end(mem::take(request.headers_mut()), upgrade);
        // hyper assumes that a GET or HEAD of unknown length has no body unless it is stated.
        let quiet = matches!(*request.method(), Method::GET | Method::HEAD);
        let unsized_body = !request.body().is_end_stream() && request.body().size_hint().exact().is_none();
        if quiet && unsized_body && !self.upstream.is_http2() {
            request.headers_mut().insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }

        let (request, held) = match hop.expects_continue && !request.body().is_end_stream() {
            true => expect::hold(request),
            false => (request, None),
        };
        let mut response = match self.upstream.is_grpc() && grpc::is_health_check(request.uri().path()) {
            true => self.upstream.send_probe(request).await?,
            false => self.upstream.send(request, upgrade).await?,
        };
        if let (StatusCode::SWITCHING_PROTOCOLS, Some(client_side)) = (response.status(), client_side) {
            let upstream_side = hyper::upgrade::on(&mut response);
            if let Some(connection) = &connection {
                connection.becomes_tunnel();
            }
            tokio::spawn(tunnel::run(client_side, upstream_side, connection, self.tunnels.clone()));
            let (mut parts, _) = response.into_parts();
            parts.headers = Hop::of(&parts.headers).end_to_end(parts.headers, true);
            return Ok(Response::from_parts(parts, body::empty()));
        }
        Ok(respond(response)?.map(|body| expect::tie(body, held)))
    }

    /// Reads a request, within the limits of what may be held, and passes it on.
    async fn forward_read(&self, request: Request<Body>) -> Result<Response<Body>, ProxyError> {
        let Some(held) = &self.held else { return Err(ProxyError::Unforwardable) };
        let (mut parts, stream) = request.into_parts();
        detach(&mut parts);
        let permit = held.budget.nothing();
        let read = body::read_up_to(stream, held.request_bytes, permit, held.body_timeout).await;
        let body = match read {
            Ok(BodyRead::Whole { bytes, .. }) => bytes,
            Ok(BodyRead::TooLarge(_)) => return Err(ProxyError::TooLargeToSign),
            Ok(BodyRead::NoRoom(_)) => return Err(ProxyError::NoRoomToSign),
            Err(error) if error.is::<Stalled>() => {
                held.waits.given_up(TimeoutKind::RequestBody);
                return Err(ProxyError::RequestStalled);
            }
            Err(_) => return Err(ProxyError::RequestBody),
        };
        let parts = self.whole(parts, &body, |_| {})?;
        respond(self.upstream.send_read(parts, body).await?)
    }

    /// Sends a request whose body is in memory; `parts` are the client's, detached from its connection, `new_target`
    /// and `body` what is to be sent instead, `edit` may change the end-to-end headers. Framing headers are set here.
    ///
    /// For searches only: it is sent once more if the connection breaks before a response. `gather`: the body of that is
    /// wanted as a whole.
    pub async fn send_buffered(
        &self,
        parts: &Parts,
        new_target: &str,
        body: Bytes,
        (turn, gather): (Turn, bool),
        edit: impl FnOnce(&mut HeaderMap),
    ) -> Result<Response<Body>, ProxyError> {
        let mut parts = parts.clone();
        target::replace(&mut parts, new_target)?;
        let parts = self.whole(parts, &body, edit)?;
        respond(direct::send(&self.upstream, parts, body, turn, gather).await?)
    }

    /// The head of a request whose body is in memory: end-to-end headers, after an `edit`, and how long the body is.
    fn whole(
        &self,
        mut parts: Parts,
        body: &Bytes,
        edit: impl FnOnce(&mut HeaderMap),
    ) -> Result<Parts, ProxyError> {
        let hop = Hop::of(&parts.headers);
        if !hop.only_chunked() {
            return Err(ProxyError::Unforwardable);
        }
        let mut kept = hop.end_to_end(parts.headers, false);
        edit(&mut kept);
        // The body was read already, and its trailers were not kept.
        for name in [EXPECT, TRAILER, TRANSFER_ENCODING] {
            headers::replace(&mut kept, &name, None);
        }
        let silent = body.is_empty() && !kept.contains_key(CONTENT_LENGTH);
        // Messages of gRPC say their length themselves.
        let length = (!self.upstream.is_grpc()).then(|| HeaderValue::from(body.len()));
        if !silent {
            headers::replace(&mut kept, &CONTENT_LENGTH, length);
        }
        parts.headers = kept;
        Ok(parts)
    }
}

/// Releases the client's connection: a request whose body is in memory no longer needs it, and may outlive it.
pub(super) fn detach(parts: &mut Parts) {
    parts.extensions.remove::<OnUpgrade>();
    parts.extensions.remove::<ConnectionHandle>();
}

/// The upstream's response in the form that the client gets. Its extensions carry the case of the names and the
/// reason phrase.
fn respond(response: Response<Body>) -> Result<Response<Body>, ProxyError> {
    let (mut parts, body) = response.into_parts();
    if parts.status == StatusCode::SWITCHING_PROTOCOLS {
        return Err(ProxyError::UnaskedUpgrade);
    }
    // `identity` is no coding at all; some old servers send it with a body that ends with the connection.
    let identity = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"identity");
    let hop = Hop::of(&parts.headers);
    if !hop.only_chunked() && !parts.headers.get_all(TRANSFER_ENCODING).iter().all(identity) {
        return Err(ProxyError::UnaskedCoding);
    }
    parts.headers = hop.end_to_end(parts.headers, false);
    parts.version = Version::HTTP_11;
    parts.extensions.remove::<OnUpgrade>();
    let body = if hop.says_empty && body.is_end_stream() { said_empty() } else { body };
    Ok(Response::from_parts(parts, body))
}

/// A body of length 0. Where hyper sees at once that there is none, it moves a `content-length: 0` to the end.
fn said_empty() -> Body {
    let nothing = futures_util::stream::empty::<Result<Frame<Bytes>, BoxError>>();
    Body::new(Limited::new(StreamBody::new(nothing), 0))
}
