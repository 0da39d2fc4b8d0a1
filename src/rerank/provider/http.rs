use std::{error::Error, fs, path::Path, time::Duration};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use reqwest::{Certificate, Client, ClientBuilder, RequestBuilder, Url, redirect::Policy};
use secrecy::ExposeSecret;
use tokio::time::{Instant, timeout_at};

use super::shape::{Auth, Shape};
use crate::{
    bounds::Permit,
    rerank::{ApiKey, BuildError, HttpSettings, RerankError},
};

/// More than any answer needs beside the documents that some services send back: 10,000 scores take well under 1 MiB.
const MAX_ANSWER: usize = 8 << 20;
/// The same for what a server says of itself.
const MAX_ABOUT: usize = 64 << 10;

/// One whole answer.
pub(super) struct HttpAnswer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    /// For the body, and what it is parsed into.
    _room: Option<Permit>,
}

/// Asks one service, within a time, without following redirects.
pub(super) struct HttpClient {
    client: Client,
    base: Url,
}

impl HttpClient {
    /// `builder` is the plain one; tests bring names of their own.
    pub(super) fn new(
        provider: &str,
        settings: &HttpSettings,
        shape: &Shape,
        builder: ClientBuilder,
    ) -> Result<Self, BuildError> {
        let provider = provider.to_owned();
        // Fails only if one is installed already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let base = match Url::parse(&format!("{}/", settings.base_url.trim_end_matches('/'))) {
            Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => url,
            _ => return Err(BuildError::BaseUrl { provider }),
        };
        let Some(headers) = headers(shape, &settings.api_key) else {
            return Err(BuildError::ApiKey { provider });
        };
        let mut builder = builder
            .user_agent(concat!("rerankd/", env!("CARGO_PKG_VERSION")))
            .default_headers(headers)
            .redirect(Policy::none())
            .connect_timeout(Duration::from_secs(5))
            .pool_idle_timeout(Duration::from_secs(50));
        if base.scheme() == "http" {
            // No roots are needed, and a bare container has none.
            builder = builder.tls_certs_only([]);
        } else if let Some(file) = settings.ca_file.as_deref() {
            builder = builder.tls_certs_merge(certificates(&provider, file)?);
        }
        if is_local(&base) {
            builder = builder.no_proxy();
        }
        let client = builder.build().map_err(|source| BuildError::Client { provider, source })?;
        Ok(Self { client, base })
    }

    /// Posts JSON below the base URL: one try, which ends at `until`. Its answer is counted in `room`.
    pub(super) async fn post(
        &self,
        path: &str,
        body: Vec<u8>,
        until: Instant,
        room: Option<Permit>,
    ) -> Result<HttpAnswer, RerankError> {
        // Escapes can make a text twice as long when it comes back.
        let most = MAX_ANSWER.saturating_add(body.len().saturating_mul(2));
        let request = self.client.post(self.url(path)?).header(header::CONTENT_TYPE, "application/json");
        within(until, exchange(request.body(body), most, room)).await
    }

    /// Gets what is below the base URL: one try, which ends at `until`.
    pub(super) async fn get(&self, path: &str, until: Instant) -> Result<HttpAnswer, RerankError> {
        within(until, exchange(self.client.get(self.url(path)?), MAX_ABOUT, None)).await
    }

    fn url(&self, path: &str) -> Result<Url, RerankError> {
        self.base.join(path).map_err(|_| RerankError::Unsuited("the model makes no URL"))
    }
}

async fn within(
    until: Instant,
    exchange: impl Future<Output = Result<HttpAnswer, RerankError>>,
) -> Result<HttpAnswer, RerankError> {
    timeout_at(until, exchange).await.unwrap_or(Err(RerankError::Timeout))
}

async fn exchange(
    request: RequestBuilder,
    most: usize,
    mut room: Option<Permit>,
) -> Result<HttpAnswer, RerankError> {
    let mut take = |bytes: usize| {
        let fits = room.as_mut().is_none_or(|room| room.resize(bytes));
        fits.then_some(()).ok_or(RerankError::NoRoom)
    };
    let mut answer =
        request.header(header::ACCEPT, "application/json").send().await.map_err(|error| sort(&error))?;
    let (status, headers) = (answer.status(), answer.headers().clone());
    let mut body = BytesMut::new();
    loop {
        match answer.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() > most => {
                return Err(RerankError::BadResponse("answer larger than the limit"));
            }
            Ok(Some(chunk)) => {
                // The buffer doubles when it grows.
                take(2 * (body.len() + chunk.len()))?;
                body.extend_from_slice(&chunk);
            }
            Ok(None) => {
                take((2 * body.len()).saturating_add(parsed_bytes(&body)))?;
                return Ok(HttpAnswer { status, headers, body: body.freeze(), _room: room });
            }
            // An unreadable error body leaves the status, which says enough.
            Err(_) if !status.is_success() => {
                return Ok(HttpAnswer { status, headers, body: Bytes::new(), _room: None });
            }
            Err(error) => return Err(sort(&error)),
        }
    }
}

/// The most memory that an answer takes once it is parsed into a tree: a place in an array for each comma, the first
/// four of an array, and a map's node for each object.
fn parsed_bytes(body: &[u8]) -> usize {
    [(b',', 64), (b'[', 128), (b'{', 640)]
        .map(|(sign, bytes)| memchr::memchr_iter(sign, body).count().saturating_mul(bytes))
        .into_iter()
        .fold(0, usize::saturating_add)
}

/// What every request carries; `None` if the key cannot be sent in a header.
fn headers(shape: &Shape, key: &ApiKey) -> Option<HeaderMap> {
    let mut headers = HeaderMap::new();
    for (name, value) in shape.headers {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    let key = match key {
        ApiKey::NotNeeded => return Some(headers),
        ApiKey::Missing => return None,
        ApiKey::Secret(key) => key.expose_secret().trim(),
    };
    if key.is_empty() {
        return None;
    }
    let (name, value) = match shape.auth {
        Auth::Bearer => (header::AUTHORIZATION, HeaderValue::from_str(&format!("Bearer {key}"))),
        Auth::Header(name) => (HeaderName::from_static(name), HeaderValue::from_str(key)),
    };
    let mut value = value.ok()?;
    value.set_sensitive(true);
    headers.insert(name, value);
    Some(headers)
}

fn certificates(provider: &str, file: &Path) -> Result<Vec<Certificate>, BuildError> {
    let failed = |reason: String| BuildError::CaFile { provider: provider.to_owned(), reason };
    let pem = fs::read(file).map_err(|error| failed(error.to_string()))?;
    match Certificate::from_pem_bundle(&pem) {
        Ok(found) if !found.is_empty() => Ok(found),
        _ => Err(failed("holds no PEM certificates".to_owned())),
    }
}

/// A provider on this machine is never reached through a proxy.
fn is_local(url: &Url) -> bool {
    url.host_str().is_some_and(|host| {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        host == "localhost" || bare.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
    })
}

/// What a client error means. Its text is dropped: it may name the address, and proxies put passwords there.
fn sort(error: &reqwest::Error) -> RerankError {
    if error.is_timeout() {
        return RerankError::Timeout;
    }
    if error.is_connect() {
        return RerankError::NotConnected;
    }
    // The client calls a broken connection a decoding error too; only its source tells them apart.
    let mut source = error.source();
    while let Some(cause) = source {
        if cause.is::<hyper::Error>() {
            return RerankError::Unreachable("connection broke");
        }
        source = cause.source();
    }
    if error.is_decode() {
        RerankError::BadResponse("cannot decode")
    } else {
        RerankError::Unreachable("connection broke")
    }
}
