//! The reference file, the pages, `--help` and the program name the same settings.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use clap::CommandFactory;
use rerankd::{
    cli::Cli,
    config::{Config, page, reference, schema, to_yaml},
    search::KeepReason,
};
use saphyr::{LoadableYamlNode, Scalar, Yaml};
use serde_json::Value as Json;

const REFERENCE: &str = include_str!("../../deploy/config/reference.yaml");
const CONFIGURATION: &str = include_str!("../../docs/configuration.md");
/// What a user reads.
const PAGES: [&str; 17] = [
    include_str!("../../README.md"),
    include_str!("../../docs/add-a-database.md"),
    include_str!("../../docs/aws.md"),
    include_str!("../../docs/behaviour.md"),
    CONFIGURATION,
    include_str!("../../docs/databases.md"),
    include_str!("../../docs/embeddings.md"),
    include_str!("../../docs/measuring.md"),
    include_str!("../../docs/metrics.md"),
    include_str!("../../docs/operating.md"),
    include_str!("../../docs/performance.md"),
    include_str!("../../docs/providers.md"),
    include_str!("../../docs/reasons.md"),
    include_str!("../../docs/recipes.md"),
    include_str!("../../docs/rerank-api.md"),
    include_str!("../../docs/tenants.md"),
    include_str!("../../docs/traces.md"),
];
/// What an operator reads besides, which also names the flags of other programs.
const GUIDES: [&str; 4] = [
    include_str!("../../docs/inspector.md"),
    include_str!("../../docs/kubernetes.md"),
    include_str!("../../docs/runbook.md"),
    include_str!("../../deploy/prometheus/rules.yaml"),
];

/// Flags of other programs that the pages tell to run: cargo's and docker's.
const FOREIGN_FLAGS: [&str; 5] = ["--locked", "--now", "--read-only", "--release", "--rm"];

/// Every setting by its dotted path, the elements of a list under the list's own, with its value as text.
fn settings(text: &str) -> BTreeMap<String, String> {
    let documents = Yaml::load_from_str(text).unwrap();
    let mut found = BTreeMap::new();
    collect(&documents[0], "", &mut found);
    found
}

fn collect(yaml: &Yaml<'_>, path: &str, found: &mut BTreeMap<String, String>) {
    let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match yaml {
        Yaml::Mapping(pairs) => {
            found.insert(
                path.to_owned(),
                pairs.keys().filter_map(Yaml::as_str).collect::<Vec<_>>().join(", "),
            );
            pairs.iter().for_each(|(key, value)| collect(value, &below(key.as_str().unwrap()), found));
        }
        Yaml::Sequence(items) if items.iter().any(Yaml::is_mapping) => {
            items.iter().for_each(|item| collect(item, path, found));
        }
        Yaml::Sequence(items) => {
            let texts: Vec<String> = items.iter().map(text).collect();
            found.insert(path.to_owned(), texts.join(", "));
        }
        value => {
            found.insert(path.to_owned(), text(value));
        }
    }
}

fn text(value: &Yaml<'_>) -> String {
    match value {
        Yaml::Value(Scalar::String(text)) => text.to_string(),
        Yaml::Value(Scalar::Integer(number)) => number.to_string(),
        Yaml::Value(Scalar::Boolean(value)) => value.to_string(),
        Yaml::Value(Scalar::FloatingPoint(number)) => number.to_string(),
        _ => "null".to_owned(),
    }
}

/// The cells of the page's configuration table, less back-ticks: names, defaults.
fn table() -> Vec<(Vec<String>, Vec<String>)> {
    let lines = CONFIGURATION.lines().skip_while(|line| !line.starts_with("| option | default |")).skip(2);
    let cell = |text: &str| text.split(", ").map(|part| part.trim().trim_matches('`').to_owned()).collect();
    lines
        .take_while(|line| line.starts_with('|'))
        .map(|line| {
            let cells: Vec<&str> = line.trim_matches('|').split('|').collect();
            (cell(cells[0]), cell(cells[1]))
        })
        .collect()
}

