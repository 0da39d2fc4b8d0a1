//! Requests to a database that takes only signed ones: signed last, as they are sent, and each time anew.

use bytes::Bytes;
use http::header::{DATE, HOST};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body::Body as _;

use super::target::{self, RawTarget};
use super::{Upstream, UpstreamError};
use crate::body::Body;
use crate::signing::{SIGNED, Signer, SigningError, ToSign, wire_target};

/// All of a request's body, beside the request: what its signature is over.
#[derive(Clone)]
pub(super) struct AllOfBody(pub(super) Bytes);

/// Signs a request that has the upstream's address on it, and its whole body beside it.
pub(super) async fn sign(signer: &Signer, request: &mut Request<Body>) -> Result<(), UpstreamError> {
    let body = match request.extensions_mut().remove::<AllOfBody>() {
        Some(AllOfBody(bytes)) => bytes,
        None if request.body().is_end_stream() => Bytes::new(),
        // What is not known cannot be signed.
        None => return Err(UpstreamError::Unforwardable),
    };
    let target = put_wire_target_on(request)?;
    let host = match request.headers().get(HOST) {
        Some(host) => host.to_str().map_err(|_| UpstreamError::Unforwardable)?.to_owned(),
        None => request.uri().authority().ok_or(UpstreamError::Unforwardable)?.as_str().to_owned(),
    };
    let to_sign = ToSign { method: request.method(), host: &host, target: &target, body: &body };
    let signature = signer.headers(to_sign).await.map_err(|error| match error {
        SigningError::NoCredentials => UpstreamError::NoCredentials,
        SigningError::Unsignable => UpstreamError::Unforwardable,
    })?;
    let headers = request.headers_mut();
    if SIGNED.iter().any(|name| headers.contains_key(name)) {
        *headers = without_signature(headers);
    }
    headers.extend(signature);
    Ok(())
}

/// Puts the spelling on the request in which its target is signed and sent; returns it.
fn put_wire_target_on(request: &mut Request<Body>) -> Result<String, UpstreamError> {
    let raw = request.extensions_mut().remove::<RawTarget>();
    let target = match &raw {
        Some(raw) => raw.bytes().and_then(|bytes| wire_target(&bytes)),
        None => wire_target(target::as_str(request.uri(), request.extensions()).as_bytes()),
    };
    let target = target.ok_or(UpstreamError::Unforwardable)?;
    let path: PathAndQuery = target.parse().map_err(|_| UpstreamError::Unforwardable)?;
    let uri = std::mem::take(request.uri_mut());
    *request.uri_mut() = target::with_path(uri, path).ok_or(UpstreamError::Unforwardable)?;
    Ok(target)
}

fn without_signature(headers: &HeaderMap) -> HeaderMap {
    let mut kept = HeaderMap::with_capacity(headers.len());
    for (name, value) in headers.iter().filter(|(name, _)| !SIGNED.contains(name)) {
        kept.append(name, value.clone());
    }
    kept
}

impl Upstream {
    /// Whether requests are signed, and have to be whole for that.
    pub fn signs(&self) -> bool {
        self.signer.is_some()
    }

    /// Sends a request whose body is in memory, and waits for the head of the response. Without a body it is as
    /// harmless as its method; with one it is sent once only.
    pub async fn send_read(&self, parts: Parts, bytes: Bytes) -> Result<Response<Body>, UpstreamError> {
        let harmless = bytes.is_empty() && matches!(parts.method, Method::GET | Method::HEAD);
        self.send_whole(parts, bytes, false, self.forward_timeout, harmless).await
    }

    /// Looks at the response to a signed request.
    pub(super) fn is_signature_good(&self, status: StatusCode, headers: &HeaderMap) {
        if let (StatusCode::FORBIDDEN, Some(signer)) = (status, &self.signer) {
            let date = headers.get(DATE).and_then(|date| date.to_str().ok());
            let date = date.and_then(|date| httpdate::parse_http_date(date).ok());
            signer.forbidden(date, &format!("{}://{}", self.address.scheme, self.address.authority));
        }
    }
}
