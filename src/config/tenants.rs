//! Who has settings, limits and a cache of its own.

use http::HeaderName;
use ipnet::IpNet;

use super::rerank::RerankConfig;
use crate::rerank::TenantLimits;

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
