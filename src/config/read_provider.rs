//! One provider: which keys its kind has, and what they say.

use std::collections::HashMap;

use secrecy::SecretString;

use super::{
    elsewhere, hints,
    kind::KINDS,
    list,
    node::{Node, Value},
    origin::Origin,
    problem::Problems,
    provider_limits,
    section::Section,
    setting, values,
};
use crate::rerank::{
    ApiKey, DefaultModel, HttpKind, HttpSettings, LexicalSettings, ProviderKind, ProviderSettings,
    appended_path, billing,
};

/// The word of the provider that needs no network.
const LEXICAL: &str = "lexical";

/// The words of every kind.
pub(super) fn kinds() -> Vec<&'static str> {
    KINDS.to_vec()
}

/// The keys of a kind; `None` is the one that needs no network.
fn keys(kind: Option<HttpKind>) -> Vec<&'static str> {
    let Some(kind) = kind else { return setting::keys(list::LEXICAL) };
    let own = setting::keys(list::HTTP).into_iter().filter(|key| list::is_of(key, kind));
    own.chain(setting::keys(list::PROVIDER_LIMITS)).collect()
}

/// Reads a provider; without a node, a built-in one that is named after its kind.
pub(super) fn provider(
    name: &str,
    node: Option<&Node>,
    env: &HashMap<String, String>,
    problems: &mut Problems,
) -> ProviderSettings {
    let path = format!("providers.{name}");
    let word = node.and_then(kind_word).unwrap_or(name);
    let kind = HttpKind::ALL.into_iter().find(|kind| kind.as_str() == word);
    if kind.is_none() && word != LEXICAL {
        return unknown(name, path, node, problems);
    }
    let hint = if kind.is_some() { elsewhere::hint } else { not_of_lexical };
    let section = Section::open(node, path, &keys(kind), hint, problems);
    let kind = match kind {
        Some(kind) => ProviderKind::Http(http(&section, kind, name, env, problems)),
        None => ProviderKind::Lexical(lexical(&section, problems)),
    };
    let mut provider = ProviderSettings::new(name, kind);
    if let ProviderKind::Http(http) = &provider.kind {
        provider.single_flight.timeout = http.timeout;
        provider_limits::check(&section, billing(http), problems);
        setting::read(list::PROVIDER_LIMITS, &section, &mut provider, problems);
    }
    provider
}

/// What is said of a key that only providers behind HTTP have.
fn not_of_lexical(section: &str, key: &str) -> Option<String> {
    let of_others = HttpKind::ALL.iter().any(|kind| keys(Some(*kind)).contains(&key));
    let hint = elsewhere::hint(section, key);
    if of_others || hint.as_ref().is_some_and(|hint| hint.contains("providers.<name>")) {
        let sentence = "`lexical` computes its scores in this process, and has no model, address, key or limits: known here: \
                        kind, fuse.";
        return Some(sentence.to_owned());
    }
    hint
}

/// A provider whose kind is unknown: only that is a problem, not the keys, which depend on it.
fn unknown(name: &str, path: String, node: Option<&Node>, problems: &mut Problems) -> ProviderSettings {
    let every: Vec<&str> = HttpKind::ALL.iter().flat_map(|kind| keys(Some(*kind))).collect();
    let section = Section::open(node, path, &every, elsewhere::hint, problems);
    if section.has("kind") {
        section.read("kind", problems, |text| match hints::provider_kind(text) {
            Some(kind) => Err(format!("`{text}` is not a kind; write `kind: {kind}`.")),
            None => values::word(text, &kinds(), |word| word),
        });
    } else {
        let sentence = format!("a provider needs its kind: {}.", kinds().join(", "));
        section.complain("kind", sentence, problems);
    }
    ProviderSettings::new(name, ProviderKind::Lexical(LexicalSettings::default()))
}

fn kind_word(node: &Node) -> Option<&str> {
    let Value::Map(entries) = &node.value else { return None };
    match &entries.iter().find(|entry| entry.key == "kind")?.node.value {
        Value::Text(kind) => Some(kind),
        // What is no word is no kind either.
        Value::List(_) | Value::Map(_) => Some(""),
        Value::Null => None,
    }
}

/// The one that needs no network.
fn lexical(section: &Section<'_>, problems: &mut Problems) -> LexicalSettings {
    let mut settings = LexicalSettings::default();
    setting::read(list::LEXICAL, section, &mut settings, problems);
    settings
}

/// A provider behind HTTP.
fn http(
    section: &Section<'_>,
    kind: HttpKind,
    name: &str,
    env: &HashMap<String, String>,
    problems: &mut Problems,
) -> HttpSettings {
    let written = base_url(section, kind, name, env, problems);
    let at = written.as_deref().or(kind.facts().base_url).unwrap_or_default();
    let mut settings = HttpSettings::at(kind, at, ApiKey::Missing);
    settings.api_key = key(section, kind, at, env, problems);
    if written.is_none() {
        settings.base_url = for_key(kind, &settings);
    }
    section.set_option("model", &mut settings.model, problems, values::name);
    if settings.model.is_none() && kind.facts_at(at).model != DefaultModel::Server && !at.is_empty() {
        let sentence = format!("the kind {} needs the name of a model here.", kind.as_str());
        section.complain("model", sentence, problems);
    }
    setting::read(list::HTTP, section, &mut settings, problems);
    settings
}

