//! The tree to `Config`: everything but reranking, providers and limits, which have readers of their own.

use std::{collections::HashMap, sync::Arc};

use super::{
    Config, DialectChoice, ListenerConfig, RerankApiConfig, RerankConfig, RouteConfig, addresses, definition,
    elsewhere, hints, list,
    listener::UpstreamConfig,
    node::{Node, Value},
    origin::Origin,
    problem::Problems,
    read_embeddings,
    read_fleet::redis,
    read_providers::providers,
    read_rerank::rerank,
    read_rerank_api, read_sign, read_telemetry, read_tenants,
    read_tls::{client_certificate, listener_tls},
    section::Section,
    setting::{self, Setting},
    tenants::TenantsConfig,
    token::token,
    types::{AdminConfig, CacheConfig},
    values,
};
use crate::{dialect::paths::Definition, search::PathPrefix};

/// Reads a whole configuration.
pub(super) fn config(root: &Node, env: &HashMap<String, String>, problems: &mut Problems) -> Config {
    let known = [
        "listeners",
        "admin",
        "inspector",
        "rerank",
        "routes",
        "tenants",
        "providers",
        "rerank_api",
        "embeddings",
        "cache",
        "limits",
        "memory",
        "shutdown",
        "telemetry",
    ];
    let top = Section::open(Some(root), "", &known, elsewhere::hint, problems);
    let base =
        Section::open(top.node("rerank"), "rerank", &setting::keys(list::RERANK), elsewhere::hint, problems);
    let rerank = rerank(&base, &Default::default(), problems);
    let routes = routes(&top, &rerank, problems);
    let rerank_api = read_rerank_api::read(&top, problems);
    let embeddings = read_embeddings::read(&top, env, problems);
    let listeners = listeners(&top, rerank_api.listen.or(embeddings.listen).is_none(), problems);
    let tenants = read_tenants::read(&top, (&rerank, &routes), &listeners, problems);
    let uses = uses((&rerank, &routes, &tenants), &rerank_api);
    let providers = providers(&top, env, &uses, problems);
    let config = Config {
        listeners,
        admin: admin(&top, problems),
        inspector: section(&top, "inspector", list::INSPECTOR, problems).1,
        rerank,
        routes,
        tenants,
        providers,
        rerank_api,
        embeddings,
        cache: cache(&top, problems),
        limits: section(&top, "limits", list::LIMITS, problems).1,
        memory: section(&top, "memory", list::MEMORY_SECTION, problems).1,
        shutdown: section(&top, "shutdown", list::SHUTDOWN, problems).1,
        telemetry: read_telemetry::read(&top, env, problems),
        relays: true,
    };
    addresses::check(&config, root, problems);
    config
}

/// A section of the top, read into its defaults.
fn section<'a, T: Default>(
    top: &Section<'a>,
    key: &str,
    settings: &[Setting<T>],
    problems: &mut Problems,
) -> (Section<'a>, T) {
    let section = top.inside(key, &setting::keys(settings), problems);
    let mut to = T::default();
    setting::read(settings, &section, &mut to, problems);
    (section, to)
}

/// The lists of providers, each with the section that it is in. A route that only inherits the base's list would
/// repeat its problems.
fn uses<'a>(
    (base, routes, tenants): (&'a RerankConfig, &'a [RouteConfig], &'a TenantsConfig),
    api: &'a RerankApiConfig,
) -> Vec<(String, &'a [String])> {
    let of_routes = routes.iter().enumerate().filter(|(_, route)| route.rerank.providers != base.providers);
    let of_routes = of_routes.map(|(i, route)| (format!("routes[{i}]"), &*route.rerank.providers));
    let of_api = api.providers.iter().map(|own| ("rerank_api".to_owned(), &**own));
    let of_tenants = tenants.each.iter().filter(|each| each.rerank.providers != base.providers);
    let of_tenants = of_tenants.map(|each| (format!("tenants.names.{}", each.name), &*each.rerank.providers));
    let base = std::iter::once(("rerank".to_owned(), &*base.providers));
    base.chain(of_routes).chain(of_tenants).chain(of_api).collect()
}

/// The entries of the list at `key`, each with its path.
fn items<'a>(top: &Section<'a>, key: &str, problems: &mut Problems) -> Vec<(String, &'a Node)> {
    match top.node(key).map(|node| &node.value) {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::List(items)) => {
            items.iter().enumerate().map(|(i, item)| (format!("{key}[{i}]"), item)).collect()
        }
        Some(_) => {
            top.complain(key, "this has to be a list (lines that begin with `- `).", problems);
            Vec::new()
        }
    }
}

