//! One test per rule.

use std::time::Duration;

use super::*;
use crate::search::MostHits;

pub(super) fn ask<T>(target: &str, then: impl FnOnce(&Head<'_>) -> T) -> T {
    let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
    then(&Head { method: &Method::POST, path, query, headers: &HeaderMap::new() })
}

pub(super) fn read(target: &str, body: &str) -> SearchIntent {
    let body = Bytes::from(body.to_owned());
    ask(target, |head| Elastic.parse_body(head, &body)).unwrap().remove(0)
}

pub(super) fn widened(target: &str, body: &str, hits: u64, fields: &[&str]) -> (String, String, Vec<Strip>) {
    let fields = if fields == ["*"] { WantedFields::All } else { named(fields) };
    let plan = FetchPlan { hits: Some(hits), fields, ..FetchPlan::as_asked() };
    let body = Bytes::from(body.to_owned());
    let plans = vec![plan; 4];
    let rewrite = ask(target, |head| Elastic.widen_body(head, &body, &plans)).unwrap();
    (rewrite.target, String::from_utf8(rewrite.body.to_vec()).unwrap(), rewrite.strips)
}

fn named(names: &[&str]) -> WantedFields {
    WantedFields::Named(names.iter().map(|name| (*name).to_owned()).collect())
}

#[test]
fn only_searches_are_searches() {
    let operation = |target: &str| ask(target, |head| Elastic.kind(head));
    for (path, kind) in [
        ("/_search", SearchKind::Search),
        ("/a,b/_search/", SearchKind::Search),
        ("/%3Cb-%7Bnow%2Fd%7D%3E/_search", SearchKind::Search),
        ("/a/_msearch", SearchKind::Msearch),
        ("/a/_search/template", SearchKind::SearchTemplate),
        ("/_msearch/template", SearchKind::MsearchTemplate),
    ] {
        assert_eq!(operation(path), Some(kind), "{path}");
    }
    for path in [
        "/_search/scroll",
        "/a/_delete_by_query",
        "/a/_doc/_search",
        "/a/%5Fsearch",
        "//_search",
        "/a//_search",
        "/_sql/_search",
        "/a/_search//",
        "/_async_search",
        "/",
        "",
        "/a/_update_by_query",
        "/a/%5Fx/_search",
        "/_application/search_application/a/_search",
        "/_plugins/_knn/models/_search",
        "/x/_y/a/_search",
        "/x/a/_search/scroll",
        "/x/a/_search_shards",
        "/x/_search/template/y",
    ] {
        assert_eq!(operation(path), None, "{path}");
    }
}

#[test]
fn a_search_below_a_prefix_is_known_and_never_read() {
    for (path, kind) in [
        ("/a/t/_search", SearchKind::Search),
        ("/es/docs/_search/", SearchKind::Search),
        ("/x/es/docs/_search", SearchKind::Search),
        ("//x//docs//_search", SearchKind::Search),
        ("/es/_all/_search", SearchKind::Search),
        ("/es/a,b/_msearch", SearchKind::Msearch),
        ("/es/docs/_search/template", SearchKind::SearchTemplate),
        ("/es/docs/_msearch/template", SearchKind::MsearchTemplate),
    ] {
        assert_eq!(ask(path, |head| Elastic.kind_below_prefix(head)), Some(kind), "{path}");
        let read = ask(path, |head| Elastic.parse_body(head, &Bytes::from_static(b"{}")));
        assert!(read.is_err(), "{path}");
    }
}

#[test]
fn the_query_string_wins_over_the_body() {
    let intent = read("/a,b/_search?size=3&q=title:x", r#"{"size":7,"from":2,"query":{"match":{"t":"y"}}}"#);
    assert_eq!((intent.limit, intent.offset), (3, 2));
    assert_eq!(intent.native.among(|name| name == "title"), NativeText::One("x".into()));
    assert_eq!(intent.collections, ["a", "b"]);
    let (target, body, _) = widened("/a/_search?size=3&pretty", r#"{"size":7,"from":2}"#, 50, &[]);
    assert_eq!((target.as_str(), body.as_str()), ("/a/_search?size=50&pretty", r#"{"size":7,"from":0}"#));
    assert_eq!(widened("/a/_search?q=x", "", 50, &[]).0, "/a/_search?q=x&size=50");
}

#[test]
fn the_clients_own_timeout_is_read_and_the_query_string_wins() {
    let ms = |ms| Some(Duration::from_millis(ms));
    for (text, expected) in [
        ("500ms", ms(500)),
        ("2s", ms(2000)),
        ("1m", ms(60_000)),
        ("1 H", ms(3_600_000)),
        ("1d", ms(86_400_000)),
        ("7000micros", ms(7)),
        ("9000000nanos", ms(9)),
        (" 3S ", ms(3000)),
        ("0", ms(0)),
        ("-1", None),
        ("10", None),
        ("1.5s", None),
        ("2M", None),
        ("1w", None),
        ("99999999999999999d", None),
        ("", None),
    ] {
        let body = read("/a/_search", &format!(r#"{{"timeout":"{text}"}}"#));
        assert_eq!(body.timeout, expected, "{text}");
        let target = format!("/a/_search?timeout={}", text.replace(' ', "+"));
        assert_eq!(read(&target, r#"{"timeout":"9s"}"#).timeout, expected, "{text}");
    }
    assert_eq!(read("/_search", r#"{"timeout":-1}"#).timeout, None);
    assert_eq!(read("/_search", r#"{"timeout":null}"#).timeout, None);
    assert_eq!(read("/_search", r#"{"timeout":{"a":1}}"#).timeout, None);
    let lines = Bytes::from_static(b"{}\n{\"timeout\":\"1s\"}\n{}\n{}\n");
    let intents = ask("/_msearch?timeout=9s", |head| Elastic.parse_body(head, &lines)).unwrap();
    assert_eq!((intents[0].timeout, intents[1].timeout), (ms(1000), None));
}

#[test]
fn own_members_go_and_nothing_else() {
    let body = r#"{"rerank":{"query":"q","window":20,"deadline":"2s"} , "ext":{"rerank":{}},"size":1.5e0}"#;
    assert_eq!(read("/_search", body).keep, Some(KeepReason::Malformed));
    let body = r#"{"rerank":{"query":"q","window":20,"deadline":"2s"} , "ext":{"rerank":{}},"x":1.0e0}"#;
    let intent = read("/_search", body);
    assert!(intent.own_members && intent.keep.is_none());
    assert_eq!((intent.caller.query.as_deref(), intent.caller.deadline_ms), (Some("q"), Some(2000)));
    let rewrite = ask("/_search", |head| {
        Elastic.widen_body(head, &Bytes::from_static(body.as_bytes()), &[FetchPlan::as_asked()])
    });
    assert_eq!(rewrite.unwrap().body, r#"{"x":1.0e0}"#);
    assert_eq!(read("/_search", r#"{"rerank":{"window":"x"}}"#).keep, Some(KeepReason::Malformed));
}

#[test]
fn a_path_to_the_text_is_read_in_its_long_and_short_form() {
    for query in [r#"{"match":{"a.b":"words"}}"#, r#"{"match":{"a.b":{"query":"words"}}}"#] {
        let body = format!(
            r#"{{"query":{query},"ext":{{"rerank":{{"query_context":{{"query_text_path":"query.match.a.b.query"}}}}}}}}"#
        );
        assert_eq!(read("/_search", &body).caller.query.as_deref(), Some("words"));
    }
}

#[test]
fn what_is_not_ranked_by_relevance_is_left_alone() {
    for (target, body, reason) in [
        ("/_search", r#"{"size":0}"#, KeepReason::NotRanked),
        ("/_search?scroll=1m", "{}", KeepReason::NotRanked),
        ("/_search?sort=year", "{}", KeepReason::NotRanked),
        ("/_search", r#"{"sort":["_score","_id"]}"#, KeepReason::NotRanked),
        ("/_search", r#"{"search_after":[1]}"#, KeepReason::NotRanked),
        ("/_search", r#"{"pit":{"id":"a"},"sort":"_score"}"#, KeepReason::NotRanked),
        ("/_search", r#"{"pit":{"id":"a"},"sort":["_score"]}"#, KeepReason::NotRanked),
        ("/_search", r#"{"pit":{"id":"a"},"sort":{"_score":"desc"}}"#, KeepReason::NotRanked),
        ("/_search", r#"{"pit":{"id":"a"},"sort":[{"_score":{"order":"desc"}}]}"#, KeepReason::NotRanked),
        ("/_search", r#"{"pit":{"id":"a"},"sort":[{"_score":{}}]}"#, KeepReason::NotRanked),
        ("/_search?sort=_score", r#"{"pit":{"id":"a"}}"#, KeepReason::NotRanked),
        ("/_search?sort=_score:desc", r#"{"pit":{"id":"a"},"sort":[]}"#, KeepReason::NotRanked),
        ("/_search", r#"{"sort":{"_score":{"order":"asc"}}}"#, KeepReason::NotRanked),
        ("/_search", r#"{"sort":[{"_score":"desc"},"_shard_doc"]}"#, KeepReason::NotRanked),
        ("/_search", r#"{"ext":{"mmr":{"diversity":0.5}},"query":{"knn":{}}}"#, KeepReason::NotRanked),
        (
            "/_search",
            r#"{"retriever":{"diversify":{"type":"mmr","retriever":{"knn":{}}}}}"#,
            KeepReason::NotRanked,
        ),
        ("/_search", r#"{"retriever":{"standard":{"sort":["_score"]}}}"#, KeepReason::NotRanked),
        ("/_search", r#"{"size":-1}"#, KeepReason::Malformed),
        ("/_search", r#"{"stored_fields":"_none_"}"#, KeepReason::Unsupported),
        ("/_search?filter_path=-took", "{}", KeepReason::Unsupported),
        ("/_search?filter_path=took", "{}", KeepReason::Unsupported),
        ("/_search?format=yaml", "{}", KeepReason::Unsupported),
    ] {
        assert_eq!(read(target, body).keep, Some(reason), "{target} {body}");
    }
    for (target, body) in [
        ("/_search?sort=_score", "{}"),
        ("/_search", r#"{"sort":{"_score":"DESC"}}"#),
        ("/_search", r#"{"sort":[]}"#),
        ("/_search", r#"{"pit":{"id":"a"}}"#),
        ("/_search", r#"{"pit":{"id":"a"},"sort":[]}"#),
        ("/_search", r#"{"pit":{"id":"a"},"sort":null}"#),
        ("/_search", r#"{"pit":null,"sort":["_score"]}"#),
        ("/_search", r#"{"sort":[{"_score":{"order":"desc"}}]}"#),
        ("/_search?filter_path=hits", "{}"),
        ("/_search?filter_path=took,**.hits._source", "{}"),
        ("/_search?search_pipeline=_none", "{}"),
    ] {
        assert_eq!(read(target, body).keep, None, "{target} {body}");
    }
}

#[test]
fn widening_is_neutral_only_where_the_page_does_not_depend_on_the_size() {
    for (body, widening, max) in [
        (r#"{"query":{"match":{"a":"b"}},"aggs":{"x":{}}}"#, Widening::Neutral, 10_000),
        (r#"{"knn":{"query_vector":[1],"k":5}}"#, Widening::NotNeutral, 10_000),
        (r#"{"knn":{"query_vector":[1],"k":5},"aggs":{"x":{}}}"#, Widening::Never, 10_000),
        (r#"{"knn":{"query_vector":[1],"k":5},"query":{"match":{"a":"b"}}}"#, Widening::Never, 10_000),
        (r#"{"knn":[{"query_vector":[1],"k":5}]}"#, Widening::Never, 10_000),
        (r#"{"query":{"hybrid":{"queries":[]}}}"#, Widening::Never, 10_000),
        (r#"{"query":{"match_all":{}},"terminate_after":1}"#, Widening::Never, 10_000),
        (r#"{"query":{"match_all":{}},"rescore":{"window_size":5}}"#, Widening::Never, 10_000),
        (r#"{"retriever":{"rrf":{"retrievers":[],"rank_window_size":30}}}"#, Widening::NotNeutral, 30),
        (r#"{"retriever":{"standard":{"query":{"match":{"a":"b"}}}}}"#, Widening::Neutral, 10_000),
        (r#"{"size":10000,"from":1}"#, Widening::Never, 10_000),
    ] {
        let intent = read("/_search", body);
        assert_eq!((intent.widening, intent.max_hits), (widening, max), "{body}");
    }
}

#[test]
fn k_bounds_a_knn_search_and_grows_with_it() {
    let body = r#"{"knn":{"field":"v","query_vector":[0.1,2],"k":3,"num_candidates":20}}"#;
    let intent = read("/_search", body);
    assert_eq!((intent.limit, intent.vector.as_slice()), (3, &[0.1, 2.0][..]));
    let (_, body, strips) = widened("/_search", body, 50, &[]);
    assert_eq!(body, r#"{"knn":{"field":"v","query_vector":[0.1,2],"k":50,"num_candidates":50},"size":50}"#);
    assert_eq!(strips[0].total_at_most, Some(MostHits::InAll(3)));
}

#[test]
fn hidden_fields_are_asked_for_beside_the_source_unless_excluded() {
    let (_, body, strips) = widened("/_search", r#"{"size":5,"_source":["id"]}"#, 5, &["title", "body"]);
    assert_eq!(body, r#"{"size":5,"_source":["id"],"fields":["title","body"]}"#);
    assert!(
        strips[0]
            .paths
            .contains(&crate::search::StripPath { keys: vec!["fields".into(), "title".into()], keep: 0 })
    );
    let (_, body, _) =
        widened("/_search", r#"{"size":5,"_source":false,"fields":["title"]}"#, 5, &["title", "b"]);
    assert_eq!(body, r#"{"size":5,"_source":false,"fields":["title","b"]}"#);
    for same in
        [r#"{"size":5}"#, r#"{"size":5,"_source":{"excludes":["title"]}}"#, r#"{"size":5,"_source":"t*"}"#]
    {
        assert_eq!(widened("/_search", same, 5, &["title"]).1, same);
    }
    let (target, _, strips) = widened("/_search?size=5&_source_includes=id", "", 5, &["m.title"]);
    assert_eq!(target, "/_search?size=5&_source_includes=id,m.title");
    assert_eq!(strips[0].paths[0].keys, ["_source", "m", "title"]);
    let (target, _, _) =
        widened("/_search?filter_path=hits.hits._source", r#"{"size":5,"_source":["id"]}"#, 5, &["title"]);
    assert_eq!(target, "/_search?filter_path=hits.hits._source,hits.hits.fields");
}

#[test]
fn options_that_switch_the_source_off_unasked_are_known() {
    let asked = |target: &str, body: &str| widened(target, body, 5, &["content"]).1;
    let scripts = r#""script_fields":{"double":{"script":"1"}}"#;
    for (target, body, more) in [
        ("/_search", format!(r#"{{"size":5,{scripts}}}"#), r#","fields":["content"]"#),
        ("/_search", r#"{"size":5,"stored_fields":["a"]}"#.to_owned(), r#","fields":["content"]"#),
        ("/_search", r#"{"size":5,"stored_fields":"a"}"#.to_owned(), r#","fields":["content"]"#),
        ("/_search", r#"{"size":5,"stored_fields":[]}"#.to_owned(), r#","fields":["content"]"#),
        ("/_search", format!(r#"{{"size":5,{scripts},"stored_fields":["a"]}}"#), r#","fields":["content"]"#),
        ("/_search?stored_fields=a", r#"{"size":5}"#.to_owned(), r#","fields":["content"]"#),
        ("/_search", format!(r#"{{"size":5,"_source":false,{scripts}}}"#), r#","fields":["content"]"#),
        ("/_search", r#"{"size":5,"script_fields":{}}"#.to_owned(), ""),
        ("/_search", format!(r#"{{"size":5,{scripts},"_source":true}}"#), ""),
        ("/_search", format!(r#"{{"size":5,{scripts},"stored_fields":["_source"]}}"#), ""),
        ("/_search?stored_fields=a,_source", r#"{"size":5}"#.to_owned(), ""),
        ("/_search", r#"{"size":5,"docvalue_fields":["a"]}"#.to_owned(), ""),
    ] {
        // Before the last bracket.
        let expected = format!("{}{more}}}", &body[..body.len() - 1]);
        assert_eq!(asked(target, &body), expected, "{target} {body}");
    }
    // Without a body there is no place for `fields`.
    let without_body = |target: &str| {
        let (target, _, strips) = widened(target, "", 5, &["title", "content"]);
        let paths: Vec<String> = strips[0].paths.iter().map(|path| path.keys.join("/")).collect();
        (target, paths.join(" "))
    };
    for (target, more, paths) in [
        ("/_search?size=5&stored_fields=a", "&_source=title,content", "_source"),
        ("/_search?size=5&stored_fields=title", "&_source=content", "_source"),
        ("/_search?size=5&stored_fields=a,_source", "", ""),
        ("/_search?size=5&stored_fields=a&_source_excludes=content", "", ""),
        ("/_search?size=5&stored_fields=title,content", "", ""),
    ] {
        assert_eq!(without_body(target), (format!("{target}{more}"), paths.to_owned()), "{target}");
    }
    assert_eq!(
        without_body("/_search?_source=false&size=5"),
        ("/_search?_source=title,content&size=5".to_owned(), "_source".to_owned())
    );
    let (_, body, strips) = widened("/_search", &format!(r#"{{"size":5,{scripts}}}"#), 5, &["*"]);
    assert_eq!(body, format!(r#"{{"size":5,{scripts},"_source":true}}"#));
    assert_eq!(strips[0].paths[0].keys, ["_source"]);
}

#[test]
fn all_fields_are_asked_for_where_they_can_be_taken_out_again() {
    let all = |target: &str, body: &str| {
        let (target, body, strips) = widened(target, body, 5, &["*"]);
        let paths: Vec<String> = strips[0].paths.iter().map(|path| path.keys.join("/")).collect();
        (target, body, paths.join(" "))
    };
    let is = |target: &str, body: &str, paths: &str| (target.to_owned(), body.to_owned(), paths.to_owned());
    let source = "_source";
    let fields = "fields ignored_field_values";
    assert_eq!(
        all("/_search", r#"{"size":5,"_source":false,"fields":["a"]}"#),
        is("/_search", r#"{"size":5,"_source":true,"fields":["a"]}"#, source)
    );
    assert_eq!(
        all("/_search", r#"{"size":5,"stored_fields":["a"]}"#),
        is("/_search", r#"{"size":5,"stored_fields":["a"],"_source":true}"#, source)
    );
    assert_eq!(
        all("/_search?size=5&_source=false", r#"{"_source":["a"]}"#),
        is("/_search?size=5&_source=true", r#"{"_source":["a"]}"#, source)
    );
    assert_eq!(all("/_search?size=5&_source=false", ""), is("/_search?size=5&_source=true", "", source));
    assert_eq!(
        all("/_search", r#"{"size":5,"_source":["id"]}"#),
        is("/_search", r#"{"size":5,"_source":["id"],"fields":["*"]}"#, fields)
    );
    assert_eq!(
        all("/_search?filter_path=hits.hits._source", r#"{"size":5,"_source":"id"}"#),
        is(
            "/_search?filter_path=hits.hits._source,hits.hits.fields",
            r#"{"size":5,"_source":"id","fields":["*"]}"#,
            fields
        )
    );
    // What comes anyway, what is excluded, and what could not be told from the client's own.
    for (target, body) in [
        ("/_search", r#"{"size":5}"#),
        ("/_search", r#"{"size":5,"_source":true}"#),
        ("/_search", r#"{"size":5,"_source":{"excludes":["secret"]}}"#),
        ("/_search", r#"{"size":5,"_source":{"includes":["id"],"excludes":["id.x"]}}"#),
        ("/_search", r#"{"size":5,"_source":["id"],"fields":["id"]}"#),
        ("/_search", r#"{"size":5,"_source":["id"],"collapse":{"field":"id"}}"#),
        ("/_search?size=5&_source_includes=id", ""),
    ] {
        assert_eq!(all(target, body), is(target, body, ""));
    }
}

#[test]
fn sub_searches_are_edited_alone_and_keep_their_lines() {
    let body = "{\"index\":\"x\"}\r\n{\"size\":1}\r\n\n{\"rerank\":{},\"size\":2,\"q\":1}\n";
    let intents = ask("/p/_msearch", |head| Elastic.parse_body(head, &Bytes::from_static(body.as_bytes())));
    let intents = intents.unwrap();
    assert_eq!((intents[0].collections[0].as_str(), intents[1].collections[0].as_str()), ("x", "p"));
    let (_, out, strips) = widened("/p/_msearch", body, 9, &[]);
    assert_eq!(out, "{\"index\":\"x\"}\r\n{\"size\":9}\r\n\n{\"size\":9,\"q\":1}\n");
    assert_eq!(strips.len(), 2);
    for bad in ["{}\n{}", "{}\n", "", "{}\n[]\n", "{\n{}\n"] {
        let body = Bytes::from_static(bad.as_bytes());
        assert!(ask("/_msearch", |head| Elastic.parse_body(head, &body)).is_err(), "{bad:?}");
    }
}

#[test]
fn a_repeated_key_or_another_format_is_not_touched() {
    let parse = |body: &'static str| {
        ask("/_search", |head| Elastic.parse_body(head, &Bytes::from_static(body.as_bytes())))
    };
    assert!(matches!(parse(r#"{"size":1,"size":2}"#), Err(DialectError::Malformed { .. })));
    assert!(matches!(parse("[]"), Err(DialectError::Malformed { .. })));
}

#[test]
fn an_error_has_the_form_that_clients_read() {
    let response = Elastic.failure(StatusCode::BAD_GATEWAY, "no \"response\"");
    assert_eq!(response.status(), StatusCode::BAD_GATEWAY);
    assert_eq!(response.headers()["content-type"], "application/json");
    let json: Json = serde_json::from_slice(response.body()).unwrap();
    assert_eq!(json["status"], 502);
    assert_eq!(json["error"]["root_cause"][0]["reason"], "no \"response\"");
}

fn json_tree() -> impl Strategy<Value = Json> {
    let key = prop::sample::select(vec![
        "query",
        "bool",
        "must",
        "match",
        "knn",
        "k",
        "size",
        "from",
        "ext",
        "rerank",
        "query_context",
        "fields",
        "query_text_path",
        "_source",
        "includes",
        "retriever",
        "rrf",
        "standard",
        "text_similarity_reranker",
        "inference_text",
        "field",
        "filter",
        "retrievers",
        "sort",
        "hits",
        "responses",
        "total",
        "value",
        "_score",
        "query_string",
        "collapse",
        "title",
        "intervals",
        "stored_fields",
    ]);
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        "[a-z_.:*0-9 \\\\]{0,8}".prop_map(Json::from),
        key.clone().prop_map(Json::from),
    ];
    leaf.prop_recursive(5, 40, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Json::from),
            prop::collection::btree_map(key.clone().prop_map(str::to_owned), inner, 0..5)
                .prop_map(|map| Json::Object(map.into_iter().collect())),
        ]
    })
}

fn survive(target: &str, body: &Bytes) {
    ask(target, |head| {
        let dialect = Elastic;
        dialect.route(head);
        if let Ok(intents) = dialect.parse_body(head, body) {
            let plan = FetchPlan {
                hits: Some(50),
                fields: named(&["title", "a.b"]),
                without_reranker: true,
                ..FetchPlan::as_asked()
            };
            let rewrite = dialect.widen_body(head, body, &vec![plan; intents.len()]).unwrap();
            assert_eq!(rewrite.strips.len(), intents.len());
        }
        let _ = split(head, body.clone());
    });
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(target in "/[a-z_/%?&=;+,0-9*]{0,30}", body in prop::collection::vec(any::<u8>(), 0..60)) {
        survive(&target, &Bytes::from(body.clone()));
        survive("/_search", &Bytes::from(body.clone()));
        survive("/_msearch", &Bytes::from(body));
    }

    #[test]
    fn no_json_makes_it_panic_and_rewrites_stay_json(json in json_tree(), query in "(size|_source|filter_path|q)=[a-z0-9.,*%]{0,12}") {
        let body = Bytes::from(json.to_string());
        survive(&format!("/a/_search?{query}"), &body);
        survive("/_msearch", &Bytes::from(format!("{{}}\n{json}\n")));
        ask("/_search", |head| {
            let dialect = Elastic;
            if dialect.parse_body(head, &body).is_ok() {
                let plan = FetchPlan { hits: Some(50), fields: named(&["title"]), without_reranker: true, ..FetchPlan::as_asked() };
                let rewrite = dialect.widen_body(head, &body, &[plan]).unwrap();
                assert!(crate::wire::json::Value::parse(&rewrite.body).is_ok());
            }
        });
    }
}