/// The words that begin with `start` and go on with these characters.
fn words(text: &str, start: &str, more: impl Fn(char) -> bool) -> BTreeSet<String> {
    let ends = |rest: &str| rest.find(|c| !more(c)).unwrap_or(rest.len());
    let word = |(at, _): (usize, &str)| {
        let alone = !text[..at].ends_with(|c: char| more(c));
        let end = at + start.len() + ends(&text[at + start.len()..]);
        alone.then(|| text[at..end].to_owned())
    };
    text.match_indices(start).filter_map(word).filter(|word| word.len() > start.len()).collect()
}

fn flags(text: &str) -> BTreeSet<String> {
    let words = words(text, "--", |c| c.is_ascii_lowercase() || c == '-');
    words.into_iter().filter(|word| !word.starts_with("---")).collect()
}

/// Names such as `RERANKD_RERANK__WINDOW`; one that stands for many, `RERANKD_<SECTION>…`, is none.
fn variables(text: &str) -> BTreeSet<String> {
    let names = words(text, "RERANKD_", |c| c.is_ascii_uppercase() || c == '_');
    names.into_iter().filter(|name| !name.ends_with('_')).collect()
}

fn help() -> String {
    Cli::command().render_long_help().to_string()
}

/// Every command's arguments: long flag and variable.
fn arguments() -> Vec<(Option<String>, Option<String>)> {
    let root = Cli::command();
    let commands = std::iter::once(&root).chain(root.get_subcommands());
    commands
        .flat_map(|command| command.get_arguments())
        .filter(|argument| !["help", "version"].contains(&argument.get_id().as_str()))
        .map(|argument| {
            let variable = argument.get_env().map(|name| name.to_string_lossy().into_owned());
            (argument.get_long().map(|name| format!("--{name}")), variable)
        })
        .collect()
}

#[test]
fn the_reference_file_and_the_program_have_the_same_settings() {
    // The program prints a key that it has, the file says where to find it.
    let keys = |text: &str, less: &[&str]| -> BTreeSet<String> {
        settings(text).into_keys().filter(|path| !less.iter().any(|end| path.ends_with(end))).collect()
    };
    let printed = keys(&to_yaml(&Config::default()), &[".api_key"]);
    let written = keys(REFERENCE, &[".api_key_env", ".api_key_file"]);
    assert_eq!(printed, written);
}

/// Where the page's table of every setting begins and ends.
const MARKS: [&str; 2] = ["<!-- every setting, generated -->\n", "<!-- end of every setting -->\n"];
/// Where the generated part of the chart's schema begins: what a `config` may be.
const DEFINITIONS: &str = "  \"definitions\": {\n";

