//! What the configuration means: plain data with its defaults.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use http::Uri;
use secrecy::SecretString;

use super::limits::{LimitsConfig, MemoryConfig};
use super::words::{DialectChoice, FailOpen, HostMode, Mode, QuerySource, ScoreMode, WidenMode};
use crate::search::FieldSet;

/// Everything that can be configured.
#[derive(Clone, Debug)]
pub struct Config {
    /// What to listen on and what stands behind it; at least one.
    pub listeners: Vec<ListenerConfig>,
    /// The admin listener.
    pub admin: AdminConfig,
    /// How to rerank where no route says otherwise.
    pub rerank: RerankConfig,
    /// The first whose pattern matches a search's collection wins.
    pub routes: Vec<RouteConfig>,
    /// The rerank services, by name.
    pub providers: Vec<ProviderConfig>,
    /// The score cache.
    pub cache: CacheConfig,
    /// Bounds of each message, each wait, and searches in flight.
    pub limits: LimitsConfig,
    /// Memory for everything that is buffered.
    pub memory: MemoryConfig,
}

/// One listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenerConfig {
    /// Where clients connect.
    pub listen: SocketAddr,
    /// The database behind it.
    pub upstream: UpstreamConfig,
    /// How the database speaks.
    pub dialect: DialectChoice,
    /// Accepting pauses at this many connections.
    pub max_connections: usize,
}

/// One search database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamConfig {
    /// Scheme and host; the path is always `/`.
    pub url: Uri,
    /// Which `Host` it sees.
    pub host: HostMode,
    /// Speak HTTP/2, also without TLS.
    pub http2: bool,
    /// Trust this certificate authority instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// For the connection, TLS included.
    pub connect_timeout: Duration,
    /// For the head of a search's answer; `None` is without end.
    pub answer_timeout: Option<Duration>,
    /// For the head of any other answer.
    pub forward_timeout: Option<Duration>,
}

/// The admin listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdminConfig {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Whether `/readyz` fails while an upstream is unreachable.
    pub ready_needs_upstream: bool,
}

/// How to rerank.
#[derive(Clone, Debug, PartialEq)]
pub struct RerankConfig {
    /// On or off.
    pub mode: Mode,
    /// Patterns of collections that may be reranked; `-` excludes, the last that matches wins.
    pub collections: Vec<String>,
    /// Names of providers, tried in order.
    pub providers: Vec<String>,
    /// How many of the best hits are reranked.
    pub window: u64,
    /// No window is larger, whoever asks.
    pub max_window: u64,
    /// What makes a hit's document.
    pub fields: FieldSet,
    /// What becomes of scores.
    pub score: ScoreMode,
    /// Add `rerank_score` and `rerank_from` to hits.
    pub annotate: bool,
    /// Drop hits of the window that score lower.
    pub min_score: Option<f32>,
    /// Keep at least this many all the same.
    pub min_keep: usize,
    /// For the rerank step.
    pub deadline: Duration,
    /// What to answer with on failure.
    pub fail_open: FailOpen,
    /// Whether searches that are not neutral to widen are widened.
    pub widen: WidenMode,
    /// Where the query text may come from; the order is fixed.
    pub query_sources: Vec<QuerySource>,
    /// Where a template's body holds the query text.
    pub query_path: Option<String>,
    /// What callers may ask for beyond narrowing.
    pub allow: AllowList,
    /// Add `x-rerank-*` and `server-timing` to answers.
    pub answer_headers: bool,
}

/// What callers may ask for beyond narrowing; nothing by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowList {
    /// Models.
    pub models: Vec<String>,
    /// Document fields.
    pub fields: Vec<String>,
    /// A window up to this one.
    pub max_window: Option<u64>,
    /// A deadline up to this one.
    pub max_deadline: Option<Duration>,
}

/// How to rerank some collections.
#[derive(Clone, Debug, PartialEq)]
pub struct RouteConfig {
    /// The pattern.
    pub collection: String,
    /// The base with the route's own keys over it.
    pub rerank: RerankConfig,
}

