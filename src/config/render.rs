//! The effective configuration as YAML, secrets masked.

use std::{fmt::Write, path::Path, time::Duration};

use super::{
    Config, LimitsConfig, ListenerConfig, ListenerTlsConfig, ProviderConfig, RedisConfig, RerankConfig,
    inspector, provider_limits,
    read_provider::{activation_word, scoring_word},
    rerank_api,
};
use crate::{
    rerank::{ApiKey, HttpSettings, ProviderKind, Setting},
    search::{FieldSet, PathPrefix},
};

/// `config` as a file that would give it again, but for keys of providers and Redis's login, which read `***`.
pub fn to_yaml(config: &Config) -> String {
    let mut out = Out(String::new());
    out.line(0, "listeners:");
    config.listeners.iter().for_each(|each| listener(&mut out, each));
    out.line(0, "admin:");
    out.set(2, "listen", config.admin.listen);
    out.set(2, "token_file", path(config.admin.token_file.as_deref()));
    out.set(2, "ready_needs_upstream", config.admin.ready_needs_upstream);
    inspector::render(&mut out, &config.inspector);
    out.line(0, "rerank:");
    rerank(&mut out, 2, &config.rerank, true);
    if config.routes.is_empty() {
        out.set(0, "routes", "[]");
    } else {
        out.line(0, "routes:");
    }
    for route in &config.routes {
        out.set(2, "- collection", quoted(&route.collection));
        rerank(&mut out, 4, &route.rerank, false);
    }
    out.line(0, "providers:");
    config.providers.iter().for_each(|each| provider(&mut out, each));
    rerank_api::render(&mut out, &config.rerank_api);
    out.line(0, "cache:");
    out.set(2, "max_bytes", config.cache.max_bytes);
    out.set(2, "ttl", time(config.cache.ttl));
    out.set(2, "secret_file", path(config.cache.secret_file.as_deref()));
    match &config.cache.redis {
        Some(each) => redis(&mut out, each),
        None => out.set(2, "redis", "null"),
    }
    limits(&mut out, &config.limits);
    out.line(0, "memory:");
    out.set(2, "max_buffered", or_null(config.memory.max_buffered));
    out.line(0, "shutdown:");
    out.set(2, "delay", time(config.shutdown.delay));
    out.set(2, "grace", time(config.shutdown.grace));
    out.0
}

/// Eight hex digits that stand for the effective configuration. Keys are masked before: they change nothing in it,
/// and it tells nothing of them.
pub fn short_hash(config: &Config) -> String {
    let mut hex = blake3::hash(to_yaml(config).as_bytes()).to_hex().to_string();
    hex.truncate(8);
    hex
}

pub(super) struct Out(String);

impl Out {
    pub(super) fn line(&mut self, indent: usize, text: &str) {
        // Writing to a String cannot fail.
        let _ = writeln!(self.0, "{:indent$}{text}", "");
    }

    pub(super) fn set(&mut self, indent: usize, key: &str, value: impl std::fmt::Display) {
        let _ = writeln!(self.0, "{:indent$}{key}: {value}", "");
    }
}

pub(super) fn listener_tls(out: &mut Out, indent: usize, tls: Option<&ListenerTlsConfig>) {
    let Some(tls) = tls else { return out.set(indent, "tls", "null") };
    out.line(indent, "tls:");
    out.set(indent + 2, "cert_file", path(Some(&tls.cert_file)));
    out.set(indent + 2, "key_file", path(Some(&tls.key_file)));
    out.set(indent + 2, "client_ca_file", path(tls.client_ca_file.as_deref()));
    out.set(indent + 2, "handshake_timeout", time(tls.handshake_timeout));
}

fn prefix(prefix: &PathPrefix) -> String {
    or_null((!prefix.is_empty()).then(|| quoted(prefix.as_str())))
}

fn listener(out: &mut Out, each: &ListenerConfig) {
    let to = &each.upstream;
    out.set(2, "- listen", each.listen);
    listener_tls(out, 4, each.tls.as_ref());
    out.set(4, "path_prefix", prefix(&each.path_prefix));
    out.set(4, "dialect", each.dialect.as_str());
    out.set(4, "max_connections", each.max_connections);
    out.line(4, "upstream:");
    out.set(6, "url", quoted(to.url.to_string().trim_end_matches('/')));
    out.set(6, "path_prefix", prefix(&to.path_prefix));
    out.set(6, "host", to.host.as_str());
    out.set(6, "http2", to.http2);
    out.set(6, "ca_file", path(to.ca_file.as_deref()));
    out.set(6, "client_cert_file", path(to.client_cert_file.as_deref()));
    out.set(6, "client_key_file", path(to.client_key_file.as_deref()));
    out.set(6, "server_name", or_null(to.server_name.as_ref().map(|name| quoted(&name.to_str()))));
    out.set(6, "connect_timeout", time(to.connect_timeout));
    out.set(6, "response_timeout", or_null(to.response_timeout.map(time)));
    out.set(6, "forward_timeout", or_null(to.forward_timeout.map(time)));
}

