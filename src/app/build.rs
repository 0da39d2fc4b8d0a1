//! From the configuration's sections to the settings of the modules.

use std::{collections::HashMap, fs, io, net::SocketAddr, sync::Arc};

use super::{Shared, StartError};
use crate::{
    config::{self, Config, DialectChoice, ListenerConfig, RerankConfig, UpstreamConfig},
    dialect::{Dialect, Dialects, elastic::Elastic, qdrant::Qdrant},
    pipeline::{AllowList, FailOpen, Pipeline, Profile, Profiles, QuerySource, Route, ScoreMode},
    proxy::{Forwarder, ListenerSettings, Proxy, SearchHandler, SearchLimits, ServerTls, TlsSettings},
    rerank::{self, BuildError, CohereSettings, ProviderKind, ProviderSettings, Reranker, ScoreStore},
    upstream::{ClientIdentity, HostHeader, Upstream, UpstreamSettings, UpstreamSetupError, UpstreamTls},
};

/// Documents are cut here before they reach a provider, which cuts to its own context.
const DOCUMENT_BYTES: usize = 256 * 1024;

/// One listener's own settings. Blocks on the disk.
pub(super) fn listener(config: &Config, listener: &ListenerConfig) -> Result<ListenerSettings, StartError> {
    let tls = listener.tls.as_ref().map(|tls| {
        ServerTls::load(&TlsSettings {
            cert_file: tls.cert_file.clone(),
            key_file: tls.key_file.clone(),
            client_ca_file: tls.client_ca_file.clone(),
            handshake_timeout: tls.handshake_timeout,
        })
    });
    Ok(ListenerSettings {
        max_connections: listener.max_connections,
        drain_timeout: config.shutdown.grace,
        tls: tls.transpose().map_err(|source| StartError::Tls { listen: listener.listen, source })?,
        ..ListenerSettings::default()
    })
}

/// The pool of connections to one database. Blocks on the disk.
pub(super) fn upstream(settings: &UpstreamConfig) -> Result<Upstream, UpstreamSetupError> {
    let client = settings.client_cert_file.clone().zip(settings.client_key_file.clone());
    Upstream::new(UpstreamSettings {
        http2: settings.http2,
        tls: UpstreamTls {
            ca_file: settings.ca_file.clone(),
            client: client.map(|(cert_file, key_file)| ClientIdentity { cert_file, key_file }),
            server_name: settings.server_name.clone(),
        },
        connect_timeout: settings.connect_timeout,
        answer_timeout: Some(settings.answer_timeout),
        host: match settings.host {
            config::HostMode::Upstream => HostHeader::Upstream,
            config::HostMode::Preserve => HostHeader::Preserve,
        },
        ..UpstreamSettings::new(settings.url.clone())
    })
}

/// One listener's proxy.
pub(super) fn proxy(
    config: &Config,
    listener: &ListenerConfig,
    shared: &Shared,
    upstream: Upstream,
) -> Result<Proxy, StartError> {
    let dialects = dialects(listener.dialect);
    for dialect in &dialects {
        for kind in dialect.kinds() {
            shared.search_metrics.declare(dialect.name(), kind.as_str());
        }
    }
    let searches = SearchHandler {
        pipeline: Pipeline::new(profiles(config, shared)?, config.limits.max_rerank_in_flight),
        limits: SearchLimits {
            request_bytes: config.limits.max_request_bytes,
            response_bytes: config.limits.max_response_bytes,
        },
        metrics: shared.search_metrics.clone(),
        answer_headers: config.rerank.answer_headers,
    };
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

/// Says what runs.
pub(super) fn announce(config: &Config, listening: &[SocketAddr], admin: SocketAddr) {
    for (listener, address) in config.listeners.iter().zip(listening) {
        tracing::info!(listen = %address, upstream = %listener.upstream.url, "serving");
    }
    tracing::info!(listen = %admin, "metrics and health");
    warn_without_provider(config);
}

/// Says so, loudly, if nothing can rerank.
pub(super) fn warn_without_provider(config: &Config) {
    let any = config.rerank.providers.iter().any(|name| provider(config, name).is_some());
    if !any {
        tracing::warn!(
            "NO PROVIDER: set CO_API_KEY, or name another provider; until then every search keeps the \
             database's order"
        );
    }
}
