//! `tenants`, and what each of `tenants.names` has besides the keys of `rerank`.

use super::provider::{BUDGET, CALLS, RATE};
use crate::config::{
    TenantConfig, TenantsConfig,
    kind::Kind,
    setting::{By, Setting, Shown, by, setting},
};

/// `tenants`.
pub(in crate::config) static TENANTS: &[Setting<TenantsConfig>] = &[
    by(
        "header",
        Kind::Text,
        "the header in which a gateway names the tenant, such as x-tenant-id; it counts from networks alone, and is forwarded",
        By::Hand(|of| of.header.as_ref().map_or(Shown::Null, |name| Shown::One(name.as_str().to_owned()))),
    ),
    by(
        "networks",
        Kind::List(&Kind::Text),
        "where the gateways connect from, such as [10.42.0.0/16]; from anywhere else the header says nothing",
        By::Hand(|of| Shown::List(of.networks.iter().map(ToString::to_string).collect())),
    ),
];

/// A tenant's own.
pub(in crate::config) static TENANT: &[Setting<TenantConfig>] = &[
    setting(
        "certificates",
        Kind::List(&Kind::Text),
        "whose verified client certificate says one of these is this tenant: CN=acme, \"DNS:*.acme.example\", \
         URI:spiffe://corp/ns/acme/web; * and ? are wild",
        |to| &mut to.certificates,
    ),
    setting(
        "collection",
        Kind::List(&Kind::RoutePattern),
        "whose searches are all of these collections is this tenant, where neither header nor certificate says who it is",
        |to| &mut to.collections,
    ),
    setting(
        "max_searches_in_flight",
        Kind::Whole(1, 100_000),
        "its searches that are reranked at a time, within limits.max_searches_in_flight; more are forwarded",
        |to| &mut to.max_searches,
    ),
    setting(
        "cache.max_bytes",
        Kind::SizeOrOff,
        "a cache of its own of this size, beside cache.max_bytes, that nobody else can be answered from or learn from; 0: none. \
         Not set: it shares the one of all",
        |to| &mut to.cache_bytes,
    ),
    setting(
        "max_concurrency",
        CALLS,
        "its calls to each provider at the same time, within the provider's own; more are shed",
        |to| &mut to.limits.max_concurrency,
    ),
    setting(
        "requests_per_minute",
        RATE,
        "its calls to each provider in any minute, retries not counted, within the provider's own",
        |to| &mut to.limits.requests_per_minute,
    ),
    setting(
        "max_search_units_per_minute",
        BUDGET,
        "its budget at each provider that bills search units; beyond it: kept; reason=budget",
        |to| &mut to.limits.search_units.per_minute,
    ),
    setting("max_search_units_per_day", BUDGET, "likewise; days are UTC", |to| {
        &mut to.limits.search_units.per_day
    }),
    setting("max_tokens_per_minute", BUDGET, "the same for providers that bill tokens", |to| {
        &mut to.limits.tokens.per_minute
    }),
    setting("max_tokens_per_day", BUDGET, "likewise", |to| &mut to.limits.tokens.per_day),
];

/// The keys of `rerank` that a tenant has not: its collections are another thing, and response headers are everybody's.
pub(in crate::config) const NOT_OF_TENANTS: [&str; 2] = ["collections", "response_headers"];
