//! Variables and flags, laid over the file.

use std::collections::HashMap;

use super::{
    kind::Kind,
    list,
    node::{Node, Value},
    origin::Origin,
    problem::Problems,
    values::nearest,
    variables,
};

/// What the command line says of the configuration; as typed, so that its problems are reported with the others.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    /// `--listen`
    pub listen: Option<String>,
    /// `--grpc-listen`
    pub grpc_listen: Option<String>,
    /// `--embeddings-listen`
    pub embeddings_listen: Option<String>,
    /// `--admin`
    pub admin: Option<String>,
    /// `--upstream`
    pub upstream: Option<String>,
}

/// Whether the single listener has a setting of this name, which then has a variable.
fn is_of_listener(key: &str) -> bool {
    let own = list::LISTENER.iter().filter(|setting| !matches!(setting.kind, Kind::Section));
    own.into_iter().any(|setting| setting.key == key)
}

const SECTIONS: [&str; 14] = [
    "admin",
    "inspector",
    "rerank",
    "tenants",
    "providers",
    "rerank_api",
    "embeddings",
    "cache",
    "limits",
    "memory",
    "shutdown",
    "telemetry",
    "upstream",
    "tls",
];

/// Lays `env`, then `flags`, over `root`.
pub(super) fn lay(root: &mut Node, env: &HashMap<String, String>, flags: &Flags, problems: &mut Problems) {
    unfold_redis(root);
    misspelt(env, problems);
    let mut names: Vec<&String> = env.keys().filter(|name| name.starts_with("RERANKD_")).collect();
    names.sort();
    for name in names {
        let key = name.strip_prefix("RERANKD_").unwrap_or(name).to_ascii_lowercase();
        let parts: Vec<&str> = key.split("__").collect();
        let text = env.get(name).map(String::as_str).unwrap_or_default();
        if variables::meant(name).is_some() {
            continue;
        }
        match parts.as_slice() {
            [single] if is_of_listener(single) => listener(root, &[single], name, text, problems),
            // RERANKD_CONFIG and the like, and what Kubernetes sets for a service of this name.
            [] | [_] => {}
            // TLS of the single listener; `TLS` alone is no setting.
            ["upstream", ..] | ["tls", _, ..] => listener(root, &parts, name, text, problems),
            ["cache", "redis"] => redis(root, Node::named(name, text)),
            [section, ..] if SECTIONS.contains(section) => root.set(&parts, Node::named(name, text)),
            [section, ..] => {
                let sentence = match (*section, nearest(section, &SECTIONS)) {
                    ("listeners" | "routes", _) => "lists are set in the file only.".to_owned(),
                    (_, Some(near)) => {
                        format!("no such section; did you mean `RERANKD_{}__…`?", near.to_ascii_uppercase())
                    }
                    _ => format!("no such section; there are {}.", SECTIONS.join(", ")),
                };
                problems.add(name, &Origin::Nowhere, sentence);
            }
        }
    }
    if let Some(text) = &flags.listen {
        listener(root, &["listen"], "--listen", text, problems);
    }
    if let Some(text) = &flags.grpc_listen {
        listener(root, &["grpc_listen"], "--grpc-listen", text, problems);
    }
    if let Some(text) = &flags.upstream {
        listener(root, &["upstream", "url"], "--upstream", text, problems);
    }
    if let Some(text) = &flags.embeddings_listen {
        root.set(&["embeddings", "listen"], Node::named("--embeddings-listen", text));
    }
    if let Some(text) = &flags.admin {
        root.set(&["admin", "listen"], Node::named("--admin", text));
    }
}

/// A problem for every variable that is nearly the one of a setting: one underscore for two, or small letters.
fn misspelt(env: &HashMap<String, String>, problems: &mut Problems) {
    let mut names: Vec<(&String, String)> =
        env.keys().filter_map(|name| Some((name, variables::meant(name)?))).collect();
    names.sort();
    for (name, meant) in names {
        let sentence = format!(
            "no setting has this variable; write `{meant}` (capitals, two underscores between section and key)."
        );
        problems.add(name, &Origin::Nowhere, sentence);
    }
}

/// `cache.redis` may be the URL alone: made the map that it stands for, so that variables can set the rest.
fn unfold_redis(root: &mut Node) {
    let Some(node) = root.get_mut("cache").and_then(|cache| cache.get_mut("redis")) else { return };
    if let Value::Text(_) = node.value {
        let url = node.clone();
        node.value = Value::Map(Vec::new());
        node.set(&["url"], url);
    }
}

/// The URL, or nothing to switch it off.
fn redis(root: &mut Node, node: Node) {
    match node.value {
        Value::Null => root.set(&["cache", "redis"], node),
        _ => root.set(&["cache", "redis", "url"], node),
    }
}

/// Sets something of the single listener.
fn listener(root: &mut Node, path: &[&str], name: &str, text: &str, problems: &mut Problems) {
    let node = Node::named(name, text);
    if matches!(node.value, Value::Null) {
        return;
    }
    let absent = root.get_mut("listeners").is_none_or(|list| matches!(list.value, Value::Null));
    if absent {
        let origin = node.origin.clone();
        let one = Node { origin: origin.clone(), value: Value::Map(Vec::new()) };
        root.set(&["listeners"], Node { origin, value: Value::List(vec![one]) });
    }
    // Anything but a list is the reader's to complain of.
    let Some(Node { value: Value::List(list), .. }) = root.get_mut("listeners") else { return };
    match list.as_mut_slice() {
        [one] => one.set(path, node),
        [] => {
            let mut one = Node { origin: node.origin.clone(), value: Value::Map(Vec::new()) };
            one.set(path, node);
            list.push(one);
        }
        several => {
            let sentence = format!(
                "this means the single listener, but the file has {}; set it in the file.",
                several.len()
            );
            problems.add(name, &Origin::Nowhere, sentence);
        }
    }
}
