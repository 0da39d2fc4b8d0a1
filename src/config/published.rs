//! What is published of the settings: the reference file, the page's table and the JSON schema, all made of the lists.

use serde_json::{Value as Json, json};

use super::{
    kind::Kind,
    list::{self, Listed, entries, is_of},
    setting::Reload,
};
use crate::rerank::HttpKind;

/// Where the remarks of the reference file begin.
const COLUMN: usize = 38;
/// Where its lines end.
const WIDTH: usize = 122;

const HEAD: &str = "\
# Every option of rerankd with its default. Only the upstream's URL and a key (CO_API_KEY) have to be set.
#
# Made of the program's own list of settings (src/config/list), as schema.json beside it, by which editors complete and check:
# yaml-language-server: $schema=schema.json
#
# Scalars can also be set from the environment, RERANKD_<SECTION>__<KEY>, for example RERANKD_RERANK__WINDOW=100;
# flags go before the environment, the environment before this file. RERANKD_LISTEN and RERANKD_UPSTREAM__URL mean the
# single listener. null stands for \"not set\". Durations: 300ms, 1s, 24h. Sizes: 64MiB. `rerankd check` names every
# problem with its line.
";

const ROUTES: &str = "
# The first route whose pattern matches wins; it overrides any key of `rerank` but `collections`. For example:
#   - collection: \"legal-*\"
#     window: 100
#     min_score: 0.2
routes: []
";

const TENANTS: &str = "
# Who has settings, limits and a cache of its own, by name (docs/tenants.md). A tenant has the keys of `rerank` too, but
# `collections` and `response_headers`: they lie over `rerank` and over every route. For example:
#   acme: { window: 20, max_search_units_per_day: 5000, cache: { max_bytes: 16MiB } }
";

const PROVIDERS: &str = "
# A provider with the name of its kind needs no `kind`; docs/providers.md says what each kind needs, the variable of its key
# and what it bills. For example:
#   our-gpu: { kind: tei, base_url: \"http://tei:8080\" }
#   llama: { kind: llama-cpp, base_url: \"http://llama:8080\" }
#   backup: { kind: voyage, model: rerank-2.5-lite }
# lexical (embedded BM25) has `kind` and `fuse` alone. Keys that cohere does not have:
";

const RERANK_API: &str = "\n# For applications that call Cohere's SDK themselves: POST /v1/rerank and /v2/rerank on a listener of its own.\n";

const EMBEDDINGS: &str = "
# For applications whose searches have a vector alone: their embedding calls pass through here, so that rerankd knows which
# text a vector came from. Served below /<name> without an entry: openai, cohere, google, ollama, voyage, mistral, jina,
# nvidia. Others, or other settings of these, for example:
#   azure: { url: \"https://NAME.openai.azure.com\", form: openai }
#   tei: { url: \"http://tei:8080\", form: tei }
";

/// Sections that are off by default.
const OFF: [&str; 3] = ["tls", "sign", "redis"];

/// Those of a listener, which are off: their members are described right below them.
const OFF_IN_LISTENERS: [&str; 2] = ["listeners[].tls", "listeners[].upstream.sign"];

/// Settings that have to be set where their section is: what is shown of them elsewhere is an example.
const NO_DEFAULT: [&str; 4] = [".tls.cert_file", ".tls.key_file", ".sign.service", ".sign.region"];

/// What is said beside a section's name.
const SECTIONS: [(&str, &str); 6] = [
    ("services", "by name, which is the base path; keys are the clients' own"),
    ("listeners", "one or more (none with rerank_api.listen); each needs its own address"),
    ("limits", "a time of 0s or null is unlimited"),
    ("shutdown", "after SIGTERM or SIGINT; /readyz fails at once, a second signal ends at once"),
    (
        "telemetry",
        "OTEL_* variables of the OpenTelemetry specification count where this says nothing: docs/traces.md",
    ),
    ("allow", "what callers may ask for beyond narrowing"),
];

/// The reference file.
pub fn reference() -> String {
    let all = entries();
    let mut out = HEAD.to_owned();
    let mut open: Vec<String> = Vec::new();
    let is_live =
        |entry: &&Listed| !["routes[]", "tenants.names"].iter().any(|start| entry.path.starts_with(start));
    for entry in all.iter().filter(is_live) {
        let parts: Vec<&str> = entry.path.split('.').collect();
        let top = parts.first().copied().unwrap_or_default();
        if open.first().map(String::as_str) != Some(top) {
            match top {
                "tenants" => out.push_str(&(ROUTES.to_owned() + TENANTS)),
                "providers" => out.push_str(&providers_head(&all)),
                "rerank_api" => out.push_str(RERANK_API),
                "embeddings" => out.push_str(EMBEDDINGS),
                _ => out.push('\n'),
            }
        }
        let is_own = matches!(entry.key(), "fuse") || !is_of(entry.key(), HttpKind::Cohere);
        // Those of a section that is off have been described with it.
        let is_repeated = is_repeated_tls(entry) || OFF_IN_LISTENERS.contains(&entry.section());
        if is_repeated || (top == "providers" && is_own) {
            continue;
        }
        open_sections(&mut out, &mut open, &parts);
        member(&mut out, &mut open, entry, &parts, &all);
        if entry.path == "tenants.networks" {
            out.push_str(&a_tenant(&all));
        }
    }
    out
}

