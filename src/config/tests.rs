use std::{collections::HashMap, path::Path};

use super::*;
use crate::{
    rerank::{ApiKey, HttpSettings, LexicalSettings, ProviderKind},
    search::FieldSet,
};

const REFERENCE: &str = include_str!("../../deploy/config/reference.yaml");
const UPSTREAM: &str = "listeners: [{ upstream: { url: 'http://db:6333' } }]\n";

fn env(pairs: &[(&str, &str)]) -> HashMap<String, String> {
    pairs.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect()
}

pub(super) fn try_load(text: &str, pairs: &[(&str, &str)]) -> Result<Config, Problems> {
    load(Some((Path::new("f.yaml"), text)), &env(pairs), &Flags::default())
}

/// A good upstream and `text`, which has to load.
pub(super) fn good(text: &str, pairs: &[(&str, &str)]) -> Config {
    try_load(&format!("{UPSTREAM}{text}"), pairs).unwrap()
}

/// A good upstream and `text`, which must not.
pub(super) fn bad(text: &str) -> String {
    try_load(&format!("{UPSTREAM}{text}"), &[]).unwrap_err().to_string()
}

fn http(provider: &crate::rerank::ProviderSettings) -> &HttpSettings {
    match &provider.kind {
        ProviderKind::Http(http) => http,
        ProviderKind::Lexical(_) => panic!("{} is lexical", provider.name),
    }
}

#[test]
fn the_reference_file_is_the_defaults() {
    let config = try_load(REFERENCE, &[]).unwrap();
    assert_eq!(format!("{config:?}"), format!("{:?}", Config::default()));
}

#[test]
fn the_examples_load() {
    for text in [
        include_str!("../../deploy/config/examples/qdrant.yaml"),
        include_str!("../../deploy/config/examples/elasticsearch.yaml"),
        include_str!("../../deploy/config/examples/opensearch.yaml"),
    ] {
        try_load(text, &[]).unwrap();
    }
}

#[test]
fn two_settings_are_enough() {
    let pairs = [("RERANKD_UPSTREAM__URL", "http://db:6333"), ("COHERE_API_KEY", "k")];
    let config = load(None, &env(&pairs), &Flags::default()).unwrap();
    assert_eq!(config.listeners[0].upstream.url, "http://db:6333/");
    assert!(matches!(http(&config.providers[0]).api_key, ApiKey::Secret(_)));
}

#[test]
fn without_an_upstream_the_problem_says_how_to_name_one() {
    let problems = load(None, &env(&[]), &Flags::default()).unwrap_err().to_string();
    assert!(problems.contains("RERANKD_UPSTREAM__URL"), "{problems}");
}

#[test]
fn an_unknown_key_of_every_section_is_named_with_its_place_and_the_nearest_known_one() {
    for (text, expected) in [
        ("rerrank: {}", "2:1 rerrank: unknown key `rerrank`; did you mean `rerank`?"),
        ("admin: { lisen: x }", "2:10 admin.lisen: unknown key `lisen`; did you mean `listen`?"),
        ("rerank:\n  windwo: 3", "3:3 rerank.windwo: unknown key `windwo`; did you mean `window`?"),
        (
            "rerank: { allow: { model: [x] } }",
            "2:20 rerank.allow.model: unknown key `model`; did you mean `models`?",
        ),
        (
            "routes: [{ collection: a, windows: 3 }]",
            "2:27 routes[0].windows: unknown key `windows`; did you mean `window`?",
        ),
        (
            "providers: { cohere: { modell: x } }",
            "2:24 providers.cohere.modell: unknown key `modell`; did you mean `model`?",
        ),
        ("cache: { max_byte: 1 }", "2:10 cache.max_byte: unknown key `max_byte`; did you mean `max_bytes`?"),
        (
            "rerank_api: { deadlin: 3s }",
            "2:15 rerank_api.deadlin: unknown key `deadlin`; did you mean `deadline`?",
        ),
        ("limits: { zzz: 1 }", "2:11 limits.zzz: unknown key `zzz`; known here: max_request_bytes"),
    ] {
        let problems = bad(text);
        assert!(problems.starts_with(expected), "{problems}");
    }
    let problems =
        try_load("listeners: [{ upstream: { ulr: x }, dialekt: auto }]", &[]).unwrap_err().to_string();
    assert!(
        problems.contains("`ulr`; did you mean `url`") && problems.contains("did you mean `dialect`"),
        "{problems}"
    );
}

