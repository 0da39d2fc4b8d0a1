use std::{fs, path::Path, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use reqwest::{
    Certificate, Client, ClientBuilder, Request, Response, Url, redirect::Policy, retry, tls::TlsInfo,
};
use rustls_pki_types::CertificateDer;
use secrecy::ExposeSecret;
use tokio::time::{Instant, timeout_at};

use super::{
    reach::{Resolver, sort},
    runtime::ProviderRuntime,
    shape::{Auth, Shape},
    trace::Sender,
};
use crate::{
    bounds::Permit,
    rerank::{ApiKey, BuildError, CallEnd, CallLog, Heard, HttpSettings, RerankError},
    traces::OpenSpan,
};

const USER_AGENT: HeaderValue = HeaderValue::from_static(concat!("rerankd/", env!("CARGO_PKG_VERSION")));

/// More than any response needs beside the documents that some services return: 10,000 scores take well under 1 MiB.
const MAX_RESPONSE: usize = 8 << 20;
/// The same for a server's report about itself.
const MAX_ABOUT: usize = 64 << 10;

const JSON: &str = "application/json";

/// One whole response.
pub(super) struct HttpResponse {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    /// The service's, where the client was built to keep it.
    certificate: Option<CertificateDer<'static>>,
    /// For the body, and what it is parsed into.
    _room: Option<Permit>,
}

impl HttpResponse {
    fn heard(&self) -> Heard {
        Heard { headers: self.headers.clone(), certificate: self.certificate.clone() }
    }
}

/// Asks one service, within a time, without following redirects.
pub(super) struct HttpClient {
    client: Client,
    /// The thread of its connections.
    runtime: ProviderRuntime,
    base: Url,
    /// For the call log only.
    sender: Sender,
}

impl HttpClient {
    /// `builder` makes the plain one; tests bring names of their own.
    pub(super) fn new(
        provider: &str,
        settings: &HttpSettings,
        shape: &Shape,
        builder: impl Fn() -> ClientBuilder,
    ) -> Result<Self, BuildError> {
        let (provider, name) = (provider.to_owned(), Arc::from(provider));
        // Fails only if one is installed already, which serves as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let base = match Url::parse(&format!("{}/", settings.base_url.trim_end_matches('/'))) {
            Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => url,
            _ => return Err(BuildError::BaseUrl { provider }),
        };
        let Some(headers) = headers(shape, &settings.api_key) else {
            return Err(BuildError::ApiKey { provider });
        };
        let plain = base.scheme() == "http";
        let certificates = match settings.ca_file.as_deref().filter(|_| !plain) {
            Some(file) => certificates(&provider, file)?,
            None => Vec::new(),
        };
        let client = || {
            let mut builder = builder()
                .default_headers(headers.clone())
                .dns_resolver(Resolver)
                .redirect(Policy::none())
                .connect_timeout(Duration::from_secs(5))
                .pool_idle_timeout(Duration::from_secs(50));
            if plain {
                // No roots are needed, and a bare container has none. Nor are the client's own retries: they are for
                // what only HTTP/2 can reject, and cost a copy of every request.
                builder = builder.tls_certs_only([]).retry(retry::never().max_retries_per_request(0));
            } else if !certificates.is_empty() {
                builder = builder.tls_certs_merge(certificates.clone());
            }
            if is_local(&base) {
                builder = builder.no_proxy();
            }
            builder.build().map_err(|source| BuildError::Client { provider: provider.clone(), source })
        };
        let client = client()?;
        let sender = Sender::new(name, headers, &settings.api_key);
        Ok(Self { client, runtime: ProviderRuntime::default(), base, sender })
    }

    /// Scheme, host and port.
    pub(super) fn address(&self) -> String {
        self.base.origin().ascii_serialization()
    }

    /// Posts JSON below the base URL: one attempt, which ends at `until`. Its response is counted in `room`; the
    /// number of documents is noted in `log`.
    pub(super) async fn post(
        &self,
        path: &str,
        body: Vec<u8>,
        until: Instant,
        room: Option<Permit>,
        (documents, log, span): (usize, Option<&CallLog>, Option<OpenSpan>),
    ) -> Result<HttpResponse, RerankError> {
        // Escapes can make a text twice as long when it comes back.
        let most = MAX_RESPONSE.saturating_add(body.len().saturating_mul(2));
        let request = self.client.post(self.url(path)?).header(header::CONTENT_TYPE, JSON);
        let request = request.header(header::ACCEPT, JSON).body(body).build();
        let mut request = request.map_err(|error| sort(&error))?;
        if let Some(span) = &span {
            tell(span, request.headers_mut());
        }
        let noted = log.map(|log| (log.begin(self.sender.note(&request, documents)), Instant::now()));
        let response = self.within(until, request, most, room).await;
        if let Some(span) = span {
            self.said(span, &response);
        }
        if let Some((call, begun)) = noted {
            let body =
                response.as_ref().map(|response| self.sender.respond(&response.body)).unwrap_or_default();
            let heard = response.as_ref().ok().map(|response| response.heard());
            call.end(end(&response, begun.elapsed()), body, heard);
        }
        response
    }

    /// Ends the span of a try.
    fn said(&self, mut span: OpenSpan, response: &Result<HttpResponse, RerankError>) {
        span.set("http.request.method", "POST");
        span.set("server.address", self.base.host_str().unwrap_or_default().to_owned());
        if let Some(port) = self.base.port_or_known_default() {
            span.set("server.port", i64::from(port));
        }
        match response {
            Ok(response) => span.responded(response.status.as_u16()),
            Err(error) => span.fail(error.cause()),
        }
        span.end();
    }

    /// Gets what is below the base URL: one attempt, which ends at `until`.
    pub(super) async fn get(&self, path: &str, until: Instant) -> Result<HttpResponse, RerankError> {
        let request = self.client.get(self.url(path)?).header(header::ACCEPT, JSON);
        let request = request.build().map_err(|error| sort(&error))?;
        self.within(until, request, MAX_ABOUT, None).await
    }

    fn url(&self, path: &str) -> Result<Url, RerankError> {
        self.base.join(path).map_err(|_| RerankError::Unsuited("the model makes no URL"))
    }

    async fn within(
        &self,
        until: Instant,
        request: Request,
        most: usize,
        room: Option<Permit>,
    ) -> Result<HttpResponse, RerankError> {
        let exchange = self.runtime.run(exchange(self.client.clone(), request, most, room));
        let response = timeout_at(until, exchange).await.map_err(|_| RerankError::Timeout)?;
        response.unwrap_or(Err(RerankError::Unreachable("the call was cancelled")))
    }
}

