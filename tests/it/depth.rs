//! JSON nested a hundred thousand deep, wherever something reads it: nothing overflows, and nothing changes.

use crate::harness::{Scripted, Sidecar, body_of, header, response};

const JSON: &str = "application/json";
const QUERY: &str = "/collections/docs/points/query";
/// Of brackets and braces together.
const LEVELS: usize = 100_000;
const TEXT: &str = "x-rerank-query: zebra crossing\r\n";
const NO_TEXT: &str = "";

/// `inside`, within `open` and `close` as often as makes that many levels.
fn nested(open: &str, inside: &str, close: &str, levels: usize) -> String {
    let times = levels / close.len();
    format!("{}{inside}{}", open.repeat(times), close.repeat(times))
}

fn deep(open: &str, inside: &str, close: &str) -> String {
    nested(open, inside, close, LEVELS)
}

fn arrays() -> String {
    deep("[", "", "]")
}

fn objects() -> String {
    deep(r#"{"a":"#, "1", "}")
}

fn points(payload: &str) -> String {
    format!(
        r#"{{"result":{{"points":[{{"id":1,"score":0.2,"payload":{payload}}},{{"id":2,"score":0.1,"payload":{payload}}}]}}}}"#
    )
}

fn hits(member: &str) -> String {
    format!(
        r#"{{"hits":{{"hits":[{{"_id":"1","_score":2.5,{member}}},{{"_id":"2","_score":1.5,{member}}}]}}}}"#
    )
}

/// A second hit is the better one.
fn second_best(document: &str) -> f64 {
    if document.contains('2') { 0.9 } else { 0.1 }
}

/// Each body goes to the database unchanged, whose response is given unchanged.
async fn pass(target: &str, headers: &str, reason: &str, bodies: impl IntoIterator<Item = String>) {
    let database = Scripted::start(|_| Some(response(200, JSON, r#"{"ok":1}"#))).await;
    let rerank = "inference_ids: ['*'], fields: '*', query_path: params.q";
    let sidecar = Sidecar::start(database.addr, Scripted::scoring(second_best).await, rerank, "").await;
    for body in bodies {
        let got = sidecar.post(target, headers, &body).await;
        let start = &body[..body.len().min(80)];
        assert_eq!(body_of(&got), r#"{"ok":1}"#, "{start}");
        assert_eq!(
            header(&got, "x-rerank-status"),
            Some(format!("kept; reason={reason}").as_str()),
            "{start}"
        );
        assert!(body_of(database.seen().last().unwrap()) == body, "{start}");
    }
}

#[tokio::test]
async fn requests_a_hundred_thousand_deep_reach_the_database() {
    let prefetch = deep(r#"{"prefetch":"#, "{}", "}");
    let clause = deep(r#"{"bool":{"must":["#, "", "]}}");
    let retriever = deep(r#"{"rrf":{"retrievers":["#, "", "]}}");
    pass(
        QUERY,
        TEXT,
        "unsupported",
        [
            format!(r#"{{"query":[1],"prefetch":{prefetch}}}"#),
            format!(r#"{{"query":{}}}"#, arrays()),
            format!(r#"{{"query":{{"nearest":{}}}}}"#, objects()),
            format!(r#"{{"query":[1],"filter":{{"must":{}}}}}"#, deep(r#"{"must":["#, "", "]}")),
            format!(r#"{{"query":[1],"with_payload":{}}}"#, arrays()),
            format!(r#"{{"query":[1],"rerank":{}}}"#, arrays()),
        ],
    )
    .await;
    pass(
        "/a/_search",
        TEXT,
        "unsupported",
        [
            format!(r#"{{"query":{clause}}}"#),
            format!(r#"{{"query":{{"bool":{{"filter":{clause}}}}}}}"#),
            format!(r#"{{"query":{{"match":{{"f":{}}}}}}}"#, objects()),
            format!(r#"{{"knn":{{"query_vector":{}}}}}"#, arrays()),
            format!(r#"{{"_source":{},"sort":{}}}"#, arrays(), objects()),
            format!(r#"{{"retriever":{retriever}}}"#),
            format!(r#"{{"ext":{{"rerank":{}}}}}"#, arrays()),
            arrays(),
        ],
    )
    .await;
    let params = [
        format!(r#"{{"id":"t","params":{}}}"#, objects()),
        format!(r#"{{"id":"t","params":{{"q":{}}}}}"#, arrays()),
    ];
    pass("/a/_search/template", TEXT, "unsupported", params).await;
    let lines = [format!("{{}}\n{{\"query\":{clause}}}\n"), format!("{{\"index\":{}}}\n{{}}\n", arrays())];
    pass("/a/_msearch", TEXT, "unsupported", lines).await;
}

/// Just not too deep to be read: each reader stops by itself.
#[tokio::test]
async fn readers_of_deep_requests_stop_at_their_own_depth() {
    let deep = |open: &str, inside: &str, close: &str| nested(open, inside, close, 900);
    let (arrays, objects) = (deep("[", "", "]"), deep(r#"{"a":"#, "1", "}"));
    let prefetch = deep(r#"{"prefetch":"#, "{}", "}");
    pass(QUERY, TEXT, "unsupported", [prefetch]).await;
    pass(QUERY, NO_TEXT, "no_query", [format!(r#"{{"query":{arrays}}}"#)]).await;
    let clause = deep(r#"{"bool":{"must":["#, "", "]}}");
    let intervals = deep(r#"{"all_of":{"intervals":["#, "", "]}}");
    let retriever = deep(r#"{"rrf":{"retrievers":["#, "", "]}}");
    pass(
        "/a/_search",
        NO_TEXT,
        "no_query",
        [
            format!(r#"{{"query":{clause}}}"#),
            format!(r#"{{"query":{{"intervals":{{"f":{intervals}}}}}}}"#),
            format!(r#"{{"query":{{"match":{{"f":{objects}}}}}}}"#),
            format!(r#"{{"knn":{{"query_vector":{arrays}}},"_source":{arrays}}}"#),
        ],
    )
    .await;
    let reranker = format!(
        r#"{{"retriever":{{"text_similarity_reranker":{{"retriever":{retriever},"field":"b","inference_text":"x"}}}}}}"#
    );
    let sorted = [format!(r#"{{"sort":{arrays}}}"#), format!(r#"{{"retriever":{retriever}}}"#), reranker];
    pass("/a/_search", TEXT, "not_ranked", sorted).await;
    pass("/a/_search/template", NO_TEXT, "no_query", [format!(r#"{{"params":{{"q":{objects}}}}}"#)]).await;
    let path = vec!["a"; 65].join(".");
    let context = format!(r#"{{"rerank":{{"query_context":{{"query_text_path":"{path}"}}}}}}"#);
    let sidecar_body = format!(r#"{{"a":{objects},"ext":{context}}}"#);
    let database = Scripted::start(|_| Some(response(200, JSON, r#"{"ok":1}"#))).await;
    let sidecar = Sidecar::start(database.addr, Scripted::scoring(second_best).await, "", "").await;
    let got = sidecar.post("/a/_search", TEXT, &sidecar_body).await;
    assert_eq!(header(&got, "x-rerank-status"), Some("kept; reason=malformed"));
    assert!(body_of(&database.seen()[0]) == format!(r#"{{"a":{objects}}}"#));
}

#[tokio::test]
async fn a_deep_filter_of_a_served_reranker_is_carried_over() {
    let filter = nested(r#"{"bool":{"must":["#, "", "]}}", 900);
    let database = Scripted::start(|_| Some(response(200, JSON, &hits(r#""_source":{"b":"text"}"#)))).await;
    let sidecar =
        Sidecar::start(database.addr, Scripted::scoring(second_best).await, "inference_ids: ['*']", "").await;
    let body = format!(
        r#"{{"retriever":{{"text_similarity_reranker":{{"retriever":{{"standard":{{}}}},"field":"b","inference_text":"x","filter":{filter}}}}}}}"#
    );
    let got = sidecar.post("/a/_search", NO_TEXT, &body).await;
    assert_eq!(header(&got, "x-rerank-status"), Some("applied"));
    let expected = format!(r#"{{"retriever":{{"standard":{{"filter":[{filter}]}}}}}}"#);
    assert!(body_of(&database.seen()[0]) == expected);
}

#[tokio::test]
async fn deep_values_in_points_move_with_them() {
    let asked = r#"{"query":[1],"with_payload":true}"#;
    let beside = format!(r#"{{"text":"giraffe","deep":{}}}"#, objects());
    check(QUERY, asked, points(&beside), &["'*'"]).await;
    let in_place = format!(r#"{{"text":{}}}"#, arrays());
    check(QUERY, asked, points(&in_place), &["auto", "'*'", "[text]"]).await;
    let below = format!(r#"{{"a":{},"b":[{{"c":7}}]}}"#, deep("[{\"a\":", "1", "}]"));
    check(QUERY, asked, points(&below), &["'*'", "[a.a.a.a, b.c]"]).await;
}

#[tokio::test]
async fn deep_values_in_hits_move_with_them() {
    let asked = r#"{"query":{"match":{"a":"x"}}}"#;
    let beside = format!(r#""_source":{{"text":"giraffe"}},"highlight":{}"#, objects());
    check("/a/_search", asked, hits(&beside), &["auto"]).await;
    let in_place = format!(r#""_source":{{"text":{}}},"fields":{{"a":{}}}"#, arrays(), objects());
    check("/a/_search", asked, hits(&in_place), &["auto", "'*'", "[text, a.a.a]"]).await;
}

/// The response comes with its bytes, whether it is reranked or not, for each of these settings of `fields`.
async fn check(target: &str, body: &str, database_answer: String, fields: &[&str]) {
    let of_client = database_answer.clone();
    let database = Scripted::start(move |_| Some(response(200, JSON, &database_answer))).await;
    for fields in fields {
        let rerank = format!("fields: {fields}");
        let sidecar = Sidecar::start(database.addr, Scripted::scoring(|_| 0.5).await, &rerank, "").await;
        let got = sidecar.post(target, TEXT, body).await;
        assert!(got.starts_with("HTTP/1.1 200 "), "{}", &got[..200]);
        assert!(body_of(&got) == of_client, "{fields} {}", &of_client[..120]);
    }
}

#[tokio::test]
async fn what_is_taken_out_of_a_deep_hit_leaves_the_rest() {
    let value = deep("[{\"a\":", "1", "}]");
    let payload = format!(r#"{{"title":{value},"text":"giraffe","more":{value}}}"#);
    let all = points(&payload);
    let database = Scripted::start(move |_| Some(response(200, JSON, &all))).await;
    let sidecar = Sidecar::start(database.addr, Scripted::scoring(|_| 0.5).await, "fields: '*'", "").await;
    for (asked, left) in [
        (r#"["title"]"#.to_owned(), format!(r#"{{"title":{value}}}"#)),
        (r#"["title[].a[].b"]"#.to_owned(), r#"{"title":[{"a":[{}]}]}"#.to_owned()),
        ("[]".to_owned(), "{}".to_owned()),
    ] {
        let body = format!(r#"{{"query":[1],"with_payload":{asked}}}"#);
        let got = sidecar.post(QUERY, TEXT, &body).await;
        assert!(body_of(&got) == points(&left), "{asked}");
    }
    let body = format!(r#"{{"query":[1],"with_payload":["{}"]}}"#, vec!["a"; LEVELS].join("."));
    let got = sidecar.post(QUERY, TEXT, &body).await;
    assert!(got.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn a_deep_response_of_the_service_is_a_bad_one() {
    for body in [
        deep("[", "", "]"),
        format!(r#"{{"results":{}}}"#, arrays()),
        format!(r#"{{"meta":{},"results":[]}}"#, objects()),
    ] {
        let database = Scripted::start(|_| Some(response(200, JSON, &points(r#"{"text":"giraffe"}"#)))).await;
        let service = Scripted::start(move |_| Some(response(200, JSON, &body))).await;
        let sidecar = Sidecar::start(database.addr, service, "", "").await;
        let got = sidecar.post(QUERY, TEXT, r#"{"query":[1],"with_payload":true}"#).await;
        assert_eq!(header(&got, "x-rerank-status"), Some("kept; reason=bad_response"));
        assert_eq!(body_of(&got), points(r#"{"text":"giraffe"}"#));
    }
}

#[tokio::test]
async fn a_response_that_is_only_brackets_passes() {
    for body in
        [arrays(), objects(), format!(r#"{{"result":{}}}"#, arrays()), format!(r#"{{"hits":{}}}"#, objects())]
    {
        for (target, asked) in
            [(QUERY, r#"{"query":[1]}"#), ("/a/_search", r#"{"query":{"match":{"a":"x"}}}"#)]
        {
            check(target, asked, body.clone(), &["auto"]).await;
        }
    }
}
