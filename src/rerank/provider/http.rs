use std::{error::Error, fs, path::Path, time::Duration};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use reqwest::{Certificate, Client, Url, redirect::Policy};
use tokio::time::{Instant, timeout_at};

use crate::rerank::{BuildError, RerankError};

/// More than any answer needs: 10,000 scores take well under 1 MiB.
const MAX_ANSWER: usize = 8 << 20;

/// One whole answer.
pub(super) struct HttpAnswer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// Posts JSON to one address, within a time, without following redirects.
pub(super) struct HttpClient {
    client: Client,
    url: Url,
    authorization: HeaderValue,
}

impl HttpClient {
    pub(super) fn new(
        provider: &str,
        base_url: &str,
        path: &str,
        api_key: &str,
        ca_file: Option<&Path>,
    ) -> Result<Self, BuildError> {
        let provider = provider.to_owned();
        // Fails only if one is installed already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let url = match Url::parse(&format!("{}/{path}", base_url.trim_end_matches('/'))) {
            Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => url,
            _ => return Err(BuildError::BaseUrl { provider }),
        };
        let authorization = match HeaderValue::from_str(&format!("Bearer {}", api_key.trim())) {
            Ok(mut value) if !api_key.trim().is_empty() => {
                value.set_sensitive(true);
                value
            }
            _ => return Err(BuildError::ApiKey { provider }),
        };
        let mut builder = Client::builder()
            .user_agent(concat!("rerankd/", env!("CARGO_PKG_VERSION")))
            .redirect(Policy::none())
            .connect_timeout(Duration::from_secs(5))
            .pool_idle_timeout(Duration::from_secs(50));
        if url.scheme() == "http" {
            // No roots are needed, and a bare container has none.
            builder = builder.tls_certs_only([]);
        } else if let Some(file) = ca_file {
            builder = builder.tls_certs_merge(certificates(&provider, file)?);
        }
        if is_local(&url) {
            builder = builder.no_proxy();
        }
        let client = builder.build().map_err(|source| BuildError::Client { provider, source })?;
        Ok(Self { client, url, authorization })
    }

    /// One try, which ends at `answer_by`.
    pub(super) async fn post(&self, body: Vec<u8>, answer_by: Instant) -> Result<HttpAnswer, RerankError> {
        timeout_at(answer_by, self.exchange(body)).await.unwrap_or(Err(RerankError::Timeout))
    }

    async fn exchange(&self, body: Vec<u8>) -> Result<HttpAnswer, RerankError> {
        let mut answer = self
            .client
            .post(self.url.clone())
            .header(header::AUTHORIZATION, self.authorization.clone())
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::ACCEPT, "application/json")
            .body(body)
            .send()
            .await
            .map_err(|error| sort(&error))?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let mut body = BytesMut::new();
        loop {
            match answer.chunk().await {
                Ok(Some(chunk)) if body.len() + chunk.len() > MAX_ANSWER => {
                    return Err(RerankError::BadResponse("answer larger than the limit"));
                }
                Ok(Some(chunk)) => body.extend_from_slice(&chunk),
                Ok(None) => return Ok(HttpAnswer { status, headers, body: body.freeze() }),
                // An unreadable error body leaves the status, which says enough.
                Err(_) if !status.is_success() => {
                    return Ok(HttpAnswer { status, headers, body: Bytes::new() });
                }
                Err(error) => return Err(sort(&error)),
            }
        }
    }
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
        return RerankError::Unreachable("cannot connect");
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
