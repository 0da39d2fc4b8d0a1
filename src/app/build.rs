//! From the configuration's sections to the settings of the modules.

use std::{collections::HashSet, fs, io, net::SocketAddr, sync::Arc, time::Duration};

use http::Uri;

use super::{Shared, StartError, listener, names::KnownNames, tenants::rules};
use crate::{
    config::{
        self, CacheConfig, Config, DialectChoice, LimitsConfig, ListenerConfig, RedisConfig, RerankConfig,
        RouteConfig, TenantConfig, UpstreamConfig,
    },
    dialect::{
        Dialect, Dialects, WeaviateGrpc,
        elastic::Elastic,
        paths::{Definition, Paths},
        qdrant::{Qdrant, QdrantGrpc},
    },
    embedding_api::PassOn,
    fleet::{self, Fleet, FleetError, FleetMetrics},
    pipeline::{DriftSettings, Pipeline, Profile, Profiles, Route, Tenants},
    proxy::{
        Forwarder, GrpcRoute, HeadLimits, HeldBodies, KnownLists, ListenerSettings, Proxy, SearchHandler,
        SearchLimits, TunnelSettings,
    },
    rerank::{
        BuildError, HttpKind, ProviderKind, ProviderSettings, Providers, ScoreStore, StackShared,
        TenantSettings,
    },
    rerank_api::{ApiSettings, CohereProvider, Offer, RerankApi},
    upstream::{ClientIdentity, Upstream, UpstreamSettings, UpstreamSetupError, UpstreamTls},
};

/// Documents are cut here before they are sent to a provider, which cuts to its own context.
const DOCUMENT_BYTES: usize = 256 * 1024;

/// The pool of connections to one database. Blocks on the disk.
pub(super) fn upstream(
    settings: &UpstreamConfig,
    limits: &LimitsConfig,
    shared: &Shared,
    suspect_after: u32,
) -> Result<Upstream, UpstreamSetupError> {
    Upstream::new(upstream_settings(settings, limits, shared, suspect_after))
}

fn upstream_settings(
    settings: &UpstreamConfig,
    limits: &LimitsConfig,
    shared: &Shared,
    suspect_after: u32,
) -> UpstreamSettings {
    UpstreamSettings {
        http2: settings.http2,
        tls: upstream_tls(settings),
        signer: shared.keyring.signer(settings, &shared.signing_metrics),
        connect_timeout: settings.connect_timeout,
        response_timeout: settings.response_timeout,
        forward_timeout: settings.forward_timeout,
        body_timeout: limits.body_timeout,
        max_headers: limits.max_headers,
        max_head_bytes: limits.max_head_bytes,
        waits: shared.waits.clone(),
        workers: shared.workers.count(),
        mark: shared.mark.clone(),
        suspect_after,
        host: settings.host,
        path_prefix: settings.path_prefix.as_str().to_owned(),
        ..UpstreamSettings::new(settings.url.clone())
    }
}

/// How long a connection for gRPC calls may be idle: shorter than whatever stands between allows, and long enough to be
/// there for the next one.
const GRPC_IDLE: Duration = Duration::from_secs(60);

/// The connections for the gRPC calls to one database. Blocks on the disk.
pub(super) fn grpc_upstream(
    url: Uri,
    settings: &UpstreamConfig,
    limits: &LimitsConfig,
    shared: &Shared,
    suspect_after: u32,
) -> Result<Upstream, UpstreamSetupError> {
    let settings = upstream_settings(settings, limits, shared, suspect_after);
    let path_prefix = String::new();
    Upstream::new(UpstreamSettings {
        url,
        path_prefix,
        http2: true,
        grpc: true,
        idle_timeout: GRPC_IDLE,
        ..settings
    })
}

/// Whom the database may be, and who we are to it.
pub(super) fn upstream_tls(settings: &UpstreamConfig) -> UpstreamTls {
    let client = settings.client_cert_file.clone().zip(settings.client_key_file.clone());
    UpstreamTls {
        ca_file: settings.ca_file.clone(),
        client: client.map(|(cert_file, key_file)| ClientIdentity { cert_file, key_file }),
        server_name: settings.server_name.clone(),
    }
}