#[test]
fn a_bad_value_is_reported_with_its_path() {
    for (text, expected) in [
        ("admin: { listen: 'x:1' }", "2:18 admin.listen: `x:1` is not an address"),
        ("admin: { listen: '1.2.3.4:70000' }", "port from 0 to 65535"),
        ("admin: { ready_needs_upstream: maybe }", "neither true nor false"),
        ("rerank: { mode: shade }", "Did you mean `shadow`?"),
        (
            "tenants: { header: x-tenant, names: { a: {} } }",
            "tenants.networks: the header counts only from networks that are named",
        ),
        ("tenants: { networks: [10.0.0.0/8] }", "tenants.header: networks are for a header"),
        ("tenants: { header: x-tenant, networks: [10.0.0.0/40] }", "`10.0.0.0/40` is no network"),
        ("tenants: { header: 'a b', networks: [::1] }", "`a b` is no name of a header"),
        ("tenants: { header: x-rerank-query, networks: [::1] }", "rerankd's own"),
        ("tenants: { header: x-tenant, networks: [::1] }", "tenants.names: no tenant is named"),
        ("tenants: { names: { a: {} } }", "tenants.names.a: nothing tells this tenant's searches"),
        ("tenants: { names: { other: { collection: x } } }", "whoever is none of the tenants"),
        ("tenants: { names: { 'a b': { collection: x } } }", "a tenant's name is of letters"),
        ("tenants: { names: { a: { certificates: [acme] } } }", "write CN=…, DNS:… or URI:…"),
        ("tenants: { names: { a: { certificates: ['CN=a'] } } }", "no listener asks for them"),
        ("tenants: { names: { a: { collection: x, windwo: 3 } } }", "did you mean `window`?"),
        ("tenants: { names: { a: { collection: x, collections: [y] } } }", "unknown key `collections`"),
        (
            "tenants: { names: { a: { collection: x, providers: [coher] } } }",
            "tenants.names.a.providers: there is no provider `coher`",
        ),
        ("rerank: { sample: 0% }", "not a share over 0"),
        ("rerank_api: { max_documents: 0 }", "not a whole number from 1 to 10000"),
        ("rerank_api: { providers: [] }", "rerank_api.providers: the list is empty"),
        ("rerank_api: { providers: [coher] }", "2:26 rerank_api.providers: there is no provider `coher`"),
        ("rerank: { margin_gate: 1.5 }", "not a share over 0"),
        ("rerank: { passages: { bytes: 50 } }", "not a whole number from 100 to 262144"),
        (
            "rerank: { passages: { bytes: 250, overlap: 150 } }",
            "rerank.passages: overlap (150) is more than half of bytes (250).",
        ),
        ("rerank: { passages: { byte: 250 } }", "did you mean `bytes`?"),
        (
            "providers: { cohere: { max_tokens_per_day: 5 } }",
            "providers.cohere.max_tokens_per_day: this provider bills search units",
        ),
        (
            "providers: { voyage: { max_search_units_per_search: 1 } }",
            "providers.voyage.max_search_units_per_search: this provider bills tokens",
        ),
        (
            "providers: { cohere: { breaker: { failure_ration: 0.5 } } }",
            "providers.cohere.breaker.failure_ration: unknown key `failure_ration`; did you mean `failure_ratio`?",
        ),
        ("rerank: { window: fifty }", "`fifty` is not a whole number from 1 to 10000"),
        ("rerank: { window: 0 }", "not a whole number"),
        ("rerank: { window: 300 }", "window (300) is larger than max_window (200)"),
        ("rerank: { max_window: 20 }", "rerank.max_window: window (50) is larger than max_window (20)"),
        ("rerank: { deadline: 5 }", "write 5s or 5ms"),
        ("rerank: { deadline: 0s }", "of no use"),
        ("rerank: { min_score: .nan }", "not a number"),
        ("rerank: { score: replce }", "Did you mean `replace`?"),
        ("rerank: { fields: [] }", "the list is empty"),
        ("rerank: { fields: [a, '*'] }", "stands alone"),
        ("rerank: { collections: ['a[bc]'] }", "rerank.collections[0]: `a[bc]` is not a pattern"),
        ("rerank: { query_sources: [header, cookie] }", "rerank.query_sources[1]: `cookie` is not one of"),
        ("rerank: { query_path: a..b }", "not a dotted path"),
        ("rerank: { inference_ids: [a, 'b c'] }", "rerank.inference_ids[1]: `b c` is not an id"),
        (
            "rerank: { providers: [cohre] }",
            "2:22 rerank.providers: there is no provider `cohre`; did you mean `cohere`?",
        ),
        (
            "routes: [{ collection: a, providers: [mine] }]",
            "routes[0].providers: there is no provider `mine`",
        ),
        ("routes: [{ window: 3 }]", "a route needs a pattern"),
        ("routes: { a: b }", "routes: this has to be a list"),
        ("rerank: [a]", "rerank: this has to be a map"),
        ("rerank: { window: [1] }", "one value"),
        ("providers: { mine: { model: x } }", "a provider needs its kind"),
        ("providers: { cohere: { kind: coher } }", "Did you mean `cohere`?"),
        (
            "providers: { lexical: { model: x } }",
            "unknown key `model`; `lexical` computes its scores in this process",
        ),
        (
            "providers: { own: { kind: lexical, timeout: 1s } }",
            "and has no model, address, key or limits: known here: kind, fuse.",
        ),
        ("cache: { max_bytes: many }", "not a size"),
        ("cache: { secret_file: /no/such/file }", "cannot be read"),
        ("limits: { max_searches_in_flight: -1 }", "not a whole number"),
        ("limits: { max_head_bytes: 4KiB }", "not from 8KiB to 1MiB"),
        ("limits: { body_timeout: 5 }", "`5` is not a duration"),
        ("limits: { body_timeout: 101years }", "`101years` is longer than a hundred years"),
        ("cache: { ttl: 500000000000years }", "`500000000000years` is longer than a hundred years"),
        ("memory: { max_buffered: 10 }", "less than 1KiB"),
        ("shutdown: { delay: 5 }", "2:20 shutdown.delay: `5` is not a duration"),
        ("shutdown: { graze: 5s }", "did you mean `grace`"),
        ("a: [", "this is not YAML"),
        ("cache: {}\ncache: {}", "this is not YAML"),
    ] {
        let problems = bad(text);
        assert!(problems.contains(expected), "{text} gave {problems}");
    }
}

