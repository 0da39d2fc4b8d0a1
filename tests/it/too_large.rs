//! One text that no provider takes, seen by a client.

use serde_json::json;

use crate::harness::{Program, Scripted, Sidecar, header, json_of, response};

const JSON: &str = "application/json";

#[tokio::test]
async fn a_text_that_the_provider_rejects_is_the_only_hit_that_is_not_ranked() {
    let database = Scripted::start(|_| {
        let hits: Vec<_> = (0..10)
            .map(|id| json!({"_id": id.to_string(), "_source": {"body": format!("{} {id}", "x".repeat(if id == 4 { 50_000 } else { 9 }))}}))
            .collect();
        Some(response(200, JSON, &json!({"hits": {"total": 10, "hits": hits}}).to_string()))
    })
    .await;
    let provider = Scripted::start(|request| {
        let documents = json_of(request)["documents"].as_array().cloned().unwrap_or_default();
        if documents.iter().any(|text| text.as_str().unwrap().len() > 100) {
            return Some(response(413, "text/plain", "too large"));
        }
        let results = documents.iter().enumerate().map(|(index, text)| {
            let id: f64 = text.as_str().unwrap().rsplit(' ').next().unwrap().parse().unwrap();
            json!({"index": index, "relevance_score": id / 16.0})
        });
        Some(response(200, JSON, &json!({"results": results.collect::<Vec<_>>()}).to_string()))
    })
    .await;
    let sidecar = Sidecar::start(database.addr, provider, "", "").await;
    for _ in 0..2 {
        let got = sidecar.post("/a/_search", "", r#"{"query":{"match":{"body":"zebra"}}}"#).await;
        assert_eq!(header(&got, "x-rerank-status"), Some("partial; reason=too_large"), "{got}");
        assert_eq!(header(&got, "x-rerank-unscored"), Some("1"));
        let hits = json_of(&got)["hits"]["hits"].clone();
        let ids: Vec<String> =
            hits.as_array().unwrap().iter().map(|hit| hit["_id"].as_str().unwrap().to_owned()).collect();
        assert_eq!(ids, ["9", "8", "7", "6", "5", "3", "2", "1", "0", "4"]);
    }
}

#[tokio::test]
async fn a_batch_of_many_questions_waits_for_its_own_places() {
    let database = Scripted::start(|request| {
        let count = json_of(request)["searches"].as_array().unwrap().len();
        let hits = json!({"points": [{"id": 0, "payload": {"text": "text 0"}}, {"id": 1, "payload": {"text": "text 1"}}]});
        Some(response(200, JSON, &json!({"result": vec![hits; count]}).to_string()))
    })
    .await;
    let provider = Scripted::scoring(|text| text.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).await;
    let program = Program::with_key(
        database.addr,
        &format!(
            "providers: {{ cohere: {{ base_url: \"http://{}\", max_concurrency: 2 }} }}\n",
            provider.addr
        ),
    )
    .await;
    let searches: Vec<_> = (0..20)
        .map(|n| json!({"query": {"text": format!("question {n}"), "model": "m"}, "limit": 2}))
        .collect();
    let body = json!({"searches": searches}).to_string();
    let got = program
        .ask(&format!(
            "POST /collections/c/points/query/batch HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len()
        ))
        .await;
    assert_eq!(header(&got, "x-rerank-status"), Some("applied"), "{got}");
    let result = json_of(&got)["result"].clone();
    assert!(result.as_array().unwrap().iter().all(|list| list["points"][0]["id"] == 1));
}