/// There has to be one, unless rerankd only serves the rerank API or embeddings.
fn listeners(top: &Section<'_>, needed: bool, problems: &mut Problems) -> Vec<ListenerConfig> {
    let items = items(top, "listeners", problems);
    if needed
        && items.is_empty()
        && !matches!(top.node("listeners").map(|n| &n.value), Some(Value::Map(_) | Value::Text(_)))
    {
        let sentence =
            "no upstream is named; set RERANKD_UPSTREAM__URL, --upstream or listeners[0].upstream.url.";
        problems.add("listeners", &Origin::Nowhere, sentence);
    }
    let single = items.len() == 1;
    let mut listeners: Vec<ListenerConfig> = Vec::new();
    for (path, item) in items {
        let section =
            Section::open(Some(item), path, &setting::keys(list::LISTENER), elsewhere::hint, problems);
        listeners.push(listener(&section, single, problems));
    }
    listeners
}

fn listener(section: &Section<'_>, single: bool, problems: &mut Problems) -> ListenerConfig {
    let mut listener = ListenerConfig::before(http::Uri::from_static("http://127.0.0.1:6333/"));
    if !single && !section.has("listen") {
        section.complain("listen", "each of several listeners needs its own address.", problems);
    }
    setting::read(list::LISTENER, section, &mut listener, problems);
    listener.tls = listener_tls(section, problems);
    let upstream = section.again("upstream");
    if !upstream.has("url") {
        upstream.complain("url", "the upstream's URL is missing, such as http://127.0.0.1:6333.", problems);
    }
    upstream_url(&upstream, &mut listener.upstream, problems);
    client_certificate(&upstream, problems);
    listener.upstream.sign = read_sign::sign(&upstream, listener.dialect, problems);
    listener.definition = definition(section, &listener, problems);
    listener
}

/// What describes the database, where it is described.
fn definition(
    section: &Section<'_>,
    listener: &ListenerConfig,
    problems: &mut Problems,
) -> Option<Arc<Definition>> {
    match (listener.dialect, &listener.dialect_file) {
        (DialectChoice::Paths, None) => {
            if !section.has("dialect_file") {
                let sentence = "`dialect: paths` needs the file that describes the database: dialect_file.";
                section.complain("dialect_file", sentence, problems);
            }
            None
        }
        (DialectChoice::Paths, Some(path)) => {
            let read = match std::fs::read_to_string(path) {
                Ok(text) => definition::of_file(&text),
                Err(error) => {
                    section.complain(
                        "dialect_file",
                        hints::file(&path.display().to_string(), &error),
                        problems,
                    );
                    return None;
                }
            };
            let file = path.display().to_string();
            match read {
                Ok(definition) => Some(Arc::new(definition)),
                Err(inner) => {
                    let origin =
                        section.node("dialect_file").map_or(Origin::Nowhere, |node| node.origin.clone());
                    definition::told(&file, inner, &section.path_of("dialect_file"), &origin, problems);
                    None
                }
            }
        }
        (other, Some(_)) => {
            let sentence =
                format!("this counts with `dialect: paths` alone, and dialect is {}.", other.as_str());
            section.complain("dialect_file", sentence, problems);
            None
        }
        (other, None) => definition::preset(other.as_str()).map(Arc::new),
    }
}

/// The prefix may stand in the URL, or beside it.
fn upstream_url(section: &Section<'_>, to: &mut UpstreamConfig, problems: &mut Problems) {
    let mut url = (to.url.clone(), PathPrefix::default());
    section.set("url", &mut url, problems, values::upstream_url);
    let mut beside = None;
    section.set_option("path_prefix", &mut beside, problems, values::path_prefix);
    if !url.1.is_empty() && beside.as_ref().is_some_and(|beside| *beside != url.1) {
        section.complain("path_prefix", "the URL has another path; say it in one of the two.", problems);
    }
    (to.url, to.path_prefix) = (url.0, beside.unwrap_or(url.1));
}

fn admin(top: &Section<'_>, problems: &mut Problems) -> AdminConfig {
    let (section, mut admin) = section(top, "admin", list::ADMIN, problems);
    admin.token = token(&section, admin.token_file.as_ref(), problems);
    admin
}

fn routes(top: &Section<'_>, base: &RerankConfig, problems: &mut Problems) -> Vec<RouteConfig> {
    // A route is chosen by its own pattern, so `collections` has no meaning in it.
    let mut known = setting::keys(list::RERANK);
    known.retain(|key| *key != "collections");
    known.extend(setting::keys(list::ROUTE));
    items(top, "routes", problems)
        .into_iter()
        .map(|(path, item)| {
            let section = Section::open(Some(item), path, &known, elsewhere::hint, problems);
            if !section.has("collection") {
                section.complain("collection", "a route needs a pattern, such as \"legal-*\".", problems);
            }
            let collection =
                section.read("collection", problems, values::route_glob).unwrap_or_else(|| "*".to_owned());
            RouteConfig {
                collection,
                rerank: rerank(&section, base, problems),
                has_mode: section.has("mode"),
            }
        })
        .collect()
}

fn cache(top: &Section<'_>, problems: &mut Problems) -> CacheConfig {
    let (section, mut cache) = section(top, "cache", list::CACHE, problems);
    cache.redis = redis(&section, problems);
    if cache.redis.is_some() && cache.max_bytes == 0 {
        let sentence = "cache.redis is the second tier of a cache that 0 switches off.";
        section.complain("max_bytes", sentence, problems);
    }
    cache
}
