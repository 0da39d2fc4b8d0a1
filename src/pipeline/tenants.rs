//! Which profiles apply to a request: those of its tenant, else those of everybody.

use std::sync::Arc;

use http::HeaderMap;

use super::{Pipeline, PlannedSearch, Profiles, weight};
use crate::{
    bounds::Permit,
    search::{SearchIntent, Unread},
    tenant::{Claim, Peer, Rules},
};

/// The tenants, and how the searches of each are reranked.
pub struct Tenants {
    /// Who is which.
    pub rules: Arc<Rules>,
    /// One for each tenant of the rules, in their order.
    pub profiles: Vec<Profiles>,
}

impl Pipeline {
    /// The same, with profiles of their own for the requests of tenants.
    pub fn with_tenants(self, tenants: Option<Tenants>) -> Self {
        Self { tenants: tenants.map(Box::new), ..self }
    }

    /// Whether there are any tenants.
    pub fn has_tenants(&self) -> bool {
        self.tenants.is_some()
    }

    /// Whose a request is, as far as its head and its connection tell.
    pub fn claim(&self, headers: &HeaderMap, peer: Option<&Peer>) -> Claim {
        self.tenants.as_ref().map_or(Claim::Nobody, |tenants| tenants.rules.claim(headers, peer))
    }

    /// What the tenant of this name would have claimed.
    pub fn claim_of(&self, name: &str) -> Claim {
        self.tenants.as_ref().map_or(Claim::Nobody, |tenants| tenants.rules.named(name))
    }

    /// The name of the tenant that a claim is of.
    pub fn tenant(&self, claim: Claim) -> Option<Arc<str>> {
        Some(self.tenants.as_ref()?.rules.tenant(claim)?.name.clone())
    }

    /// Whose the searches of a request are: all of it is of one tenant, or of none.
    pub(super) fn claimed(&self, claim: Claim, intents: &[SearchIntent]) -> Claim {
        let Some(tenants) = &self.tenants else { return Claim::Nobody };
        if intents.iter().any(|intent| intent.collections.is_empty()) {
            return claim;
        }
        let names = intents.iter().flat_map(|intent| &intent.collections).map(String::as_str);
        tenants.rules.of_collections(claim, names)
    }

    /// The same of a search that has not been read, by the names in its head.
    pub(super) fn claimed_unread(&self, claim: Claim, collections: &[String]) -> Claim {
        let Some(tenants) = &self.tenants else { return Claim::Nobody };
        tenants.rules.of_collections(claim, collections.iter().map(String::as_str))
    }

    /// The name of the tenant of a search that has not been read.
    pub fn tenant_unread(&self, claim: Claim, search: Unread<'_>) -> Option<Arc<str>> {
        self.tenant(self.claimed_unread(claim, search.collections))
    }

    /// The profiles for what is claimed.
    pub(super) fn profiles(&self, claim: Claim) -> &Profiles {
        match (&self.tenants, claim) {
            (Some(tenants), Claim::Tenant(at)) => tenants.profiles.get(at).unwrap_or(&self.profiles),
            _ => &self.profiles,
        }
    }
}

/// As many searches of a tenant are reranked as may be at a time.
#[derive(Debug)]
pub struct NoPlace;

/// A place for these searches among those of their tenant that are reranked at a time; nothing where there is no tenant, or
/// no limit to it.
pub fn share(searches: &[PlannedSearch]) -> Result<Option<Permit>, NoPlace> {
    let mut shares = searches.iter().filter_map(|search| search.profile.tenant.as_ref());
    let Some(places) = shares.find_map(|tenant| tenant.searches.as_ref()) else { return Ok(None) };
    places.take(weight::calls(searches)).map(Some).ok_or(NoPlace)
}
