//! From the configuration's sections to the settings of the modules.

use std::{collections::HashSet, fs, io, net::SocketAddr, sync::Arc, time::Duration};

use super::{Shared, StartError};
use crate::{
    config::{self, Config, DialectChoice, ListenerConfig, ProviderConfig, RerankConfig, RouteConfig},
    dialect::{Dialect, Dialects, elastic::Elastic, qdrant::Qdrant},
    pipeline::{AllowList, FailOpen, Mode, Pipeline, Profile, Profiles, QuerySource, Route, ScoreMode},
    proxy::{Forwarder, Proxy, SearchHandler, SearchLimits},
    rerank::{
        BuildError, CircuitSettings, CohereSettings, FlightSettings, LimitSettings, ProviderKind,
        ProviderSettings, Providers, ScoreStore, SpendSettings,
    },
    rerank_api::{ApiSettings, CohereProvider, Offer, RerankApi},
    upstream::{HostHeader, Upstream, UpstreamSettings},
};

/// Documents are cut here before they reach a provider, which cuts to its own context.
const DOCUMENT_BYTES: usize = 256 * 1024;

/// One listener's proxy.
pub(super) fn proxy(
    config: &Config,
    listener: &ListenerConfig,
    providers: &Providers,
    shared: &Shared,
) -> Result<Proxy, StartError> {
    let upstream = Upstream::new(UpstreamSettings {
        http2: listener.upstream.http2,
        ca_file: listener.upstream.ca_file.clone(),
        connect_timeout: listener.upstream.connect_timeout,
        answer_timeout: Some(listener.upstream.answer_timeout),
        host: match listener.upstream.host {
            config::HostMode::Upstream => HostHeader::Upstream,
            config::HostMode::Preserve => HostHeader::Preserve,
        },
        ..UpstreamSettings::new(listener.upstream.url.clone())
    })?;
    let dialects = dialects(listener.dialect);
    for dialect in &dialects {
        for kind in dialect.kinds() {
            shared.search_metrics.declare(dialect.name(), kind.as_str());
        }
    }
    let pipeline = Pipeline::new(profiles(config, providers, shared), config.limits.max_rerank_in_flight);
    let limits = SearchLimits {
        request_bytes: config.limits.max_request_bytes,
        response_bytes: config.limits.max_response_bytes,
    };
    let metrics = shared.search_metrics.clone();
    let searches = SearchHandler::new(pipeline, limits, metrics, config.rerank.answer_headers);
    Ok(Proxy {
        forwarder: Forwarder::new(upstream),
        dialects: Dialects::new(dialects),
        searches: Arc::new(searches),
    })
}

fn dialects(choice: DialectChoice) -> Vec<Arc<dyn Dialect>> {
    let qdrant = || Arc::new(Qdrant) as Arc<dyn Dialect>;
    let elastic = || Arc::new(Elastic) as Arc<dyn Dialect>;
    match choice {
        DialectChoice::Auto => vec![qdrant(), elastic()],
        DialectChoice::Qdrant => vec![qdrant()],
        DialectChoice::Elasticsearch => vec![elastic()],
        DialectChoice::None => Vec::new(),
    }
}

fn profiles(config: &Config, providers: &Providers, shared: &Shared) -> Profiles {
    let profile = |section: &RerankConfig| Arc::new(profile(section, providers, shared));
    let route =
        |route: &RouteConfig| Route { collection: route.collection.clone(), profile: profile(&route.rerank) };
    Profiles { routes: config.routes.iter().map(route).collect(), default: profile(&config.rerank) }
}

fn profile(section: &RerankConfig, providers: &Providers, shared: &Shared) -> Profile {
    Profile {
        mode: match section.mode {
            config::Mode::On => Mode::On,
            config::Mode::Shadow => Mode::Shadow,
            config::Mode::Off => Mode::Off,
        },
        sample: section.sample,
        collections: section.collections.clone(),
        reranker: providers.chain(&section.providers, &shared.stack),
        has_provider: section.providers.iter().any(|name| providers.has(name)),
        window: section.window,
        fields: section.fields.clone(),
        document_bytes: DOCUMENT_BYTES,
        score: match section.score {
            config::ScoreMode::Keep => ScoreMode::Keep,
            config::ScoreMode::Replace => ScoreMode::Replace,
            config::ScoreMode::Rrf => ScoreMode::Rrf,
        },
        annotate: section.annotate,
        min_score: section.min_score,
        min_keep: section.min_keep,
        deadline: section.deadline,
        shadow_deadline: section.shadow_deadline,
        partial: section.partial_scores == config::PartialScores::Partial,
        margin_gate: section.margin_gate,
        fail_open: match section.fail_open {
            config::FailOpen::Cut => FailOpen::Cut,
            config::FailOpen::Replay => FailOpen::Replay,
        },
        widen: section.widen == config::WidenMode::Replay,
        sources: section.query_sources.iter().map(|&source| query_source(source)).collect(),
        query_path: section.query_path.clone(),
        allow: AllowList {
            models: section.allow.models.clone(),
            fields: section.allow.fields.clone(),
            max_window: section.allow.max_window,
            max_deadline: section.allow.max_deadline,
        },
    }
}

fn query_source(source: config::QuerySource) -> QuerySource {
    match source {
        config::QuerySource::Header => QuerySource::Header,
        config::QuerySource::Body => QuerySource::Body,
        config::QuerySource::Native => QuerySource::Native,
        config::QuerySource::Baggage => QuerySource::Baggage,
    }
}