async fn exchange(
    client: Client,
    request: Request,
    most: usize,
    mut room: Option<Permit>,
) -> Result<HttpResponse, RerankError> {
    let mut take = |bytes: usize| {
        let fits = room.as_mut().is_none_or(|room| room.resize(bytes));
        fits.then_some(()).ok_or(RerankError::NoRoom)
    };
    let mut response = client.execute(request).await.map_err(|error| sort(&error))?;
    let (status, headers, certificate) =
        (response.status(), response.headers().clone(), certificate(&response));
    let mut body = BytesMut::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() > most => {
                return Err(RerankError::BadResponse("response larger than the limit"));
            }
            Ok(Some(chunk)) => {
                // The buffer doubles when it grows.
                take(2 * (body.len() + chunk.len()))?;
                body.extend_from_slice(&chunk);
            }
            Ok(None) => {
                // Scores are read where they stand; what an error says, from a tree.
                let parsed = if status.is_success() { 0 } else { parsed_bytes(&body) };
                take((2 * body.len()).saturating_add(parsed))?;
                return Ok(HttpResponse { status, headers, body: body.freeze(), certificate, _room: room });
            }
            // If an error body cannot be read, its status says enough.
            Err(_) if !status.is_success() => {
                return Ok(HttpResponse { status, headers, body: Bytes::new(), certificate, _room: None });
            }
            Err(error) => return Err(sort(&error)),
        }
        // What was unpacked is there without any wait.
        tokio::task::consume_budget().await;
    }
}

/// Lets a provider know which span of ours it is called in, if it may.
fn tell(span: &OpenSpan, headers: &mut HeaderMap) {
    let span = span.parent();
    if let (true, Ok(value)) = (span.tells_providers(), HeaderValue::try_from(span.header())) {
        headers.insert("traceparent", value);
    }
}

/// The certificate of whoever answered, where the client keeps it.
fn certificate(response: &Response) -> Option<CertificateDer<'static>> {
    let shown = response.extensions().get::<TlsInfo>()?.peer_certificate()?;
    Some(CertificateDer::from(shown.to_vec()))
}

fn end(response: &Result<HttpResponse, RerankError>, took: Duration) -> CallEnd {
    match response {
        Ok(response) => CallEnd::ProbeResponse { status: response.status.as_u16(), took },
        Err(error) => CallEnd::Failed { class: error.class(), cause: error.cause(), took },
    }
}

/// The most memory that a response takes once it is parsed into a tree: a place in an array for each comma, the first
/// four of an array, and a map's node for each object.
fn parsed_bytes(body: &[u8]) -> usize {
    [(b',', 64), (b'[', 128), (b'{', 640)]
        .map(|(sign, bytes)| memchr::memchr_iter(sign, body).count().saturating_mul(bytes))
        .into_iter()
        .fold(0, usize::saturating_add)
}

/// What every request carries; `None` if the key cannot be sent in a header.
fn headers(shape: &Shape, key: &ApiKey) -> Option<HeaderMap> {
    let mut headers = HeaderMap::from_iter([(header::USER_AGENT, USER_AGENT)]);
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
