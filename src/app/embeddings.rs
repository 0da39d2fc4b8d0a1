//! Embedding services, and the memory of which text gave which vector.

use std::sync::Arc;
use std::time::Duration;

use http::uri::Scheme;

use super::{Shared, StartError, build, tenants};
use crate::{
    config::{Config, LimitsConfig, ServiceConfig},
    embedding::{MemorySettings, Recall, form::Prefixes},
    embedding_api::{EmbeddingApi, Hearing, HearingLimits, PassOn, Service, ServiceSettings},
    proxy::{Forwarder, HeadLimits, TunnelSettings},
    upstream::{Upstream, UpstreamSettings, UpstreamSetupError, UpstreamTls},
};

/// How long a connection to a service on the internet may be idle: a handshake takes long, and what stands before such
/// services keeps connections for a minute or more. One of the user's own may be closed after five seconds, as a
/// database's.
const IDLE_OVER_TLS: Duration = Duration::from_secs(50);
/// So many responses are owed at a time without a circle of requests being suspected: that of a chat takes minutes.
const MANY_OWED: u32 = 256;

/// The connections to one service. Blocks on the disk.
pub(super) fn upstream(
    service: &ServiceConfig,
    limits: &LimitsConfig,
    shared: &Shared,
) -> Result<Upstream, UpstreamSetupError> {
    let settings = UpstreamSettings::new(service.url.clone());
    let is_tls = service.url.scheme() == Some(&Scheme::HTTPS);
    Upstream::new(UpstreamSettings {
        tls: UpstreamTls { ca_file: service.ca_file.clone(), ..UpstreamTls::default() },
        connect_timeout: service.connect_timeout,
        idle_timeout: if is_tls { IDLE_OVER_TLS } else { settings.idle_timeout },
        // A model that thinks is silent for longer than a database may be.
        body_timeout: limits.tunnel_timeout,
        max_headers: limits.max_headers,
        max_head_bytes: limits.max_head_bytes,
        waits: shared.waits.clone(),
        workers: shared.workers.count(),
        mark: shared.mark.clone(),
        suspect_after: MANY_OWED,
        ..settings
    })
}

/// The memory that `config` asks for: the one there is, if nothing about it has changed.
pub(super) fn recall(
    before: Option<&Config>,
    config: &Config,
    shared: &Shared,
) -> Result<Option<Arc<Recall>>, StartError> {
    let memory = &config.embeddings.memory;
    if config.served_services().is_empty() || memory.max_bytes == 0 {
        return Ok(None);
    }
    let same = |before: &&Config| {
        let (old, new) = (&before.cache, &config.cache);
        before.embeddings.memory == *memory
            && old.secret_file == new.secret_file
            // Another cache has another connection to the fleet.
            && (old == new || (old.redis.is_none() && new.redis.is_none()))
    };
    if let (Some(_), Some(recall)) = (before.filter(same), &shared.recall) {
        return Ok(Some(recall.clone()));
    }
    let settings = MemorySettings {
        max_bytes: usize::try_from(memory.max_bytes).unwrap_or(usize::MAX),
        ttl: memory.ttl,
        tolerant: memory.tolerant,
    };
    let secret = build::secret(&config.cache).map_err(StartError::Secret)?;
    let fleet = shared.stack.store.fleet().filter(|_| memory.shared);
    Ok(Some(Arc::new(Recall::new(settings, &secret, fleet, shared.embedding_metrics.clone()))))
}

/// The services behind `embeddings.listen`, and Cohere for what the rerank API passes on.
pub(super) fn services(
    config: &Config,
    shared: &Shared,
    pools: &[(ServiceConfig, Upstream)],
) -> (EmbeddingApi, Option<PassOn>) {
    let limits = &config.limits;
    let apart = config.tenants.each.iter().any(|each| each.cache_bytes.is_some());
    let hearing = Arc::new(Hearing {
        tenants: apart.then(|| Arc::new(tenants::rules(&config.tenants))),
        recall: shared.recall.clone(),
        prefixes: Prefixes::new(config.embeddings.query_prefixes.clone()),
        limits: HearingLimits {
            request_bytes: limits.max_request_bytes,
            response_bytes: limits.max_response_bytes,
        },
        budget: shared.bounds.request_bytes.clone(),
        metrics: shared.call_metrics.clone(),
    });
    let tunnels = TunnelSettings { timeout: limits.tunnel_timeout, waits: shared.waits.clone() };
    let head = HeadLimits { max_headers: limits.max_headers, max_head_bytes: limits.max_head_bytes };
    let service = |(service, upstream): &(ServiceConfig, Upstream)| {
        let forwarder = Forwarder::new(upstream.clone(), tunnels.clone());
        Service::new(settings(service), forwarder, head, hearing.clone())
    };
    let cohere = pools.iter().find(|(each, _)| each.name == "cohere" && config.passes_on());
    (EmbeddingApi::new(pools.iter().map(service).collect()), cohere.map(service).map(PassOn::to))
}

fn settings(service: &ServiceConfig) -> ServiceSettings {
    ServiceSettings {
        name: service.name.as_str().into(),
        origin: service.url.to_string().trim_end_matches('/').to_owned(),
        base: service.path.clone(),
        form: service.form,
        remember: service.remember,
    }
}
