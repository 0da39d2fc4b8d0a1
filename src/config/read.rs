//! The tree to `Config`: everything but reranking, providers and limits, which have readers of their own.

use std::collections::HashMap;

use super::{
    Config, ListenerConfig, RerankApiConfig, RerankConfig, RouteConfig, addresses, inspector,
    node::{Node, Value},
    origin::Origin,
    problem::Problems,
    read_fleet::redis,
    read_limits::{limits, max_wait, memory},
    read_providers::providers,
    read_rerank::{RERANK_KEYS, rerank},
    read_shutdown::shutdown,
    read_tls::{UPSTREAM_TLS_KEYS, listener_tls, upstream_tls},
    rerank_api,
    section::Section,
    token::token,
    types::{AdminConfig, CacheConfig, UpstreamConfig},
    values::{self, whole},
    words::{DialectChoice, HostMode},
};
use crate::search::PathPrefix;

/// Reads a whole configuration.
pub(super) fn config(root: &Node, env: &HashMap<String, String>, problems: &mut Problems) -> Config {
    let known = [
        "listeners",
        "admin",
        "inspector",
        "rerank",
        "routes",
        "providers",
        "rerank_api",
        "cache",
        "limits",
        "memory",
        "shutdown",
    ];
    let top = Section::open(Some(root), "", &known, problems);
    let base = Section::open(top.node("rerank"), "rerank", &RERANK_KEYS, problems);
    let rerank = rerank(&base, &Default::default(), problems);
    let routes = routes(&top, &rerank, problems);
    let rerank_api = rerank_api::read(&top, problems);
    let uses = uses(&rerank, &routes, &rerank_api);
    let providers = providers(&top, env, &uses, problems);
    let config = Config {
        listeners: listeners(&top, rerank_api.listen.is_none(), problems),
        admin: admin(&top, problems),
        inspector: inspector::read(&top, problems),
        rerank,
        routes,
        providers,
        rerank_api,
        cache: cache(&top, problems),
        limits: limits(&top, problems),
        memory: memory(&top, problems),
        shutdown: shutdown(&top, problems),
    };
    addresses::check(&config, root, problems);
    config
}

/// The lists of providers, each with the section that it is in. A route that only inherits the base's list would
/// repeat its problems.
fn uses<'a>(
    base: &'a RerankConfig,
    routes: &'a [RouteConfig],
    api: &'a RerankApiConfig,
) -> Vec<(String, &'a [String])> {
    let of_routes = routes.iter().enumerate().filter(|(_, route)| route.rerank.providers != base.providers);
    let of_routes = of_routes.map(|(i, route)| (format!("routes[{i}]"), &*route.rerank.providers));
    let of_api = api.providers.iter().map(|own| ("rerank_api".to_owned(), &**own));
    std::iter::once(("rerank".to_owned(), &*base.providers)).chain(of_routes).chain(of_api).collect()
}

/// The entries of the list at `key`, each with its path.
fn list<'a>(top: &Section<'a>, key: &str, problems: &mut Problems) -> Vec<(String, &'a Node)> {
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

/// There has to be one, unless rerankd only serves the rerank API.
fn listeners(top: &Section<'_>, needed: bool, problems: &mut Problems) -> Vec<ListenerConfig> {
    let items = list(top, "listeners", problems);
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
        let known = ["listen", "tls", "path_prefix", "upstream", "dialect", "max_connections"];
        let section = Section::open(Some(item), path, &known, problems);
        listeners.push(listener(&section, single, problems));
    }
    listeners
}

fn listener(section: &Section<'_>, single: bool, problems: &mut Problems) -> ListenerConfig {
    let mut listener = ListenerConfig::before(http::Uri::from_static("http://127.0.0.1:6333/"));
    if !single && !section.has("listen") {
        section.complain("listen", "each of several listeners needs its own address.", problems);
    }
    section.set("listen", &mut listener.listen, problems, values::address);
    section.set("dialect", &mut listener.dialect, problems, DialectChoice::read);
    section.set("max_connections", &mut listener.max_connections, problems, whole(1, 1_000_000));

    listener.tls = listener_tls(section, problems);

    let mut prefix = None;
    section.set_option("path_prefix", &mut prefix, problems, values::path_prefix);
    listener.path_prefix = prefix.unwrap_or_default();

    let mut known =
        vec!["url", "path_prefix", "host", "http2", "connect_timeout", "response_timeout", "forward_timeout"];
    known.extend(UPSTREAM_TLS_KEYS);
    let upstream = Section::open(section.node("upstream"), section.path_of("upstream"), &known, problems);
    let to = &mut listener.upstream;
    if !upstream.has("url") {
        upstream.complain("url", "the upstream's URL is missing, such as http://127.0.0.1:6333.", problems);
    }
    upstream_url(&upstream, to, problems);
    upstream.set("host", &mut to.host, problems, HostMode::parse);
    upstream.set("http2", &mut to.http2, problems, values::boolean);
    upstream_tls(&upstream, to, problems);
    upstream.set("connect_timeout", &mut to.connect_timeout, problems, values::duration);
    max_wait(&upstream, "response_timeout", &mut to.response_timeout, problems);
    max_wait(&upstream, "forward_timeout", &mut to.forward_timeout, problems);
    listener
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
    let mut admin = AdminConfig::default();
    let section = Section::open(
        top.node("admin"),
        "admin",
        &["listen", "token_file", "ready_needs_upstream"],
        problems,
    );
    section.set("listen", &mut admin.listen, problems, values::address);
    section.set_option("token_file", &mut admin.token_file, problems, values::readable_file);
    admin.token = token(&section, admin.token_file.as_ref(), problems);
    section.set("ready_needs_upstream", &mut admin.ready_needs_upstream, problems, values::boolean);
    admin
}

fn routes(top: &Section<'_>, base: &RerankConfig, problems: &mut Problems) -> Vec<RouteConfig> {
    // A route is chosen by its own pattern, so `collections` has no meaning in it.
    let mut known: Vec<&str> = RERANK_KEYS.iter().copied().filter(|key| *key != "collections").collect();
    known.push("collection");
    list(top, "routes", problems)
        .into_iter()
        .map(|(path, item)| {
            let section = Section::open(Some(item), path, &known, problems);
            if !section.has("collection") {
                section.complain("collection", "a route needs a pattern, such as \"legal-*\".", problems);
            }
            let collection =
                section.read("collection", problems, values::route_glob).unwrap_or_else(|| "*".to_owned());
            RouteConfig { collection, rerank: rerank(&section, base, problems) }
        })
        .collect()
}

fn cache(top: &Section<'_>, problems: &mut Problems) -> CacheConfig {
    let mut cache = CacheConfig::default();
    let known = ["max_bytes", "ttl", "secret_file", "redis"];
    let section = Section::open(top.node("cache"), "cache", &known, problems);
    section.set("max_bytes", &mut cache.max_bytes, problems, values::bytes_or_none);
    section.set("ttl", &mut cache.ttl, problems, values::duration);
    section.set_option("secret_file", &mut cache.secret_file, problems, values::readable_file);
    cache.redis = redis(&section, problems);
    if cache.redis.is_some() && cache.max_bytes == 0 {
        let sentence = "cache.redis is the second tier of a cache that 0 switches off.";
        section.complain("max_bytes", sentence, problems);
    }
    cache
}