/// The tenants, of which there are none, with what one may have.
fn a_tenant(all: &[Listed]) -> String {
    let mut out = "  # names:\n  #   acme:\n".to_owned();
    let own =
        all.iter().filter(|entry| entry.path.starts_with("tenants.names.") && !is_of_rerank_in_tenant(entry));
    for entry in own {
        let key = entry.path.trim_start_matches("tenants.names.<name>.");
        let text = match key.split_once('.') {
            Some((section, key)) => format!("{section}: {{ {key}: {} }}", bare(&entry.default)),
            None => format!("{key}: {}", bare(&entry.default)),
        };
        line(&mut out, &format!("  #     {text}"), "", &help(entry), COLUMN);
    }
    out + "  names: {}\n"
}

/// The members of `tls` are listed with the first listener's.
fn is_repeated_tls(entry: &Listed) -> bool {
    ["rerank_api.tls.", "embeddings.tls."].iter().any(|start| entry.path.starts_with(start))
}

/// The keys of `rerank` are listed there.
fn is_of_rerank_in_tenant(entry: &Listed) -> bool {
    let rest = entry.path.strip_prefix("tenants.names.<name>.");
    rest.is_some_and(|rest| !list::TENANT.iter().any(|own| own.key == rest))
}

/// What stands above the providers, with the settings that cohere does not have.
fn providers_head(all: &[Listed]) -> String {
    let mut out = PROVIDERS.to_owned();
    let of_others = all.iter().filter(|entry| entry.section() == "providers.<name>");
    for entry in of_others.filter(|entry| entry.key() == "fuse" || !is_of(entry.key(), HttpKind::Cohere)) {
        line(&mut out, &format!("#   {}: {}", entry.key(), bare(&entry.default)), "", &help(entry), COLUMN);
    }
    out
}

/// Opens the sections that an entry is in and that are not open yet.
fn open_sections(out: &mut String, open: &mut Vec<String>, parts: &[&str]) {
    let sections = parts.get(..parts.len().saturating_sub(1)).unwrap_or_default();
    let same = open.iter().zip(sections).take_while(|(open, part)| open == part).count();
    open.truncate(same);
    for part in sections.iter().skip(same) {
        let name = part.trim_end_matches("[]");
        // A section that is off is only described.
        if !OFF.contains(part) {
            let name = match *part {
                "<name>" if open.first().is_some_and(|top| top == "embeddings") => "openai",
                "<name>" => "cohere",
                _ => name,
            };
            let about = SECTIONS.iter().find(|(each, _)| *each == name).map_or("", |(_, about)| *about);
            let indent = indent_of(open);
            line(out, &format!("{:indent$}{name}:", ""), "", about, COLUMN);
        }
        open.push((*part).to_owned());
    }
}

/// Blanks before the members of these open sections.
fn indent_of(open: &[String]) -> usize {
    open.iter().map(|part| if part.ends_with("[]") { 4 } else { 2 }).sum()
}

/// One setting; one of a section that is off as a remark, behind the section's own line.
fn member(out: &mut String, open: &mut [String], entry: &Listed, parts: &[&str], all: &[Listed]) {
    let is_off = parts.iter().rev().skip(1).any(|part| OFF.contains(part));
    let mut indent = indent_of(open);
    let text = format!("{}: {}", entry.key(), bare(&entry.default));
    if let Ok(Json::Array(items)) = serde_json::from_str(&entry.default)
        && text.len() > WIDTH
    {
        line(out, &format!("{:indent$}{}:", "", entry.key()), "", &help(entry), COLUMN);
        items.iter().for_each(|item| out.push_str(&format!("{:indent$}  - {item}\n", "")));
        return;
    }
    let is_first = matches!(parts, ["listeners[]", "listen"]);
    let dash = if is_first { "- " } else { "" };
    if is_first {
        indent -= 2;
    }
    let mark = if is_off { "# " } else { "" };
    line(out, &format!("{:indent$}{mark}{dash}{text}", ""), "", &help(entry), COLUMN);
    if OFF_IN_LISTENERS.contains(&entry.path.as_str()) {
        let indent = indent + 2;
        for each in all.iter().filter(|each| each.section() == entry.path) {
            let text = format!("{:indent$}# {}: {}", "", each.key(), bare(&each.default));
            line(out, &text, "  ", &help(each), COLUMN);
        }
    }
}

/// A line with its remark, which goes on below it in the same column.
fn line(out: &mut String, text: &str, inset: &str, remark: &str, column: usize) {
    let column = column.max(text.chars().count() + 1);
    let mut left = text.to_owned();
    if remark.is_empty() {
        out.push_str(&left);
        out.push('\n');
        return;
    }
    for part in wrapped(remark, WIDTH.saturating_sub(column + 2 + inset.len())) {
        out.push_str(&format!("{left:column$}# {inset}{part}\n"));
        left = String::new();
    }
}

fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// What a setting does, with its bounds and what a change of it does.
fn help(entry: &Listed) -> String {
    let mut help = entry.help.to_owned();
    if entry.key() == "kind" {
        help = format!("{help}: {}", entry.kind.choices().join(" | "));
    }
    let bounds = entry.kind.bounds();
    if !bounds.is_empty() {
        help = format!("{help}; {bounds}");
    }
    match entry.reload {
        Reload::Next => help,
        Reload::Restart => format!("{help}; a change needs a restart"),
        Reload::EmptiesCache => format!("{help}; a change empties the cache"),
        Reload::Forgets => format!("{help}; a change empties the memory"),
    }
}

/// A value without the quotation marks that it does not need.
fn bare(text: &str) -> String {
    match serde_json::from_str::<Json>(text) {
        Ok(Json::String(text)) => bare_text(&text),
        Ok(Json::Array(items)) => {
            let items: Vec<String> =
                items.iter().map(|item| item.as_str().map_or_else(|| item.to_string(), bare_text)).collect();
            format!("[{}]", items.join(", "))
        }
        _ => text.to_owned(),
    }
}

fn bare_text(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_./-".contains(c);
    match text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/') && text.chars().all(plain) {
        true => text.to_owned(),
        false => Json::from(text).to_string(),
    }
}

/// The table of the page on the configuration.
pub fn page() -> String {
    let mut out = "| setting | default | meaning |\n|---|---|---|\n".to_owned();
    for entry in entries() {
        if entry.path.starts_with("routes[].") && entry.key() != "collection"
            || is_repeated_tls(&entry)
            || is_of_rerank_in_tenant(&entry)
        {
            continue;
        }
        let path = entry.path.replace("<name>", "*");
        let mut names = vec![format!("`{path}`")];
        names.extend(entry.flag.map(|flag| format!("`{flag}`")));
        let default = match entry.default.as_str() {
            "null" => "–".to_owned(),
            _ if NO_DEFAULT.iter().any(|end| entry.path.ends_with(end)) => "–".to_owned(),
            default => format!("`{}`", bare(default).replace('|', "\\|")),
        };
        let default = if entry.path == "listeners[].upstream.url" { "–".to_owned() } else { default };
        let help = help(&entry).replace('|', "\\|").replace('*', "\\*").replace('<', "\\<");
        out.push_str(&format!("| {} | {default} | {help} |\n", names.join(", ")));
    }
    out
}

/// The JSON schema (draft 7) of the file. It rejects nothing that the program takes.
pub fn schema() -> Json {
    let mut root = map("The configuration of rerankd; every option is in reference.yaml.");
    for entry in entries() {
        let parts: Vec<&str> = entry.path.split('.').collect();
        place(&mut root, &parts, &entry);
    }
    let url_or_map = ["properties", "cache", "properties", "redis"];
    let redis = url_or_map.iter().try_fold(&mut root, |json, key| json.get_mut(*key));
    if let Some(redis) = redis {
        let map = redis.take();
        *redis = json!({ "anyOf": [map, Kind::RedisUrl.schema()] });
    }
    if let Some(root) = root.as_object_mut() {
        root.insert("$schema".to_owned(), json!("http://json-schema.org/draft-07/schema#"));
        root.insert("title".to_owned(), json!("rerankd.yaml"));
    }
    root
}

fn map(about: &str) -> Json {
    json!({
        "type": ["object", "null"],
        "description": about,
        "additionalProperties": false,
        "properties": {},
    })
}

/// Puts an entry's schema at its path, making sections on the way.
fn place(at: &mut Json, parts: &[&str], entry: &Listed) {
    let Some((part, rest)) = parts.split_first() else { return };
    if *part == "<name>" {
        if !at["additionalProperties"].is_object() {
            at["additionalProperties"] = map("One service, by a name of your choice.");
        }
        return place(&mut at["additionalProperties"], rest, entry);
    }
    let name = part.trim_end_matches("[]");
    let is_list = name.len() < part.len();
    let about = SECTIONS.iter().find(|(each, _)| *each == name).map_or("", |(_, about)| *about);
    if rest.is_empty() {
        let mut leaf = if matches!(entry.kind, Kind::Section) { map("") } else { entry.kind.schema() };
        leaf["description"] = json!(help(entry));
        if let Some(default) = json_default(entry) {
            leaf["default"] = default;
        }
        at["properties"][name] = leaf;
        return;
    }
    if at["properties"][name].is_null() {
        at["properties"][name] = match is_list {
            true => json!({ "type": ["array", "null"], "description": about, "items": map("") }),
            false => map(about),
        };
    }
    let next = &mut at["properties"][name];
    place(if is_list { &mut next["items"] } else { next }, rest, entry);
}

fn json_default(entry: &Listed) -> Option<Json> {
    if matches!(entry.kind, Kind::Section) || entry.path.ends_with("upstream.url") {
        return None;
    }
    let words = entry.default.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    Some(match (serde_json::from_str::<Json>(&entry.default), words) {
        (Ok(value), _) => value,
        (Err(_), Some(words)) => json!(words.split(", ").collect::<Vec<_>>()),
        (Err(_), None) => json!(entry.default),
    })
}
