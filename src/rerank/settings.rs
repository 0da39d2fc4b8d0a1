use std::{path::PathBuf, sync::Arc, time::Duration};

use secrecy::{ExposeSecret, SecretString};

use super::{
    CircuitSettings, LimitSettings, SingleFlightSettings,
    kind::{DefaultModel, HttpKind},
};

/// One provider of the chain, as configured.
#[derive(Clone, Debug)]
pub struct ProviderSettings {
    /// Its name in the configuration; also the metric label.
    pub name: String,
    /// What it is.
    pub kind: ProviderKind,
    /// Its limits on calls and cost.
    pub limits: LimitSettings,
    /// When its circuit opens.
    pub circuit: CircuitSettings,
    /// How long its calls may run.
    pub single_flight: SingleFlightSettings,
}

impl ProviderSettings {
    /// A provider with the default limits.
    pub fn new(name: &str, kind: ProviderKind) -> Self {
        Self {
            name: name.to_owned(),
            kind,
            limits: LimitSettings::default(),
            circuit: CircuitSettings::default(),
            single_flight: SingleFlightSettings::default(),
        }
    }

    /// Whether it lacks the key that it needs: it is then as if it were not configured.
    pub fn lacks_key(&self) -> bool {
        matches!(&self.kind, ProviderKind::Http(http) if matches!(http.api_key, ApiKey::Missing))
    }

    /// Equal for the same account of the same service: its counted limits, and the limits it has stated, stay valid
    /// whatever else is set. Not keyed, so it must not be shown.
    pub(super) fn identity(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        if let ProviderKind::Http(settings) = &self.kind {
            let key = match &settings.api_key {
                ApiKey::Secret(key) => key.expose_secret(),
                ApiKey::Missing | ApiKey::NotNeeded => "",
            };
            for part in [self.name.as_str(), settings.base_url.trim_end_matches('/'), key] {
                hasher.update(&(part.len() as u64).to_le_bytes());
                hasher.update(part.as_bytes());
            }
        }
        *hasher.finalize().as_bytes()
    }

    /// Equal for equal settings, key and certificates included: a provider whose fingerprint is unchanged keeps its
    /// state over a reload. Not keyed, so it must not be shown.
    pub(super) fn fingerprint(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        // `Debug` shows all but secrets.
        hasher.update(format!("{self:?}").as_bytes());
        if let ProviderKind::Http(settings) = &self.kind {
            if let ApiKey::Secret(key) = &settings.api_key {
                hasher.update(key.expose_secret().as_bytes());
            }
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
    /// A service behind HTTP.
    Http(HttpSettings),
    /// Embedded BM25, no network.
    Lexical(LexicalSettings),
}

/// How the embedded reranker ranks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LexicalSettings {
    /// Fuse its order with the database's; else its order is used alone.
    pub fuse: bool,
}

impl Default for LexicalSettings {
    fn default() -> Self {
        Self { fuse: true }
    }
}

/// A provider's properties, for the layers around it.
#[derive(Clone, Debug)]
pub struct ProviderFacts {
    /// Whether a document's score depends on its neighbours.
    pub scoring: Scoring,
    /// What it charges for.
    pub billing: Billing,
    /// Whether passages are requested of those of its models that can return them.
    pub spans: bool,
    /// The model, unless a request names another.
    pub model: Arc<str>,
    /// All else that changes scores, as text for cache keys: kind, address, version, options.
    pub score_settings: String,
}

/// Whether a document's score depends on its neighbours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scoring {
    /// It does not: scores are cached one by one, calls may be split and merged.
    Pointwise,
    /// It does: one call, cached whole.
    Listwise,
}

/// What a provider charges for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Billing {
    /// Search units: one query with up to 100 documents of about 500 tokens.
    SearchUnits,
    /// Tokens read.
    Tokens,
    /// Nothing.
    Free,
}

/// How to reach and use a service behind HTTP.
#[derive(Clone, Debug)]
pub struct HttpSettings {
    /// Its wire format.
    pub kind: HttpKind,
    /// The kind's path is appended; a path prefix is kept.
    pub base_url: String,
    /// The API key.
    pub api_key: ApiKey,
    /// The model, unless a request names another; `None` where the server has its own and is sent no name.
    pub model: Option<String>,
    /// Sent if set, by kinds that have it; for the others, texts are cut to about so many tokens.
    pub max_tokens_per_doc: Option<u32>,
    /// The most bytes of a text that are sent; `None`: all of it.
    pub max_bytes_per_doc: Option<u32>,
    /// Sent if set, by kinds that have it; 0 is the highest.
    pub priority: Option<u16>,
    /// How scores are mapped where their range depends on the model.
    pub activation: Activation,
    /// Whether a score depends on the other documents, where the model's name does not say.
    pub scoring: Option<Scoring>,
    /// PEM certificates trusted beside the system's.
    pub ca_file: Option<PathBuf>,
    /// Timeout of one call; a retry has its own.
    pub timeout: Duration,
}

/// The key of a provider.
#[derive(Clone, Debug)]
pub enum ApiKey {
    /// It needs one and there is none.
    Missing,
    /// It is called without one.
    NotNeeded,
    /// This one.
    Secret(SecretString),
}

/// How scores are mapped where their range depends on the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// Not at all: they have to lie within 0 to 1.
    None,
    /// By the sigmoid function, if they are logits for certain: a score of the response, or one that the same model
    /// gave before, lies outside 0 to 1.
    Sigmoid,
}

impl HttpSettings {
    /// The kind's defaults; at its public address, or at none, where it has no public one.
    pub fn new(kind: HttpKind, api_key: ApiKey) -> Self {
        Self::at(kind, kind.facts().base_url.unwrap_or_default(), api_key)
    }

    /// The kind's defaults at this address.
    pub fn at(kind: HttpKind, base_url: &str, api_key: ApiKey) -> Self {
        let model = match kind.facts_at(base_url).model {
            DefaultModel::Named(name) => Some(name.to_owned()),
            DefaultModel::Server | DefaultModel::Needed => None,
        };
        // The range of llama.cpp's scores depends on the model: logits for most.
        let activation = if kind == HttpKind::LlamaCpp { Activation::Sigmoid } else { Activation::None };
        Self {
            kind,
            base_url: base_url.to_owned(),
            api_key,
            model,
            max_tokens_per_doc: None,
            max_bytes_per_doc: kind.facts().max_bytes_per_doc,
            priority: None,
            activation,
            scoring: None,
            ca_file: None,
            timeout: Duration::from_secs(5),
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
