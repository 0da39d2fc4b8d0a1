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

    /// These tenants count from now on, with their limits.
    pub(super) fn activate(&self, config: &TenantsConfig) {
        let known = self.searches.lock().unwrap_or_else(PoisonError::into_inner);
        for tenant in &config.each {
            if let (Some(places), Some(most)) = (known.get(&tenant.name), tenant.max_searches) {
                places.set_limit(most);
            }
        }
    }

    /// A tenant's share of what all have, for a configuration that may yet be rejected.
    pub(super) fn share(&self, tenant: &TenantConfig) -> Arc<TenantShare> {
        let mut known = self.searches.lock().unwrap_or_else(PoisonError::into_inner);
        let searches = tenant.max_searches.map(|most| {
            // Its limit changes once the configuration counts.
            known.entry(tenant.name.clone()).or_insert_with(|| Budget::new(most)).clone()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::test_support::config;

    #[test]
    fn a_configuration_that_is_rejected_changes_no_tenants_limit() {
        let tenancy = Tenancy::new(TenantMetrics::register(&prometheus::Registry::new()).unwrap());
        let with = |most: u64| {
            let section = format!("{{ collection: 'a-*', max_searches_in_flight: {most} }}");
            config(&format!("tenants: {{ names: {{ acme: {section} }} }}\n")).tenants
        };
        let limit = |of: &TenantShare| of.searches.as_ref().unwrap().limit();
        let active = tenancy.share(&with(5).each[0]);
        let next = tenancy.share(&with(2).each[0]);
        assert_eq!((limit(&active), limit(&next)), (5, 5), "it may be rejected yet");
        tenancy.activate(&with(2));
        assert_eq!((limit(&active), limit(&next)), (2, 2), "searches in flight stay counted");
    }
}
