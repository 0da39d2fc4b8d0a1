//! What the configuration means: plain data with its defaults.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use http::{HeaderName, Uri};
use ipnet::IpNet;
use rustls_pki_types::ServerName;
use secrecy::SecretString;

use super::embeddings::EmbeddingsConfig;
use super::limits::{LimitsConfig, MemoryConfig};
use super::listener_tls::ListenerTlsConfig;
use super::rerank_api::RerankApiConfig;
use super::sign::SignConfig;
use super::words::{DialectChoice, PartialScores, WidenMode};
use crate::{
    dialect::paths::Definition,
    fleet::{self, Address},
    pipeline::{AllowList, FailOpen, Mode, QuerySource, RecordSettings, ScoreMode},
    rerank::{ApiKey, HttpKind, HttpSettings, ProviderKind, ProviderSettings, TenantLimits},
    search::{Boosts, FieldSet, NothingRelevant, PathPrefix, SkipRule},
    traces::TraceSettings,
    upstream::HostHeader,
};

/// Everything that can be configured.
#[derive(Clone, Debug)]
pub struct Config {
    /// What to listen on and what stands behind it; at least one, unless the rerank API listens.
    pub listeners: Vec<ListenerConfig>,
    /// The admin listener.
    pub admin: AdminConfig,
    /// What is kept of the last searches.
    pub inspector: RecordSettings,
    /// How to rerank where no route says otherwise.
    pub rerank: RerankConfig,
    /// The first whose pattern matches a search's collection wins.
    pub routes: Vec<RouteConfig>,
    /// Who has settings, limits and a cache of its own.
    pub tenants: TenantsConfig,
    /// The rerank services, by name.
    pub providers: Vec<ProviderSettings>,
    /// The Cohere-compatible endpoint.
    pub rerank_api: RerankApiConfig,
    /// The listener for embedding services, and the memory of their vectors.
    pub embeddings: EmbeddingsConfig,
    /// The score cache.
    pub cache: CacheConfig,
    /// Bounds of each message, each wait, and searches in flight.
    pub limits: LimitsConfig,
    /// Memory for everything that is buffered.
    pub memory: MemoryConfig,
    /// How it ends.
    pub shutdown: ShutdownConfig,
    /// Traces.
    pub telemetry: TraceSettings,
    /// Requests that can be are passed on from their own bytes. No setting: tests switch it off, to hold hyper's way to
    /// the same promises.
    pub relays: bool,
}

/// One listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenerConfig {
    /// Where clients connect.
    pub listen: SocketAddr,
    /// Where they may connect as well, for a client that has another port for gRPC.
    pub grpc_listen: Option<SocketAddr>,
    /// TLS instead of cleartext.
    pub tls: Option<ListenerTlsConfig>,
    /// The database behind it.
    pub upstream: UpstreamConfig,
    /// The path below which clients find the database here; empty at the root.
    pub path_prefix: PathPrefix,
    /// How the database speaks.
    pub dialect: DialectChoice,
    /// The definition of a database that is described (`dialect: paths`).
    pub dialect_file: Option<PathBuf>,
    /// What the file, or the preset that `dialect` names, says.
    pub definition: Option<Arc<Definition>>,
    /// Accepting pauses at this many connections.
    pub max_connections: usize,
}

/// One search database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamConfig {
    /// Scheme and host; the path is always `/`.
    pub url: Uri,
    /// The path below which it is found there; empty at the root.
    pub path_prefix: PathPrefix,
    /// Which `Host` it sees.
    pub host: HostHeader,
    /// Speak HTTP/2, also without TLS.
    pub http2: bool,
    /// Where gRPC calls go; the path is always `/`. Not set, it follows from `url`.
    pub grpc_url: Option<Uri>,
    /// Trust this certificate authority instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// Our certificate, then its chain (PEM), for an upstream that requires one; never without the key.
    pub client_cert_file: Option<PathBuf>,
    /// Its private key (PEM).
    pub client_key_file: Option<PathBuf>,
    /// The name to send (SNI) and to expect in the certificate instead of the URL's host.
    pub server_name: Option<ServerName<'static>>,
    /// Requests are signed for Amazon OpenSearch.
    pub sign: Option<SignConfig>,
    /// For the connection, TLS included.
    pub connect_timeout: Duration,
    /// For the head of a search's response; `None` is unlimited.
    pub response_timeout: Option<Duration>,
    /// For the head of the response to any other request; `None` is unlimited.
    pub forward_timeout: Option<Duration>,
}

