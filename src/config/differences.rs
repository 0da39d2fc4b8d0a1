//! What a configuration says beside the defaults, in the words in which it was written, and where each word stands.

use std::collections::HashMap;

use super::{
    CacheConfig, Config, EmbeddingsConfig, ListenerConfig, ListenerTlsConfig, RedisConfig, RerankApiConfig,
    RouteConfig, ServiceConfig, SignConfig, TenantConfig, TenantsConfig,
    node::{self, Node, Value},
    origin::Origin,
    out::quoted,
    problem::Problems,
    render::to_yaml,
};
use crate::rerank::{ApiKey, HttpSettings, ProviderKind, ProviderSettings};

/// What was written, after variables and flags have been laid over the file.
#[derive(Clone)]
pub struct Written {
    pub(super) root: Node,
    /// The file's path, as it was given.
    pub(super) file: Option<String>,
}

/// One setting that differs from its default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Its path, such as `routes[0].window`.
    pub setting: String,
    /// Its value as it was written; `"***"` for a secret.
    pub value: String,
    /// The file and line, the variable or the flag; empty where it follows from another setting.
    pub from: String,
}

/// Settings that are always listed.
const NO_DEFAULT: [&str; 7] = [
    "upstream.url",
    "sign.service",
    "sign.region",
    "].collection",
    "tls.cert_file",
    "tls.key_file",
    "cache.redis.url",
];

/// A value of a tree, lists of scalars as one.
struct Leaf<'a> {
    path: String,
    text: String,
    origin: &'a Origin,
}

