//! What people write by mistake, and the sentence that mends it.

use std::path::Path;

use super::{
    Flags, load_path,
    tests::{bad, try_load},
};

const UPSTREAM: &str = "listeners: [{ upstream: { url: 'http://db:6333' } }]\n";

#[test]
fn what_newcomers_write_is_answered_with_what_to_write_instead() {
    for (text, expected) in [
        ("rerank:\n\twindow: 3", "line 3 is indented by a tab"),
        ("rerank: { fields: 'title,body' }", "[title, body]"),
        ("rerank: { collections: 'docs,wiki' }", "[docs, wiki]"),
        ("rerank: { fields: *text }", "not YAML"),
        ("admin: { listen: 9464 }", "write 127.0.0.1:9464 for this machine alone, or 0.0.0.0:9464"),
        ("admin: { listen: ':9464' }", "write 127.0.0.1:9464 for this machine alone"),
        ("admin: { listen: 'localhost:9464' }", "such as 127.0.0.1:9464"),
        ("admin: { listen: 'http://127.0.0.1:9464/' }", "has no scheme and no path: 127.0.0.1:9464"),
        ("admin: { listen: 127.0.0.1 }", "write the port behind it, such as 127.0.0.1:6343"),
        ("admin: { ready_needs_upstream: yes }", "`yes` is neither true nor false. Write true."),
        ("rerank: { annotate: 'off' }", "Write false."),
        ("rerank: { deadline: 2 }", "`2` is not a duration with its unit; write 2s or 2ms."),
        ("limits: { idle_timeout: 30 }", "write 30s or 30ms"),
        ("cache: { max_bytes: 64 }", "write the unit: 64MiB"),
        ("cache: { max_bytes: 64M B }", "not a size"),
        ("inspector: { max_bytes: 16 }", "write the unit: 16MiB"),
        ("window: 30", "it stands elsewhere: `rerank.window`"),
        ("rerank: { max-window: 30 }", "did you mean `max_window`?"),
        ("rerank: { maxWindow: 30 }", "did you mean `max_window`?"),
        ("rerank: { field: title }", "did you mean `fields`?"),
        ("provider: { cohere: {} }", "did you mean `providers`?"),
        ("listener: []", "did you mean `listeners`?"),
        ("providers: [cohere]", "a map from names to settings, such as `cohere: {}`"),
        ("providers: cohere", "says rerank.providers"),
        ("providers: { x: { kind: bm25 } }", "write `kind: lexical`"),
        ("providers: { x: { kind: huggingface } }", "write `kind: tei`"),
        ("providers: { x: { kind: cohre } }", "Did you mean `cohere`?"),
        ("providers: { cohere: { api_key: k } }", "put a key into the variable that api_key_env names"),
        ("providers: { cohere: { model: '${MODEL}' } }", "nothing expands one here"),
        ("providers: { cohere: { model: $MODEL } }", "nothing expands one here"),
        ("rerank: { collections: ['${INDEX}-*'] }", "nothing expands one here"),
        ("providers: { cohere: { api_key_file: no/such/key } }", "no such file in "),
        ("providers: { cohere: { api_key_file: /no/such/key } }", "in a container that the file is mounted"),
        ("providers: { cohere: { api_key_file: / } }", "`/` is a folder, not a file"),
        ("<<: *x", "not YAML"),
    ] {
        let problems = bad(text);
        assert!(problems.contains(expected), "{text} gave {problems}");
    }
}

#[test]
fn a_listener_that_newcomers_write_is_answered_with_what_to_write_instead() {
    for (listener, expected) in [
        ("dialect: opensearch, upstream: { url: 'http://db' }", "write `dialect: elasticsearch`"),
        ("dialect: elastic, upstream: { url: 'http://db' }", "rite `dialect: elasticsearch`"),
        ("dialect: lancedb, upstream: { url: 'http://db' }", "rerank_api"),
        ("dialect: qdrnt, upstream: { url: 'http://db' }", "Did you mean `qdrant`?"),
        ("listen: 6334, upstream: { url: 'http://db' }", "write 127.0.0.1:6334"),
        ("upstream: 'localhost:6333'", "write the URL below it, as `url: http://…`"),
        ("upstream: { url: 'localhost:6333' }", "the scheme is missing"),
        ("upstream: { url: 'db' }", "the scheme is missing"),
        ("upstream: { url: 'http://${DB}:6333' }", "nothing expands one here"),
        ("upstream: { url: 'http://db' }, tls: true", "TLS needs `cert_file` and `key_file`"),
        ("upstream: { url: 'http://db', ca_file: /no/ca.pem }", "no such file"),
        ("upstream: { url: 'http://db' }, window: 3", "it stands elsewhere: `rerank.window`"),
    ] {
        let problems = try_load(&format!("listeners: [{{ {listener} }}]"), &[]).unwrap_err().to_string();
        assert!(problems.contains(expected), "{listener} gave {problems}");
    }
}

#[test]
fn a_variable_that_newcomers_write_is_answered_with_the_one_that_is_meant() {
    for (name, value, expected) in [
        (
            "RERANKD_RERANK_WINDOW",
            "30",
            "RERANKD_RERANK_WINDOW: no setting has this variable; write `RERANKD_RERANK__WINDOW`",
        ),
        ("rerankd_rerank__window", "30", "write `RERANKD_RERANK__WINDOW`"),
        ("RERANKD_UPSTREAM", "http://db", "write `RERANKD_UPSTREAM__URL`"),
        ("RERANKD_ADMIN__LISTEN", "\"127.0.0.1:9464\"", "leave the marks out"),
        ("RERANKD_RERANK__FIELDS", "'title,body'", "leave the marks out"),
        ("RERANKD_UPSTREAM__URL", "$DATABASE_URL", "nothing expands one here"),
        ("CO_API_KEY", "\"abc\"", "leave the marks out"),
        ("CO_API_KEY", "$COHERE_KEY", "the name of a variable, not its value"),
        ("CO_API_KEY", "${COHERE_KEY}", "the name of a variable, not its value"),
        ("CO_API_KEY", "Bearer abc", "write the key alone"),
        ("CO_API_KEY", "abc\ndef", "several lines"),
    ] {
        let problems = try_load(UPSTREAM, &[(name, value)]).unwrap_err().to_string();
        assert!(problems.contains(expected), "{name} gave {problems}");
        assert!(!problems.contains("abc"), "a key is never repeated: {problems}");
    }
    // What Kubernetes sets for a Service of this name is no mistake.
    let services = [("RERANKD_PORT", "tcp://10.0.0.1:6343"), ("RERANKD_SERVICE_PORT_SEARCH", "6343")];
    assert!(try_load(UPSTREAM, &services).is_ok());
}

#[test]
fn a_configuration_file_that_is_not_there_says_how_to_name_one_or_do_without() {
    let env = std::collections::HashMap::new();
    let said =
        |path: &str| load_path(Some(Path::new(path)), &env, &Flags::default()).unwrap_err().to_string();
    let missing = said("no/such/rerankd.yaml");
    assert!(missing.contains("--config") && missing.contains("RERANKD_UPSTREAM__URL"), "{missing}");
    assert!(said("/").contains("it is a folder; name the file in it"), "{}", said("/"));
}