/// The admin listener.
#[derive(Clone, Debug)]
pub struct AdminConfig {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Where the token stands that peers of other machines have to show for more than probes and metrics.
    pub token_file: Option<PathBuf>,
    /// What `token_file` holds.
    pub token: Option<SecretString>,
    /// Whether `/readyz` fails while an upstream is unreachable.
    pub ready_needs_upstream: bool,
}

/// How to rerank.
#[derive(Clone, Debug, PartialEq)]
pub struct RerankConfig {
    /// On, behind the response, or off.
    pub mode: Mode,
    /// Share of queries that are reranked at all, over 0 up to 1.
    pub sample: f64,
    /// Patterns of collections that may be reranked; `-` excludes, whatever else matches.
    pub collections: Vec<String>,
    /// Names of providers, tried in order.
    pub providers: Vec<String>,
    /// How many of the best hits are reranked.
    pub window: u64,
    /// The largest window, whoever sets it.
    pub max_window: u64,
    /// What makes a hit's document.
    pub fields: FieldSet,
    /// The most bytes of a passage of a document; `None`: documents are not cut.
    pub passage_bytes: Option<u64>,
    /// How many bytes of a passage the next one repeats.
    pub passage_overlap: u64,
    /// The most passages of a document.
    pub most_passages: u64,
    /// How many of its best passages make a document's score.
    pub passages_summed: u64,
    /// What counts as relevant beside the query, for providers that take an instruction.
    pub instruction: Option<String>,
    /// What becomes of scores.
    pub score: ScoreMode,
    /// What hits' fields add to their relevance.
    pub boosts: Boosts,
    /// Add `rerank_score` and `rerank_from` to hits.
    pub annotate: bool,
    /// Say in the body of a response how its searches ended.
    pub answer_block: bool,
    /// The model whose scores are known well enough to say how likely a hit is relevant.
    pub confidence_model: Option<String>,
    /// The fit to its scores.
    pub confidence_slope: Option<f64>,
    /// See `confidence_slope`.
    pub confidence_intercept: Option<f64>,
    /// Nothing is relevant where the best hit is less likely than this.
    pub confidence_least: Option<f64>,
    /// What becomes of a search with nothing relevant.
    pub on_nothing_relevant: NothingRelevant,
    /// The model whose best scores are compared with what they once were.
    pub drift_model: Option<String>,
    /// Of how many searches they once were.
    pub drift_searches: Option<u64>,
    /// Their quantiles, all as far apart.
    pub drift_quantiles: Vec<f32>,
    /// Drop hits of the window that score lower.
    pub min_score: Option<f32>,
    /// Keep at least this many all the same.
    pub min_keep: usize,
    /// For the rerank step.
    pub deadline: Duration,
    /// For the rerank step behind the response.
    pub shadow_deadline: Duration,
    /// What becomes of a search whose hits have scores only in part.
    pub partial_scores: PartialScores,
    /// Kinds of queries that are not reranked.
    pub skip_when: SkipRule,
    /// A best hit that leads by so much is not worth a call, 0 to 1.
    pub margin_gate: Option<f64>,
    /// What to answer with on failure.
    pub fail_open: FailOpen,
    /// Whether searches that are not neutral to widen are widened.
    pub widen: WidenMode,
    /// Where the query text may come from; the order is fixed.
    pub query_sources: Vec<QuerySource>,
    /// Where a template's body holds the query text.
    pub query_path: Option<String>,
    /// Ids of Elasticsearch's `text_similarity_reranker` that are served here; patterns.
    pub inference_ids: Vec<String>,
    /// Patterns of OpenSearch's search pipelines behind which hits are reranked; `-` excludes.
    pub search_pipelines: Vec<String>,
    /// What callers may choose beyond narrowing.
    pub allow: AllowList,
    /// Add `x-rerank-*` and `server-timing` to answers.
    pub response_headers: bool,
}

