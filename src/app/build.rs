//! From the configuration's sections to the settings of the modules.

use std::{collections::HashMap, fs, io, net::SocketAddr, sync::Arc};

use super::{DRAIN, Shared, StartError};
use crate::{
    config::{self, Config, DialectChoice, ListenerConfig, RerankConfig},
    dialect::{Dialect, Dialects, elastic::Elastic, qdrant::Qdrant},
    pipeline::{AllowList, FailOpen, Pipeline, Profile, Profiles, QuerySource, Route, ScoreMode},
    proxy::{Forwarder, ListenerSettings, Proxy, SearchHandler, SearchLimits, TunnelSettings},
    rerank::{self, BuildError, CohereSettings, ProviderKind, ProviderSettings, Reranker, ScoreStore},
    system::Resources,
    upstream::{HostHeader, Upstream, UpstreamSettings},
};

/// Documents are cut here before they reach a provider, which cuts to its own context.
const DOCUMENT_BYTES: usize = 256 * 1024;

/// One listener's proxy.
pub(super) fn proxy(
    config: &Config,
    listener: &ListenerConfig,
    shared: &Shared,
) -> Result<Proxy, StartError> {
    let limits = &config.limits;
    let upstream = Upstream::new(UpstreamSettings {
        http2: listener.upstream.http2,
        ca_file: listener.upstream.ca_file.clone(),
        connect_timeout: listener.upstream.connect_timeout,
        answer_timeout: listener.upstream.answer_timeout,
        forward_timeout: listener.upstream.forward_timeout,
        body_timeout: limits.body_timeout,
        max_headers: limits.max_headers,
        max_head_bytes: limits.max_head_bytes,
        waits: shared.waits.clone(),
        host: match listener.upstream.host {
            config::HostMode::Upstream => HostHeader::Upstream,
            config::HostMode::Preserve => HostHeader::Preserve,
        },
        ..UpstreamSettings::new(listener.upstream.url.clone())
    })?;
    let tunnels = TunnelSettings { timeout: limits.tunnel_timeout, waits: shared.waits.clone() };
    let dialects = dialects(listener.dialect);
    for dialect in &dialects {
        for kind in dialect.kinds() {
            shared.search_metrics.declare(dialect.name(), kind.as_str());
        }
    }
    let searches = SearchHandler {
        pipeline: Pipeline::new(profiles(config, shared)?),
        limits: SearchLimits {
            request_bytes: limits.max_request_bytes,
            response_bytes: limits.max_response_bytes,
            body_timeout: limits.body_timeout,
        },
        bounds: shared.bounds.clone(),
        waits: shared.waits.clone(),
        metrics: shared.search_metrics.clone(),
        answer_headers: config.rerank.answer_headers,
    };
    Ok(Proxy {
        forwarder: Forwarder::new(upstream, tunnels),
        dialects: Dialects::new(dialects),
        searches: Arc::new(searches),
        max_headers: limits.max_headers,
        max_head_bytes: limits.max_head_bytes,
    })
}

/// A listener's own limits.
pub(super) fn listener(config: &Config, listener: &ListenerConfig, shared: &Shared) -> ListenerSettings {
    let limits = &config.limits;
    ListenerSettings {
        max_connections: connections(listener.max_connections, config.listeners.len(), &shared.resources),
        max_headers: limits.max_headers,
        max_head_bytes: limits.max_head_bytes,
        head_timeout: limits.head_timeout,
        idle_timeout: limits.idle_timeout,
        write_timeout: limits.body_timeout,
        drain_timeout: DRAIN,
        traffic: shared.traffic.clone(),
        waits: shared.waits.clone(),
    }
}

/// Sockets and files for other than clients and their databases.
const OTHER_FILES: u64 = 128;
/// A system that lets so few be open is no reason to serve nobody.
const LEAST_CONNECTIONS: usize = 16;