/// One rerank service.
#[derive(Clone, Debug)]
pub struct ProviderConfig {
    /// The name that `rerank.providers` uses.
    pub name: String,
    /// What it is.
    pub kind: ProviderKind,
    /// Calls at the same time; more are shed.
    pub max_concurrency: usize,
    /// Calls a minute; more are shed.
    pub requests_per_minute: Option<u32>,
}

/// What a provider is.
#[derive(Clone, Debug)]
pub enum ProviderKind {
    /// Cohere's v2 `/rerank` or a service that speaks it.
    Cohere {
        /// Scheme, host and maybe a path, before `/v2/rerank`.
        base_url: Uri,
        /// Without one the provider is not used.
        api_key: Option<SecretString>,
        /// The model.
        model: String,
        /// Sent as it is where set.
        max_tokens_per_doc: Option<u32>,
        /// Trust this certificate authority instead of the system's.
        ca_file: Option<PathBuf>,
        /// Sent as it is where set; 0 is the most urgent.
        priority: Option<u32>,
    },
    /// Embedded BM25.
    Lexical,
}

/// The score cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheConfig {
    /// 0 switches it off.
    pub max_bytes: u64,
    /// How long a score is good.
    pub ttl: Duration,
    /// The secret under which keys are hashed; random if unset.
    pub secret_file: Option<PathBuf>,
}

impl Default for Config {
    /// The defaults, with the upstream of `deploy/config/reference.yaml` (it has no default of its own).
    fn default() -> Self {
        Self {
            listeners: vec![ListenerConfig::before(Uri::from_static("http://127.0.0.1:6333/"))],
            admin: AdminConfig::default(),
            rerank: RerankConfig::default(),
            routes: Vec::new(),
            providers: vec![ProviderConfig::cohere("cohere")],
            cache: CacheConfig::default(),
            limits: LimitsConfig::default(),
            memory: MemoryConfig::default(),
        }
    }
}

impl ListenerConfig {
    /// The default listener before an upstream.
    pub fn before(url: Uri) -> Self {
        Self {
            listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 6343),
            upstream: UpstreamConfig {
                url,
                host: HostMode::Upstream,
                http2: false,
                ca_file: None,
                connect_timeout: Duration::from_secs(5),
                answer_timeout: Some(Duration::from_secs(60)),
                forward_timeout: Some(Duration::from_secs(60 * 60)),
            },
            dialect: DialectChoice::Auto,
            max_connections: 10_000,
        }
    }
}

impl Default for AdminConfig {
    fn default() -> Self {
        Self { listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 9464), ready_needs_upstream: false }
    }
}

impl Default for RerankConfig {
    fn default() -> Self {
        Self {
            mode: Mode::On,
            collections: vec!["*".to_owned(), "-.*".to_owned()],
            providers: vec!["cohere".to_owned()],
            window: 50,
            max_window: 200,
            fields: FieldSet::Auto,
            score: ScoreMode::Keep,
            annotate: false,
            min_score: None,
            min_keep: 0,
            deadline: Duration::from_secs(1),
            fail_open: FailOpen::Cut,
            widen: WidenMode::Replay,
            query_sources: vec![QuerySource::Header, QuerySource::Body, QuerySource::Native],
            query_path: None,
            allow: AllowList::default(),
            answer_headers: true,
        }
    }
}

impl ProviderConfig {
    /// Cohere with its defaults and no key.
    pub fn cohere(name: &str) -> Self {
        Self::with_kind(
            name,
            ProviderKind::Cohere {
                base_url: Uri::from_static("https://api.cohere.com/"),
                api_key: None,
                model: "rerank-v3.5".to_owned(),
                max_tokens_per_doc: None,
                ca_file: None,
                priority: None,
            },
        )
    }

    /// The embedded BM25.
    pub fn lexical(name: &str) -> Self {
        Self::with_kind(name, ProviderKind::Lexical)
    }

    fn with_kind(name: &str, kind: ProviderKind) -> Self {
        Self { name: name.to_owned(), kind, max_concurrency: 32, requests_per_minute: None }
    }
}

impl Default for CacheConfig {
    fn default() -> Self {
        Self { max_bytes: 64 << 20, ttl: Duration::from_secs(24 * 60 * 60), secret_file: None }
    }
}
