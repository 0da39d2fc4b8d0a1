//! Texts with half a surrogate pair in them, as chunkers leave them behind, and texts that show nothing.

use serde_json::Value;

use crate::harness::{Program, Scripted, json_of, response};

const JSON: &str = "application/json";

/// The lines that a chunker has made, and some that show nothing.
fn sources() -> Vec<String> {
    let mut sources: Vec<String> =
        include_str!("../fixtures/cases/04/sources.ndjson").lines().map(str::to_owned).collect();
    for text in [r"\ud83d", r"\udc00 \ud800", r"\u200b\ufeff", r"\u00a0\u3000", r"\udc00 red boots"] {
        sources.push(format!(r#"{{"content":"{text}"}}"#));
    }
    sources
}

/// What the provider is sent for this request, whose hits come in `answered`.
async fn sent(target: &str, body: &str, answered: String) -> (Vec<Value>, String, String) {
    let database = Scripted::start(move |_| Some(response(200, JSON, &answered))).await;
    let service = Scripted::scoring(|text| text.len() as f64 / 100.0).await;
    let provider =
        format!("providers:\n  cohere: {{ kind: cohere, base_url: \"http://{}\" }}\n", service.addr);
    let program = Program::with_key(database.addr, &provider).await;
    let length = body.len();
    let got = program
        .ask(&format!(
            "POST {target} HTTP/1.1\r\nhost: x\r\ncontent-type: {JSON}\r\ncontent-length: {length}\r\n\r\n{body}"
        ))
        .await;
    let calls: Vec<Value> = service.seen().iter().map(|call| json_of(call)).collect();
    (calls, got, database.seen().concat())
}

fn check(calls: &[Value], got: &str) {
    assert_eq!(calls.len(), 1);
    assert_eq!(calls[0]["query"], "red shoes rain");
    let documents: Vec<&str> =
        calls[0]["documents"].as_array().unwrap().iter().map(|d| d.as_str().unwrap()).collect();
    assert_eq!(documents, ["blue hats", "red shoes", "red shoes for summer", "red boots"]);
    assert!(got.contains("x-rerank-unscored: 4\r\n"), "{got}");
    // The longest first; then those without text, in their own order.
    let places: Vec<usize> = sources().iter().map(|source| got.find(source.as_str()).unwrap()).collect();
    let mut order: Vec<usize> = (0..places.len()).collect();
    order.sort_by_key(|at| places[*at]);
    assert_eq!(order, [2, 0, 1, 7, 3, 4, 5, 6]);
}

#[tokio::test]
async fn elasticsearch_hits_lose_no_more_than_the_half() {
    let hits: Vec<String> = sources()
        .iter()
        .enumerate()
        .map(|(id, source)| format!(r#"{{"_index":"i","_id":"{id}","_score":1.5,"_source":{source}}}"#))
        .collect();
    let answered = format!(r#"{{"hits":{{"hits":[{}]}}}}"#, hits.join(","));
    for query in ["red shoes rain", r"red shoes \ud83drain", r"\ude00red shoes rain\ud83d"] {
        let body = format!(r#"{{"query":{{"match":{{"content":"{query}"}}}}}}"#);
        let (calls, got, _) = sent("/i/_search", &body, answered.clone()).await;
        check(&calls, &got);
    }
}

#[tokio::test]
async fn qdrant_hits_lose_no_more_than_the_half() {
    let hits: Vec<String> = sources()
        .iter()
        .enumerate()
        .map(|(id, source)| format!(r#"{{"id":{id},"version":0,"score":1.5,"payload":{source}}}"#))
        .collect();
    let answered = format!(r#"{{"result":{{"points":[{}]}},"status":"ok","time":0.1}}"#, hits.join(","));
    let body = r#"{"query":[1.0],"rerank":{"query":"red shoes \udc00rain"},"with_payload":true}"#;
    let (calls, got, asked) = sent("/collections/c/points/query", body, answered).await;
    check(&calls, &got);
    assert!(!asked.contains("rerank"), "{asked}");
}

#[tokio::test]
async fn a_question_that_shows_nothing_is_none() {
    let answered = r#"{"hits":{"hits":[]}}"#.to_owned();
    for query in [r"\ud83d", r" \u200b\udc00", r"\u3000", r"\u0000"] {
        let body = format!(r#"{{"query":{{"match":{{"content":"{query}"}}}}}}"#);
        let (calls, got, _) = sent("/i/_search", &body, answered.clone()).await;
        assert!(calls.is_empty());
        assert!(got.contains("x-rerank-status: kept; reason=no_query\r\n"), "{query}: {got}");
    }
}