/// The address, if one is given; a problem, if one has to be.
fn base_url(
    section: &Section<'_>,
    kind: HttpKind,
    name: &str,
    env: &HashMap<String, String>,
    problems: &mut Problems,
) -> Option<String> {
    let url = |text: &str| values::url(text).map(|url| url.to_string().trim_end_matches('/').to_owned());
    let written = section.read("base_url", problems, |text| undoubled(kind, url(text)?));
    if kind == HttpKind::BedrockCohere {
        return bedrock(section, written, env, problems);
    }
    // It overrides the provider `cohere`, and others that name no URL of their own.
    let overridden = kind == HttpKind::Cohere && (name == kind.as_str() || !section.has("base_url"));
    if let Some(text) = filled(env, "CO_API_URL").filter(|_| overridden) {
        match url(text).and_then(|url| undoubled(kind, url)) {
            Ok(url) => return Some(url),
            Err(sentence) => problems.add("CO_API_URL", &Origin::Nowhere, sentence),
        }
    }
    if kind.facts().base_url.is_none() && !section.has("base_url") {
        let sentence = format!("the kind {} needs the address of its server.", kind.as_str());
        section.complain("base_url", sentence, problems);
    }
    written
}

/// Bedrock's address is made of a region: the one written, or that of AWS's own variables.
fn bedrock(
    section: &Section<'_>,
    written: Option<String>,
    env: &HashMap<String, String>,
    problems: &mut Problems,
) -> Option<String> {
    if section.has("base_url") {
        if section.has("region") {
            section.complain("region", "write either region or base_url.", problems);
        }
        return written;
    }
    let named = section.read("region", problems, region);
    let from_env = || ["AWS_REGION", "AWS_DEFAULT_REGION"].iter().find_map(|name| filled(env, name));
    let region = named.or_else(|| region(from_env()?).ok());
    if region.is_none() && !section.has("region") {
        let sentence = "Bedrock needs a region, such as us-east-1 (or AWS_REGION), or a base_url.";
        section.complain("region", sentence, problems);
    }
    region.map(|region| format!("https://bedrock-runtime.{region}.amazonaws.com"))
}

fn region(text: &str) -> Result<String, String> {
    let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if text.is_empty() || !text.chars().all(good) {
        return Err(format!("`{text}` is not a region of AWS, such as us-east-1."));
    }
    Ok(text.to_owned())
}

/// The public address; Voyage's is another for the keys that MongoDB gives out.
fn for_key(kind: HttpKind, settings: &HttpSettings) -> String {
    use secrecy::ExposeSecret;
    match &settings.api_key {
        ApiKey::Secret(key) if kind == HttpKind::Voyage && key.expose_secret().starts_with("al-") => {
            "https://ai.mongodb.com".to_owned()
        }
        _ => settings.base_url.clone(),
    }
}

/// The URL, unless it ends with what is appended to it, which would be asked for twice.
fn undoubled(kind: HttpKind, url: String) -> Result<String, String> {
    let path = appended_path(&HttpSettings::at(kind, &url, ApiKey::NotNeeded));
    let appended: Vec<&str> = path.split('/').collect();
    let written: Vec<&str> = url.split('/').skip(3).filter(|part| !part.is_empty()).collect();
    let twice = (1..=appended.len()).any(|n| appended.get(..n).is_some_and(|start| written.ends_with(start)));
    let version = |part: Option<&&str>| matches!(part, Some(&("v1" | "v2")));
    if twice || (version(written.last()) && version(appended.first())) {
        return Err(format!("the URL ends too late: `{path}` is appended to it."));
    }
    Ok(url)
}

/// The key from the file or the variable that is named; else from the kind's own variables. One that is named has to be
/// there even for a kind that can do without.
fn key(
    section: &Section<'_>,
    kind: HttpKind,
    base_url: &str,
    env: &HashMap<String, String>,
    problems: &mut Problems,
) -> ApiKey {
    let file = section.read("api_key_file", problems, values::readable_file);
    let variable = section.read("api_key_env", problems, values::variable);
    if section.has("api_key_file") && section.has("api_key_env") {
        section.complain("api_key_file", "write either api_key_file or api_key_env.", problems);
        return ApiKey::Missing;
    }
    let facts = kind.facts_at(base_url);
    let first = facts.key_variables.first().copied();
    let (setting, text) = match (file, variable) {
        (Some(path), _) => match std::fs::read_to_string(path) {
            Ok(text) => ("api_key_file", Some(text)),
            Err(error) => {
                let sentence = format!("the file cannot be read: {}.", error.kind());
                section.complain("api_key_file", sentence, problems);
                return ApiKey::Missing;
            }
        },
        (None, Some(name)) if Some(name.as_str()) != first => ("api_key_env", env.get(&name).cloned()),
        _ => {
            let found = facts.key_variables.iter().find_map(|name| filled(env, name));
            ("api_key_env", found.map(str::to_owned))
        }
    };
    let named = section.has("api_key_file") || section.has("api_key_env");
    let text = text.unwrap_or_default();
    let text = text.trim();
    if text.is_empty() {
        return if facts.keyless && !named { ApiKey::NotNeeded } else { ApiKey::Missing };
    }
    if let Some(sentence) = hints::not_a_secret(text) {
        section.complain(setting, sentence, problems);
        return ApiKey::Missing;
    }
    if text.chars().any(|c| c.is_whitespace() || !c.is_ascii_graphic()) {
        let sentence = "the key holds white space or signs that cannot be sent in a header.";
        section.complain(setting, sentence, problems);
        return ApiKey::Missing;
    }
    ApiKey::Secret(SecretString::from(text.to_owned()))
}

pub(super) fn filled<'a>(env: &'a HashMap<String, String>, name: &str) -> Option<&'a str> {
    env.get(name).map(|text| text.trim()).filter(|text| !text.is_empty())
}
