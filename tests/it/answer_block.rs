//! `rerank.answer_block`: the body of a response says how its searches ended.

use serde_json::{Value, json};

use crate::harness::{Scripted, Sidecar, body_of, gzip, header, json_of, qdrant_hits, response, whole};

const JSON: &str = "application/json";
const ON: &str = "answer_block: true";
const SEARCH: &str = r#"{"query":{"match":{"text":"zebra"}},"size":3}"#;

fn hits() -> String {
    let hit =
        |id: usize| json!({"_id": id.to_string(), "_score": 9 - id, "_source": {"text": "x".repeat(id + 1)}});
    json!({"took": 1, "hits": {"total": 3, "hits": (0..3).map(hit).collect::<Vec<_>>()}}).to_string()
}

/// Longer texts are better.
async fn by_length() -> Scripted {
    Scripted::scoring(|text| text.len() as f64 / 100.0).await
}

async fn sidecar(response: String, rerank: &str, more: &str) -> Sidecar {
    let database = Scripted::start(move |_| Some(response.clone())).await;
    // It listens as long as the test runs.
    let addr = database.addr;
    std::mem::forget(database);
    Sidecar::start(addr, by_length().await, rerank, more).await
}

async fn elastic(rerank: &str, more: &str) -> Sidecar {
    sidecar(response(200, JSON, &hits()), rerank, more).await
}

fn block(message: &str) -> Value {
    let mut block = json_of(message)["rerank"].clone();
    for time in ["upstream_ms", "rerank_ms"] {
        let time = block.as_object_mut().and_then(|block| block.remove(time));
        assert!(time.is_none_or(|time| time.is_number()));
    }
    block
}

#[tokio::test]
async fn the_body_of_a_reranked_response_says_what_its_headers_say() {
    let sidecar = elastic(ON, "").await;
    let got = sidecar.post("/a/_search", "", SEARCH).await;
    assert_eq!(header(&got, "x-rerank-status"), Some("applied"));
    assert_eq!(
        block(&got),
        json!({
            "status": "applied", "query_source": "native", "provider": "cohere", "model": "rerank-v3.5",
            "cache_hits": 0, "cache_lookups": 3, "unscored": 0,
        })
    );
    assert_eq!(json_of(&got)["hits"]["hits"][0]["_id"], "2");
    assert_eq!(header(&got, "content-length"), Some(&*body_of(&got).len().to_string()));
    let metric = "rerankd_answer_blocks_total{result=\"written\"} 1";
    assert!(sidecar.metrics().await.contains(metric));
}

#[tokio::test]
async fn all_that_it_adds_is_one_member_behind_the_others() {
    let (with, without) = (elastic(ON, "").await, elastic("", "").await);
    let told = with.post("/a/_search", "", SEARCH).await;
    let plain = without.post("/a/_search", "", SEARCH).await;
    let own = body_of(&plain).strip_suffix('}').unwrap();
    assert!(body_of(&told).starts_with(&format!("{own},\"rerank\":{{\"status\":\"applied\"")), "{told}");
    assert!(!plain.contains("\"rerank\"") && !without.metrics().await.contains("rerankd_answer_blocks"));
}

#[tokio::test]
async fn a_response_whose_order_was_kept_says_why() {
    let sidecar = elastic(ON, "").await;
    let sorted = r#"{"query":{"match":{"text":"zebra"}},"sort":["year"]}"#;
    let got = sidecar.post("/a/_search", "", sorted).await;
    assert_eq!(block(&got), json!({"status": "kept", "reason": "not_ranked"}));
    let typo = sidecar.post("/a/_search", "x-rerank-windw: 3\r\n", sorted).await;
    assert_eq!(block(&typo)["ignored"], json!(["x-rerank-windw"]));
    assert_eq!(json_of(&got)["hits"]["hits"][0]["_id"], "0");
}