/// One listener's proxy.
pub(super) fn proxy(
    config: &Config,
    listener: &ListenerConfig,
    shared: &Shared,
    (upstream, grpc): (Upstream, Option<Upstream>),
) -> Result<Proxy, StartError> {
    let dialects = dialects(listener, &shared.names);
    let limits = &config.limits;
    let searches = SearchHandler::new(
        Pipeline::new(profiles(config, shared)).with_tenants(tenants(config, shared)),
        SearchLimits {
            request_bytes: limits.max_request_bytes,
            response_bytes: limits.max_response_bytes,
            body_timeout: limits.body_timeout,
        },
        shared.bounds.clone(),
        shared.waits.clone(),
        shared.search_metrics.clone(),
        config.rerank.response_headers,
        shared.records.clone(),
    );
    let searches = searches.recalling(shared.recall.clone()).knowing(shared.known.clone());
    let searches = searches.counting(shared.tenancy.metrics(&config.tenants));
    let searches = searches.logging(shared.search_log.clone(), listener.listen.to_string().into());
    let tunnels = TunnelSettings { timeout: limits.tunnel_timeout, waits: shared.waits.clone() };
    let held = HeldBodies {
        request_bytes: limits.max_request_bytes,
        budget: shared.bounds.request_bytes.clone(),
        body_timeout: limits.body_timeout,
        waits: shared.waits.clone(),
    };
    Ok(Proxy {
        forwarder: Forwarder::new(upstream, tunnels.clone()).holding(held),
        grpc: match grpc {
            _ if !listener.tells_grpc() => GrpcRoute::AsOthers,
            None => GrpcRoute::Nowhere,
            Some(upstream) => GrpcRoute::To(Box::new(Forwarder::new(upstream, tunnels))),
        },
        dialects: Dialects::new(dialects),
        path_prefix: listener.path_prefix.clone(),
        keeps_prefix: listener.path_prefix == listener.upstream.path_prefix,
        lent_to: listener.upstream.sign.as_ref().map_or_else(Default::default, |sign| sign.clients),
        searches: Arc::new(searches),
        metrics: shared.proxy_metrics.clone(),
        head: HeadLimits { max_headers: limits.max_headers, max_head_bytes: limits.max_head_bytes },
        tracer: shared.tracer.clone(),
    })
}

/// What is spoken to a listener's database; `known` are the names that databases have told.
pub(super) fn dialects(listener: &ListenerConfig, known: &KnownNames) -> Vec<Arc<dyn Dialect>> {
    if let Some(definition) = &listener.definition {
        let names = known.of(&listener.upstream, definition.names.as_ref());
        let described = Paths::new(Definition::clone(definition), names);
        return match listener.dialect {
            DialectChoice::Weaviate => vec![Arc::new(described), Arc::new(WeaviateGrpc)],
            _ => vec![Arc::new(described)],
        };
    }
    let qdrant = || Arc::new(Qdrant) as Arc<dyn Dialect>;
    let grpc = || Arc::new(QdrantGrpc) as Arc<dyn Dialect>;
    let elastic = || Arc::new(Elastic) as Arc<dyn Dialect>;
    match listener.dialect {
        // Requests are signed for OpenSearch alone.
        DialectChoice::Auto if listener.upstream.sign.is_some() => vec![elastic()],
        DialectChoice::Auto => vec![qdrant(), grpc(), elastic()],
        DialectChoice::Qdrant => vec![qdrant(), grpc()],
        DialectChoice::Elasticsearch => vec![elastic()],
        // The others are described.
        _ => Vec::new(),
    }
}

fn profiles(config: &Config, shared: &Shared) -> Profiles {
    let sections = (&config.rerank, config.routes.iter().map(|route| &route.rerank));
    profiles_of(config, (None, sections), &shared.providers, shared)
}