fn limits(out: &mut Out, each: &LimitsConfig) {
    out.line(0, "limits:");
    out.set(2, "max_request_bytes", each.max_request_bytes);
    out.set(2, "max_response_bytes", each.max_response_bytes);
    out.set(2, "max_searches_in_flight", or_null(each.max_searches_in_flight));
    out.set(2, "max_headers", each.max_headers);
    out.set(2, "max_head_bytes", each.max_head_bytes);
    out.set(2, "head_timeout", or_null(each.head_timeout.map(time)));
    out.set(2, "idle_timeout", or_null(each.idle_timeout.map(time)));
    out.set(2, "body_timeout", or_null(each.body_timeout.map(time)));
    out.set(2, "tunnel_timeout", or_null(each.tunnel_timeout.map(time)));
}

fn rerank(out: &mut Out, at: usize, each: &RerankConfig, base: bool) {
    out.set(at, "mode", each.mode.as_str());
    out.set(at, "sample", each.sample);
    if base {
        out.set(at, "collections", list(&each.collections));
    }
    out.set(at, "providers", list(&each.providers));
    out.set(at, "window", each.window);
    out.set(at, "max_window", each.max_window);
    let fields = match &each.fields {
        FieldSet::Auto => "auto".to_owned(),
        FieldSet::All => "\"*\"".to_owned(),
        FieldSet::Named(names) => list(names),
    };
    out.set(at, "fields", fields);
    out.set(at, "score", each.score.as_str());
    out.set(at, "annotate", each.annotate);
    out.set(at, "min_score", or_null(each.min_score));
    out.set(at, "min_keep", each.min_keep);
    out.set(at, "deadline", time(each.deadline));
    out.set(at, "shadow_deadline", time(each.shadow_deadline));
    out.set(at, "partial_scores", each.partial_scores.as_str());
    out.set(at, "margin_gate", or_null(each.margin_gate));
    out.set(at, "fail_open", each.fail_open.as_str());
    out.set(at, "widen", each.widen.as_str());
    let sources: Vec<String> = each.query_sources.iter().map(|s| s.as_str().to_owned()).collect();
    out.set(at, "query_sources", list(&sources));
    out.set(at, "query_path", or_null(each.query_path.as_deref().map(quoted)));
    out.set(at, "inference_ids", list(&each.inference_ids));
    out.set(at, "search_pipelines", list(&each.search_pipelines));
    out.line(at, "allow:");
    out.set(at + 2, "models", list(&each.allow.models));
    out.set(at + 2, "fields", list(&each.allow.fields));
    out.set(at + 2, "max_window", or_null(each.allow.max_window));
    out.set(at + 2, "max_deadline", or_null(each.allow.max_deadline.map(time)));
    out.set(at, "response_headers", each.response_headers);
}

fn provider(out: &mut Out, each: &ProviderConfig) {
    out.line(2, &format!("{}:", quoted(&each.name)));
    match &each.kind {
        ProviderKind::Lexical(settings) => {
            out.set(4, "kind", "lexical");
            out.set(4, "fuse", settings.fuse);
        }
        ProviderKind::Http(settings) => http(out, settings),
    }
    if !matches!(each.kind, ProviderKind::Lexical(_)) {
        provider_limits::render(out, 4, &each.limits);
    }
}

fn http(out: &mut Out, each: &HttpSettings) {
    out.set(4, "kind", each.kind.as_str());
    out.set(4, "base_url", quoted(&each.base_url));
    let key = if matches!(each.api_key, ApiKey::Secret(_)) { "\"***\"" } else { "null" };
    out.set(4, "api_key", key);
    out.set(4, "model", or_null(each.model.as_deref().map(quoted)));
    out.set(4, "max_tokens_per_doc", or_null(each.max_tokens_per_doc));
    out.set(4, "max_bytes_per_doc", or_null(each.max_bytes_per_doc));
    for setting in each.kind.facts().settings {
        match setting {
            Setting::MaxTokensPerDoc => {}
            Setting::Priority => out.set(4, "priority", or_null(each.priority)),
            Setting::Activation => out.set(4, "activation", activation_word(each.activation)),
            Setting::Scoring => out.set(4, "scoring", or_null(each.scoring.map(scoring_word))),
            // It is in the base URL.
            Setting::Region => {}
        }
    }
    out.set(4, "ca_file", path(each.ca_file.as_deref()));
    out.set(4, "timeout", time(each.timeout));
}

fn redis(out: &mut Out, each: &RedisConfig) {
    out.line(2, "redis:");
    out.set(4, "url", quoted(&each.address.masked()));
    out.set(4, "timeout", time(each.timeout));
    out.set(4, "ca_file", path(each.ca_file.as_deref()));
    out.set(4, "password_file", path(each.password_file.as_deref()));
    out.set(4, "prefix", quoted(&each.prefix));
    out.set(4, "share_limits", each.share_limits);
}

/// A JSON string is a YAML one.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

pub(super) fn list(texts: &[String]) -> String {
    let texts: Vec<String> = texts.iter().map(|text| quoted(text)).collect();
    format!("[{}]", texts.join(", "))
}

pub(super) fn or_null(value: Option<impl std::fmt::Display>) -> String {
    value.map_or_else(|| "null".to_owned(), |value| value.to_string())
}

pub(super) fn path(path: Option<&Path>) -> String {
    or_null(path.map(|path| quoted(&path.to_string_lossy())))
}

pub(super) fn time(duration: Duration) -> String {
    humantime::format_duration(duration).to_string()
}
