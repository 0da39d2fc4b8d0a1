//! Elasticsearch's `text_similarity_reranker`, served by the proxy for the ids that the configuration names.

use serde_json::{Value, json};

use crate::harness::{Scripted, Sidecar, body_of, header, json_of, response};

const JSON: &str = "application/json";
const SERVED: &str = "inference_ids: ['my-*']";
/// How many hits the inner retriever has.
const HITS: u64 = 30;

/// A search by this reranker; `more` stands inside of it, `beside` next to the retriever.
fn search(id: &str, more: &str, beside: &str) -> String {
    format!(
        r#"{{"retriever":{{"text_similarity_reranker":{{"retriever":{{"standard":{{"query":{{"match":{{"body":"zebra"}}}}}}}},"field":"body","inference_id":"{id}","inference_text":"zebra crossing"{more}}}}}{beside}}}"#
    )
}

fn hit(id: u64, score: &str, source: &str) -> String {
    format!(r#"{{ "_index":"a", "_id":"{id}", "_score":{score}{source} }}"#)
}

fn page(hits: &[String], max_score: &str) -> String {
    let hits = hits.join(",");
    format!(
        r#"{{"took":3,"hits":{{"total":{{"value":{HITS},"relation":"eq"}},"max_score":{max_score},"hits":[{hits}]}}}}"#
    )
}

/// An Elasticsearch that knows no inference endpoint.
fn elasticsearch(request: &str) -> Option<String> {
    let (status, body) = one_response(&json_of(request));
    Some(response(status, JSON, &body))
}

fn one_response(asked: &Value) -> (u16, String) {
    if asked["retriever"]["standard"].is_null() {
        return (404, r#"{"error":{"type":"resource_not_found_exception"},"status":404}"#.to_owned());
    }
    let number = |name: &str, default| asked[name].as_u64().unwrap_or(default);
    let (from, size) = (number("from", 0), number("size", 10));
    let hit = |id: u64| {
        let source = if asked["_source"].is_null() {
            format!(r#","_source":{{"body":"text {id}"}}"#)
        } else {
            String::new()
        };
        let fields = if asked["fields"].is_null() {
            String::new()
        } else {
            format!(r#","fields":{{"body":["text {id}"]}}"#)
        };
        hit(id, &format!("{}.5", 90 - id), &(source + &fields))
    };
    let hits: Vec<String> = (from..(from + size).min(HITS)).map(hit).collect();
    (200, page(&hits, if size == 0 { "null" } else { "90.5" }))
}

/// The later a hit comes, the better, up to 0.29.
fn reversing(text: &str) -> f64 {
    text.rsplit(' ').next().unwrap().parse::<f64>().unwrap() / 100.0
}

/// What the client gets of hits with these ids, the score of each being one more than its relevance.
fn reranked(ids: impl IntoIterator<Item = u64>, best: u64, source: impl Fn(u64) -> String) -> String {
    let score = |id: u64| format!("{:?}", (id as f64 / 100.0) as f32 + 1.0);
    let hits: Vec<String> = ids.into_iter().map(|id| hit(id, &score(id), &source(id))).collect();
    page(&hits, &score(best))
}

fn source(id: u64) -> String {
    format!(r#","_source":{{"body":"text {id}"}}"#)
}

async fn sidecar(database: &Scripted, rerank: &str) -> Sidecar {
    Sidecar::start(database.addr, Scripted::scoring(reversing).await, rerank, "").await
}

fn status(message: &str) -> &str {
    header(message, "x-rerank-status").expect("a status header")
}

#[tokio::test]
async fn a_named_id_is_answered_as_elasticsearch_would_have() {
    let database = Scripted::start(elasticsearch).await;
    let sidecar = sidecar(&database, SERVED).await;
    let body =
        search("my-cohere", r#","rank_window_size":20,"min_score":0.18"#, r#","size":5,"_source":["id"]"#);
    let got = sidecar.post("/a/_search", "", &body).await;
    assert_eq!((status(&got), header(&got, "x-rerank-query-source")), ("applied", Some("body")));
    assert_eq!(body_of(&got), reranked([19, 18], 19, |_| String::new()));
    let seen = database.seen();
    assert_eq!(seen.len(), 1);
    let inner = json!({
        "retriever": {"standard": {"query": {"match": {"body": "zebra"}}}},
        "size": 20, "_source": ["id"], "fields": ["body"]
    });
    assert_eq!(json_of(&seen[0]), inner);
    let call = json_of(&sidecar.service.seen()[0]);
    assert_eq!(call["query"], "zebra crossing");
    assert_eq!(call["documents"].as_array().unwrap().len(), 20);
    assert_eq!(call["documents"][7], "text 7");
}

#[tokio::test]
async fn its_pages_lie_within_its_window_and_tell_the_best_score_of_all() {
    let database = Scripted::start(elasticsearch).await;
    let sidecar = sidecar(&database, SERVED).await;
    for (from, ids) in [(0, vec![11, 10, 9, 8, 7]), (5, vec![6, 5, 4, 3, 2]), (10, vec![1, 0])] {
        let body = search("my-cohere", r#","rank_window_size":12"#, &format!(r#","size":5,"from":{from}"#));
        let got = sidecar.post("/a/_search", "", &body).await;
        assert_eq!(body_of(&got), reranked(ids, 11, source), "{from}");
    }
    let got = sidecar
        .post("/a/_search", "", &search("my-cohere", r#","rank_window_size":12"#, r#","from":12"#))
        .await;
    assert_eq!(status(&got), "kept; reason=past_window");
    assert_eq!(body_of(&got), page(&[], "null"));
}

#[tokio::test]
async fn another_id_is_forwarded_untouched() {
    let database = Scripted::start(elasticsearch).await;
    let sidecar = sidecar(&database, SERVED).await;
    for body in [search("theirs", "", ""), search("my-cohere", r#","tomorrow":true"#, "")] {
        let got = sidecar.post("/a/_search", "", &body).await;
        assert!(got.starts_with("HTTP/1.1 404 "), "{got}");
        assert_eq!(status(&got), "kept; reason=unsupported");
        assert_eq!(body_of(database.seen().last().unwrap()), body);
    }
    let strange = search("my-cohere", "", r#","runtime_mappings":{}"#);
    for headers in ["", "x-rerank: off\r\n"] {
        sidecar.post("/a/_search", headers, &strange).await;
        assert_eq!(body_of(database.seen().last().unwrap()), strange);
    }
    assert!(sidecar.service.seen().is_empty());
}

#[tokio::test]
async fn without_scores_the_candidates_come_in_their_own_order() {
    let body = search("my-cohere", r#","rank_window_size":20,"min_score":0.9"#, r#","size":3"#);
    let own_order = |from: u64| {
        let hits: Vec<String> =
            (from..from + 3).map(|id| hit(id, &format!("{}.5", 90 - id), &source(id))).collect();
        page(&hits, "90.5")
    };
    let failing = Scripted::start(|_| Some(response(503, JSON, "{}"))).await;
    let database = Scripted::start(elasticsearch).await;
    let sidecar = Sidecar::start(database.addr, failing, SERVED, "").await;
    let got = sidecar.post("/a/_search", "", &body).await;
    assert_eq!((status(&got), body_of(&got)), ("kept; reason=provider_unavailable", own_order(0).as_str()));
    assert_eq!(database.seen().len(), 1);
    // Also where reranking is not even tried: the database does not know the id.
    let got = sidecar.post("/a/_search", "x-rerank: off\r\n", &body).await;
    assert_eq!((status(&got), body_of(&got)), ("kept; reason=off", own_order(0).as_str()));
    let page_two = body.replace(r#""size":3"#, r#""size":3,"from":4"#);
    let got = sidecar.post("/a/_search", "x-rerank-window: 4\r\n", &page_two).await;
    assert_eq!((status(&got), body_of(&got)), ("kept; reason=past_window", own_order(4).as_str()));
    assert_eq!(json_of(database.seen().last().unwrap())["size"], 3);
}

#[tokio::test]
async fn with_replay_a_failure_sends_the_clients_own_request() {
    let body = search("my-cohere", r#","rank_window_size":20"#, r#","size":3"#);
    let failing = Scripted::start(|_| Some(response(503, JSON, "{}"))).await;
    // An Elasticsearch that knows the id as well.
    let database = Scripted::start(|request| match json_of(request)["retriever"]["standard"] {
        Value::Null => Some(response(200, JSON, r#"{"hits":{"hits":[{"_id":"own"}]}}"#)),
        _ => elasticsearch(request),
    })
    .await;
    let rerank = format!("{SERVED}, fail_open: replay");
    let sidecar = Sidecar::start(database.addr, failing, &rerank, "").await;
    for (headers, reason, asked) in [
        ("", "provider_unavailable", 2),
        ("x-rerank: off\r\n", "off", 3),
        ("x-rerank-window: 0\r\n", "past_window", 4),
    ] {
        let got = sidecar.post("/a/_search", headers, &body).await;
        assert_eq!(status(&got), format!("kept; reason={reason}"));
        assert_eq!(json_of(&got)["hits"]["hits"][0]["_id"], "own", "{reason}");
        assert_eq!(database.seen().len(), asked, "{reason}");
        assert_eq!(body_of(database.seen().last().unwrap()), body);
    }
}

#[tokio::test]
async fn with_replay_rejected_candidates_leave_the_clients_own_request() {
    let body = search("my-cohere", r#","rank_window_size":20"#, r#","size":3"#);
    let database = Scripted::start(|request| match json_of(request)["retriever"]["standard"] {
        Value::Null => Some(response(200, JSON, r#"{"hits":{"hits":[{"_id":"1"},{"_id":"2"}]}}"#)),
        _ => Some(response(400, JSON, "{}")),
    })
    .await;
    let sidecar = sidecar(&database, &format!("{SERVED}, fail_open: replay")).await;
    let got = sidecar.post("/a/_search", "", &body).await;
    assert_eq!(status(&got), "kept; reason=upstream_error");
    assert_eq!(body_of(&got), r#"{"hits":{"hits":[{"_id":"1"},{"_id":"2"}]}}"#);
    assert!(sidecar.service.seen().is_empty(), "what Elasticsearch has reranked is not reranked again");
}

#[tokio::test]
async fn a_rejected_window_leaves_a_reranked_page_of_the_candidates() {
    let database = Scripted::start(|request| match json_of(request)["size"].as_u64() {
        Some(20) => Some(response(400, JSON, "{}")),
        _ => elasticsearch(request),
    })
    .await;
    let sidecar = sidecar(&database, SERVED).await;
    let body = search("my-cohere", r#","rank_window_size":20"#, r#","size":3"#);
    for asked in [2, 3] {
        let got = sidecar.post("/a/_search", "", &body).await;
        assert_eq!((status(&got), body_of(&got)), ("applied", reranked([2, 1, 0], 2, source).as_str()));
        assert_eq!(database.seen().len(), asked);
    }
}

#[tokio::test]
async fn its_window_is_bounded_by_the_configured_one_and_the_rest_follows() {
    let database = Scripted::start(elasticsearch).await;
    let sidecar = sidecar(&database, &format!("{SERVED}, window: 5, max_window: 5")).await;
    let body = search("my-cohere", r#","rank_window_size":25"#, r#","size":8"#);
    let got = sidecar.post("/a/_search", "", &body).await;
    assert_eq!(json_of(&database.seen()[0])["size"], 8);
    assert_eq!(json_of(&sidecar.service.seen()[0])["documents"].as_array().unwrap().len(), 5);
    let ids: Vec<Value> =
        json_of(&got)["hits"]["hits"].as_array().unwrap().iter().map(|h| h["_id"].clone()).collect();
    assert_eq!(ids, ["4", "3", "2", "1", "0", "5", "6", "7"]);
}

#[tokio::test]
async fn a_single_candidate_is_scored_and_may_fall_below_the_floor() {
    let one = |_: &str| Some(response(200, JSON, &page(&[hit(7, "83.5", &source(7))], "83.5")));
    let database = Scripted::start(one).await;
    let sidecar = sidecar(&database, SERVED).await;
    let got = sidecar.post("/a/_search", "", &search("my-cohere", "", "")).await;
    assert_eq!(body_of(&got), reranked([7], 7, source));
    let got = sidecar.post("/a/_search", "", &search("my-cohere", r#","min_score":0.5"#, "")).await;
    assert_eq!((status(&got), body_of(&got)), ("applied", page(&[], "null").as_str()));
}

#[tokio::test]
async fn searches_of_an_msearch_that_share_a_text_keep_their_own_windows_and_floors() {
    let database = Scripted::start(|request| {
        let lines: Vec<&str> = body_of(request).lines().collect();
        let responses: Vec<String> =
            lines.chunks(2).map(|pair| one_response(&serde_json::from_str(pair[1]).unwrap()).1).collect();
        Some(response(200, JSON, &format!(r#"{{"responses":[{}]}}"#, responses.join(","))))
    })
    .await;
    let sidecar = sidecar(&database, SERVED).await;
    let first = search("my-cohere", r#","rank_window_size":10"#, r#","size":2"#);
    let second = search("my-cohere", r#","rank_window_size":20,"min_score":0.19"#, r#","size":2"#);
    let theirs = search("theirs", "", "");
    let got =
        sidecar.post("/a/_msearch", "", &format!("{{}}\n{first}\n{{}}\n{second}\n{{}}\n{theirs}\n")).await;
    let (_, rejection) = one_response(&Value::Null);
    let expected = [reranked([9, 8], 9, source), reranked([19], 19, source), rejection].join(",");
    assert_eq!(body_of(&got), format!(r#"{{"responses":[{expected}]}}"#));
    assert_eq!(status(&got), "partial; reason=unsupported");
    assert_eq!(body_of(&database.seen()[0]).lines().nth(5), Some(theirs.as_str()));
    assert_eq!(sidecar.service.seen().len(), 1);
}

#[tokio::test]
async fn with_replay_a_search_whose_order_is_kept_goes_unchanged_beside_others() {
    let database = Scripted::start(|_| Some(response(200, JSON, r#"{"responses":[]}"#))).await;
    let sidecar = sidecar(&database, &format!("{SERVED}, fail_open: replay")).await;
    let past = search("my-cohere", r#","rank_window_size":20"#, r#","from":20"#);
    let other = search("my-cohere", "", "");
    sidecar.post("/a/_msearch", "", &format!("{{}}\n{past}\n{{}}\n{other}\n")).await;
    let seen = database.seen();
    let lines: Vec<&str> = body_of(&seen[0]).lines().collect();
    assert_eq!(lines[1], past);
    assert!(!lines[3].contains("text_similarity_reranker"), "{}", lines[3]);
}
