//! What tenants have of their own: limits within those of each provider, and a cache.

use std::{
    collections::{HashMap, hash_map::Iter},
    sync::Arc,
    time::Duration,
};

use super::{
    RerankMetrics, Reranker, ScoreStore, StackShared, TenantLimits,
    account::Account,
    limits::{Gate, Limits},
};
use crate::search::KeepReason;

/// One tenant, as configured.
#[derive(Clone, Debug, PartialEq)]
pub struct TenantSettings {
    /// Its name; also the metric label.
    pub name: String,
    /// Its limits at each of its providers.
    pub limits: TenantLimits,
    /// The size of a cache that nobody else reads, 0 for none; `None`: it shares the one of all.
    pub cache_bytes: Option<u64>,
    /// The providers that it uses.
    pub providers: Vec<String>,
}

/// What one tenant has, over reloads as long as its settings and those of its providers are the same.
#[derive(Clone)]
pub(super) struct TenantStack {
    name: Arc<str>,
    limits: TenantLimits,
    cache_bytes: Option<u64>,
    store: Arc<ScoreStore>,
    links: HashMap<String, TenantLink>,
    /// Those of the configuration before.
    old: HashMap<String, TenantLink>,
}

/// One provider as a tenant uses it.
#[derive(Clone)]
pub(super) struct TenantLink {
    /// Of the provider's settings.
    fingerprint: [u8; 32],
    gate: Arc<Gate>,
    pub(super) provider: Reranker,
    pub(super) asked_again: Arc<dyn Fn(KeepReason) -> Option<Duration> + Send + Sync>,
}

impl TenantStack {
    /// Without providers yet; with the cache and the state of `before` where the settings are the same.
    pub(super) fn new(settings: &TenantSettings, before: Option<&Self>, shared: &StackShared) -> Self {
        let TenantSettings { name, limits, cache_bytes, .. } = settings.clone();
        let name: Arc<str> = name.into();
        let known = before.filter(|before| before.cache_bytes == cache_bytes);
        let store = match (known, cache_bytes) {
            (Some(before), _) => before.store.clone(),
            (None, Some(bytes)) => Arc::new(shared.store.apart(&name, bytes)),
            (None, None) => shared.store.clone(),
        };
        let old = known.filter(|before| before.limits == limits).map(|before| before.links.clone());
        Self { name, limits, cache_bytes, store, links: HashMap::new(), old: old.unwrap_or_default() }
    }

    /// Adds a provider: its account, and the account's layers down from its limits.
    pub(super) fn uses(
        &mut self,
        provider: &str,
        (fingerprint, (account, call)): ([u8; 32], &(Account, Reranker)),
        shared: &StackShared,
    ) {
        let old = self.old.remove(provider).filter(|old| old.fingerprint == fingerprint);
        let link = old.unwrap_or_else(|| {
            let of = (self.name.clone(), account.name.clone());
            let billing = account.facts.billing;
            let limits = self.limits.of_gate();
            let counts = (&*shared.ledger, &*shared.rates);
            let (fleet, metrics) = (shared.store.sharing_limits(), shared.metrics.clone());
            let gate = Arc::new(Gate::of_tenant(of, billing, &limits, counts, fleet, metrics));
            let asked_again = gate.clone();
            shared.metrics.declare_tenant(&self.name, &account.name, billing, limits.has_budget());
            TenantLink {
                fingerprint,
                provider: account.above(
                    Limits::new(call.clone(), gate.clone()).before(account.circuit.clone()),
                    self.store.clone(),
                    shared.metrics.clone(),
                ),
                gate,
                asked_again: Arc::new(move |reason| asked_again.asked_again(reason)),
            }
        });
        self.links.insert(provider.to_owned(), link);
    }

    /// The providers that it uses, by name.
    pub(super) fn links(&self) -> Iter<'_, String, TenantLink> {
        self.links.iter()
    }

    /// Whether it uses the provider of this name.
    pub(super) fn has_provider(&self, provider: &str) -> bool {
        self.links.contains_key(provider)
    }

    /// Whether it has a cache of its own.
    pub(super) fn has_cache(&self) -> bool {
        self.cache_bytes.is_some()
    }

    /// Brings its gauges up to date.
    pub(super) fn observe(&self, name: &str, metrics: &RerankMetrics) {
        self.links.values().for_each(|link| link.gate.observe());
        if self.has_cache() {
            self.store.sweep();
            metrics.tenant_cache(name, self.store.bytes());
        }
    }
}

#[cfg(test)]
#[path = "tenants_tests.rs"]
mod tests;
