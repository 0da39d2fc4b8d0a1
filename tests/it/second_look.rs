//! Promises that a second look at the rerank stack found broken, and that hold since.

use serde_json::{Value, json};

use crate::harness::{
    Fault, Faulty, Points, QUERY, Scripted, Sidecar, Wire, answer, header, json_of, points,
};

const JSON: &str = "application/json";

/// A Qdrant of points whose every search is composed of a prefetch; `status` for what asks for at most `narrow`.
async fn composed(narrow: u64, status: u16) -> Scripted {
    Scripted::start(move |request| {
        let limit = json_of(request)["limit"].as_u64().unwrap();
        if limit <= narrow && status != 200 {
            return Some(answer(status, JSON, r#"{"status":{"error":"busy"}}"#));
        }
        Some(answer(200, JSON, &format!(r#"{{"result":{{"points":[{}]}}}}"#, hits(limit))))
    })
    .await
}

fn hits(count: u64) -> String {
    let hit = |id| format!(r#"{{"id":{id},"score":0.{:03},"payload":{{"text":"giraffe {id}"}}}}"#, 999 - id);
    (0..count).map(hit).collect::<Vec<_>>().join(",")
}

const COMPOSED: &str = r#"{"prefetch":[{"query":[0.1,0.2],"limit":50}],"query":{"fusion":"rrf"},"limit":3}"#;

async fn refusing() -> Scripted {
    Scripted::start(|_| Some(answer(503, JSON, "{}"))).await
}

async fn reversing() -> Scripted {
    Scripted::scoring(|text| text.rsplit(' ').next().unwrap().parse::<f64>().unwrap() / 1e3).await
}

fn limits_of(database: &Scripted) -> Vec<u64> {
    database.seen().iter().map(|request| json_of(request)["limit"].as_u64().unwrap()).collect()
}

#[tokio::test]
async fn no_time_that_a_client_gives_the_database_is_too_long_for_an_answer() {
    let service = Faulty::start(Fault::Hang).await;
    let points = Points::before(service.addr, "").await;
    let mut client = Wire::connect(points.program.addr).await;
    let request =
        points::request(QUERY, 3, "").replace("/points/query", "/points/query?timeout=18446744073709551615");
    client.send(request).await;
    let answer = client.message().await.expect("an answer");
    assert_eq!(header(&answer, "x-rerank-status"), Some("applied"));
}

#[tokio::test]
async fn a_replay_that_the_database_refuses_never_replaces_a_good_answer() {
    let database = composed(3, 503).await;
    let sidecar = Sidecar::start(database.addr, refusing().await, "", "").await;
    let got = sidecar.post("/collections/c/points/query", "x-rerank-query: zebra\r\n", COMPOSED).await;
    assert!(got.starts_with("HTTP/1.1 200 "), "{got}");
}

#[tokio::test]
async fn while_the_breaker_is_open_a_search_that_would_have_to_be_replayed_is_not_widened() {
    let database = composed(0, 200).await;
    let service = refusing().await;
    let points = format!(
        "listeners: [{{ listen: 127.0.0.1:0, upstream: {{ url: \"http://{}\" }} }}]\n\
         admin: {{ listen: 127.0.0.1:0 }}\n\
         providers: {{ cohere: {{ base_url: \"http://{}\", breaker: {{ min_calls: 1 }} }} }}\n",
        database.addr, service.addr
    );
    let program = crate::harness::Program::start(&points, &[("CO_API_KEY", "k")]).await;
    for query in ["one", "two"] {
        let mut client = Wire::connect(program.addr).await;
        client
            .send(format!(
                "POST /collections/c/points/query HTTP/1.1\r\nhost: x\r\nx-rerank-query: {query}\r\n\
                 content-type: application/json\r\ncontent-length: {}\r\n\r\n{COMPOSED}",
                COMPOSED.len()
            ))
            .await;
        client.message().await.expect("an answer");
    }
    assert_eq!(limits_of(&database), [50, 3, 3], "the second search is asked once, as the client did");
}

#[tokio::test]
async fn a_search_of_a_batch_with_one_hit_takes_the_reranking_from_no_other() {
    let database = Scripted::start(|request| {
        let asked = json_of(request);
        let limit = asked["searches"][0]["limit"].as_u64().unwrap();
        let body = format!(r#"{{"result":[{{"points":[{}]}},{{"points":[{}]}}]}}"#, hits(limit), hits(1));
        Some(answer(200, JSON, &body))
    })
    .await;
    let sidecar = Sidecar::start(database.addr, reversing().await, "", "").await;
    let body = format!(r#"{{"searches":[{COMPOSED},{COMPOSED}]}}"#);
    let got = sidecar.post("/collections/c/points/query/batch", "x-rerank-query: zebra\r\n", &body).await;
    assert_eq!(header(&got, "x-rerank-status"), Some("partial; reason=not_ranked"));
    assert_eq!(json_of(&got)["result"][0]["points"][0]["id"], 49);
    assert_eq!(database.seen().len(), 1);
}

#[tokio::test]
async fn a_composed_search_with_one_hit_asks_the_database_once() {
    let database =
        Scripted::start(|_| Some(answer(200, JSON, &format!(r#"{{"result":{{"points":[{}]}}}}"#, hits(1)))))
            .await;
    let sidecar = Sidecar::start(database.addr, reversing().await, "", "").await;
    sidecar.post("/collections/c/points/query", "x-rerank-query: zebra\r\n", COMPOSED).await;
    assert_eq!(database.seen().len(), 1);
}

/// What an Elasticsearch answers whose index gives at most `most` hits at a time.
fn within(asked: &Value, most: u64) -> Value {
    let size = asked["size"].as_u64().unwrap_or(10);
    if size > most {
        return json!({"error": {"type": "search_phase_execution_exception"}, "status": 400});
    }
    let hits: Vec<Value> = (0..size)
        .map(|id| json!({"_index": "a", "_id": id.to_string(), "_score": 90.5 - id as f64, "_source": {"body": format!("text {id}")}}))
        .collect();
    json!({"_shards": {"total": 1, "failed": 0}, "hits": {"total": {"value": 30}, "max_score": 90.5, "hits": hits}, "status": 200})
}

#[tokio::test]
async fn a_search_of_an_msearch_that_is_refused_for_its_widening_is_answered_as_asked() {
    let database = Scripted::start(|request| {
        let lines: Vec<&str> = crate::harness::body_of(request).lines().collect();
        let answers: Vec<Value> =
            lines.chunks(2).map(|pair| within(&serde_json::from_str(pair[1]).unwrap(), 20)).collect();
        Some(answer(200, JSON, &json!({"responses": answers}).to_string()))
    })
    .await;
    let sidecar = Sidecar::start(database.addr, reversing().await, "", "").await;
    let search = r#"{"query":{"match":{"body":"zebra"}},"size":3}"#;
    let got = sidecar.post("/a/_msearch", "", &format!("{{}}\n{search}\n{{}}\n{search}\n")).await;
    let responses = json_of(&got)["responses"].clone();
    assert_eq!(responses[0]["hits"]["hits"].as_array().map(Vec::len), Some(3), "{responses}");
}

#[tokio::test]
async fn an_index_that_refuses_the_widening_does_not_lose_its_hits_among_others() {
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
        Some(answer(200, JSON, &body.to_string()))
    })
    .await;
    let sidecar = Sidecar::start(database.addr, reversing().await, "", "").await;
    let body = r#"{"query":{"match":{"body":"zebra"}},"size":4}"#;
    let got = json_of(&sidecar.post("/small,large/_search", "", body).await);
    assert_eq!(got["_shards"]["failed"], 0, "{got}");
}

#[tokio::test]
async fn a_search_that_is_reranked_for_its_client_is_not_reranked_again_in_the_shadow_of_another() {
    let database = Scripted::start(|request| {
        let lines: Vec<&str> = crate::harness::body_of(request).lines().collect();
        let answers: Vec<Value> =
            lines.chunks(2).map(|pair| within(&serde_json::from_str(pair[1]).unwrap(), 100)).collect();
        Some(answer(200, JSON, &json!({"responses": answers}).to_string()))
    })
    .await;
    let service = reversing().await;
    let yaml = format!(
        "listeners: [{{ listen: 127.0.0.1:0, upstream: {{ url: \"http://{}\" }} }}]\n\
         admin: {{ listen: 127.0.0.1:0 }}\n\
         routes: [{{ collection: quiet, mode: shadow }}]\n\
         providers: {{ cohere: {{ base_url: \"http://{}\" }} }}\n",
        database.addr, service.addr
    );
    let program = crate::harness::Program::start(&yaml, &[("CO_API_KEY", "k")]).await;
    let search = |text: &str| format!(r#"{{"query":{{"match":{{"body":"{text}"}}}},"size":3}}"#);
    let body = format!(
        "{{\"index\":\"loud\"}}\n{}\n{{\"index\":\"quiet\"}}\n{}\n",
        search("zebra"),
        search("giraffe")
    );
    let mut client = Wire::connect(program.addr).await;
    client
        .send(format!(
            "POST /_msearch HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-ndjson\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        ))
        .await;
    client.message().await.expect("an answer");
    let total = async || -> f64 {
        program
            .metrics()
            .await
            .lines()
            .filter(|line| line.starts_with("rerankd_shadow_searches_total{"))
            .map(|line| line.rsplit(' ').next().unwrap().trim().parse::<f64>().unwrap())
            .sum()
    };
    while total().await == 0.0 {}
    assert_eq!(total().await, 1.0, "one of the two is in shadow");
}

#[tokio::test]
async fn a_floor_for_one_providers_scores_drops_no_hits_by_anothers() {
    let service = Faulty::start(Fault::Status(500)).await;
    let points =
        Points::before(service.addr, "rerank: { providers: [cohere, lexical], min_score: 0.02 }\n").await;
    service.set_broken(true);
    let found = points.search("giraffe 7", 5).await;
    assert_eq!(found.header("x-rerank-provider"), Some("lexical"));
    let floored = points.search("zebra crossing", 5).await;
    assert_eq!(floored.ids().len(), 5, "BM25 finds no word of the query in any hit; the database had five");
}

#[tokio::test]
async fn calls_that_never_reached_the_provider_spend_nothing() {
    let points = Points::with(
        "providers: { cohere: { base_url: \"http://127.0.0.1:9\", max_search_units_per_day: 2 } }\n",
    )
    .await;
    for _ in 0..2 {
        points.search(QUERY, 3).await.assert_kept("provider_unavailable", 3, "unreachable");
    }
    let left = r#"rerankd_spend_left{provider="cohere",unit="search_units",window="day"}"#;
    assert_eq!(points.metric(left).await, 2.0);
}

#[tokio::test]
async fn search_units_per_search_are_for_each_search_of_a_batch() {
    let database = Scripted::start(|request| {
        let asked = json_of(request);
        let lists: Vec<String> = asked["searches"]
            .as_array()
            .unwrap()
            .iter()
            .map(|search| format!(r#"{{"points":[{}]}}"#, hits(search["limit"].as_u64().unwrap())))
            .collect();
        Some(answer(200, JSON, &format!(r#"{{"result":[{}]}}"#, lists.join(","))))
    })
    .await;
    let service = reversing().await;
    let yaml = format!(
        "listeners: [{{ listen: 127.0.0.1:0, upstream: {{ url: \"http://{}\" }} }}]\n\
         admin: {{ listen: 127.0.0.1:0 }}\n\
         providers: {{ cohere: {{ base_url: \"http://{}\", max_search_units_per_search: 1 }} }}\n",
        database.addr, service.addr
    );
    let program = crate::harness::Program::start(&yaml, &[("CO_API_KEY", "k")]).await;
    let body = json!({"searches": [
        {"query": [0.1], "limit": 3}, {"query": [0.2], "limit": 3}, {"query": [0.3], "limit": 3}
    ]})
    .to_string();
    let mut client = Wire::connect(program.addr).await;
    client
        .send(format!(
            "POST /collections/c/points/query/batch HTTP/1.1\r\nhost: x\r\nx-rerank-query: zebra\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        ))
        .await;
    let got = client.message().await.expect("an answer");
    let first: Vec<u64> =
        (0..3).map(|n| json_of(&got)["result"][n]["points"][0]["id"].as_u64().unwrap()).collect();
    assert_eq!((header(&got, "x-rerank-status"), first), (Some("applied"), vec![49, 49, 49]));
}

#[tokio::test]
async fn a_search_that_the_database_never_answers_is_counted() {
    let program = crate::harness::Program::before("127.0.0.1:9".parse().unwrap(), "").await;
    let mut client = Wire::connect(program.addr).await;
    client.send(points::request(QUERY, 3, "")).await;
    assert!(client.message().await.unwrap().starts_with("HTTP/1.1 502 "));
    let text = program.metrics().await;
    assert!(text.contains("rerankd_requests_failed_total{cause=\"unreachable\"} 1"), "{text}");
}

#[tokio::test]
async fn a_model_that_a_caller_names_is_no_model_of_the_fallback() {
    let cohere = refusing().await;
    let other = reversing().await;
    let database = Scripted::start(|request| {
        let limit = json_of(request)["limit"].as_u64().unwrap();
        Some(answer(200, JSON, &format!(r#"{{"result":{{"points":[{}]}}}}"#, hits(limit))))
    })
    .await;
    let yaml = format!(
        "listeners: [{{ listen: 127.0.0.1:0, upstream: {{ url: \"http://{}\" }} }}]\n\
         admin: {{ listen: 127.0.0.1:0 }}\n\
         rerank: {{ providers: [cohere, own], allow: {{ models: [rerank-v4.0-pro] }} }}\n\
         providers:\n  cohere: {{ base_url: \"http://{}\" }}\n\
         \x20 own: {{ kind: vllm, model: mine, base_url: \"http://{}\" }}\n",
        database.addr, cohere.addr, other.addr
    );
    let program = crate::harness::Program::start(&yaml, &[("CO_API_KEY", "k")]).await;
    let mut client = Wire::connect(program.addr).await;
    client.send(points::request(QUERY, 3, "x-rerank-model: rerank-v4.0-pro\r\n")).await;
    let got = client.message().await.expect("an answer");
    assert_eq!(json_of(&other.seen()[0])["model"], "mine", "it knows no other");
    assert_eq!(header(&got, "x-rerank-model"), Some("mine"));
}