/// Every provider that some section names and that can be used; what is unchanged is taken over from `before`.
pub(super) fn providers(
    config: &Config,
    before: &Providers,
    shared: &Shared,
) -> Result<Providers, BuildError> {
    let sections = std::iter::once(&config.rerank).chain(config.routes.iter().map(|route| &route.rerank));
    let named = sections.flat_map(|section| &section.providers).chain(config.rerank_api_providers());
    let named: HashSet<&String> = named.collect();
    let patience = patience(config);
    let used = config.providers.iter().filter(|section| named.contains(&section.name));
    let used = used.filter_map(|section| provider(section, patience));
    Providers::build(used.collect(), before, &shared.stack)
}

/// How long the most patient caller waits: a shared call must not end before.
fn patience(config: &Config) -> Duration {
    let sections = std::iter::once(&config.rerank).chain(config.routes.iter().map(|route| &route.rerank));
    let searches = sections.flat_map(|section| [section.deadline, section.shadow_deadline]);
    let api = config.rerank_api.listen.map(|_| config.rerank_api.deadline);
    searches.chain(api).fold(FlightSettings::default().timeout, Duration::max)
}

/// The rerank API.
pub(super) fn rerank_api(config: &Config, providers: &Providers, shared: &Shared) -> RerankApi {
    let (section, names) = (&config.rerank_api, config.rerank_api_providers());
    let in_chain = config.providers.iter().filter(|provider| names.contains(&provider.name));
    let cohere = in_chain.filter_map(|provider| match &provider.kind {
        config::ProviderKind::Cohere { model, max_tokens_per_doc, .. } => Some(CohereProvider {
            name: provider.name.as_str().into(),
            model: model.clone(),
            max_tokens_per_doc: *max_tokens_per_doc,
        }),
        config::ProviderKind::Lexical => None,
    });
    let settings = ApiSettings {
        offer: Offer { cohere: cohere.collect(), allow_models: section.allow_models.clone() },
        deadline: section.deadline,
        max_documents: section.max_documents,
        max_request_bytes: section.max_request_bytes,
        max_in_flight: config.limits.max_rerank_in_flight,
        answer_headers: section.answer_headers,
        token: section.token.clone(),
    };
    RerankApi::new(settings, providers.chain(names, &shared.stack), shared.api_metrics.clone())
}

/// `None` for a provider that needs a key and has none: it is as if it were not configured.
fn provider(section: &ProviderConfig, patience: Duration) -> Option<ProviderSettings> {
    let kind = match &section.kind {
        config::ProviderKind::Lexical => ProviderKind::Lexical,
        config::ProviderKind::Cohere { base_url, api_key, model, max_tokens_per_doc, ca_file, priority } => {
            ProviderKind::Cohere(CohereSettings {
                base_url: base_url.to_string(),
                model: model.clone(),
                max_tokens_per_doc: *max_tokens_per_doc,
                priority: priority.and_then(|priority| u16::try_from(priority).ok()),
                ca_file: ca_file.clone(),
                ..CohereSettings::new(api_key.clone()?)
            })
        }
    };
    let limits = &section.limits;
    let breaker = &limits.breaker;
    Some(ProviderSettings {
        name: section.name.clone(),
        kind,
        limits: LimitSettings {
            max_concurrency: limits.max_concurrency,
            requests_per_minute: limits.requests_per_minute,
            search_units: SpendSettings {
                per_minute: limits.max_search_units_per_minute,
                per_day: limits.max_search_units_per_day,
            },
            tokens: SpendSettings {
                per_minute: limits.max_tokens_per_minute,
                per_day: limits.max_tokens_per_day,
            },
            search_units_per_search: limits.max_search_units_per_search,
        },
        circuit: CircuitSettings {
            failure_ratio: breaker.failure_ratio,
            slow_ratio: breaker.slow_ratio,
            slow_call: breaker.slow_call,
            min_calls: breaker.min_calls,
            window: breaker.window,
            open_for: breaker.open_for,
            probes: breaker.probes,
        },
        flights: FlightSettings {
            finish_in_background: limits.finish_in_background,
            max_in_background: limits.max_in_background,
            timeout: patience,
        },
    })
}

/// The score cache, keyed by the configured secret or a random one.
pub(super) fn cache(config: &Config) -> io::Result<Arc<ScoreStore>> {
    let secret = match &config.cache.secret_file {
        Some(path) => *blake3::hash(&fs::read(path)?).as_bytes(),
        None => {
            let mut secret = [0; 32];
            getrandom::fill(&mut secret).map_err(|_| io::Error::other("no randomness"))?;
            secret
        }
    };
    Ok(Arc::new(ScoreStore::new(config.cache.max_bytes, config.cache.ttl, secret)))
}

/// Says what runs; loudly, if nothing can rerank.
pub(super) fn announce(
    config: &Config,
    providers: &Providers,
    listening: &[SocketAddr],
    api: Option<SocketAddr>,
    admin: SocketAddr,
) {
    for (listener, address) in config.listeners.iter().zip(listening) {
        tracing::info!(listen = %address, upstream = %listener.upstream.url, "serving");
    }
    tracing::info!(listen = %admin, "metrics and health");
    if let Some(api) = api {
        tracing::info!(listen = %api, providers = %config.rerank_api_providers().join(", "), "rerank API");
        if !api.ip().is_loopback() && config.rerank_api.token.is_none() {
            tracing::warn!(
                "the rerank API serves whoever reaches it, on your key: see rerank_api.token_file"
            );
        }
        if !config.rerank_api_providers().iter().any(|name| providers.has(name)) {
            tracing::warn!(
                "NO PROVIDER FOR THE RERANK API: until one has a key, every request is answered 503"
            );
        }
    }
    if !config.listeners.is_empty() && !config.rerank.providers.iter().any(|name| providers.has(name)) {
        tracing::warn!(
            "NO PROVIDER: set CO_API_KEY, or name another provider; until then every search keeps the \
             database's order"
        );
    }
}
