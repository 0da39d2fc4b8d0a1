//! The effective configuration as YAML, secrets masked.

use super::{
    Config,
    list::{self, is_of},
    out::{Out, quoted},
    setting::{Setting, print},
};
use crate::rerank::{ProviderKind, ProviderSettings};

/// `config` as a file that would give it again, but for keys of providers and Redis's login, which read `***`.
pub fn to_yaml(config: &Config) -> String {
    let mut out = Out::default();
    out.line(0, "listeners:");
    for each in &config.listeners {
        out.item(2, |out| print(list::LISTENER, out, 4, each));
    }
    section(&mut out, "admin", list::ADMIN, &config.admin);
    section(&mut out, "inspector", list::INSPECTOR, &config.inspector);
    section(&mut out, "rerank", list::RERANK, &config.rerank);
    out.line(0, if config.routes.is_empty() { "routes: []" } else { "routes:" });
    let of_routes: Vec<_> = list::RERANK.iter().filter(|each| each.key != "collections").copied().collect();
    for each in &config.routes {
        out.item(2, |out| print(list::ROUTE, out, 4, &each.collection));
        // With a mode of its own it would be closed to tenants that have another.
        let own: Vec<_> =
            of_routes.iter().filter(|setting| setting.key != "mode" || each.has_mode).copied().collect();
        print(&own, &mut out, 4, &each.rerank);
    }
    section(&mut out, "tenants", list::TENANTS, &config.tenants);
    out.line(2, if config.tenants.each.is_empty() { "names: {}" } else { "names:" });
    for each in &config.tenants.each {
        out.line(4, &format!("{}:", quoted(&each.name)));
        print(list::TENANT, &mut out, 6, each);
        // What it has not is the base's or a route's.
        let own: Vec<_> =
            list::RERANK.iter().filter(|setting| each.own.contains(&setting.key)).copied().collect();
        print(&own, &mut out, 6, &each.rerank);
    }
    out.line(0, "providers:");
    config.providers.iter().for_each(|each| provider(&mut out, each));
    section(&mut out, "rerank_api", list::RERANK_API, &config.rerank_api);
    section(&mut out, "embeddings", list::EMBEDDINGS, &config.embeddings);
    out.line(2, if config.embeddings.services.is_empty() { "services: {}" } else { "services:" });
    for each in &config.embeddings.services {
        out.line(4, &format!("{}:", quoted(&each.name)));
        print(list::SERVICE, &mut out, 6, each);
    }
    section(&mut out, "cache", list::CACHE, &config.cache);
    section(&mut out, "limits", list::LIMITS, &config.limits);
    section(&mut out, "memory", list::MEMORY_SECTION, &config.memory);
    section(&mut out, "shutdown", list::SHUTDOWN, &config.shutdown);
    section(&mut out, "telemetry", list::TELEMETRY, &config.telemetry);
    out.into_text()
}

fn section<T: Clone>(out: &mut Out, name: &str, settings: &[Setting<T>], of: &T) {
    out.line(0, &format!("{name}:"));
    print(settings, out, 2, of);
}

fn provider(out: &mut Out, each: &ProviderSettings) {
    out.line(2, &format!("{}:", quoted(&each.name)));
    match &each.kind {
        ProviderKind::Lexical(settings) => print(list::LEXICAL, out, 4, settings),
        ProviderKind::Http(settings) => {
            let own: Vec<_> =
                list::HTTP.iter().filter(|each| is_of(each.key, settings.kind)).copied().collect();
            print(&own, out, 4, settings);
            print(list::PROVIDER_LIMITS, out, 4, each);
        }
    }
}

/// Eight hex digits that stand for the effective configuration, the definitions of databases that it names included. Keys
/// are masked before: they change nothing in it, and it reveals nothing of them.
pub fn short_hash(config: &Config) -> String {
    let mut whole = to_yaml(config);
    for definition in config.listeners.iter().filter_map(|each| each.definition.as_ref()) {
        whole.push_str(&format!("{definition:?}"));
    }
    let mut hex = blake3::hash(whole.as_bytes()).to_hex().to_string();
    hex.truncate(8);
    hex
}
