//! The `embeddings` section: the listener for applications' embedding services, and the memory of their vectors.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use http::Uri;

use super::Config;
use super::listener_tls::ListenerTlsConfig;
use crate::embedding::form::{Form, Prefixes, Remember};
use crate::search::PathPrefix;

/// The listener for embedding services, and the memory of which text gave which vector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EmbeddingsConfig {
    /// Where it listens; nowhere by default.
    pub listen: Option<SocketAddr>,
    /// TLS for clients.
    pub tls: Option<ListenerTlsConfig>,
    /// The services that are configured; the others that are known are served as they are.
    pub services: Vec<ServiceConfig>,
    /// Where Cohere is by `CO_API_URL`, if its own entry does not say it.
    pub cohere_at: Option<(Uri, PathPrefix)>,
    /// What applications put before a query because their model wants it; `*` stands for anything.
    pub query_prefixes: Vec<String>,
    /// The memory.
    pub memory: EmbeddingMemoryConfig,
}

/// A service behind a base path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceConfig {
    /// The base path, without its slash.
    pub name: String,
    /// Scheme and host; the path is always `/`.
    pub url: Uri,
    /// The path of its URL; empty at the root.
    pub path: PathPrefix,
    /// How it speaks.
    pub form: Form,
    /// Which of its embedding calls are remembered.
    pub remember: Remember,
    /// Trust this certificate authority instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// For the connection, TLS included.
    pub connect_timeout: Duration,
}

/// The memory of which text gave which vector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EmbeddingMemoryConfig {
    /// The most that it takes.
    pub max_bytes: u64,
    /// How long a text is remembered.
    pub ttl: Duration,
    /// Whether a vector that a client has cut, normalised again or rounded is recognised.
    pub tolerant: bool,
    /// Whether the sidecars of a fleet share it, where `cache.redis` is configured.
    pub shared: bool,
}

/// A service that needs no configuration.
pub(super) struct Known {
    pub(super) name: &'static str,
    url: &'static str,
    path: &'static str,
    form: Form,
}

const fn known(name: &'static str, url: &'static str, path: &'static str, form: Form) -> Known {
    Known { name, url, path, form }
}

/// Every service that needs no configuration.
pub(super) const KNOWN: [Known; 8] = [
    known("openai", "https://api.openai.com", "/v1", Form::OpenAi),
    known("cohere", "https://api.cohere.com", "", Form::Cohere),
    known("google", "https://generativelanguage.googleapis.com", "", Form::Google),
    known("ollama", "http://127.0.0.1:11434", "", Form::Ollama),
    known("voyage", "https://api.voyageai.com", "/v1", Form::OpenAi),
    known("mistral", "https://api.mistral.ai", "/v1", Form::OpenAi),
    known("jina", "https://api.jina.ai", "/v1", Form::OpenAi),
    known("nvidia", "https://integrate.api.nvidia.com", "/v1", Form::OpenAi),
];

impl ServiceConfig {
    /// What is known of a service of this name; for any other, defaults that still want a URL.
    pub fn named(name: &str) -> Self {
        const NONE: Known = known("", "http://127.0.0.1", "", Form::OpenAi);
        let known = KNOWN.iter().find(|known| known.name == name).unwrap_or(&NONE);
        Self {
            name: name.to_owned(),
            url: Uri::from_static(known.url),
            path: PathPrefix::parse(known.path).unwrap_or_default(),
            form: known.form,
            remember: Remember::Auto,
            ca_file: None,
            connect_timeout: Duration::from_secs(10),
        }
    }

    /// Whether connections to this one are good for the other one too.
    pub fn reached_as(&self, other: &Self) -> bool {
        self.url == other.url
            && self.ca_file == other.ca_file
            && self.connect_timeout == other.connect_timeout
    }

    /// Whether it is known by its name and has the URL that is known of it.
    pub fn is_where_it_is_known(&self) -> bool {
        let known = KNOWN.iter().find(|known| known.name == self.name);
        known.is_some_and(|known| self.url == Uri::from_static(known.url) && self.path.as_str() == known.path)
    }

    /// Its URL as it is written.
    pub fn written_url(&self) -> String {
        format!("{}{}", self.url.to_string().trim_end_matches('/'), self.path.as_str())
    }
}

impl EmbeddingsConfig {
    /// Every service that is served: those that are known, as they are or as configured, then the others.
    pub fn all_services(&self) -> Vec<ServiceConfig> {
        let known = KNOWN.iter().map(|known| self.service(known.name));
        let is_known = |name: &str| KNOWN.iter().any(|known| known.name == name);
        let others = self.services.iter().filter(|each| !is_known(&each.name)).cloned();
        known.chain(others).collect()
    }

    /// The service to which the rerank API passes on what it does not answer itself.
    pub fn cohere(&self) -> ServiceConfig {
        self.service("cohere")
    }

    /// One that is known, as it is or as configured.
    fn service(&self, name: &str) -> ServiceConfig {
        let own = self.services.iter().find(|each| each.name == name).cloned();
        let service = own.unwrap_or_else(|| ServiceConfig::named(name));
        match &self.cohere_at {
            Some((url, path)) if name == "cohere" => {
                ServiceConfig { url: url.clone(), path: path.clone(), ..service }
            }
            _ => service,
        }
    }
}

impl Config {
    /// Every service to which something is passed on: all of them behind `embeddings.listen`, or Cohere alone behind the
    /// rerank API.
    pub fn served_services(&self) -> Vec<ServiceConfig> {
        match self.embeddings.listen {
            Some(_) => self.embeddings.all_services(),
            None if self.passes_on() => vec![self.embeddings.cohere()],
            None => Vec::new(),
        }
    }

    /// Whether the rerank API passes Cohere's other calls on.
    pub fn passes_on(&self) -> bool {
        self.rerank_api.listen.is_some() && self.rerank_api.pass_on
    }
}

impl Default for EmbeddingsConfig {
    /// With one service as `deploy/config/reference.yaml` has it; it is as it would be without.
    fn default() -> Self {
        Self {
            listen: None,
            tls: None,
            services: vec![ServiceConfig::named("openai")],
            cohere_at: None,
            query_prefixes: Prefixes::documented().map(str::to_owned).collect(),
            memory: EmbeddingMemoryConfig::default(),
        }
    }
}

impl Default for EmbeddingMemoryConfig {
    fn default() -> Self {
        Self { max_bytes: 16 << 20, ttl: Duration::from_secs(60 * 60), tolerant: false, shared: true }
    }
}
