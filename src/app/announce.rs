//! The first lines of `serve`: what runs, before which databases, who scores, what is kept, and what is off and why.

use std::net::SocketAddr;

use super::{Shared, StartError, ended_services, listener};
use crate::{
    config::{Config, DialectChoice, Mode, short_hash},
    pipeline::Capture,
    rerank::{ProviderKind, ProviderSettings, Providers},
    telemetry::chain,
};

/// Says what runs.
pub(super) fn announce(
    config: &Config,
    shared: &Shared,
    (listening, grpc_listening): (&[SocketAddr], &[Option<SocketAddr>]),
    (api, embeddings): (Option<SocketAddr>, Option<SocketAddr>),
    admin: SocketAddr,
) {
    let version = env!("CARGO_PKG_VERSION");
    tracing::info!(version, configuration = %short_hash(config), workers = shared.workers.count(), "rerankd");
    for ((each, address), second) in config.listeners.iter().zip(listening).zip(grpc_listening) {
        let max_connections = listener::max_connections(config, each, shared);
        let (dialect, tls) = (each.dialect.as_str(), each.tls.is_some());
        let grpc_upstream = each.grpc_url().map(|url| url.to_string());
        let signed_for = each.upstream.sign.as_ref().map(|sign| sign.service.as_str());
        let grpc_listen = second.map(|second| second.to_string());
        tracing::info!(
            listen = %address, grpc_listen, upstream = %each.upstream.url, grpc_upstream, dialect, tls, signed_for,
            max_connections,
            "serving"
        );
    }
    for (place, provider) in
        config.used_providers().into_iter().enumerate().filter(|(_, each)| !each.lacks_key())
    {
        let (kind, model, url) = about(provider);
        tracing::info!(name = %provider.name, place = place + 1, kind, model, url, "provider");
    }
    tenants(config);
    cache(config);
    let inspector = if admin.ip().is_unspecified() {
        SocketAddr::new([127, 0, 0, 1].into(), admin.port())
    } else {
        admin
    };
    let capture = config.inspector.capture.as_str();
    tracing::info!(listen = %admin, inspector = %format_args!("http://{inspector}/"), capture, "metrics and health");
    if let Some(api) = api {
        let passed_on_to = config.passes_on().then(|| config.embeddings.cohere().written_url());
        tracing::info!(
            listen = %api, providers = %config.rerank_api_providers().join(", "), passed_on_to, "rerank API"
        );
    }
    announce_embeddings(config, embeddings);
    if let Some(endpoint) = config.telemetry.endpoint.as_ref().filter(|_| shared.tracer.is_some()) {
        let (sample, parent) = (config.telemetry.ratio, config.telemetry.parents.as_str());
        tracing::info!(%endpoint, sample, parent, "traces");
    }
    tracing::info!(
        max_buffered_bytes = shared.bounds.request_bytes.limit(),
        max_searches_in_flight = shared.bounds.searches.limit(),
        "limits of what is held at a time"
    );
    for (what, why) in off(config) {
        tracing::info!(what, why, "off");
    }
    warn(config, &shared.providers);
}

/// Says which embedding services are served, and what is remembered of their calls.
fn announce_embeddings(config: &Config, listening: Option<SocketAddr>) {
    if let Some(listen) = listening {
        let services = config.embeddings.all_services();
        let services: Vec<String> =
            services.iter().map(|each| format!("/{} -> {}", each.name, each.written_url())).collect();
        let tls = config.embeddings.tls.is_some();
        tracing::info!(listen = %listen, services = %services.join(", "), tls, "embedding services");
    }
    let settings = &config.embeddings.memory;
    if config.served_services().is_empty() || settings.max_bytes == 0 {
        return;
    }
    let memory = bytesize::ByteSize(settings.max_bytes).display().iec().to_string();
    let expiry = humantime::format_duration(settings.ttl).to_string();
    let shared = config.cache.redis.as_ref().filter(|_| settings.shared);
    let shared = shared.map_or_else(|| "no".to_owned(), |redis| redis.fleet.address.to_string());
    tracing::info!(memory, expiry, tolerant = settings.tolerant, shared, "memory of embeddings");
}

