//! Where a key stands that was written in the wrong section.

use std::sync::LazyLock;

use super::list::entries;

/// Words of other programs for what is a setting here.
const FOREIGN: [(&str, &str); 25] = [
    ("top_k", "rerank.window"),
    ("top_n", "rerank.window"),
    ("candidates", "rerank.window"),
    ("rank_window_size", "rerank.window"),
    ("threshold", "rerank.min_score"),
    ("score_threshold", "rerank.min_score"),
    ("enabled", "rerank.mode"),
    ("text_fields", "rerank.fields"),
    ("indices", "rerank.collections"),
    ("indexes", "rerank.collections"),
    ("address", "listeners[].listen"),
    ("bind", "listeners[].listen"),
    ("port", "listeners[].listen"),
    ("backend", "listeners[].upstream.url"),
    ("database", "listeners[].upstream.url"),
    ("target", "listeners[].upstream.url"),
    ("hosts", "listeners[].upstream.url"),
    ("metrics", "admin.listen"),
    ("metrics_port", "admin.listen"),
    // Under `rerank` only models are named whose scores are known.
    ("model", "providers.<name>.model"),
    ("model_id", "providers.<name>.model"),
    ("endpoint", "providers.<name>.base_url"),
    ("api_url", "providers.<name>.base_url"),
    ("certificate", "listeners[].tls.cert_file"),
    ("ttl_seconds", "cache.ttl"),
];

/// The path of every setting and section, members of lists under `[]`, of providers under `<name>`.
static ALL: LazyLock<Vec<String>> = LazyLock::new(|| {
    let sections = ["listeners[].upstream", "providers.<name>.breaker"].map(str::to_owned);
    let of_routes = |path: &String| {
        path.starts_with("tenants.names.") || (path.starts_with("routes[].") && path != "routes[].collection")
    };
    let paths = entries().into_iter().map(|entry| entry.path).filter(|path| !of_routes(path));
    sections.into_iter().chain(paths).collect()
});

/// What is said of a key that stands in the wrong section, or has another name here.
pub(super) fn hint(section: &str, key: &str) -> Option<String> {
    if section.starts_with("embeddings.services") {
        match key {
            "base_url" | "endpoint" | "api_base" | "api_url" | "host" | "address" | "upstream" => {
                return Some("it is called `url` here.".to_owned());
            }
            "kind" | "type" | "format" | "dialect" | "shape" => {
                return Some("it is called `form` here.".to_owned());
            }
            "api_key" | "api_key_env" | "api_key_file" | "apikey" | "token" | "key" => {
                return Some("a service has no key here: clients send their own.".to_owned());
            }
            _ => {}
        }
    }
    match key {
        "api_key" | "apikey" | "apiKey" | "token" | "password" | "secret" => {
            return Some(
                "secrets are not written here: put a key into the variable that api_key_env names, or any of them \
                 into a file (api_key_file, token_file, password_file, secret_file)."
                    .to_owned(),
            );
        }
        "log" | "logging" | "log_level" | "loglevel" | "log_format" => {
            return Some("the log is set by --log-format and RUST_LOG.".to_owned());
        }
        "answer_timeout" => return Some("it is called `response_timeout`.".to_owned()),
        "answer_headers" => return Some("it is called `response_headers`.".to_owned()),
        "<<" => {
            return Some("merge keys are not understood; an alias as a whole value (`*name`) is.".to_owned());
        }
        _ => {}
    }
    let depth = |path: &str| path.matches('.').count() + 2 * usize::from(path.contains("[]"));
    let mut places: Vec<&str> =
        ALL.iter().map(String::as_str).filter(|path| path.rsplit('.').next() == Some(key)).collect();
    // Some kinds of provider have it, but not this one.
    let is_provider = section.starts_with("providers.") && section.matches('.').count() == 1;
    places.retain(|place| {
        !is_provider || !place.starts_with("providers.<name>.") || place.contains(".breaker.")
    });
    // What most files have stands first.
    places.sort_by_key(|path| (!path.starts_with("rerank."), path.starts_with("embeddings."), depth(path)));
    places.truncate(2);
    if let [(_, place)] = FOREIGN.iter().filter(|(word, _)| *word == key).collect::<Vec<_>>().as_slice() {
        places = vec![place];
    }
    let places: Vec<String> = places.iter().map(|place| format!("`{place}`")).collect();
    (!places.is_empty()).then(|| format!("it stands elsewhere: {}.", places.join(" or ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::{bad, try_load};

    #[test]
    fn every_path_is_one_that_the_reader_knows() {
        for path in ALL.iter() {
            let mut text = "x".to_owned();
            for part in path.as_str().replace("<name>", "tei").split('.').rev() {
                text = match part.strip_suffix("[]") {
                    Some(list) => format!("{{ {list}: [{text}] }}"),
                    None => format!("{{ {part}: {text} }}"),
                };
            }
            let problems = try_load(&text, &[]).map(|_| String::new()).unwrap_or_else(|all| all.to_string());
            // What only some kinds have is known to be so.
            let own = ["priority", "activation", "scoring", "region", "fuse"];
            let expected = own.iter().any(|key| path.ends_with(key));
            assert!(expected || !problems.contains("unknown key"), "{path}: {problems}");
        }
    }

    #[test]
    fn a_key_in_the_wrong_section_is_answered_with_its_place() {
        for (text, said) in [
            (
                "rerank:\n  model: rerank-v3.5",
                "3:3 rerank.model: unknown key `model`; it stands elsewhere: `providers.<name>.model`.",
            ),
            ("rerank: { ttl: 1h }", "`cache.ttl`"),
            ("window: 30", "2:1 window: unknown key `window`; it stands elsewhere: `rerank.window`"),
            ("deadline: 2s", "`rerank.deadline`"),
            ("url: 'http://x'", "`listeners[].upstream.url`"),
            ("upstream: { url: 'http://x' }", "`listeners[].upstream`"),
            ("listen: '127.0.0.1:1'", "`admin.listen`"),
            ("rerank: { top_k: 20 }", "`rerank.window`"),
            ("rerank: { threshold: 0.2 }", "`rerank.min_score`"),
            ("backend: 'http://x'", "`listeners[].upstream.url`"),
            ("providers: { cohere: { api_key: abc } }", "api_key_env"),
            ("rerank: { answer_headers: false }", "it is called `response_headers`"),
            ("log_level: debug", "RUST_LOG"),
            ("min_score: 0.2", "`rerank.min_score`"),
            ("routes: [{ collection: a, timeout: 1s }]", "`providers.<name>.timeout`"),
            ("providers: { cohere: { min_score: 0.1 } }", "`rerank.min_score`"),
            ("limits: { grace: 1s }", "`shutdown.grace`"),
            ("rerank: { modle: x }", "did you mean `mode`?"),
            ("rerank: { windwo: 3 }", "did you mean `window`?"),
        ] {
            let problems = bad(text);
            assert!(problems.contains(said), "{text}: {problems}");
        }
    }
}