#[test]
fn a_bad_upstream_is_reported_and_its_url_never_quoted() {
    for url in [
        "ftp://s3cret",
        "s3cret",
        "http://u:s3cret@db",
        "http://db/a/../s3cret",
        "http://db:99999",
        "http://db:0",
        "http://db?s3cret",
        "http://",
        "http://:80",
        "s3cret:9200",
        "/s3cret",
    ] {
        let text = format!("listeners: [{{ upstream: {{ url: '{url}' }} }}]");
        let problems = try_load(&text, &[]).unwrap_err().to_string();
        assert!(problems.contains("listeners[0].upstream.url") && !problems.contains("s3cret"), "{problems}");
    }
}

#[test]
fn every_problem_is_reported_at_once_in_the_order_of_the_file() {
    let problems = bad("cache: { ttl: x }\nrerank: { window: x, score: x }\nadmin: { listen: x }");
    let paths: Vec<&str> = problems.lines().map(|l| l.split([' ', ':']).nth(2).unwrap()).collect();
    assert_eq!(paths, ["cache.ttl", "rerank.window", "rerank.score", "admin.listen"]);
}

#[test]
fn flags_go_before_the_environment_and_it_before_the_file() {
    let file = "listeners: [{ listen: '127.0.0.1:1', upstream: { url: 'http://file' } }]\nrerank: { window: 7, min_keep: 2 }";
    let pairs = [
        ("RERANKD_LISTEN", "127.0.0.1:2"),
        ("RERANKD_UPSTREAM__URL", "http://env"),
        ("RERANKD_UPSTREAM__HOST", "preserve"),
        ("RERANKD_RERANK__WINDOW", "9"),
        ("RERANKD_RERANK__PROVIDERS", "cohere, lexical"),
        ("RERANKD_RERANK__ALLOW__MAX_WINDOW", "100"),
        ("RERANKD_PROVIDERS__COHERE__MODEL", "rerank-v4.0-pro"),
        ("RERANKD_CACHE__MAX_BYTES", "1MiB"),
        ("RERANKD_MEMORY__MAX_BUFFERED", "2MiB"),
        ("RERANKD_CONFIG", "elsewhere"),
        ("RERANKD_PORT_9464_TCP", "tcp://10.0.0.1:9464"),
        ("RERANKD_RERANK__MIN_SCORE", ""),
    ];
    let flags =
        Flags { listen: Some("127.0.0.1:3".into()), admin: Some("127.0.0.1:4".into()), ..Flags::default() };
    let config = load(Some((Path::new("f"), file)), &env(&pairs), &flags).unwrap();
    assert_eq!(config.listeners[0].listen.port(), 3);
    assert_eq!(config.admin.listen.port(), 4);
    assert_eq!(config.listeners[0].upstream.url, "http://env/");
    assert_eq!(config.listeners[0].upstream.host, HostHeader::Preserve);
    assert_eq!((config.rerank.window, config.rerank.min_keep), (9, 2));
    assert_eq!(config.rerank.providers, ["cohere", "lexical"]);
    assert!(matches!(config.providers[1].kind, ProviderKind::Lexical(LexicalSettings { fuse: true })));
    assert_eq!(config.rerank.allow.max_window, Some(100));
    assert_eq!(http(&config.providers[0]).model.as_deref(), Some("rerank-v4.0-pro"));
    assert_eq!(config.cache.max_bytes, 1 << 20);
    assert_eq!(config.memory.max_buffered, Some(2 << 20));
}