/// What differs from the defaults, in the order of the reference file. `env` is where the keys were found.
pub fn differences(config: &Config, written: &Written, env: &HashMap<String, String>) -> Vec<Difference> {
    let (now, before) = (tree(config), tree(&untouched(config)));
    let (now, before, said) = (leaves(&now), leaves(&before), leaves(&written.root));
    let find = |among: &[Leaf<'_>], path: &str| among.iter().position(|leaf| leaf.path == path);
    let mut found: Vec<Difference> = Vec::new();
    for leaf in &now {
        let before = find(&before, &leaf.path).and_then(|at| before.get(at));
        let has_default = !NO_DEFAULT.iter().any(|end| leaf.path.ends_with(end));
        if has_default && before.is_some_and(|before| before.text == leaf.text) {
            continue;
        }
        let said = find(&said, &leaf.path).and_then(|at| said.get(at));
        let text = said.filter(|_| leaf.path != "cache.redis.url").map_or(&leaf.text, |said| &said.text);
        let from = match said {
            Some(said) => written.place(said.origin),
            None => unsaid(&leaf.path, config, written, env),
        };
        if leaf.path.ends_with(".api_key") && from.is_empty() {
            continue;
        }
        found.push(Difference { setting: leaf.path.clone(), value: text.clone(), from });
    }
    // What is only said of a provider: where its key is, its region.
    for said in said.iter().filter(|said| find(&now, &said.path).is_none() && said.text != "null") {
        let parent = said.path.rsplit_once('.').map_or("", |(parent, _)| parent);
        let among = |each: &Difference| each.setting.rsplit_once('.').map_or("", |(of, _)| of) == parent;
        let at = found.iter().rposition(among).map_or(found.len(), |at| at + 1);
        let (value, from) = (said.text.clone(), written.place(said.origin));
        found.insert(at, Difference { setting: said.path.clone(), value, from });
    }
    found
}

/// The same listeners, routes and providers with nothing else said.
fn untouched(config: &Config) -> Config {
    let tls =
        |each: &ListenerTlsConfig| ListenerTlsConfig::new(each.cert_file.clone(), each.key_file.clone());
    let listener = |each: &ListenerConfig| {
        let sign = each.upstream.sign.as_ref().map(|sign| SignConfig::new(sign.service, sign.region.clone()));
        let mut before = ListenerConfig::before(each.upstream.url.clone());
        before.upstream.sign = sign;
        ListenerConfig { tls: each.tls.as_ref().map(tls), ..before }
    };
    let route = |each: &RouteConfig| RouteConfig {
        collection: each.collection.clone(),
        rerank: config.rerank.clone(),
        has_mode: each.has_mode,
    };
    let tenant = |each: &TenantConfig| TenantConfig::named(&each.name, &config.rerank, []);
    let provider = |each: &ProviderSettings| {
        let kind = match &each.kind {
            ProviderKind::Http(http) => {
                let model = HttpSettings::at(http.kind, &http.base_url, http.api_key.clone()).model;
                ProviderKind::Http(HttpSettings { model, ..HttpSettings::new(http.kind, ApiKey::Missing) })
            }
            ProviderKind::Lexical(_) => ProviderKind::Lexical(Default::default()),
        };
        ProviderSettings::new(&each.name, kind)
    };
    Config {
        listeners: config.listeners.iter().map(listener).collect(),
        routes: config.routes.iter().map(route).collect(),
        tenants: TenantsConfig {
            each: config.tenants.each.iter().map(tenant).collect(),
            ..Default::default()
        },
        providers: config.providers.iter().map(provider).collect(),
        rerank_api: RerankApiConfig { tls: config.rerank_api.tls.as_ref().map(tls), ..Default::default() },
        embeddings: EmbeddingsConfig {
            tls: config.embeddings.tls.as_ref().map(tls),
            services: config
                .embeddings
                .services
                .iter()
                .map(|each| ServiceConfig::named(&each.name))
                .collect(),
            ..Default::default()
        },
        cache: CacheConfig {
            redis: config.cache.redis.as_ref().map(|redis| RedisConfig::at(redis.fleet.address.clone())),
            ..Default::default()
        },
        ..Config::default()
    }
}

/// Where a value comes from that no setting says.
fn unsaid(path: &str, config: &Config, written: &Written, env: &HashMap<String, String>) -> String {
    let Some((name, key)) = path.strip_prefix("providers.").and_then(|rest| rest.rsplit_once('.')) else {
        return String::new();
    };
    let Some(ProviderKind::Http(http)) =
        config.providers.iter().find(|each| each.name == name).map(|each| &each.kind)
    else {
        return String::new();
    };
    let is_said =
        |key: &str| super::addresses::origin(&written.root, &format!("providers.{name}.{key}")).is_some();
    let filled = |variable: &&&str| env.get(**variable).is_some_and(|text| !text.trim().is_empty());
    match key {
        // A line of its own says where it is.
        "api_key" if is_said("api_key_file") || is_said("api_key_env") => String::new(),
        "api_key" => {
            let variables = http.kind.facts_at(&http.base_url).key_variables;
            variables.iter().find(filled).map_or(String::new(), |variable| (*variable).to_owned())
        }
        "base_url" if ["CO_API_URL"].iter().any(|variable| filled(&variable)) => "CO_API_URL".to_owned(),
        _ => String::new(),
    }
}

impl Written {
    fn place(&self, origin: &Origin) -> String {
        match origin {
            Origin::File { line, .. } => format!("{}:{line}", self.file.as_deref().unwrap_or("the file")),
            Origin::Named(name) => name.clone(),
            Origin::Nowhere => String::new(),
        }
    }
}

fn tree(config: &Config) -> Node {
    node::parse(&to_yaml(config), &mut Problems::default())
}

/// Every value of a tree with its path.
fn leaves(root: &Node) -> Vec<Leaf<'_>> {
    let mut found = Vec::new();
    collect(root, String::new(), &mut found);
    found
}

fn collect<'a>(node: &'a Node, path: String, found: &mut Vec<Leaf<'a>>) {
    let is_map = |node: &Node| matches!(node.value, Value::Map(_));
    let text = match &node.value {
        Value::Map(entries) => {
            let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
            return entries.iter().for_each(|entry| collect(&entry.node, below(&entry.key), found));
        }
        Value::List(items) if items.iter().any(is_map) => {
            let items = items.iter().enumerate();
            return items.for_each(|(at, item)| collect(item, format!("{path}[{at}]"), found));
        }
        Value::List(items) => format!("[{}]", items.iter().map(scalar).collect::<Vec<_>>().join(", ")),
        _ => scalar(node),
    };
    found.push(Leaf { path, text, origin: &node.origin });
}