/// How to rerank some collections.
#[derive(Clone, Debug, PartialEq)]
pub struct RouteConfig {
    /// The pattern.
    pub collection: String,
    /// The base with the route's own keys over it.
    pub rerank: RerankConfig,
    /// Whether its mode is one of its keys: then a tenant opens nothing of it.
    pub has_mode: bool,
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
    /// The second tier, which several sidecars share.
    pub redis: Option<RedisConfig>,
}

/// Redis or Valkey as the second tier of the score cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedisConfig {
    /// Where it is and how it is used; its `ttl` is that of the cache.
    pub fleet: fleet::Settings,
    /// Whether `requests_per_minute` and the budgets are those of the fleet, not of each sidecar.
    pub share_limits: bool,
}

/// How the program ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShutdownConfig {
    /// After a signal: how long to go on serving while `/readyz` fails, before the listeners close.
    pub delay: Duration,
    /// After that: how long open requests, streams and tunnels may take to finish.
    pub grace: Duration,
}

impl Config {
    /// How searches are reranked: by default, by route, and by tenant.
    pub fn sections(&self) -> impl Iterator<Item = &RerankConfig> {
        let of_tenants = self.tenants.each.iter().flat_map(|tenant| tenant.sections());
        std::iter::once(&self.rerank).chain(self.routes.iter().map(|route| &route.rerank)).chain(of_tenants)
    }

    /// The same, to be changed.
    pub fn sections_mut(&mut self) -> impl Iterator<Item = &mut RerankConfig> {
        let each = self.tenants.each.iter_mut();
        let of_tenants =
            each.flat_map(|tenant| std::iter::once(&mut tenant.rerank).chain(&mut tenant.routes));
        let routes = self.routes.iter_mut().map(|route| &mut route.rerank);
        std::iter::once(&mut self.rerank).chain(routes).chain(of_tenants)
    }

    /// The providers that some section names, in the order in which they are named.
    pub fn used_providers(&self) -> Vec<&ProviderSettings> {
        let mut names: Vec<&String> = Vec::new();
        for name in self.sections().flat_map(|section| &section.providers).chain(self.rerank_api_providers())
        {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names.into_iter().filter_map(|name| self.providers.iter().find(|each| each.name == *name)).collect()
    }

    /// The names of the providers behind the rerank API, if it listens.
    pub fn rerank_api_providers(&self) -> &[String] {
        match (&self.rerank_api.listen, &self.rerank_api.providers) {
            (None, _) => &[],
            (Some(_), Some(own)) => own,
            (Some(_), None) => &self.rerank.providers,
        }
    }
}

impl Default for Config {
    /// The defaults, with the upstream of `deploy/config/reference.yaml` (it has no default of its own).
    fn default() -> Self {
        Self {
            listeners: vec![ListenerConfig::before(Uri::from_static("http://127.0.0.1:6333/"))],
            admin: AdminConfig::default(),
            inspector: RecordSettings::default(),
            rerank: RerankConfig::default(),
            routes: Vec::new(),
            tenants: TenantsConfig::default(),
            providers: vec![ProviderSettings::new(
                "cohere",
                ProviderKind::Http(HttpSettings::new(HttpKind::Cohere, ApiKey::Missing)),
            )],
            rerank_api: RerankApiConfig::default(),
            embeddings: EmbeddingsConfig::default(),
            cache: CacheConfig::default(),
            limits: LimitsConfig::default(),
            memory: MemoryConfig::default(),
            shutdown: ShutdownConfig::default(),
            telemetry: TraceSettings::default(),
            relays: true,
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
                path_prefix: PathPrefix::default(),
                host: HostHeader::Upstream,
                http2: false,
                grpc_url: None,
                ca_file: None,
                client_cert_file: None,
                client_key_file: None,
                server_name: None,
                sign: None,
                connect_timeout: Duration::from_secs(5),
                response_timeout: Some(Duration::from_secs(60)),
                forward_timeout: Some(Duration::from_secs(60 * 60)),
            },
            grpc_listen: None,
            tls: None,
            path_prefix: PathPrefix::default(),
            dialect: DialectChoice::Auto,
            dialect_file: None,
            definition: None,
            max_connections: 10_000,
        }
    }
}

impl Default for AdminConfig {
    fn default() -> Self {
        let listen = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9464);
        Self { listen, token_file: None, token: None, ready_needs_upstream: false }
    }
}