#[test]
fn a_bad_variable_is_reported_by_its_name() {
    for (name, expected) in [
        ("RERANKD_RERANK__WINDOW", "rerank.window (RERANKD_RERANK__WINDOW): `x` is not"),
        ("RERANKD_RERANK__WINDWO", "rerank.windwo (RERANKD_RERANK__WINDWO): unknown key"),
        ("RERANKD_RERNK__WINDOW", "did you mean `RERANKD_RERANK__…`?"),
        ("RERANKD_ROUTES__0__WINDOW", "in the file only"),
        ("CO_API_URL", "CO_API_URL: "),
    ] {
        let problems = try_load(UPSTREAM, &[(name, "x")]).unwrap_err().to_string();
        assert!(problems.contains(expected), "{problems}");
    }
}

#[test]
fn settings_of_the_single_listener_are_rejected_beside_several() {
    let file = "listeners:\n  - { listen: '127.0.0.1:2', upstream: { url: 'http://a' } }\n  - { listen: '127.0.0.1:3', upstream: { url: 'http://b' } }\n";
    let flags =
        Flags { listen: Some("127.0.0.1:1".into()), upstream: Some("http://x".into()), ..Flags::default() };
    let pairs = env(&[("RERANKD_UPSTREAM__URL", "http://x")]);
    let problems = load(Some((Path::new("f"), file)), &pairs, &flags).unwrap_err();
    let mut paths: Vec<&str> = problems.0.iter().map(|p| p.path.as_str()).collect();
    paths.sort();
    assert_eq!(paths, ["--listen", "--upstream", "RERANKD_UPSTREAM__URL"]);
}

#[test]
fn a_route_overrides_the_base_key_by_key() {
    let config = good(
        "rerank: { window: 20, min_score: 0.5, fields: [a, b.c] }\n\
         routes: [{ collection: 007, min_score: null, fields: '*' }, { collection: 'x-*', window: 30 }]",
        &[("RERANKD_RERANK__DEADLINE", "2s")],
    );
    let [first, second] = config.routes.as_slice() else { panic!() };
    assert_eq!(first.collection, "007");
    assert_eq!((first.rerank.window, first.rerank.min_score), (20, None));
    assert_eq!(first.rerank.fields, FieldSet::All);
    assert_eq!((second.rerank.window, second.rerank.min_score), (30, Some(0.5)));
    assert_eq!(second.rerank.fields, FieldSet::Named(vec!["a".into(), "b.c".into()]));
    assert_eq!(second.rerank.deadline.as_secs(), 2);
}

#[test]
fn co_api_url_goes_before_the_file_for_cohere_only() {
    let text =
        "providers: { cohere: { base_url: 'http://a' }, other: { kind: cohere, base_url: 'http://b' } }";
    let config = good(text, &[("CO_API_URL", "http://c")]);
    let urls: Vec<&str> = config.providers.iter().map(|p| http(p).base_url.as_str()).collect();
    assert_eq!(urls, ["http://c", "http://b"]);
}

