//! The inspector's description of the active configuration, without a secret.

use std::time::SystemTime;

use serde_json::{Value, json};

use super::Running;
use crate::config::{Config, ListenerConfig, RerankConfig};
use crate::rerank::{ProviderKind, ProviderSettings};
use crate::upstream::Failing;

impl Running {
    /// What is configured, for `/api/state`.
    pub(super) fn about(&self) -> Value {
        let (config, pools) = (self.config.load(), self.pools.load());
        let mut failing = pools
            .upstreams()
            .map(|(upstream, grpc)| upstream.failing().or_else(|| grpc.and_then(|grpc| grpc.failing())));
        let mut listener = |each| listener(each, failing.next().flatten());
        json!({
            "configuration": self.active_config.to_json(),
            "rerank": rerank(&config.rerank),
            "routes": config.routes.iter().map(|route| json!({
                "collection": route.collection,
                "rerank": rerank(&route.rerank),
            })).collect::<Vec<_>>(),
            "tenants": config.tenants.each.iter().map(|tenant| json!({
                "name": tenant.name,
                "rerank": rerank(&tenant.rerank),
            })).collect::<Vec<_>>(),
            "listeners": config.listeners.iter().map(&mut listener).collect::<Vec<_>>(),
            "rerank_api": config.rerank_api.listen.map(|listen| json!({ "listen": listen.to_string() })),
            "embeddings": config.embeddings.listen.map(|listen| json!({
                "listen": listen.to_string(),
                "services": config.embeddings.all_services().iter().map(|each| json!({
                    "name": each.name,
                    "url": each.written_url(),
                    "form": each.form.as_str(),
                    "remember": each.remember.as_str(),
                })).collect::<Vec<_>>(),
            })),
            "providers": config.providers.iter().map(|each| provider(each, &config)).collect::<Vec<_>>(),
            "cache": {
                "max_bytes": config.cache.max_bytes,
                "ttl_seconds": config.cache.ttl.as_secs(),
                "redis": config.cache.redis.is_some(),
            },
        })
    }
}

fn rerank(section: &RerankConfig) -> Value {
    json!({
        "mode": section.mode.as_str(),
        "sample": section.sample,
        "collections": section.collections,
        "providers": section.providers,
        "window": section.window,
        "score": section.score.as_str(),
        "answer_block": section.answer_block,
        "confidence": section.confidence().map(|confidence| json!({
            "model": confidence.fit.model,
            "least": confidence.least,
            "on_nothing_relevant": confidence.then.as_str(),
        })),
        "drift": section.drift().map(|drift| json!({ "model": drift.model })),
        "min_score": section.min_score,
        "deadline_ms": u64::try_from(section.deadline.as_millis()).unwrap_or(u64::MAX),
        "margin_gate": section.margin_gate,
    })
}

fn listener(each: &ListenerConfig, failing: Option<Failing>) -> Value {
    json!({
        "listen": each.listen.to_string(),
        "tls": each.tls.is_some(),
        "dialect": each.dialect.as_str(),
        "upstream": each.upstream.url.to_string().trim_end_matches('/'),
        "grpc_upstream": each.grpc_url().map(|url| url.to_string().trim_end_matches('/').to_owned()),
        "sign": each.upstream.sign.as_ref().map(|sign| json!({
            "service": sign.service.as_str(),
            "region": sign.region,
        })),
        "failing": failing.map(|failing| json!({
            "cause": failing.cause,
            "requests": failing.requests,
            "since": time(failing.since),
            "last": time(failing.last),
        })),
    })
}

fn time(time: SystemTime) -> String {
    humantime::format_rfc3339_millis(time).to_string()
}

fn provider(each: &ProviderSettings, config: &Config) -> Value {
    let mut named =
        config.sections().flat_map(|section| &section.providers).chain(config.rerank_api_providers());
    let (kind, model) = match &each.kind {
        ProviderKind::Http(http) => (http.kind.as_str(), http.model.as_deref()),
        ProviderKind::Lexical(_) => ("lexical", Some("bm25")),
    };
    // What computes its scores here has no limits.
    let limits = matches!(each.kind, ProviderKind::Http(_)).then_some(&each.limits);
    json!({
        "name": each.name,
        "kind": kind,
        "model": model,
        "lacks_key": each.lacks_key(),
        "in_use": named.any(|name| *name == each.name),
        "limits": {
            "requests_per_minute": limits.and_then(|limits| limits.requests_per_minute),
            "max_concurrency": limits.map(|limits| limits.max_concurrency),
        },
    })
}