impl Default for RerankConfig {
    fn default() -> Self {
        Self {
            mode: Mode::On,
            sample: 1.0,
            collections: vec!["*".to_owned(), "-.*".to_owned()],
            providers: vec!["cohere".to_owned()],
            window: 50,
            max_window: 200,
            fields: FieldSet::Auto,
            passage_bytes: None,
            passage_overlap: 150,
            most_passages: 8,
            passages_summed: 1,
            instruction: None,
            score: ScoreMode::Keep,
            boosts: Boosts::default(),
            annotate: false,
            answer_block: false,
            confidence_model: None,
            confidence_slope: None,
            confidence_intercept: None,
            confidence_least: None,
            on_nothing_relevant: NothingRelevant::Keep,
            drift_model: None,
            drift_searches: None,
            drift_quantiles: Vec::new(),
            min_score: None,
            min_keep: 0,
            deadline: Duration::from_secs(1),
            shadow_deadline: Duration::from_secs(5),
            partial_scores: PartialScores::Kept,
            skip_when: SkipRule::default(),
            margin_gate: None,
            fail_open: FailOpen::Cut,
            widen: WidenMode::Replay,
            query_sources: vec![
                QuerySource::Header,
                QuerySource::Body,
                QuerySource::Native,
                QuerySource::Embedding,
            ],
            query_path: None,
            inference_ids: Vec::new(),
            search_pipelines: vec!["*".to_owned(), "-*rerank*".to_owned(), "-*personali*".to_owned()],
            allow: AllowList::default(),
            response_headers: true,
        }
    }
}

impl Default for CacheConfig {
    fn default() -> Self {
        Self { max_bytes: 64 << 20, ttl: Duration::from_secs(24 * 60 * 60), secret_file: None, redis: None }
    }
}

impl RedisConfig {
    /// The defaults for one address.
    pub fn at(address: Address) -> Self {
        Self { fleet: fleet::Settings::new(address), share_limits: false }
    }
}

impl Default for ShutdownConfig {
    /// Together less than the 30 s that Kubernetes gives a pod.
    fn default() -> Self {
        Self { delay: Duration::ZERO, grace: Duration::from_secs(25) }
    }
}

/// The tenants.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TenantsConfig {
    /// The header in which a gateway names the tenant.
    pub header: Option<HeaderName>,
    /// The networks of the gateways. From anywhere else the header says nothing.
    pub networks: Vec<IpNet>,
    /// In the order of the file: the first that fits wins.
    pub each: Vec<TenantConfig>,
}

/// One tenant.
#[derive(Clone, Debug, PartialEq)]
pub struct TenantConfig {
    /// Its name; also the metric label.
    pub name: String,
    /// Patterns of what its certificates say: `CN=…`, `DNS:…`, `URI:…`.
    pub certificates: Vec<String>,
    /// Patterns of its collections.
    pub collections: Vec<String>,
    /// Searches of it that are reranked at a time.
    pub max_searches: Option<usize>,
    /// The size of a cache that nobody else reads, 0 for none; `None`: it shares the one of all.
    pub cache_bytes: Option<u64>,
    /// Its limits at each of its providers.
    pub limits: TenantLimits,
    /// The base with the tenant's own keys over it.
    pub rerank: RerankConfig,
    /// Each route with the tenant's own keys over it, in the routes' order.
    pub routes: Vec<RerankConfig>,
    /// The keys of `rerank` that it has.
    pub own: Vec<&'static str>,
}

impl TenantConfig {
    /// A tenant that has nothing of its own: only the base and the routes.
    pub fn named(name: &str, base: &RerankConfig, routes: impl IntoIterator<Item = RerankConfig>) -> Self {
        Self {
            name: name.to_owned(),
            certificates: Vec::new(),
            collections: Vec::new(),
            max_searches: None,
            cache_bytes: None,
            limits: TenantLimits::default(),
            rerank: base.clone(),
            routes: routes.into_iter().collect(),
            own: Vec::new(),
        }
    }

    /// How it reranks, by default and by route.
    pub fn sections(&self) -> impl Iterator<Item = &RerankConfig> {
        std::iter::once(&self.rerank).chain(&self.routes)
    }
}