#[test]
fn a_key_is_never_in_debug_output_problems_or_the_printed_configuration() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "s3cret-of-file\n").unwrap();
    let text =
        format!("providers: {{ other: {{ kind: cohere, api_key_file: '{}' }} }}", file.path().display());
    let config = good(&text, &[("CO_API_KEY", "s3cret")]);
    assert!(config.providers.iter().all(|p| matches!(http(p).api_key, ApiKey::Secret(_))));
    assert_eq!(config.providers.len(), 2);
    assert!(!format!("{config:?}").contains("s3cret"));
    assert!(!to_yaml(&config).contains("s3cret"));

    let spoilt = try_load(UPSTREAM, &[("CO_API_KEY", "s3cret with spaces")]).unwrap_err();
    assert!(spoilt.to_string().contains("cannot be sent in a header"), "{spoilt}");
    assert!(!format!("{spoilt} {spoilt:?}").contains("s3cret"));
    for text in
        ["providers: { cohere: { api_key_env: s3cret-key } }", "providers: { cohere: { api_key: s3cret } }"]
    {
        assert!(!bad(text).contains("s3cret"));
    }
}

#[test]
fn a_tenant_is_printed_with_its_own_keys_alone_since_they_lie_over_every_route() {
    let of = |own: &str| {
        let text = "rerank: { window: 40 }\nroutes: [{ collection: x, window: 10 }]\n";
        good(&format!("{text}tenants: {{ names: {{ acme: {{ collection: [x]{own} }} }} }}"), &[])
    };
    for (own, window) in [("", 10), (", window: 40", 40), (", window: null", 10), (", fields: null", 10)] {
        let config = of(own);
        assert_eq!(config.tenants.each[0].routes[0].window, window);
        let printed = to_yaml(&config);
        let again = printed.lines().filter(|l| !l.contains("api_key:")).collect::<Vec<_>>().join("\n");
        let read = try_load(&again, &[]).unwrap();
        assert_eq!((read.tenants.each[0].routes[0].window, to_yaml(&read)), (window, printed));
    }
    assert_ne!(short_hash(&of("")), short_hash(&of(", window: 40")));
    // A null that leaves a setting to others is not its own, one that empties it is.
    let said = |own: &str| {
        to_yaml(&of(own)).split("acme").nth(1).unwrap().split("providers:").next().unwrap().to_owned()
    };
    assert!(!said(", fields: null").contains("fields"), "{}", said(", fields: null"));
    assert!(said(", min_score: null").contains("min_score: null"), "{}", said(", min_score: null"));
}

#[test]
fn a_route_is_printed_with_a_mode_only_where_it_has_one_since_a_tenant_opens_no_such_route() {
    for (own, mode) in [("", Mode::On), (", mode: off", Mode::Off)] {
        let text = format!(
            "rerank: {{ mode: off }}\nroutes: [{{ collection: x{own} }}]\ntenants: {{ names: {{ acme: {{ collection: [x], mode: on }} }} }}"
        );
        let config = good(&text, &[]);
        assert_eq!(config.tenants.each[0].routes[0].mode, mode);
        let printed = to_yaml(&config);
        let again = printed.lines().filter(|l| !l.contains("api_key:")).collect::<Vec<_>>().join("\n");
        assert_eq!(try_load(&again, &[]).unwrap().tenants.each[0].routes[0].mode, mode, "{printed}");
    }
}

#[test]
fn the_printed_configuration_gives_itself_again() {
    let text = "routes: [{ collection: 'a\"b*', window: 3, query_path: p.q, allow: { models: [x] }, inference_ids: ['my-*'] }]\n\
                rerank: { providers: [lexical, cohere], deadline: 1500ms, fields: ['auto'] }";
    let config = good(text, &[]);
    let printed = to_yaml(&config);
    let again = printed.lines().filter(|l| !l.contains("api_key:")).collect::<Vec<_>>().join("\n");
    assert_eq!(to_yaml(&try_load(&again, &[]).unwrap()), printed);
}

#[test]
fn the_rerank_api_listens_only_if_it_is_reported_where_and_then_needs_no_upstream() {
    let config = good("", &[]);
    assert!(config.rerank_api.listen.is_none() && config.rerank_api_providers().is_empty());
    let pairs = [("RERANKD_RERANK_API__LISTEN", "127.0.0.1:6353"), ("CO_API_KEY", "k")];
    let config = load(None, &env(&pairs), &Flags::default()).unwrap();
    assert!(config.listeners.is_empty());
    assert_eq!(config.rerank_api_providers(), ["cohere"]);
    let config = good("rerank_api: { listen: '127.0.0.1:1', providers: [lexical] }", &[]);
    assert_eq!(config.rerank_api_providers(), ["lexical"]);
    assert_eq!(config.providers.len(), 2, "a built-in provider is there as soon as it is named");
}

