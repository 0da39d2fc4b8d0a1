//! Where a key stands that was written in the wrong section.

/// Keys of one section only, each with its whole path.
const KEYS: [&str; 68] = [
    "providers.<name>.kind",
    "providers.<name>.model",
    "providers.<name>.base_url",
    "providers.<name>.api_key_env",
    "providers.<name>.api_key_file",
    "providers.<name>.timeout",
    "providers.<name>.max_tokens_per_doc",
    "providers.<name>.priority",
    "providers.<name>.activation",
    "providers.<name>.scoring",
    "providers.<name>.region",
    "providers.<name>.max_concurrency",
    "providers.<name>.requests_per_minute",
    "providers.<name>.max_search_units_per_minute",
    "providers.<name>.max_search_units_per_day",
    "providers.<name>.max_search_units_per_search",
    "providers.<name>.max_tokens_per_minute",
    "providers.<name>.max_tokens_per_day",
    "providers.<name>.finish_in_background",
    "providers.<name>.max_in_background",
    "providers.<name>.breaker",
    "listeners[].upstream",
    "listeners[].upstream.url",
    "listeners[].upstream.host",
    "listeners[].upstream.http2",
    "listeners[].upstream.server_name",
    "listeners[].upstream.connect_timeout",
    "listeners[].upstream.answer_timeout",
    "listeners[].upstream.forward_timeout",
    "listeners[].dialect",
    "listeners[].max_connections",
    "admin.ready_needs_upstream",
    "rerank_api.allow_models",
    "rerank_api.max_documents",
    "inspector.capture",
    "inspector.keep",
    "cache.ttl",
    "cache.secret_file",
    "cache.redis",
    "limits.max_response_bytes",
    "limits.max_searches_in_flight",
    "limits.max_headers",
    "limits.max_head_bytes",
    "limits.head_timeout",
    "limits.idle_timeout",
    "limits.body_timeout",
    "limits.tunnel_timeout",
    "memory.max_buffered",
    "shutdown.delay",
    "shutdown.grace",
    "routes[].collection",
    "rerank.collections",
    "rerank.mode",
    "rerank.sample",
    "rerank.max_window",
    "rerank.fields",
    "rerank.score",
    "rerank.annotate",
    "rerank.min_score",
    "rerank.min_keep",
    "rerank.shadow_deadline",
    "rerank.partial_scores",
    "rerank.margin_gate",
    "rerank.fail_open",
    "rerank.widen",
    "rerank.query_sources",
    "rerank.query_path",
    "rerank.inference_ids",
];

/// The path of a key that belongs to another section.
pub(super) fn path(key: &str) -> Option<&'static str> {
    KEYS.into_iter().find(|path| path.rsplit('.').next() == Some(key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::{bad, try_load};

    #[test]
    fn every_path_is_one_that_the_reader_knows() {
        for path in KEYS {
            let mut text = "x".to_owned();
            for part in path.replace("<name>", "tei").split('.').rev() {
                text = match part.strip_suffix("[]") {
                    Some(list) => format!("{{ {list}: [{text}] }}"),
                    None => format!("{{ {part}: {text} }}"),
                };
            }
            let problems = try_load(&text, &[]).map(|_| String::new()).unwrap_or_else(|all| all.to_string());
            // What only some kinds have is known to be so.
            let own = ["priority", "activation", "scoring", "region", "max_tokens_per_doc"];
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
