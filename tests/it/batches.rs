//! Several searches in one request.

use serde_json::{Value, json};

use crate::harness::composed::{COMPOSED, hits, reversing, within};
use crate::harness::{Program, Scripted, Sidecar, Wire, body_of, header, json_of, response};

const JSON: &str = "application/json";

/// A Qdrant of points that answers batches.
async fn batches() -> Scripted {
    Scripted::start(|request| {
        let asked = json_of(request);
        let lists: Vec<String> = asked["searches"]
            .as_array()
            .unwrap()
            .iter()
            .map(|search| format!(r#"{{"points":[{}]}}"#, hits(search["limit"].as_u64().unwrap())))
            .collect();
        Some(response(200, JSON, &format!(r#"{{"result":[{}]}}"#, lists.join(","))))
    })
    .await
}

/// A batch of three searches.
fn three() -> String {
    json!({"searches": [
        {"query": [0.1], "limit": 3}, {"query": [0.2], "limit": 3}, {"query": [0.3], "limit": 3}
    ]})
    .to_string()
}

async fn post(program: &Program, headers: &str, body: &str) -> String {
    let mut client = Wire::connect(program.addr).await;
    client
        .send(format!(
            "POST /collections/c/points/query/batch HTTP/1.1\r\nhost: x\r\n{headers}\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        ))
        .await;
    client.message().await.expect("a response")
}

/// The id of the first hit of each of three searches.
fn firsts(got: &str) -> Vec<u64> {
    (0..3).map(|n| json_of(got)["result"][n]["points"][0]["id"].as_u64().unwrap()).collect()
}

#[tokio::test]
async fn a_search_of_a_batch_with_one_hit_takes_the_reranking_from_no_other() {
    let database = Scripted::start(|request| {
        let asked = json_of(request);
        let limit = asked["searches"][0]["limit"].as_u64().unwrap();
        let body = format!(r#"{{"result":[{{"points":[{}]}},{{"points":[{}]}}]}}"#, hits(limit), hits(1));
        Some(response(200, JSON, &body))
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
async fn a_search_that_is_reranked_for_its_client_is_not_reranked_again_in_the_shadow_of_another() {
    let database = Scripted::start(|request| {
        let lines: Vec<&str> = body_of(request).lines().collect();
        let responses: Vec<Value> =
            lines.chunks(2).map(|pair| within(&serde_json::from_str(pair[1]).unwrap(), 100)).collect();
        Some(response(200, JSON, &json!({"responses": responses}).to_string()))
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
    let program = Program::start(&yaml, &[("CO_API_KEY", "k")]).await;
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
    client.message().await.expect("a response");
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
async fn search_units_per_search_are_for_each_search_of_a_batch() {
    let database = batches().await;
    let service = reversing().await;
    let yaml = format!(
        "listeners: [{{ listen: 127.0.0.1:0, upstream: {{ url: \"http://{}\" }} }}]\n\
         admin: {{ listen: 127.0.0.1:0 }}\n\
         providers: {{ cohere: {{ base_url: \"http://{}\", max_search_units_per_search: 1 }} }}\n",
        database.addr, service.addr
    );
    let program = Program::start(&yaml, &[("CO_API_KEY", "k")]).await;
    let got = post(&program, "x-rerank-query: zebra\r\n", &three()).await;
    assert_eq!((header(&got, "x-rerank-status"), firsts(&got)), (Some("applied"), vec![49, 49, 49]));
}

#[tokio::test]
async fn searches_of_a_batch_go_to_a_listwise_provider_one_by_one() {
    let (database, service) = (batches().await, reversing().await);
    let yaml = format!(
        "listeners: [{{ listen: 127.0.0.1:0, upstream: {{ url: \"http://{}\" }} }}]\n\
         admin: {{ listen: 127.0.0.1:0 }}\n\
         rerank: {{ providers: [own] }}\n\
         providers: {{ own: {{ kind: litellm, model: m, base_url: \"http://{}\", scoring: listwise }} }}\n",
        database.addr, service.addr
    );
    let program = Program::start(&yaml, &[]).await;
    let got = post(&program, "x-rerank-query: zebra\r\n", &three()).await;
    assert_eq!((header(&got, "x-rerank-status"), firsts(&got)), (Some("applied"), vec![49, 49, 49]));
    let sizes: Vec<usize> =
        service.seen().iter().map(|call| json_of(call)["documents"].as_array().unwrap().len()).collect();
    assert_eq!(sizes, [50], "three equal lists are one call, of one list");
}