/// Says that the second address of a listener, which nobody has asked for, cannot be had.
pub(super) fn without_second(address: SocketAddr, error: &StartError) {
    let error = chain(error);
    tracing::warn!(
        error,
        "no second address for gRPC on {address}: the first one takes both; listeners[].grpc_listen names another"
    );
}

/// Kind, model and address.
fn about(provider: &ProviderSettings) -> (&'static str, String, String) {
    match &provider.kind {
        ProviderKind::Http(http) => {
            let model = http.model.clone().unwrap_or_else(|| "the server's own".to_owned());
            (http.kind.as_str(), model, http.base_url.clone())
        }
        ProviderKind::Lexical(_) => ("lexical", "bm25".to_owned(), "in this process".to_owned()),
    }
}

/// Says whom requests are told apart by.
fn tenants(config: &Config) {
    let tenants = &config.tenants;
    if tenants.each.is_empty() {
        return;
    }
    let names: Vec<&str> = tenants.each.iter().map(|each| each.name.as_str()).collect();
    let header = tenants.header.as_ref().map(http::HeaderName::as_str);
    let networks: Vec<String> = tenants.networks.iter().map(ToString::to_string).collect();
    tracing::info!(names = names.join(", "), header, networks = networks.join(", "), "tenants");
}

fn cache(config: &Config) {
    let cache = &config.cache;
    if cache.max_bytes == 0 && cache.redis.is_none() {
        return;
    }
    let memory = bytesize::ByteSize(cache.max_bytes).display().iec().to_string();
    let expiry = humantime::format_duration(cache.ttl).to_string();
    let shared =
        cache.redis.as_ref().map_or_else(|| "no".to_owned(), |redis| redis.fleet.address.to_string());
    tracing::info!(memory, expiry, shared, "score cache");
}

/// What does not do what it could, and why: the words are the configuration's.
fn off(config: &Config) -> Vec<(String, String)> {
    let mut off: Vec<(String, String)> = Vec::new();
    let mut say = |what: &str, why: String| off.push((what.to_owned(), why));
    let none = |listener: &&crate::config::ListenerConfig| listener.dialect == DialectChoice::None;
    for listener in config.listeners.iter().filter(none) {
        say(&format!("reranking on {}", listener.listen), "its dialect is none: it forwards only".to_owned());
    }
    let nowhere = |listener: &&crate::config::ListenerConfig| {
        listener.dialect != DialectChoice::Auto && listener.grpc_url().is_none()
    };
    for listener in config.listeners.iter().filter(nowhere) {
        let Some(usual) = listener.usual_rest_port() else { continue };
        let why =
            format!("upstream.grpc_url is not set, and the port of upstream.url is not the usual {usual}");
        say(&format!("gRPC on {}", listener.listen), why);
    }
    match config.rerank.mode {
        Mode::Off => {
            let but = config.opened().map(|opened| format!(", but those of {opened}")).unwrap_or_default();
            say("reranking", format!("rerank.mode is off: searches are forwarded{but}"));
        }
        Mode::Shadow => {
            say("reordering", "rerank.mode is shadow: searches are reranked for the metrics only".to_owned());
        }
        Mode::On => {}
    }
    for provider in config.used_providers().into_iter().filter(|provider| provider.lacks_key()) {
        if let ProviderKind::Http(http) = &provider.kind {
            let variables = http.kind.facts().key_variables.join(" or ");
            let or = if variables.is_empty() { "" } else { ", or " };
            let why = format!("it has no key: set {variables}{or}its api_key_file");
            say(&format!("provider {}", provider.name), why);
        }
    }
    if !config.served_services().is_empty() && config.embeddings.memory.max_bytes == 0 {
        say("remembering embeddings", "embeddings.memory.max_bytes is 0".to_owned());
    }
    if config.cache.max_bytes == 0 {
        say("score cache in memory", "cache.max_bytes is 0".to_owned());
    }
    if config.inspector.capture == Capture::Off {
        say("the inspector's list of searches", "inspector.capture is off".to_owned());
    }
    off
}

