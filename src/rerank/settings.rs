use std::{path::PathBuf, sync::Arc};

use secrecy::{ExposeSecret, SecretString};

use super::{CircuitSettings, FlightSettings, LimitSettings};

/// One provider of the chain, as configured.
#[derive(Clone, Debug)]
pub struct ProviderSettings {
    /// Its name in the configuration; also the metric label.
    pub name: String,
    /// What it is.
    pub kind: ProviderKind,
    /// What it may be asked and may cost.
    pub limits: LimitSettings,
    /// When it is left alone.
    pub circuit: CircuitSettings,
    /// How long its calls may fly.
    pub flights: FlightSettings,
}

impl ProviderSettings {
    /// Equal for equal settings, key and certificates included: a provider whose fingerprint is as it was keeps
    /// its state over a reload. Keyed by nothing, so it must not be shown.
    pub(super) fn fingerprint(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        // `Debug` says all but secrets.
        hasher.update(format!("{self:?}").as_bytes());
        if let ProviderKind::Cohere(settings) = &self.kind {
            hasher.update(settings.api_key.expose_secret().as_bytes());
            if let Some(pem) = settings.ca_file.as_ref().and_then(|file| std::fs::read(file).ok()) {
                hasher.update(&pem);
            }
        }
        *hasher.finalize().as_bytes()
    }
}

/// The kinds of provider.
#[derive(Clone, Debug)]
pub enum ProviderKind {
    /// Cohere's v2 rerank API, or a server that speaks it.
    Cohere(CohereSettings),
    /// Embedded BM25, no network.
    Lexical,
}

/// What a provider says of itself, for the layers around it.
#[derive(Clone, Debug)]
pub struct ProviderFacts {
    /// Whether a document's score depends on its neighbours.
    pub scoring: Scoring,
    /// What it charges for.
    pub billing: Billing,
    /// The model, unless a request names another.
    pub model: Arc<str>,
    /// All else that changes scores, as text for cache keys: kind, address, version, options.
    pub score_settings: String,
}

/// Whether a document's score depends on its neighbours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scoring {
    /// It does not: scores are cached one by one, calls may be split and merged.
    Pairwise,
    /// It does: one call, cached whole.
    Listwise,
}

/// What a provider charges for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Billing {
    /// Search units: one query with up to 100 documents of about 500 tokens.
    SearchUnits,
    /// Tokens read.
    Tokens,
    /// Nothing.
    Free,
}

/// How to reach and use a Cohere-shaped service.
#[derive(Clone, Debug)]
pub struct CohereSettings {
    /// `v2/rerank` is appended; a path prefix is kept.
    pub base_url: String,
    /// The API key.
    pub api_key: SecretString,
    /// The model, unless a request names another.
    pub model: String,
    /// Sent if set; the service's own default is 4096.
    pub max_tokens_per_doc: Option<u32>,
    /// Sent if set; 0 is the highest.
    pub priority: Option<u16>,
    /// PEM certificates trusted beside the system's.
    pub ca_file: Option<PathBuf>,
    /// A request with more documents is split.
    pub max_documents_per_call: usize,
}

impl CohereSettings {
    /// The service's public address, default model and recommended limits.
    pub fn new(api_key: SecretString) -> Self {
        Self {
            base_url: "https://api.cohere.com".to_owned(),
            api_key,
            model: "rerank-v3.5".to_owned(),
            max_tokens_per_doc: None,
            priority: None,
            ca_file: None,
            max_documents_per_call: 1000,
        }
    }
}

/// Why a stack could not be built from its settings. Names the provider, never the key.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The base URL is not an http or https URL.
    #[error("provider {provider}: base_url is not an http or https URL")]
    BaseUrl {
        /// The provider's name.
        provider: String,
    },
    /// The key has characters that no header can carry, or is empty.
    #[error("provider {provider}: the API key is empty or cannot be sent in a header")]
    ApiKey {
        /// The provider's name.
        provider: String,
    },
    /// The CA file cannot be read, or holds no certificates.
    #[error("provider {provider}: ca_file: {reason}")]
    CaFile {
        /// The provider's name.
        provider: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The HTTP client could not be made (for example: no system roots).
    #[error("provider {provider}: HTTP client: {source}")]
    Client {
        /// The provider's name.
        provider: String,
        /// What the client said.
        source: reqwest::Error,
    },
}
