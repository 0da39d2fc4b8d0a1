//! `rerank.instruction`: what counts as relevant beside the query.

use serde_json::{Value, json};

use crate::harness::{Scripted, Sidecar, header, json_of, response};

const JSON: &str = "application/json";
const SEARCH: &str = r#"{"query":{"match":{"text":"zebra"}}}"#;

async fn database() -> Scripted {
    Scripted::start(|_| {
        let hit = |n: u64| json!({"_index": "a", "_id": n.to_string(), "_score": 9 - n, "_source": {"text": format!("text {n}")}});
        let hits: Vec<Value> = (0..3).map(hit).collect();
        Some(response(200, JSON, &json!({"hits": {"max_score": 9, "hits": hits}}).to_string()))
    })
    .await
}

/// A service that scores later documents higher, in Voyage's form and in Cohere's.
async fn service() -> Scripted {
    Scripted::start(|request| {
        let count = json_of(request)["documents"].as_array().map_or(0, Vec::len);
        let result = |at: usize| json!({"index": at, "relevance_score": 0.1 * at as f64});
        let results: Vec<Value> = (0..count).map(result).collect();
        Some(response(200, JSON, &json!({"data": results, "results": results}).to_string()))
    })
    .await
}

async fn sidecar(kind: &str, rerank: &str) -> Sidecar {
    let (database, service) = (database().await, service().await);
    let listener = format!("upstream: {{ url: \"http://{}\" }}", database.addr);
    let provider =
        format!("it: {{ kind: {kind}, base_url: \"http://{}\", api_key_env: CO_API_KEY }}", service.addr);
    // The database has to live as long.
    let sidecar =
        Sidecar::asking(&listener, &provider, service, &format!("providers: [it], {rerank}"), "").await;
    Box::leak(Box::new(database));
    sidecar
}

async fn search(sidecar: &Sidecar, headers: &str) -> String {
    sidecar.post("/a/_search", headers, SEARCH).await
}

fn sent(sidecar: &Sidecar, nth: usize) -> Value {
    json_of(&sidecar.service.seen()[nth])
}

#[tokio::test]
async fn an_instruction_is_sent_in_the_member_or_the_query_that_the_service_reads_it_in() {
    let set = "instruction: \"Prefer laws.\"";
    let vllm = sidecar("vllm, model: qwen", set).await;
    assert_eq!(header(&search(&vllm, "").await, "x-rerank-status"), Some("applied"));
    let call = vllm.service.seen().into_iter().find(|call| call.contains("zebra")).unwrap();
    let call = json_of(&call);
    assert_eq!((&call["instruction"], &call["query"]), (&json!("Prefer laws."), &json!("zebra")));

    let voyage = sidecar("voyage", set).await;
    assert_eq!(header(&search(&voyage, "").await, "x-rerank-status"), Some("applied"));
    let call = sent(&voyage, 0);
    assert_eq!((call.get("instruction"), &call["query"]), (None, &json!("Prefer laws.\nQuery: zebra")));

    let older = sidecar("voyage, model: rerank-2", set).await;
    search(&older, "").await;
    assert_eq!(sent(&older, 0)["query"], "zebra", "an older model follows none");
    let cohere = sidecar("cohere", set).await;
    search(&cohere, "").await;
    assert_eq!(
        sent(&cohere, 0),
        json!({"model": "rerank-v3.5", "query": "zebra", "documents": ["text 0", "text 1", "text 2"]})
    );
}

#[tokio::test]
async fn another_instruction_is_another_score() {
    for kind in ["voyage", "vllm, model: qwen"] {
        let sidecar = sidecar(kind, "instruction: 'One.', allow: { instructions: ['Two.', 'Like *'] }").await;
        for (headers, cache) in [
            ("", "0/3"),
            ("", "3/3"),
            ("x-rerank-instruction: Two.\r\n", "0/3"),
            ("x-rerank-instruction: Like%20three\r\n", "0/3"),
            ("x-rerank-instruction: Two.\r\n", "3/3"),
        ] {
            let got = search(&sidecar, headers).await;
            assert_eq!(header(&got, "x-rerank-cache"), Some(cache), "{kind} {headers}");
            assert_eq!(header(&got, "x-rerank-status"), Some("applied"), "{kind} {headers}");
        }
    }
}

#[tokio::test]
async fn callers_give_only_allowed_instructions_and_are_told_of_those_that_nobody_hears() {
    let applied = |ignored: &str| format!("applied{ignored}");
    for (kind, allow, said) in [
        ("voyage", "['Two.']", ""),
        ("voyage", "['*']", ""),
        ("voyage", "[]", "; ignored=x-rerank-instruction"),
        ("voyage", "['Other.']", "; ignored=x-rerank-instruction"),
        ("cohere", "['Two.']", "; ignored=x-rerank-instruction"),
    ] {
        let sidecar = sidecar(kind, &format!("allow: {{ instructions: {allow} }}")).await;
        let got = search(&sidecar, "x-rerank-instruction: Two.\r\n").await;
        assert_eq!(header(&got, "x-rerank-status"), Some(&*applied(said)), "{kind} {allow}");
        let query = if said.is_empty() { "Two.\nQuery: zebra" } else { "zebra" };
        assert_eq!(sent(&sidecar, 0)["query"], query, "{kind} {allow}");
    }
    let sidecar = sidecar("voyage", "allow: { instructions: ['Two.'] }").await;
    let body = r#"{"query":{"match":{"text":"zebra"}},"rerank":{"instruction":"Two."}}"#;
    let got = sidecar.post("/a/_search", "", body).await;
    assert_eq!(header(&got, "x-rerank-status"), Some("applied"));
    assert_eq!(sent(&sidecar, 0)["query"], "Two.\nQuery: zebra");
}