/// As configured, but no more than the process may have open beside one connection to the database for each: a
/// connection that waits to be accepted is better off than one without an upstream.
fn connections(configured: usize, listeners: usize, resources: &Resources) -> usize {
    let Some(files) = resources.open_files else { return configured };
    let pairs = files.saturating_sub(OTHER_FILES) / 2;
    let share = usize::try_from(pairs).unwrap_or(usize::MAX) / listeners.max(1);
    configured.min(share.max(LEAST_CONNECTIONS))
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

fn profiles(config: &Config, shared: &Shared) -> Result<Profiles, BuildError> {
    let mut stacks = HashMap::new();
    let default = Arc::new(profile(config, &config.rerank, shared, &mut stacks)?);
    let mut routes = Vec::new();
    for route in &config.routes {
        let profile = Arc::new(profile(config, &route.rerank, shared, &mut stacks)?);
        routes.push(Route { collection: route.collection.clone(), profile });
    }
    Ok(Profiles { routes, default })
}

fn profile(
    config: &Config,
    section: &RerankConfig,
    shared: &Shared,
    stacks: &mut HashMap<Vec<String>, Reranker>,
) -> Result<Profile, BuildError> {
    let providers: Vec<ProviderSettings> =
        section.providers.iter().filter_map(|name| provider(config, name)).collect();
    let has_provider = !providers.is_empty();
    let reranker = match stacks.get(&section.providers) {
        Some(stack) => stack.clone(),
        None => {
            let stack = rerank::reranker(providers, shared.cache.clone(), shared.rerank_metrics.clone())?;
            stacks.insert(section.providers.clone(), stack.clone());
            stack
        }
    };
    Ok(Profile {
        enabled: section.mode == config::Mode::On,
        collections: section.collections.clone(),
        reranker,
        has_provider,
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
    })
}

fn query_source(source: config::QuerySource) -> QuerySource {
    match source {
        config::QuerySource::Header => QuerySource::Header,
        config::QuerySource::Body => QuerySource::Body,
        config::QuerySource::Native => QuerySource::Native,
        config::QuerySource::Baggage => QuerySource::Baggage,
    }
}

/// `None` for a provider that needs a key and has none: it is as if it were not configured.
fn provider(config: &Config, name: &str) -> Option<ProviderSettings> {
    let section = config.providers.iter().find(|provider| provider.name == name)?;
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
    Some(ProviderSettings {
        name: section.name.clone(),
        kind,
        max_concurrency: section.max_concurrency,
        requests_per_minute: section.requests_per_minute,
    })
}

/// The score cache, keyed by the configured secret or a random one.
pub(super) fn cache(config: &Config) -> io::Result<Option<Arc<ScoreStore>>> {
    if config.cache.max_bytes == 0 {
        return Ok(None);
    }
    let secret = match &config.cache.secret_file {
        Some(path) => *blake3::hash(&fs::read(path)?).as_bytes(),
        None => {
            let mut secret = [0; 32];
            getrandom::fill(&mut secret).map_err(|_| io::Error::other("no randomness"))?;
            secret
        }
    };
    Ok(Some(Arc::new(ScoreStore::new(config.cache.max_bytes, config.cache.ttl, secret))))
}

/// Says what runs; loudly, if nothing can rerank.
pub(super) fn announce(config: &Config, listening: &[SocketAddr], admin: SocketAddr, shared: &Shared) {
    for (each, address) in config.listeners.iter().zip(listening) {
        let max_connections = listener(config, each, shared).max_connections;
        tracing::info!(listen = %address, upstream = %each.upstream.url, max_connections, "serving");
    }
    tracing::info!(listen = %admin, "metrics and health");
    tracing::info!(
        max_buffered_bytes = shared.bounds.request_bytes.limit(),
        max_searches_in_flight = shared.bounds.searches.limit(),
        "limits of what is held at a time"
    );
    let any = config.rerank.providers.iter().any(|name| provider(config, name).is_some());
    if !any {
        tracing::warn!(
            "NO PROVIDER: set CO_API_KEY, or name another provider; until then every search keeps the \
             database's order"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_connections_are_taken_than_files_may_be_open() {
        let with = |open_files| Resources { memory: None, cpus: 1, open_files };
        assert_eq!(connections(10_000, 1, &with(None)), 10_000);
        assert_eq!(connections(10_000, 1, &with(Some(1 << 20))), 10_000);
        assert_eq!(connections(10_000, 1, &with(Some(1024))), 448);
        assert_eq!(connections(10_000, 2, &with(Some(1024))), 224);
        assert_eq!(connections(10_000, 1, &with(Some(10))), 16);
        assert_eq!(connections(5, 1, &with(Some(1024))), 5);
    }
}
