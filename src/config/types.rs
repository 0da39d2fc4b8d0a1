//! What the configuration means: plain data with its defaults.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use http::Uri;
use secrecy::SecretString;

use super::embeddings::EmbeddingsConfig;
use super::limits::{LimitsConfig, MemoryConfig};
use super::listener::ListenerConfig;
use super::rerank::{RerankConfig, RouteConfig};
use super::rerank_api::RerankApiConfig;
use super::tenants::TenantsConfig;
use crate::{
    fleet::{self, Address},
    pipeline::RecordSettings,
    rerank::{ApiKey, HttpKind, HttpSettings, ProviderKind, ProviderSettings},
    traces::TraceSettings,
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

impl Default for AdminConfig {
    fn default() -> Self {
        let listen = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9464);
        Self { listen, token_file: None, token: None, ready_needs_upstream: false }
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