#[test]
fn an_address_or_a_provider_that_is_the_rerank_api_itself_is_a_problem() {
    let taken = bad("rerank_api: { listen: '127.0.0.1:6343' }");
    let said = "2:23 rerank_api.listen: 127.0.0.1:6343 is taken by listeners[0].listen (127.0.0.1:6343); give one of \
                them another port.";
    assert_eq!(taken, said);
    for (listen, url) in [
        ("127.0.0.1:6353", "http://127.0.0.1:6353"),
        ("127.0.0.1:6353", "http://localhost:6353/"),
        ("0.0.0.0:6353", "http://127.0.0.1:6353"),
        ("[::1]:6353", "http://[::1]:6353"),
    ] {
        let text = format!("{UPSTREAM}rerank_api: {{ listen: '{listen}' }}");
        let problems = try_load(&text, &[("CO_API_URL", url)]).unwrap_err().to_string();
        assert!(problems.contains("rerankd would ask itself"), "{problems}");
    }
    let text = format!("{UPSTREAM}rerank_api: {{ listen: '127.0.0.1:6353' }}");
    assert!(try_load(&text, &[("CO_API_URL", "http://127.0.0.1:6354")]).is_ok());
    assert!(try_load(&text, &[("CO_API_URL", "http://10.0.0.1:6353")]).is_ok());
}

#[test]
fn a_token_is_read_from_its_file_and_never_shown() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("token");
    let text = format!("rerank_api: {{ listen: '127.0.0.1:0', token_file: '{}' }}", file.display());
    std::fs::write(&file, "t0ken-of-callers\n").unwrap();
    let config = good(&text, &[]);
    assert!(config.rerank_api.token.is_some());
    assert!(!format!("{config:?}{}", to_yaml(&config)).contains("t0ken"));
    std::fs::write(&file, " \n").unwrap();
    assert!(bad(&text).contains("rerank_api.token_file: the token is empty"));
}

#[test]
fn a_file_that_is_too_deep_or_too_large_is_one_clear_problem() {
    let deep = |open: &str, close: &str| format!("rerank: {}x{}", open.repeat(10_000), close.repeat(10_000));
    let laughs: Vec<String> =
        (1..30).map(|n| format!("b{n}: &b{n} [{}]", vec![format!("*b{}", n - 1); 9].join(","))).collect();
    let indented: String = (0..300).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect();
    for (text, expected) in [
        (deep("[", "]"), "recursion limit exceeded"),
        (deep("{ a: ", " }"), "nested more than 32 levels"),
        (deep("[", ""), "recursion limit exceeded"),
        (format!("rerank: {}x{}", "[".repeat(40), "]".repeat(40)), "nested more than 32 levels"),
        (indented, "nested more than 32 levels"),
        (format!("b0: &b0 [lol]\n{}\n", laughs.join("\n")), "more than 50000 values"),
        (format!("rerank: {{ collections: [{}] }}", vec!["a"; 60_000].join(",")), "more than 50000 values"),
        (format!("# {}", "x".repeat(2 << 20)), "larger than 1.0 MiB"),
    ] {
        let problems = try_load(&text, &[]).unwrap_err();
        assert_eq!(problems.0.len(), 1, "{problems}");
        assert!(problems.to_string().contains(expected), "{problems}");
    }
}

#[test]
fn an_endless_file_is_not_read_to_its_end() {
    let problems = load_path(Some(Path::new("/dev/zero")), &env(&[]), &Flags::default()).unwrap_err();
    assert_eq!(problems.to_string(), "/dev/zero: the file is larger than 1.0 MiB.");
}

#[test]
fn aliases_within_bounds_are_read() {
    let text = "routes: [{ collection: a, allow: &some { models: [x] } }, { collection: b, allow: *some }]";
    let config = good(text, &[]);
    assert_eq!(config.routes[1].rerank.allow.models, ["x"]);
}