/// The files that are made of the list of settings, as they have to be.
fn published() -> Vec<(&'static str, String)> {
    let read = |path: &str| std::fs::read_to_string(root().join(path)).unwrap();
    let text = serde_json::to_string_pretty(&schema()).unwrap();
    let docs = read("docs/configuration.md");
    let (before, rest) = docs.split_once(MARKS[0]).unwrap();
    let (_, after) = rest.split_once(MARKS[1]).unwrap();
    let values = read("deploy/helm/rerankd/values.schema.json");
    let (own, _) = values.split_once(DEFINITIONS).unwrap();
    let definition: Vec<&str> = text.lines().filter(|line| !line.contains("\"$schema\"")).collect();
    let definition = definition.join("\n    ");
    vec![
        ("deploy/config/reference.yaml", reference()),
        ("deploy/config/schema.json", text + "\n"),
        ("docs/configuration.md", format!("{before}{}{}{}{after}", MARKS[0], page(), MARKS[1])),
        (
            "deploy/helm/rerankd/values.schema.json",
            format!("{own}{DEFINITIONS}    \"rerankd\": {definition}\n  }}\n}}\n"),
        ),
    ]
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn the_published_files_are_what_the_list_of_settings_makes() {
    let write = std::env::var_os("WRITE_SETTINGS").is_some();
    for (path, text) in published() {
        let path = root().join(path);
        if write {
            std::fs::write(&path, text).unwrap();
        } else {
            let is_same = std::fs::read_to_string(&path).is_ok_and(|now| now == text);
            let again = "WRITE_SETTINGS=1 cargo test --test it -- config_reference";
            assert!(is_same, "{} is not what src/config/list makes; write it anew: {again}", path.display());
        }
    }
}

/// Whether a schema of the kind that is published takes a value: what of draft 7 it uses.
fn takes(schema: &Json, value: &Json) -> bool {
    let types = |name: &str| match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "number" => value.is_number(),
        "integer" => value.is_i64() || value.is_u64(),
        "boolean" => value.is_boolean(),
        _ => value.is_null(),
    };
    let is_type = match &schema["type"] {
        Json::String(name) => types(name),
        Json::Array(names) => names.iter().any(|name| types(name.as_str().unwrap())),
        _ => true,
    };
    let any = schema["anyOf"].as_array().is_none_or(|all| all.iter().any(|each| takes(each, value)));
    let is_of = schema["enum"].as_array().is_none_or(|all| all.contains(value));
    let bound = |key: &str| schema[key].as_f64().zip(value.as_f64());
    let within = bound("minimum").is_none_or(|(least, value)| value >= least)
        && bound("maximum").is_none_or(|(most, value)| value <= most);
    let members = value.as_object().is_none_or(|members| {
        members.iter().all(|(key, value)| {
            match (&schema["properties"][key], &schema["additionalProperties"]) {
                (Json::Null, Json::Bool(false)) => false,
                (Json::Null, Json::Null) => true,
                (Json::Null, other) => takes(other, value),
                (own, _) => takes(own, value),
            }
        })
    });
    let items = value.as_array().is_none_or(|items| {
        schema["items"].is_null() || items.iter().all(|item| takes(&schema["items"], item))
    });
    is_type && any && is_of && within && members && items
}

fn json(yaml: &Yaml<'_>) -> Json {
    match yaml {
        Yaml::Mapping(pairs) => {
            pairs.iter().map(|(key, value)| (key.as_str().unwrap().to_owned(), json(value))).collect()
        }
        Yaml::Sequence(items) => items.iter().map(json).collect(),
        Yaml::Value(Scalar::String(text)) => Json::from(text.as_ref()),
        Yaml::Value(Scalar::Integer(number)) => Json::from(*number),
        Yaml::Value(Scalar::Boolean(value)) => Json::from(*value),
        Yaml::Value(Scalar::FloatingPoint(number)) => Json::from(number.into_inner()),
        _ => Json::Null,
    }
}