#[tokio::test]
async fn a_kept_response_that_came_compressed_says_why_uncompressed() {
    let compressed = gzip(hits().as_bytes());
    let headers = format!("content-type: {JSON}\r\ncontent-encoding: gzip\r\netag: \"7\"\r\n");
    let database = Scripted::start_bytes(move |_| Some(whole(200, &headers, &compressed))).await;
    let sidecar = Sidecar::start(database.addr, by_length().await, ON, "").await;
    let sorted = r#"{"query":{"match":{"text":"zebra"}},"sort":["year"]}"#;
    let got = sidecar.post("/a/_search", "accept-encoding: gzip\r\n", sorted).await;
    assert_eq!(block(&got)["reason"], "not_ranked");
    assert_eq!((header(&got, "content-encoding"), header(&got, "etag")), (None, None));
}

#[tokio::test]
async fn a_request_may_ask_for_it_and_decline_it() {
    let (on, off) = (elastic(ON, "").await, elastic("", "").await);
    let asked = off.post("/a/_search", "x-rerank-answer-block: on\r\n", SEARCH).await;
    assert_eq!(block(&asked)["status"], "applied");
    let in_body = r#"{"query":{"match":{"text":"zebra"}},"rerank":{"answer_block":true}}"#;
    assert_eq!(block(&off.post("/a/_search", "", in_body).await)["status"], "applied");
    let declined = on.post("/a/_search", "x-rerank-answer-block: off\r\n", SEARCH).await;
    assert_eq!((block(&declined), header(&declined, "x-rerank-status")), (Value::Null, Some("applied")));
    let unclear = off.post("/a/_search", "x-rerank-answer-block: perhaps\r\n", SEARCH).await;
    assert_eq!(header(&unclear, "x-rerank-status"), Some("applied; ignored=x-rerank-answer-block"));
}

#[tokio::test]
async fn a_route_may_have_it_alone() {
    let sidecar = elastic("", "routes: [{ collection: told, answer_block: true }]").await;
    assert_eq!(block(&sidecar.post("/told/_search", "", SEARCH).await)["status"], "applied");
    assert_eq!(block(&sidecar.post("/other/_search", "", SEARCH).await), Value::Null);
}

#[tokio::test]
async fn where_reranking_is_off_or_behind_the_response_it_is_the_databases_byte_for_byte() {
    let routes = "routes: [{ collection: off, mode: \"off\" }, { collection: shadow, mode: shadow }]";
    let sidecar = elastic(ON, routes).await;
    for (target, headers) in
        [("/off/_search", ""), ("/shadow/_search", ""), ("/a/_search", "x-rerank: off\r\n")]
    {
        assert_eq!(body_of(&sidecar.post(target, headers, SEARCH).await), hits(), "{target}");
    }
    // Nothing is ranked behind it either.
    let sorted = r#"{"query":{"match":{"text":"zebra"}},"sort":["year"]}"#;
    let got = sidecar.post("/shadow/_search", "x-rerank-answer-block: on\r\n", sorted).await;
    assert_eq!((header(&got, "x-rerank-status"), body_of(&got)), (Some("kept; reason=not_ranked"), &*hits()));
}

#[tokio::test]
async fn an_error_of_the_database_stays_as_it_is() {
    let error = r#"{"error":{"type":"x"},"status":404}"#;
    let sidecar = sidecar(response(404, JSON, error), ON, "").await;
    assert_eq!(body_of(&sidecar.post("/a/_search", "", SEARCH).await), error);
}

#[tokio::test]
async fn a_member_of_that_name_stays_the_databases() {
    let own = r#"{"rerank":"mine","hits":{"total":0,"hits":[]}}"#;
    let sidecar = sidecar(response(200, JSON, own), ON, "").await;
    assert_eq!(body_of(&sidecar.post("/a/_search", "", SEARCH).await), own);
    assert!(sidecar.metrics().await.contains("rerankd_answer_blocks_total{result=\"taken\"} 1"));
}