#[test]
fn a_floor_that_no_score_can_reach_or_that_all_do_is_a_problem() {
    for text in ["2", "1.01", "-0.1", "1e9", "-1", ".inf", "NaN", "50%", "x"] {
        for place in [
            format!("rerank: {{ min_score: {text} }}"),
            format!("routes: [{{ collection: a, min_score: {text} }}]"),
        ] {
            let problems = bad(&place);
            assert!(problems.contains("min_score: ") && problems.contains("from 0 to 1"), "{problems}");
        }
    }
    for text in ["0", "1", "0.5", "1e-3", "null"] {
        good(&format!("rerank: {{ min_score: {text} }}"), &[]);
    }
    let from_env = try_load(UPSTREAM, &[("RERANKD_RERANK__MIN_SCORE", "2")]).unwrap_err().to_string();
    assert!(from_env.contains("RERANKD_RERANK__MIN_SCORE") && from_env.contains("from 0 to 1"), "{from_env}");
}

#[test]
fn a_template_stands_instead_of_fields_and_a_route_can_have_another_or_none() {
    let text = |set: &FieldSet| match set {
        FieldSet::Template(template) => template.text().to_owned(),
        set => format!("{set:?}"),
    };
    let config = good(
        "rerank: { template: \"{title}\\n{body}\" }\nroutes: [{ collection: a }, { collection: b, template: '{x}' }, \
         { collection: c, fields: [x] }, { collection: d, template: null }]",
        &[],
    );
    assert_eq!(text(&config.rerank.fields), "{title}\n{body}");
    let routes: Vec<String> = config.routes.iter().map(|route| text(&route.rerank.fields)).collect();
    assert_eq!(routes, ["{title}\n{body}", "{x}", "Named([\"x\"])", "Auto"]);
    let from_env = good("", &[("RERANKD_RERANK__TEMPLATE", "{title}: {body}")]);
    assert_eq!(text(&from_env.rerank.fields), "{title}: {body}");
    for (written, said) in [
        ("template: '{title'", "rerank.template: the field that begins at character 1 has no `}`"),
        ("template: '{{title}}'", "there is no field in it"),
        ("template: '{title}\\n{body}'", "a line break needs double quotes"),
        ("fields: [a], template: '{b}'", "rerank.template: `fields` says what makes a document too"),
    ] {
        let problems = bad(&format!("rerank: {{ {written} }}"));
        assert!(problems.contains(said), "{written}: {problems}");
    }
}

#[test]
fn short_passages_overlap_less_by_default() {
    let overlap = |passages: &str| {
        good(&format!("rerank: {{ passages: {passages} }}"), &[]).rerank.passages().unwrap().rule.overlap
    };
    assert_eq!(overlap("{ bytes: 1200 }"), 150);
    assert_eq!(overlap("{ bytes: 200 }"), 100);
    assert_eq!(overlap("{ bytes: 200, overlap: 30 }"), 30);
    let problems = bad("rerank: { passages: { bytes: 200, overlap: 150 } }");
    assert!(
        problems.contains("rerank.passages: overlap (150) is more than half of bytes (200)."),
        "{problems}"
    );
    let route = good(
        "rerank: { passages: { bytes: 1200, overlap: 300 } }\nroutes: [{ collection: a, passages: { bytes: 400 } }]",
        &[],
    );
    assert_eq!(route.routes[0].rerank.passages().unwrap().rule.overlap, 200);
}

#[test]
fn several_names_in_one_text_are_a_problem_that_says_how_a_list_is_written() {
    for (text, list) in [
        ("rerank: { fields: 'title,body' }", "[title, body]"),
        ("rerank: { fields: 'title, body' }", "[title, body]"),
        ("rerank: { fields: 'title;body' }", "[title, body]"),
        ("rerank: { fields: ['title|body', x] }", "[title, body]"),
        ("rerank: { fields: \"title\\nbody\" }", "[title, body]"),
        ("routes: [{ collection: a, fields: 'meta.title,body' }]", "[meta.title, body]"),
        ("rerank: { allow: { fields: 'a,b' } }", "[a, b]"),
        ("rerank: { allow: { models: 'a,b' } }", "[a, b]"),
        ("rerank: { providers: 'cohere,lexical' }", "[cohere, lexical]"),
        ("providers: { cohere: { model: 'a,b' } }", "[a, b]"),
    ] {
        let problems = bad(text);
        assert!(problems.contains(list), "{text}: {problems}");
    }
    let fields = good("", &[("RERANKD_RERANK__FIELDS", "title,body")]).rerank.fields;
    assert_eq!(
        fields,
        FieldSet::Named(vec!["title".into(), "body".into()]),
        "variables hold lists with commas"
    );
}
