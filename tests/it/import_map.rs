//! Who may import whom. The table is the architecture; this test keeps the code on it.

use std::{collections::BTreeSet, fs, path::Path};

/// Module, and the modules of ours that it may import.
const MAP: &[(&str, &[&str])] = &[
    ("search", &[]),
    ("telemetry", &[]),
    ("tenant", &[]),
    ("tls", &[]),
    ("system", &[]),
    ("workers", &[]),
    ("bounds", &["system"]),
    ("trouble", &["telemetry"]),
    ("body", &["bounds"]),
    ("traces", &["body", "telemetry", "trouble"]),
    ("wire", &["search"]),
    ("dialect", &["search", "wire"]),
    ("document", &["search", "wire"]),
    ("fleet", &[]),
    ("embedding", &["bounds", "fleet", "search", "wire"]),
    ("rerank", &["bounds", "fleet", "search", "traces", "trouble", "wire", "workers"]),
    ("signing", &["telemetry", "trouble"]),
    ("upstream", &["body", "bounds", "signing", "tls", "traces", "trouble", "workers"]),
    ("pipeline", &["bounds", "document", "rerank", "search", "tenant", "traces", "wire"]),
    (
        "proxy",
        &[
            "body",
            "bounds",
            "dialect",
            "embedding",
            "pipeline",
            "search",
            "signing",
            "tenant",
            "tls",
            "traces",
            "trouble",
            "upstream",
            "wire",
            "workers",
        ],
    ),
    ("embedding_api", &["body", "bounds", "embedding", "proxy", "search", "tenant", "upstream"]),
    (
        "rerank_api",
        &[
            "body",
            "bounds",
            "document",
            "embedding_api",
            "rerank",
            "search",
            "traces",
            "trouble",
            "upstream",
            "wire",
        ],
    ),
    ("admin", &["body", "pipeline", "search", "telemetry", "trouble"]),
    (
        "config",
        &[
            "dialect",
            "embedding",
            "fleet",
            "pipeline",
            "rerank",
            "search",
            "signing",
            "tenant",
            "tls",
            "traces",
            "upstream",
        ],
    ),
    (
        "app",
        &[
            "admin",
            "body",
            "bounds",
            "config",
            "dialect",
            "embedding",
            "embedding_api",
            "fleet",
            "pipeline",
            "proxy",
            "rerank",
            "rerank_api",
            "search",
            "signing",
            "system",
            "telemetry",
            "tenant",
            "tls",
            "traces",
            "upstream",
            "workers",
        ],
    ),
    (
        "probe",
        &[
            "body", "app", "bounds", "config", "dialect", "pipeline", "proxy", "rerank", "search", "tenant",
            "upstream",
        ],
    ),
    ("eval", &["app", "config", "pipeline", "probe", "rerank", "search"]),
    (
        "explain",
        &["admin", "app", "config", "dialect", "document", "pipeline", "probe", "rerank", "search", "wire"],
    ),
    ("demo", &["body", "app", "config", "embedding", "eval", "rerank", "search", "wire"]),
    (
        "cli",
        &[
            "app",
            "bounds",
            "config",
            "demo",
            "dialect",
            "eval",
            "explain",
            "fleet",
            "probe",
            "proxy",
            "rerank",
            "signing",
            "system",
            "telemetry",
            "tls",
            "workers",
        ],
    ),
];

fn sources(folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            found.push(text.split("#[cfg(test)]").next().unwrap().to_owned());
        }
    }
}

/// The modules named after `crate::` in a folder's code, in paths and in grouped `use`s.
fn imported(module: &str) -> BTreeSet<String> {
    let mut texts = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(module), &mut texts);
    let mut names = BTreeSet::new();
    for text in &texts {
        for part in text.split("crate::").skip(1) {
            let grouped = part.strip_prefix('{').map(top_level_names);
            let single = || vec![part.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()];
            names.extend(grouped.unwrap_or_else(single));
        }
    }
    names.remove(module);
    names
}

/// The first names of the entries of a `use crate::{…}` group.
fn top_level_names(group: &str) -> Vec<String> {
    let mut names = Vec::new();
    let (mut depth, mut name, mut reading) = (0, String::new(), true);
    for c in group.chars() {
        match c {
            '}' if depth == 0 => break,
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                names.push(std::mem::take(&mut name));
                reading = true;
            }
            c if depth == 0 && reading && (c.is_alphanumeric() || c == '_') => name.push(c),
            ':' => reading = false,
            _ => {}
        }
    }
    names.push(name);
    names.into_iter().filter(|name| !name.is_empty()).collect()
}

#[test]
fn imports_point_one_way() {
    for (at, (module, allowed)) in MAP.iter().enumerate() {
        let before: Vec<&str> = MAP[..at].iter().map(|(name, _)| *name).collect();
        for name in imported(module) {
            if !MAP.iter().any(|(known, _)| *known == name) {
                continue; // a macro or an item of the crate's root
            }
            assert!(allowed.contains(&name.as_str()), "{module} must not import {name}");
            assert!(before.contains(&name.as_str()), "{module} imports {name}, which stands below it");
        }
    }
}

#[test]
fn every_module_is_on_the_map() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for entry in fs::read_dir(src).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        assert!(!path.is_dir() || MAP.iter().any(|(known, _)| *known == name), "{name} is not on the map");
    }
}