/// Says what is most likely not meant.
pub(super) fn warn(config: &Config, providers: &Providers) {
    for sentence in config.warnings().into_iter().chain(ended_services(config)) {
        tracing::warn!("{sentence}");
    }
    let in_clear = config.embeddings.listen.filter(|listen| !listen.ip().is_loopback());
    if let (Some(listen), None) = (in_clear, &config.embeddings.tls) {
        tracing::warn!(
            %listen,
            "applications' keys and texts come to embeddings.listen unencrypted: keep it within a network that you trust, or \
             set embeddings.tls"
        );
    }
    if config.inspector.capture == Capture::Text {
        tracing::warn!(
            keep = config.inspector.keep,
            "inspector.capture is text: query and document texts of the last searches are held in memory, for whoever may \
             open the inspector"
        );
    }
    warn_without_provider(config, providers);
}

/// How many providers of the chain have the key that they need: the searches' chain, or where no listener is before a
/// database, the rerank API's.
pub(super) fn usable_providers(config: &Config, providers: &Providers) -> usize {
    let names = match config.listeners.as_slice() {
        [] => config.rerank_api_providers(),
        _ => &config.rerank.providers,
    };
    names.iter().filter(|name| providers.has(name)).count()
}

/// Says so, loudly, if nothing can rerank, or if anybody can.
fn warn_without_provider(config: &Config, providers: &Providers) {
    let none = |names: &[String]| !names.iter().any(|name| providers.has(name));
    if let Some(listen) = config.rerank_api.listen {
        if !listen.ip().is_loopback() && config.rerank_api.token.is_none() {
            tracing::warn!(
                "the rerank API serves whoever reaches it, on your key: see rerank_api.token_file"
            );
        }
        if none(config.rerank_api_providers()) {
            tracing::warn!("NO PROVIDER FOR THE RERANK API: until one has a key, it can only answer 503");
        }
    }
    if !config.listeners.is_empty() && none(&config.rerank.providers) {
        tracing::warn!(
            "NO PROVIDER: set CO_API_KEY, or name another provider; until then every search keeps the \
             database's order"
        );
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::HashMap, path::Path};

    use super::*;
    use crate::config::{Flags, load};

    fn off_of(file: &str) -> String {
        let config = load(Some((Path::new("f"), file)), &HashMap::new(), &Flags::default()).unwrap();
        off(&config).into_iter().map(|(what, why)| format!("{what}: {why}\n")).collect()
    }

    #[test]
    fn what_is_off_is_said_with_the_setting_that_says_so() {
        let least = off_of("listeners: [{ upstream: { url: 'http://db' } }]\n");
        assert_eq!(
            least,
            "provider cohere: it has no key: set CO_API_KEY or COHERE_API_KEY, or its api_key_file\n"
        );
        let most = off_of(
            "listeners: [{ dialect: none, upstream: { url: 'http://db' } }]\nrerank: { mode: off, providers: [lexical] }\n\
             cache: { max_bytes: 0 }\ninspector: { capture: off }\n",
        );
        for part in [
            "reranking on 127.0.0.1:6343: its dialect is none",
            "reranking: rerank.mode is off: searches are forwarded\n",
            "score cache in memory: cache.max_bytes is 0",
            "inspector.capture is off",
        ] {
            assert!(most.contains(part), "{part}: {most}");
        }
        let by_tenant = off_of(
            "listeners: [{ upstream: { url: 'http://db' } }]\nrerank: { mode: off, providers: [lexical] }\n\
             routes: [{ collection: docs, mode: on }]\n\
             tenants: { names: { acme: { collection: 'a-*', mode: on }, none: { collection: 'b-*' } } }\n",
        );
        assert!(
            by_tenant.contains("forwarded, but those of routes (docs) and of tenants (acme)\n"),
            "{by_tenant}"
        );
        let shadow = off_of(
            "listeners: [{ upstream: { url: 'http://db' } }]\nrerank: { mode: shadow, providers: [lexical] }\n",
        );
        assert!(shadow.starts_with("reordering: rerank.mode is shadow"), "{shadow}");
    }
}