#[test]
fn the_schema_takes_what_the_program_takes_and_rejects_a_misspelt_setting() {
    let schema = schema();
    let takes = |text: &str| {
        let documents = Yaml::load_from_str(text).unwrap();
        takes(&schema, &json(&documents[0]))
    };
    for good in [
        REFERENCE,
        &to_yaml(&Config::default()).replace("      api_key: null\n", "").replace("    api_key: null\n", ""),
        include_str!("../../deploy/config/examples/qdrant.yaml"),
        include_str!("../../deploy/config/examples/elasticsearch.yaml"),
        include_str!("../../deploy/config/examples/opensearch.yaml"),
        "rerank: { mode: off, window: '30', sample: 5%, fields: title, deadline: 1m 30s }",
        "rerank: { mode: false, min_score: 0.25 }",
        "routes: [{ collection: 007, window: 3, min_score: null }]",
        "cache: { redis: 'rediss://u:p@h:1', max_bytes: 0, ttl: 1day }",
        "cache: { redis: { url: 'redis+cluster://a:1,b:2', cluster: true } }",
        "providers: { mine: { kind: bedrock-cohere, region: us-east-1 }, lexical: { fuse: false } }",
        "embeddings: { listen: '127.0.0.1:6363', services: { tei: { url: 'http://tei', form: tei } } }",
        "embeddings: { query_prefixes: [], memory: { max_bytes: 0, tolerant: true } }",
        "limits: { idle_timeout: 0s, max_head_bytes: 64KiB, max_request_bytes: 8 MiB }",
    ] {
        assert!(takes(good), "{good}");
    }
    for bad in [
        "rerank: { windwo: 30 }",
        "rerrank: {}",
        "rerank: { mode: shade }",
        "rerank: { deadline: 5 }",
        "rerank: { window: 0 }",
        "routes: [{ collections: a }]",
        "providers: { cohere: { modell: x } }",
        "providers: { cohere: { breaker: { windo: 1s } } }",
        "listeners: [{ upstream: { ulr: 'http://db' } }]",
        "listeners: [{ tls: { cert: /x } }]",
        "cache: { redis: { ur: 'redis://h' } }",
        "rerank: { allow: { model: [x] } }",
        "embeddings: { services: { openai: { ulr: 'http://h' } } }",
        "embeddings: { memory: { bytes: 1 } }",
    ] {
        assert!(!takes(bad), "{bad}");
    }
}

#[test]
fn the_pages_table_names_settings_of_the_reference_file_and_their_defaults() {
    let reference = settings(REFERENCE);
    let table = table();
    assert!(table.len() > 10, "{} rows", table.len());
    for (names, defaults) in table {
        let is_key = |name: &&String| !name.starts_with("--") && !name.starts_with("RERANKD_");
        let keys: Vec<String> = names.iter().filter(is_key).map(|name| name.replace("[]", "")).collect();
        assert!(!keys.is_empty(), "{names:?}");
        for key in &keys {
            assert!(reference.contains_key(key), "{key} is not in the reference file");
        }
        match keys.as_slice() {
            _ if ["–", "off"].contains(&defaults[0].as_str()) => {}
            [key] => assert_eq!(reference[key], defaults.join(", "), "{key}"),
            keys => {
                let written: Vec<&String> = keys.iter().map(|key| &reference[key]).collect();
                assert_eq!(written, defaults.iter().collect::<Vec<_>>(), "{keys:?}");
            }
        }
    }
}

/// Dotted names of settings, such as `rerank.window` or `providers.*.timeout`.
fn dotted(text: &str) -> BTreeSet<String> {
    const SECTIONS: [&str; 13] = [
        "admin.",
        "cache.",
        "embeddings.",
        "inspector.",
        "limits.",
        "listeners[].",
        "memory.",
        "providers.*.",
        "rerank.",
        "rerank_api.",
        "shutdown.",
        "telemetry.",
        "upstream.",
    ];
    // The member of a request's body.
    const OTHERS: [&str; 1] = ["rerank.query"];
    let is_file = |word: &str| [".md", ".png", ".yaml"].iter().any(|end| word.ends_with(end));
    let part = |c: char| c.is_ascii_alphanumeric() || "_.*[]".contains(c);
    let words = SECTIONS.iter().flat_map(|section| words(text, section, part));
    let words = words.map(|word| word.trim_end_matches(['.', ']']).to_owned());
    words.filter(|word| !OTHERS.contains(&word.as_str()) && !is_file(word)).collect()
}

