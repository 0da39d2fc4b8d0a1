//! What tenants have for the whole life of the program: their places for searches, and their series.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use wildmatch::WildMatch;

use crate::{
    bounds::Budget,
    config::{TenantConfig, TenantsConfig},
    pipeline::{TenantMetrics, TenantShare},
    tenant::{Rules, Sources},
};

/// Outlives a reload: searches in flight stay counted.
#[derive(Clone)]
pub(super) struct Tenancy {
    metrics: TenantMetrics,
    searches: Arc<Mutex<HashMap<String, Budget>>>,
}

impl Tenancy {
    pub(super) fn new(metrics: TenantMetrics) -> Self {
        Self { metrics, searches: Arc::default() }
    }

    /// What counts searches by tenant, where there are any.
    pub(super) fn metrics(&self, config: &TenantsConfig) -> Option<TenantMetrics> {
        (!config.each.is_empty()).then(|| self.metrics.clone())
    }

    /// Puts the series of these tenants there.
    pub(super) fn declare(&self, config: &TenantsConfig) {
        if !config.each.is_empty() {
            self.metrics.declare(config.each.iter().map(|each| each.name.as_str()));
        }
    }

    /// A tenant's share of what all have.
    pub(super) fn share(&self, tenant: &TenantConfig) -> Arc<TenantShare> {
        let mut known = self.searches.lock().unwrap_or_else(PoisonError::into_inner);
        let searches = tenant.max_searches.map(|most| {
            let places = known.entry(tenant.name.clone()).or_insert_with(|| Budget::new(most));
            places.set_limit(most);
            places.clone()
        });
        Arc::new(TenantShare {
            name: tenant.name.as_str().into(),
            searches,
            apart: tenant.cache_bytes.is_some(),
        })
    }
}

/// Who is which tenant.
pub(super) fn rules(config: &TenantsConfig) -> Rules {
    let sources = |each: &TenantConfig| Sources {
        name: each.name.as_str().into(),
        certificates: each.certificates.iter().map(|pattern| WildMatch::new(pattern)).collect(),
        collections: each.collections.iter().map(|pattern| WildMatch::new(pattern)).collect(),
        apart: each.cache_bytes.is_some(),
    };
    Rules {
        header: config.header.clone(),
        networks: config.networks.clone(),
        tenants: config.each.iter().map(sources).collect(),
    }
}
