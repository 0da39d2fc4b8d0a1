//! The `providers` section, its keys and the names that other sections use.

use std::{collections::HashMap, path::PathBuf};

use http::Uri;
use secrecy::SecretString;

use super::{
    ProviderConfig,
    node::Node,
    problem::Problems,
    provider_limits,
    section::Section,
    types::ProviderKind,
    values::{self, nearest, whole},
};

const LEXICAL: [&str; 1] = ["kind"];
const COHERE: [&str; 8] =
    ["kind", "model", "base_url", "api_key_env", "api_key_file", "max_tokens_per_doc", "ca_file", "priority"];

/// The providers that are configured, and the built-in ones that are used without being so. `uses` are the lists
/// of names, each with its section.
pub(super) fn providers(
    top: &Section<'_>,
    env: &HashMap<String, String>,
    uses: &[(String, &[String])],
    problems: &mut Problems,
) -> Vec<ProviderConfig> {
    let names: Vec<&str> = match top.node("providers") {
        Some(Node { value: super::node::Value::Map(entries), .. }) => {
            entries.iter().map(|entry| entry.key.as_str()).collect()
        }
        _ => Vec::new(),
    };
    let all = Section::open(top.node("providers"), "providers", &names, problems);
    let mut providers: Vec<ProviderConfig> =
        all.entries().iter().map(|entry| provider(&entry.key, Some(&entry.node), env, problems)).collect();

    for (path, names) in uses {
        for name in *names {
            if providers.iter().any(|provider| provider.name == *name) {
                continue;
            }
            if matches!(name.as_str(), "cohere" | "lexical") {
                providers.push(provider(name, None, env, problems));
                continue;
            }
            let mut known: Vec<&str> = providers.iter().map(|provider| provider.name.as_str()).collect();
            known.extend(["cohere", "lexical"]);
            let hint = match nearest(name, &known) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("define providers.{name}."),
            };
            let (origin, path) = place(top, path);
            problems.add(&path, &origin, format!("there is no provider `{name}`; {hint}"));
        }
    }
    providers
}

/// Where a list of providers is written.
fn place(top: &Section<'_>, path: &str) -> (super::origin::Origin, String) {
    use super::{node::Value, origin::Origin};
    let section = match path.strip_prefix("routes[").and_then(|rest| rest.strip_suffix(']')) {
        Some(index) => match top.node("routes").map(|node| &node.value) {
            Some(Value::List(items)) => index.parse::<usize>().ok().and_then(|i| items.get(i)),
            _ => None,
        },
        None => top.node(path),
    };
    let list = match section.map(|node| &node.value) {
        Some(Value::Map(entries)) => entries.iter().find(|entry| entry.key == "providers"),
        _ => None,
    };
    (list.map_or(Origin::Nowhere, |entry| entry.node.origin.clone()), format!("{path}.providers"))
}

fn provider(
    name: &str,
    node: Option<&Node>,
    env: &HashMap<String, String>,
    problems: &mut Problems,
) -> ProviderConfig {
    let path = format!("providers.{name}");
    // The kind decides which keys are known; an unreadable one is told once, below.
    let kind = node.and_then(|node| kind_of(node)).unwrap_or(name);
    let known =
        if kind == "lexical" { LEXICAL.to_vec() } else { [&COHERE[..], &provider_limits::KEYS].concat() };
    let section = Section::open(node, path, &known, problems);
    let kinds = [false, true];
    let word = |lexical: bool| if lexical { "lexical" } else { "cohere" };
    let written = section.read("kind", problems, |text| values::word(text, &kinds, word));
    let lexical = match (written, name) {
        (Some(lexical), _) => lexical,
        (None, "lexical") => true,
        (None, "cohere") => false,
        (None, _) => {
            if !section.has("kind") {
                section.complain("kind", "a provider needs its kind: cohere or lexical.", problems);
            }
            false
        }
    };
    let mut provider = if lexical { ProviderConfig::lexical(name) } else { ProviderConfig::cohere(name) };
    if !lexical {
        provider_limits::read(&section, &mut provider.limits, problems);
    }
    if let ProviderKind::Cohere { base_url, api_key, model, max_tokens_per_doc, ca_file, priority } =
        &mut provider.kind
    {
        base(&section, name, env, base_url, problems);
        *api_key = key(&section, env, problems);
        section.set("model", model, problems, values::name);
        section.set_option("max_tokens_per_doc", max_tokens_per_doc, problems, whole(1, 1_000_000));
        section.set_option::<PathBuf>("ca_file", ca_file, problems, values::readable_file);
        section.set_option("priority", priority, problems, whole(0, 999));
    }
    provider
}

fn kind_of(node: &Node) -> Option<&str> {
    use super::node::Value;
    let Value::Map(entries) = &node.value else { return None };
    match &entries.iter().find(|entry| entry.key == "kind")?.node.value {
        Value::Text(kind) => Some(kind),
        _ => None,
    }
}

/// `CO_API_URL` overrides the provider `cohere`, and others that name no URL of their own.
fn base(
    section: &Section<'_>,
    name: &str,
    env: &HashMap<String, String>,
    slot: &mut Uri,
    problems: &mut Problems,
) {
    section.set("base_url", slot, problems, values::url);
    let Some(text) = env.get("CO_API_URL").filter(|text| !text.trim().is_empty()) else { return };
    if name != "cohere" && section.has("base_url") {
        return;
    }
    match values::url(text.trim()) {
        Ok(url) => *slot = url,
        Err(sentence) => problems.add("CO_API_URL", &super::origin::Origin::Nowhere, sentence),
    }
}

/// The key from the file or the variable that is named; by default CO_API_KEY, then COHERE_API_KEY.
fn key(
    section: &Section<'_>,
    env: &HashMap<String, String>,
    problems: &mut Problems,
) -> Option<SecretString> {
    let file = section.read("api_key_file", problems, values::readable_file);
    let variable = section.read("api_key_env", problems, values::variable);
    if section.has("api_key_file") && section.has("api_key_env") {
        section.complain("api_key_file", "write either api_key_file or api_key_env.", problems);
    }
    let (setting, text) = match (file, variable) {
        (Some(path), _) => match std::fs::read_to_string(path) {
            Ok(text) => ("api_key_file", text),
            Err(error) => {
                let sentence = format!("the file cannot be read: {}.", error.kind());
                section.complain("api_key_file", sentence, problems);
                return None;
            }
        },
        (None, Some(name)) if name != "CO_API_KEY" => ("api_key_env", env.get(&name)?.clone()),
        _ => {
            let filled = |name: &&str| env.get(*name).is_some_and(|text| !text.trim().is_empty());
            let name = ["CO_API_KEY", "COHERE_API_KEY"].into_iter().find(filled)?;
            ("api_key_env", env.get(name)?.clone())
        }
    };
    let text = text.trim();
    if text.chars().any(|c| c.is_whitespace() || !c.is_ascii_graphic()) {
        let sentence = "the key holds white space or signs that cannot be sent in a header.";
        section.complain(setting, sentence, problems);
        return None;
    }
    if text.is_empty() { None } else { Some(SecretString::from(text.to_owned())) }
}