#[test]
fn every_setting_that_an_operator_is_pointed_to_is_one() {
    let (reference, schema) = (settings(REFERENCE), schema());
    let advice = KeepReason::ALL.map(|reason| format!("{} {}", reason.meaning(), reason.remedy())).join("\n");
    let texts = PAGES.into_iter().chain(GUIDES).chain([advice.as_str()]);
    let named: BTreeSet<String> = texts.flat_map(dotted).collect();
    assert!(named.len() > 40, "{named:?}");
    let is_setting = |name: &String| {
        let path = name.replace("[]", "").replace("providers.*", "providers.cohere");
        // Every service has the same settings; what follows its name is one.
        let service = path.strip_prefix("embeddings.services.").map(|rest| rest.split_once('.').unzip().1);
        let path = match service {
            Some(key) => key
                .map_or("embeddings.services".to_owned(), |key| format!("embeddings.services.openai.{key}")),
            None => path,
        };
        // A section that is off by default has its members in the file's comments alone.
        let is_off = |of: &str| reference.get(of).is_some_and(|value| value == "null");
        let is_there = |path: &str| {
            reference.contains_key(path) || path.rsplit_once('.').is_some_and(|(of, _)| is_off(of))
        };
        let of_some_kinds = name.strip_prefix("providers.*.").is_some_and(|key| {
            !schema["properties"]["providers"]["additionalProperties"]["properties"][key].is_null()
        });
        is_there(&path) || is_there(&format!("listeners.{path}")) || of_some_kinds
    };
    let wrong: Vec<&String> = named.iter().filter(|name| !is_setting(name)).collect();
    assert!(wrong.is_empty(), "no settings: {wrong:?}");
}

#[test]
fn every_variable_that_is_named_anywhere_is_one() {
    let (reference, schema) = (settings(REFERENCE), schema());
    let of_arguments: BTreeSet<String> =
        arguments().into_iter().filter_map(|(_, variable)| variable).collect();
    let help = help();
    let named: BTreeSet<String> =
        PAGES.into_iter().chain(GUIDES).chain([REFERENCE, &help]).flat_map(variables).collect();
    assert!(named.len() > 3, "{named:?}");
    for name in named.union(&of_arguments) {
        let path = name.strip_prefix("RERANKD_").unwrap().to_ascii_lowercase().replace("__", ".");
        // A section that is off by default has its members in the file's comments alone.
        let is_off = |of: &str| reference.get(of).is_some_and(|value| value == "null");
        let of_listener = format!("listeners.{path}");
        let is_setting = reference.contains_key(&path)
            || reference.contains_key(&of_listener)
            || of_listener.rsplit_once('.').is_some_and(|(of, _)| is_off(of));
        let of_a_provider = path.strip_prefix("providers.").and_then(|of| of.split_once('.'));
        let of_some_kinds = of_a_provider.is_some_and(|(_, key)| {
            !schema["properties"]["providers"]["additionalProperties"]["properties"][key].is_null()
        });
        assert!(is_setting || of_some_kinds || of_arguments.contains(name), "{name} sets nothing");
    }
}

#[test]
fn the_help_and_the_pages_name_every_flag_and_variable_and_no_other() {
    let help = help();
    let arguments = arguments();
    let own: BTreeSet<String> = arguments.iter().filter_map(|(flag, _)| flag.clone()).collect();
    let named = PAGES.into_iter().flat_map(flags);
    let named: BTreeSet<String> = named.filter(|flag| !FOREIGN_FLAGS.contains(&flag.as_str())).collect();
    let known: BTreeSet<String> =
        own.iter().cloned().chain(["--help", "--version"].map(str::to_owned)).collect();
    assert!(named.is_subset(&known), "the pages name {:?}", named.difference(&known));
    assert!(own.is_subset(&named), "the pages lack {:?}", own.difference(&named));
    assert!(flags(&help).is_subset(&known), "{:?}", flags(&help).difference(&known));
    for variable in arguments.iter().filter_map(|(_, variable)| variable.as_ref()) {
        assert!(help.contains(variable), "{variable}");
    }
}

#[test]
fn the_defaults_in_the_help_are_those_of_the_reference_file() {
    let reference = settings(REFERENCE);
    let help = help();
    for (flag, path) in [("--listen", "listeners.listen"), ("--admin", "admin.listen")] {
        let about = help.split(&format!("{flag} <")).nth(1).unwrap().split("\n\n").next().unwrap();
        let about = about.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(about.contains(&format!("[default: {}]", reference[path])), "{flag}: {about}");
    }
}
