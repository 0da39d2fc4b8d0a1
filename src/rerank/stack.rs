use std::{collections::HashMap, sync::Arc, time::Duration};

use tower::util::BoxCloneSyncService;

use super::{
    BuildError, LexicalSettings, ProviderKind, ProviderSettings, Reranker, StackShared,
    account::Account,
    batch::BatchLimit,
    breaker::Breaker,
    chain::{Chain, Link, Takes},
    instructed,
    limits::{Gate, Limits},
    lists::Lists,
    metrics::Counted,
    provider::{HttpProvider, Lexical},
    retry::Retry,
    tenants::{TenantLink, TenantSettings, TenantStack},
    timed::Timed,
};
use crate::search::KeepReason;

/// Every configured provider, each once, however many routes name it: its limits and its circuit are its own, and
/// survive a reload that does not change it.
#[derive(Clone, Default)]
pub struct Providers {
    by_name: HashMap<String, Provider>,
    /// Named somewhere, but without the key that they need.
    without_key: Vec<String>,
    /// What tenants have of them.
    tenants: HashMap<String, TenantStack>,
}

#[derive(Clone)]
struct Provider {
    fingerprint: [u8; 32],
    link: Link,
    /// What tenants have layers of their own above: the account, down from its limits.
    below: Option<(Account, Reranker)>,
    /// Updates its gauges.
    observe: Observe,
    /// Whether its circuit lets a call through.
    usable: Usable,
    asked_again: AskedAgain,
}

/// After what time a provider that was not called for this reason may be; `None` if unknown, or for other reasons.
pub type AskedAgain = Arc<dyn Fn(KeepReason) -> Option<Duration> + Send + Sync>;

/// The layers of a provider, and what is known of them from outside.
struct Layers {
    provider: Reranker,
    below: Option<(Account, Reranker)>,
    observe: Observe,
    usable: Usable,
    asked_again: AskedAgain,
}

type Observe = Arc<dyn Fn() + Send + Sync>;
type Usable = Arc<dyn Fn() -> bool + Send + Sync>;

impl Providers {
    /// Builds what is new or changed; reuses from `before` what is unchanged.
    pub fn build(
        settings: Vec<ProviderSettings>,
        before: &Providers,
        shared: &StackShared,
    ) -> Result<Self, BuildError> {
        let mut providers = HashMap::new();
        for settings in settings {
            let fingerprint = settings.fingerprint();
            let name = settings.name.clone();
            let provider = match before.by_name.get(&name) {
                Some(old) if old.fingerprint == fingerprint => old.clone(),
                _ => provider(settings, fingerprint, shared)?,
            };
            providers.insert(name, provider);
        }
        Ok(Self { by_name: providers, ..Self::default() })
    }

    /// The same, beside others that cannot be used for lack of a key.
    pub fn beside(self, without_key: Vec<String>) -> Self {
        Self { without_key, ..self }
    }

    /// The same, with what these tenants have of their own above the providers that they name. What is unchanged is reused
    /// from `before`.
    pub fn shared_by(
        mut self,
        tenants: Vec<TenantSettings>,
        before: &Providers,
        shared: &StackShared,
    ) -> Self {
        let mut stacks = HashMap::new();
        for settings in tenants {
            let mut stack = TenantStack::new(&settings, before.tenants.get(&settings.name), shared);
            for name in &settings.providers {
                if let Some(Provider { fingerprint, below: Some(below), .. }) = self.by_name.get(name) {
                    stack.uses(name, (*fingerprint, below), shared);
                }
            }
            stacks.insert(settings.name, stack);
        }
        self.tenants = stacks;
        self
    }

    /// The providers as one tenant uses them.
    pub fn of_tenant(&self, tenant: &str) -> Self {
        let mut own = self.clone();
        let links = self.tenants.get(tenant).map(TenantStack::links);
        for (name, TenantLink { provider, asked_again, .. }) in links.into_iter().flatten() {
            if let Some(known) = own.by_name.get_mut(name) {
                known.link.provider = provider.clone();
                let (inner, outer) = (known.asked_again.clone(), asked_again.clone());
                known.asked_again = Arc::new(move |reason| inner(reason).max(outer(reason)));
            }
        }
        own
    }

    /// The stack that tries the named providers in order. Names without a provider are left out.
    pub fn chain(&self, names: &[String], shared: &StackShared) -> Reranker {
        let links = names.iter().filter_map(|name| self.by_name.get(name));
        let links: Vec<Link> = links.map(|provider| provider.link.clone()).collect();
        if let Some((_, followed)) = links.split_last() {
            followed.iter().for_each(|link| shared.metrics.declare_failover(&link.name));
        }
        let chain = Chain::new(links, shared.metrics.clone());
        BoxCloneSyncService::new(chain.learning(&shared.words))
    }

    /// Whether any of the named providers may be called now.
    pub fn may_ask(&self, names: &[String]) -> Arc<dyn Fn() -> bool + Send + Sync> {
        let usable: Vec<Usable> = names
            .iter()
            .filter_map(|name| self.by_name.get(name))
            .map(|provider| provider.usable.clone())
            .collect();
        Arc::new(move || usable.iter().any(|usable| usable()))
    }

    /// In what time the first of the named providers may be asked again.
    pub fn asked_again(&self, names: &[String]) -> AskedAgain {
        let each = names.iter().filter_map(|name| self.by_name.get(name));
        let each: Vec<AskedAgain> = each.map(|provider| provider.asked_again.clone()).collect();
        Arc::new(move |reason| each.iter().filter_map(|asked_again| asked_again(reason)).min())
    }