#[tokio::test]
async fn a_response_that_is_too_large_to_be_read_passes_without_it() {
    let large = hits().replace("\"took\":1", &format!("\"took\":\"{}\"", "x".repeat(3000)));
    let sidecar = sidecar(response(200, JSON, &large), ON, "limits: { max_response_bytes: 2KiB }").await;
    let sorted = r#"{"query":{"match":{"text":"zebra"}},"sort":["year"]}"#;
    assert_eq!(body_of(&sidecar.post("/a/_search", "", sorted).await), large);
    assert!(sidecar.metrics().await.contains("rerankd_answer_blocks_total{result=\"unread\"} 1"));
}

#[tokio::test]
async fn each_search_of_an_msearch_has_its_own() {
    let responses = format!("{{\"took\":1,\"responses\":[{},{}]}}", hits(), hits());
    let sidecar = sidecar(response(200, JSON, &responses), ON, "").await;
    let body = "{\"index\":\"a\"}\n{\"query\":{\"match\":{\"text\":\"zebra\"}}}\n{\"index\":\"b\"}\n{\"sort\":[\"year\"]}\n";
    let got = json_of(&sidecar.post("/_msearch", "", body).await);
    assert_eq!(got["responses"][0]["rerank"]["status"], "applied");
    assert_eq!(got["responses"][1]["rerank"]["reason"], "not_ranked");
    assert_eq!(got.get("rerank"), None);
}

#[tokio::test]
async fn a_batch_of_qdrants_has_one_for_each_search_or_one_for_all() {
    let points: Value = serde_json::from_str(&qdrant_hits(3, 10)).unwrap();
    let points = points["result"]["points"].clone();
    let batch = json!({"result": [{"points": points}, {"points": points}], "status": "ok", "time": 0.1});
    let one = json!({"query": [0.1, 0.2], "limit": 2, "rerank": {"query": "zebra"}});
    let searches = json!({"searches": [one, {"query": [0.1, 0.2], "limit": 2}]}).to_string();
    let queries = sidecar(response(200, JSON, &batch.to_string()), ON, "").await;
    let got = json_of(&queries.post("/collections/c/points/query/batch", "", &searches).await);
    assert_eq!(got["result"][0]["rerank"]["status"], "applied", "{got}");
    assert_eq!(got["result"][1]["rerank"]["reason"], "no_query", "{got}");
    let lists = json!({"result": [points, points], "status": "ok", "time": 0.1}).to_string();
    let searches = searches.replace("\"query\":[", "\"vector\":[");
    let older = sidecar(response(200, JSON, &lists), ON, "").await;
    let got = json_of(&older.post("/collections/c/points/search/batch", "", &searches).await);
    assert_eq!(got["rerank"]["status"], "partial", "{got}");
}

#[tokio::test]
async fn graphql_has_it_among_its_extensions_and_a_bare_list_nowhere() {
    let before = |database: &Scripted, dialect: &str| {
        format!("dialect: {dialect}, upstream: {{ url: \"http://{}\" }}", database.addr)
    };
    let data = json!({"data": {"Get": {"Doc": [
        {"text": "a", "_additional": {"id": "1"}}, {"text": "bbb", "_additional": {"id": "2"}},
    ]}}});
    let database = Scripted::start(move |_| Some(response(200, JSON, &data.to_string()))).await;
    let sidecar = Sidecar::listening(&before(&database, "weaviate"), by_length().await, ON, "").await;
    let query = json!({"query": "{ Get { Doc(bm25: {query: \"zebra\"}) { text _additional { id } } } }"});
    let got = json_of(&sidecar.post("/v1/graphql", "", &query.to_string()).await);
    assert_eq!(got["extensions"]["rerank"]["status"], "applied", "{got}");
    let rows = r#"[{"id":1,"text":"a"},{"id":2,"text":"bb"}]"#;
    let database = Scripted::start(move |_| Some(response(200, JSON, rows))).await;
    let sidecar = Sidecar::listening(&before(&database, "postgrest"), by_length().await, ON, "").await;
    let got = sidecar.post("/rpc/match", "x-rerank-query: zebra\r\n", r#"{"match_count":2}"#).await;
    assert_eq!(json_of(&got).as_array().map(Vec::len), Some(2), "{got}");
}
