//! The `rerank_api` section: the Cohere-compatible endpoint.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use secrecy::SecretString;

use super::listener_tls::ListenerTlsConfig;

/// The Cohere-compatible endpoint.
#[derive(Clone, Debug)]
pub struct RerankApiConfig {
    /// Where it listens; nowhere by default.
    pub listen: Option<SocketAddr>,
    /// TLS for callers.
    pub tls: Option<ListenerTlsConfig>,
    /// Names of providers, tried in order; `None` means those of `rerank`.
    pub providers: Option<Vec<String>>,
    /// Patterns of models that callers may ask Cohere's providers for, beside the configured ones.
    pub allow_models: Vec<String>,
    /// From a request's head to its response.
    pub deadline: Duration,
    /// More are rejected.
    pub max_documents: usize,
    /// Larger bodies are rejected.
    pub max_request_bytes: usize,
    /// Add `x-rerank-*` and `server-timing` to answers.
    pub response_headers: bool,
    /// Whether Cohere's other calls are passed on to it, with the caller's key.
    pub pass_on: bool,
    /// Where the token stands that callers have to show.
    pub token_file: Option<PathBuf>,
    /// What `token_file` holds.
    pub token: Option<SecretString>,
}

impl Default for RerankApiConfig {
    fn default() -> Self {
        Self {
            listen: None,
            tls: None,
            providers: None,
            allow_models: vec!["*".to_owned()],
            deadline: Duration::from_secs(10),
            max_documents: 1000,
            max_request_bytes: 8 << 20,
            response_headers: true,
            pass_on: true,
            token_file: None,
            token: None,
        }
    }
}