    /// Whether there is a provider of this name.
    pub fn has(&self, name: &str) -> bool {
        self.by_name.contains_key(name)
    }

    /// Brings the gauges of budgets, circuits, the cache and learned words up to date; for the moment before a scrape.
    pub fn observe(&self, shared: &StackShared) {
        let StackShared { metrics, store, words, .. } = shared;
        let learns = |provider: &Provider| provider.link.learns;
        let cached = store.is_on() && self.by_name.values().any(|provider| !learns(provider));
        metrics.observe_cache(cached.then_some(&**store));
        metrics.observe_words(self.by_name.values().any(learns).then_some(&**words));
        metrics.keep(|name| self.has(name) || self.without_key.iter().any(|other| other == name));
        self.without_key.iter().for_each(|name| metrics.ready(name, false));
        for (name, provider) in &self.by_name {
            metrics.ready(name, true);
            (provider.observe)();
        }
        self.tenants.iter().for_each(|(name, stack)| stack.observe(name, metrics));
        let has_cache = |name: &str| self.tenants.get(name).is_some_and(TenantStack::has_cache);
        let uses = |name: &str, provider: &str| {
            self.tenants.get(name).is_some_and(|stack| stack.has_provider(provider))
        };
        metrics.keep_tenants(uses, has_cache);
    }
}

fn provider(
    settings: ProviderSettings,
    fingerprint: [u8; 32],
    shared: &StackShared,
) -> Result<Provider, BuildError> {
    let name: Arc<str> = settings.name.as_str().into();
    let learns = matches!(settings.kind, ProviderKind::Lexical(_));
    let instructed = takes(&settings.kind);
    let Layers { provider, below, observe, usable, asked_again } = layers(settings, name.clone(), shared)?;
    Ok(Provider {
        fingerprint,
        link: Link { name, provider, instructed, learns },
        below,
        observe,
        usable,
        asked_again,
    })
}

/// How a provider of this kind takes an instruction.
fn takes(kind: &ProviderKind) -> Takes {
    match kind {
        ProviderKind::Lexical(_) => Arc::new(|_| None),
        ProviderKind::Http(http) => {
            let (kind, base_url) = (http.kind, http.base_url.clone());
            let own = http.model.clone().unwrap_or_default();
            Arc::new(move |model| instructed(kind, &base_url, model.unwrap_or(&own)))
        }
    }
}

/// The layers of one provider: the only place that shows their order, here from the inside out.
fn layers(settings: ProviderSettings, name: Arc<str>, shared: &StackShared) -> Result<Layers, BuildError> {
    let StackShared { store, metrics, words, budget, ledger, rates, workers } = shared.clone();
    let identity = settings.identity();
    match settings.kind {
        ProviderKind::Http(http) => {
            let call = HttpProvider::new(name.clone(), &http)?;
            let (facts, limits) = (call.facts().clone(), settings.limits);
            let counted = Counted::Service {
                billing: facts.billing,
                tls: http.base_url.starts_with("https:"),
                budget: limits.has_budget(),
                background: settings.single_flight.finish_in_background,
            };
            metrics.declare(&name, counted);
            let asked = call.clone();
            let size =
                BatchLimit { tokens: call.max_tokens(), documents: Arc::new(move || asked.max_documents()) };
            let gate = Gate::new(name.clone(), facts.billing, &limits, &ledger, metrics.clone());
            let gate = gate.continuing(&rates, identity).sharing(store.sharing_limits(), &limits);
            let gate = Arc::new(gate);

            let call = Timed::new(call, name.clone(), metrics.clone());
            let call = Retry::new(call, budget, gate.clone(), name.clone(), metrics.clone());
            let call = Breaker::new(call, settings.circuit, name.clone(), metrics.clone());
            let breaker = call.switch();
            let usable = {
                let breaker = breaker.clone();
                Arc::new(move || breaker.would_admit().is_ok())
            };
            let observe = {
                let (gate, breaker) = (gate.clone(), breaker.clone());
                Arc::new(move || {
                    gate.observe();
                    breaker.observe();
                })
            };
            let asked_again: AskedAgain = {
                let (gate, breaker) = (gate.clone(), breaker.clone());
                Arc::new(move |reason| match reason {
                    KeepReason::RateLimited | KeepReason::Budget => gate.asked_again(reason),
                    KeepReason::CircuitOpen
                    | KeepReason::Auth
                    | KeepReason::NotFound
                    | KeepReason::Billing
                    | KeepReason::QuotaExhausted => breaker.asked_again(),
                    _ => None,
                })
            };
            let call = Limits::new(call, gate).before(Some(breaker.clone()));
            let account = Account {
                name,
                facts,
                size,
                single_flight: settings.single_flight,
                per_search: limits.search_units_per_search,
                responds_first: workers > 0,
                circuit: Some(breaker),
            };
            let provider = account.above(call.clone(), store, metrics);
            let below = Some((account, BoxCloneSyncService::new(call)));
            Ok(Layers { provider, below, observe, usable, asked_again })
        }
        // Computed in process: nothing to wait for, nothing to pay, quicker than a cache lookup.
        ProviderKind::Lexical(LexicalSettings { fuse }) => {
            metrics.declare(&name, Counted::Computed);
            let call = Lexical::new(name.clone(), words, fuse);
            let call = Lists::new(Timed::new(call, name, metrics));
            Ok(Layers {
                provider: BoxCloneSyncService::new(call),
                below: None,
                observe: Arc::new(|| ()),
                usable: Arc::new(|| true),
                asked_again: Arc::new(|_| None),
            })
        }
    }
}

#[cfg(test)]
#[path = "stack_tests.rs"]
mod tests;
