//! A search that was widened, and a database that rejects that or has not enough.

use serde_json::{Value, json};

use crate::harness::composed::{COMPOSED, composed, hits, limits_of, rejecting, reversing, within};
use crate::harness::{Program, Scripted, Sidecar, Wire, body_of, json_of, response};

const JSON: &str = "application/json";

#[tokio::test]
async fn a_replay_that_the_database_rejects_never_replaces_a_good_response() {
    let database = composed(3, 503).await;
    let sidecar = Sidecar::start(database.addr, rejecting().await, "", "").await;
    let got = sidecar.post("/collections/c/points/query", "x-rerank-query: zebra\r\n", COMPOSED).await;
    assert!(got.starts_with("HTTP/1.1 200 "), "{got}");
}

#[tokio::test]
async fn while_the_breaker_is_open_a_search_that_would_have_to_be_replayed_is_not_widened() {
    let database = composed(0, 200).await;
    let service = rejecting().await;
    let points = format!(
        "listeners: [{{ listen: 127.0.0.1:0, upstream: {{ url: \"http://{}\" }} }}]\n\
         admin: {{ listen: 127.0.0.1:0 }}\n\
         providers: {{ cohere: {{ base_url: \"http://{}\", breaker: {{ min_calls: 1 }} }} }}\n",
        database.addr, service.addr
    );
    let program = Program::start(&points, &[("CO_API_KEY", "k")]).await;
    for query in ["one", "two"] {
        let mut client = Wire::connect(program.addr).await;
        client
            .send(format!(
                "POST /collections/c/points/query HTTP/1.1\r\nhost: x\r\nx-rerank-query: {query}\r\n\
                 content-type: application/json\r\ncontent-length: {}\r\n\r\n{COMPOSED}",
                COMPOSED.len()
            ))
            .await;
        client.message().await.expect("a response");
    }
    assert_eq!(limits_of(&database), [50, 3, 3], "the second search is asked once, as the client did");
}

#[tokio::test]
async fn a_composed_search_with_one_hit_asks_the_database_once() {
    let database = Scripted::start(|_| {
        Some(response(200, JSON, &format!(r#"{{"result":{{"points":[{}]}}}}"#, hits(1))))
    })
    .await;
    let sidecar = Sidecar::start(database.addr, reversing().await, "", "").await;
    sidecar.post("/collections/c/points/query", "x-rerank-query: zebra\r\n", COMPOSED).await;
    assert_eq!(database.seen().len(), 1);
}

#[tokio::test]
async fn a_search_of_an_msearch_that_is_rejected_for_its_widening_is_answered_as_asked() {
    let database = Scripted::start(|request| {
        let lines: Vec<&str> = body_of(request).lines().collect();
        let responses: Vec<Value> =
            lines.chunks(2).map(|pair| within(&serde_json::from_str(pair[1]).unwrap(), 20)).collect();
        Some(response(200, JSON, &json!({"responses": responses}).to_string()))
    })
    .await;
    let sidecar = Sidecar::start(database.addr, reversing().await, "", "").await;
    let search = r#"{"query":{"match":{"body":"zebra"}},"size":3}"#;
    let got = sidecar.post("/a/_msearch", "", &format!("{{}}\n{search}\n{{}}\n{search}\n")).await;
    let responses = json_of(&got)["responses"].clone();
    assert_eq!(responses[0]["hits"]["hits"].as_array().map(Vec::len), Some(3), "{responses}");
    let metrics = sidecar.metrics().await;
    assert!(metrics.contains("rerankd_widening_rejected_total{dialect=\"elasticsearch\"} 1"), "{metrics}");
}

#[tokio::test]
async fn an_index_that_rejects_the_widening_does_not_lose_its_hits_among_others() {
    // Two indices of one search; one of them gives at most 20 hits at a time. A failed shard is no failed search.
    let database = Scripted::start(|request| {
        let size = json_of(request)["size"].as_u64().unwrap_or(10);
        let small = if size > 20 { 0 } else { size.div_ceil(2) };
        let of = |index: &str, count: u64| -> Vec<Value> {
            (0..count)
                .map(|id| json!({"_index": index, "_id": id.to_string(), "_score": 9.5 - id as f64, "_source": {"body": format!("text {id}")}}))
                .collect()
        };
        let mut hits = of("small", small);
        hits.extend(of("large", size - small));
        let failed = u64::from(size > 20);
        let body = json!({"_shards": {"total": 2, "successful": 2 - failed, "failed": failed}, "hits": {"total": {"value": 60}, "max_score": 9.5, "hits": hits}});
        Some(response(200, JSON, &body.to_string()))
    })
    .await;
    let sidecar = Sidecar::start(database.addr, reversing().await, "", "").await;
    let body = r#"{"query":{"match":{"body":"zebra"}},"size":4}"#;
    let got = json_of(&sidecar.post("/small,large/_search", "", body).await);
    assert_eq!(got["_shards"]["failed"], 0, "{got}");
}