/// The profiles of routes, each made of its own section; those of a tenant, if one is named.
fn profiles_of<'a>(
    config: &Config,
    (tenant, (base, of_routes)): (Option<&str>, (&RerankConfig, impl Iterator<Item = &'a RerankConfig>)),
    providers: &Providers,
    shared: &Shared,
) -> Profiles {
    let route = |(route, section): (&RouteConfig, &RerankConfig)| {
        let name = Some(route.collection.as_str().into());
        let watched = watched_as(tenant, &route.collection, (section, &route.rerank));
        let own = profile(config, section, &watched, (providers, shared));
        Route::new(route.collection.clone(), Arc::new(Profile { route: name, ..own }))
    };
    let watched = watched_as(tenant, REST, (base, &config.rerank));
    let default = Arc::new(profile(config, base, &watched, (providers, shared)));
    Profiles { routes: config.routes.iter().zip(of_routes).map(route).collect(), default }
}

/// The profiles of tenants, where there are any.
fn tenants(config: &Config, shared: &Shared) -> Option<Tenants> {
    let tenants = &config.tenants.each;
    let profiles = |tenant: &TenantConfig| {
        let (providers, share) =
            (shared.providers.of_tenant(&tenant.name), Some(shared.tenancy.share(tenant)));
        let sections = (&tenant.rerank, tenant.routes.iter());
        let mut own = profiles_of(config, (Some(&tenant.name), sections), &providers, shared);
        let routes = own.routes.iter_mut().map(|route| &mut route.profile);
        for profile in routes.chain([&mut own.default]) {
            *profile = Arc::new(Profile { tenant: share.clone(), ..Profile::clone(profile) });
        }
        own
    };
    (!tenants.is_empty()).then(|| Tenants {
        rules: Arc::new(rules(&config.tenants)),
        profiles: tenants.iter().map(profiles).collect(),
    })
}

/// What metrics call the collections that have no route.
const REST: &str = "rerank";

/// What the scores of a section are watched as. A tenant's are its own where its figures or its provider are.
fn watched_as(tenant: Option<&str>, name: &str, (own, under): (&RerankConfig, &RerankConfig)) -> String {
    let of = |section: &RerankConfig| (section.drift(), section.providers.first().cloned());
    match tenant.filter(|_| of(own) != of(under)) {
        Some(tenant) => format!("{tenant}/{name}"),
        None => name.to_owned(),
    }
}

/// Every section whose scores are watched, as what, and what they are compared with.
pub(super) fn watched(config: &Config) -> Vec<(String, DriftSettings)> {
    let routes = config.routes.iter().map(|route| (route.collection.clone(), &route.rerank));
    let of_tenants = config.tenants.each.iter().flat_map(|tenant| {
        let name = Some(tenant.name.as_str());
        let own = config.routes.iter().zip(&tenant.routes);
        let own =
            own.map(move |(route, own)| (watched_as(name, &route.collection, (own, &route.rerank)), own));
        own.chain([(watched_as(name, REST, (&tenant.rerank, &config.rerank)), &tenant.rerank)])
    });
    let sections = routes.chain([(REST.to_owned(), &config.rerank)]).chain(of_tenants);
    sections.filter_map(|(name, section)| Some((name, section.drift()?))).collect()
}

/// `name`: that of the section for metrics.
fn profile(
    config: &Config,
    section: &RerankConfig,
    name: &str,
    (providers, shared): (&Providers, &Shared),
) -> Profile {
    Profile {
        route: None,
        tenant: None,
        mode: section.mode,
        sample: section.sample,
        collections: section.collections.clone(),
        reranker: providers.chain(&section.providers, &shared.stack),
        may_ask: providers.may_ask(&section.providers),
        asked_again: providers.asked_again(&section.providers),
        first_provider: section
            .providers
            .iter()
            .find(|name| providers.has(name))
            .map(|name| name.as_str().into()),
        providers: section.providers.clone(),
        has_provider: section.providers.iter().any(|name| providers.has(name)),
        window: section.window,
        max_window: section.max_window,
        fields: section.fields.clone(),
        document_bytes: DOCUMENT_BYTES,
        passages: section.passages(),
        cohere_model: cohere_model(config, section, shared),
        instruction: section.instruction.as_deref().map(Into::into),
        instructed: config.instruction_takers(section),
        score: section.score,
        boosts: (!section.boosts.0.is_empty()).then(|| Arc::new(section.boosts.clone())),
        annotate: section.annotate,
        answer_block: section.answer_block,
        confidence: section.confidence().map(Arc::new),
        drift: section.drift().map(|settings| shared.search_metrics.drifts.of(name, settings)),
        min_score: section.min_score,
        min_keep: section.min_keep,
        deadline: section.deadline,
        shadow_deadline: section.shadow_deadline,
        partial: section.partial_scores == config::PartialScores::Partial,
        skip_when: section.skip_when.clone(),
        margin_gate: section.margin_gate,
        fail_open: section.fail_open,
        widen: section.widen == config::WidenMode::Replay,
        sources: section.query_sources.clone(),
        query_path: section.query_path.clone(),
        inference_ids: section.inference_ids.clone(),
        search_pipelines: section.search_pipelines.clone(),
        allow: section.allow.clone(),
    }
}

/// The model of a section's first provider that can be used, where it is Cohere.
fn cohere_model(config: &Config, section: &RerankConfig, shared: &Shared) -> Option<Arc<str>> {
    let first = section.providers.iter().find(|name| shared.providers.has(name))?;
    match &config.providers.iter().find(|each| each.name == *first)?.kind {
        ProviderKind::Http(http) if http.kind == HttpKind::Cohere => http.model.as_deref().map(Into::into),
        _ => None,
    }
}

/// Every provider that some section names and that can be used; what is unchanged is reused from `before`.
pub(super) fn providers(
    config: &Config,
    before: &Providers,
    stack: &StackShared,
) -> Result<Providers, BuildError> {
    let named = config.sections().flat_map(|section| &section.providers).chain(config.rerank_api_providers());
    let named: HashSet<&String> = named.collect();
    let used = config.providers.iter().filter(|section| named.contains(&section.name)).cloned();
    // One that lacks its key counts as not configured.
    let (without_key, used): (Vec<_>, Vec<_>) = used.partition(ProviderSettings::lacks_key);
    let built = Providers::build(used, before, stack)?;
    let built = built.shared_by(config.tenants.each.iter().map(tenant_settings).collect(), before, stack);
    Ok(built.beside(without_key.into_iter().map(|section| section.name).collect()))
}

/// What a tenant has of its own at its providers.
fn tenant_settings(tenant: &TenantConfig) -> TenantSettings {
    let mut providers: Vec<String> =
        tenant.sections().flat_map(|section| section.providers.clone()).collect();
    providers.sort();
    providers.dedup();
    TenantSettings {
        name: tenant.name.clone(),
        limits: tenant.limits.clone(),
        cache_bytes: tenant.cache_bytes,
        providers,
    }
}

/// The rerank API, and the settings of its listener; `None` if it is off. Blocks on the disk.
pub(super) fn rerank_api(
    config: &Config,
    shared: &Shared,
    pass_on: Option<PassOn>,
) -> Result<Option<(SocketAddr, RerankApi, ListenerSettings)>, StartError> {
    let section = &config.rerank_api;
    let Some(listen) = section.listen else { return Ok(None) };
    let names = config.rerank_api_providers();
    let in_chain = config.providers.iter().filter(|provider| names.contains(&provider.name));
    let settings = ApiSettings {
        offer: Offer {
            cohere: in_chain.filter_map(cohere).collect(),
            allow_models: section.allow_models.clone(),
        },
        deadline: section.deadline,
        max_documents: section.max_documents,
        max_request_bytes: section.max_request_bytes,
        response_headers: section.response_headers,
        token: section.token.clone(),
    };
    let reranker = shared.providers.chain(names, &shared.stack);
    let listener = listener::of_rerank_api(config, listen, shared)?;
    let api = RerankApi::new(settings, reranker, shared.bounds.clone(), shared.api_metrics.clone());
    Ok(Some((listen, api.passing_on(pass_on), listener)))
}

/// A provider that knows Cohere's models by the names that Cohere's clients use.
fn cohere(provider: &ProviderSettings) -> Option<CohereProvider> {
    match &provider.kind {
        ProviderKind::Http(http) if matches!(http.kind, HttpKind::Cohere | HttpKind::CohereV1) => {
            Some(CohereProvider {
                name: provider.name.as_str().into(),
                model: http.model.clone().unwrap_or_default(),
                max_tokens_per_doc: http.max_tokens_per_doc,
            })
        }
        _ => None,
    }
}

/// The score cache, keyed by the configured secret or a random one. Blocks on the disk.
pub(super) fn cache(config: &CacheConfig, metrics: &FleetMetrics) -> Result<Arc<ScoreStore>, StartError> {
    let secret = secret(config).map_err(StartError::Secret)?;
    let store = ScoreStore::new(config.max_bytes, config.ttl, secret);
    Ok(Arc::new(match &config.redis {
        Some(redis) => store.with_fleet(fleet(redis, config, metrics)?, redis.share_limits),
        None => store,
    }))
}

/// Where the hits of responses stand, beside the scores that it is of use with.
pub(super) fn known_lists(config: &CacheConfig) -> Result<KnownLists, StartError> {
    /// They may take one part in this many of the cache's bytes, beside the scores.
    const SHARE: u64 = 8;
    let mut random = [0; 32];
    getrandom::fill(&mut random).map_err(|_| StartError::Secret(no_randomness()))?;
    let mut key = [0; 4];
    for (word, bytes) in key.iter_mut().zip(random.as_chunks().0) {
        *word = u64::from_le_bytes(*bytes);
    }
    Ok(KnownLists::new(config.max_bytes / SHARE, key))
}

/// The configured secret, or a random one. Blocks on the disk.
pub(super) fn secret(config: &CacheConfig) -> io::Result<[u8; 32]> {
    match &config.secret_file {
        Some(path) => Ok(*blake3::hash(&fs::read(path)?).as_bytes()),
        None => {
            let mut secret = [0; 32];
            getrandom::fill(&mut secret).map_err(|_| no_randomness())?;
            Ok(secret)
        }
    }
}

fn no_randomness() -> io::Error {
    io::Error::other("no randomness")
}

fn fleet(redis: &RedisConfig, cache: &CacheConfig, metrics: &FleetMetrics) -> Result<Fleet, FleetError> {
    Fleet::new(fleet_settings(redis, cache), metrics.clone())
}

/// How Redis is used.
pub(super) fn fleet_settings(redis: &RedisConfig, cache: &CacheConfig) -> fleet::Settings {
    fleet::Settings { ttl: cache.ttl, ..redis.fleet.clone() }
}