/// A scalar as it is written in a file.
fn scalar(node: &Node) -> String {
    let Value::Text(text) = &node.value else { return "null".to_owned() };
    let plain = |c: char| c.is_ascii_alphanumeric() || "_./%+".contains(c);
    let inner = |c: char| plain(c) || "-@:".contains(c);
    if text.starts_with(plain) && text.chars().all(inner) && !text.ends_with(':') {
        return text.clone();
    }
    quoted(text)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{Flags, load_written};

    fn shown(text: &str, env: &[(&str, &str)], flags: &Flags) -> Vec<String> {
        let env: HashMap<String, String> =
            env.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        let (config, written) = load_written(Some((Path::new("f.yaml"), text)), &env, flags).unwrap();
        let all = differences(&config, &written, &env);
        all.iter().map(|each| format!("{}: {} # {}", each.setting, each.value, each.from)).collect()
    }

    #[test]
    fn what_differs_from_the_defaults_is_reported_in_the_users_words_with_its_place() {
        let text = "listeners:\n  - upstream:\n      url: http://db:6333\n      connect_timeout: 5000ms\n\
                    rerank:\n  window: 50\n  deadline: 1500ms\n  fields: [title, 'a b']\n\
                    cache: { max_bytes: 128MiB, ttl: 24h }\n\
                    routes:\n  - collection: 'legal-*'\n    window: 0_100\n    deadline: 1500ms\n";
        let env = [("RERANKD_RERANK__MIN_SCORE", "0.20"), ("CO_API_KEY", "s3cret")];
        let flags = Flags { admin: Some("127.0.0.1:9999".to_owned()), ..Flags::default() };
        assert_eq!(
            shown(text, &env, &flags),
            [
                "listeners[0].upstream.url: http://db:6333 # f.yaml:3",
                "admin.listen: 127.0.0.1:9999 # --admin",
                "rerank.fields: [title, \"a b\"] # f.yaml:8",
                "rerank.min_score: 0.20 # RERANKD_RERANK__MIN_SCORE",
                "rerank.deadline: 1500ms # f.yaml:7",
                "routes[0].collection: \"legal-*\" # f.yaml:11",
                "routes[0].window: 0_100 # f.yaml:12",
                "providers.cohere.api_key: \"***\" # CO_API_KEY",
                "cache.max_bytes: 128MiB # f.yaml:9",
            ]
        );
    }

    #[test]
    fn secrets_are_hidden_and_providers_compared_with_their_own_kind() {
        let folder = tempfile::tempdir().unwrap();
        let secret = folder.path().join("secret");
        std::fs::write(&secret, "s3cret").unwrap();
        let secret = secret.display();
        let text = format!(
            "listeners: [{{ upstream: {{ url: 'http://db' }} }}]\n\
             rerank: {{ providers: [own, cohere] }}\n\
             providers: {{ own: {{ kind: tei, base_url: 'http://tei:80', api_key_file: {secret}, timeout: 5s }} }}\n\
             cache: {{ secret_file: {secret}, redis: 'redis://u:s3cret@h:1' }}"
        );
        let shown = shown(&text, &[("CO_API_URL", "http://co:1")], &Flags::default());
        assert_eq!(
            shown,
            [
                "listeners[0].upstream.url: http://db # f.yaml:1".to_owned(),
                "rerank.providers: [own, cohere] # f.yaml:2".to_owned(),
                "providers.own.base_url: http://tei:80 # f.yaml:3".to_owned(),
                format!("providers.own.api_key_file: {secret} # f.yaml:3"),
                "providers.cohere.base_url: http://co:1 # CO_API_URL".to_owned(),
                format!("cache.secret_file: {secret} # f.yaml:4"),
                "cache.redis.url: \"redis://***@h:1/0\" # f.yaml:4".to_owned(),
            ]
        );
    }

    #[test]
    fn nothing_is_reported_of_what_nobody_has_said() {
        let shown = shown("", &[("RERANKD_UPSTREAM__URL", "http://db")], &Flags::default());
        assert_eq!(shown, ["listeners[0].upstream.url: http://db # RERANKD_UPSTREAM__URL"]);
    }
}
