//! OpenSearch's own: searches that go through a pipeline, and kNN clauses that alone rank.

use serde_json::json;

use crate::harness::composed::reversing;
use crate::harness::{Scripted, Sidecar, header, json_of, response};

const HYBRID: &str = r#"{"query":{"hybrid":{"queries":[{"match":{"content":"uk 2020"}},{"neural":{"e":{"query_text":"uk 2020","model_id":"m","k":5}}}]}},"size":4"#;

async fn opensearch() -> Scripted {
    Scripted::start(|request| {
        let size = json_of(request)["size"].as_u64().unwrap();
        let hits: Vec<_> = (0..size)
            .map(|id| json!({"_index": "docs", "_id": id.to_string(), "_score": 0.9 - id as f64 / 100.0, "_source": {"content": format!("text {id}")}}))
            .collect();
        let body = json!({"_shards": {"total": 1, "failed": 0}, "hits": {"total": {"value": 6, "relation": "eq"}, "max_score": 0.9, "hits": hits}});
        Some(response(200, "application/json; charset=UTF-8", &body.to_string()))
    })
    .await
}

/// What became of a search; no request but the client's own has been sent.
async fn status(sidecar: &Sidecar, database: &Scripted, target: &str, headers: &str, body: &str) -> String {
    let before = database.seen().len();
    let got = sidecar.post(target, headers, body).await;
    let seen = database.seen();
    assert_eq!(seen.len(), before + 1, "{target}");
    assert!(seen[before].contains("\"size\":4"), "{target}: a page behind a hybrid query stays as it is");
    header(&got, "x-rerank-status").unwrap().to_owned()
}

#[tokio::test]
async fn a_hybrid_search_is_reranked_whatever_names_its_pipeline() {
    let database = opensearch().await;
    let sidecar = Sidecar::start(database.addr, reversing().await, "", "").await;
    let inline = r#","search_pipeline":{"phase_results_processors":[{"normalization-processor":{}}]}}"#;
    for (target, headers, end) in [
        ("/docs/_search", "", "}"),
        ("/docs/_search?search_pipeline=normalise", "", "}"),
        ("/docs/_search?search_pipeline=normalise", "x-rerank-query: uk%202020\r\n", "}"),
        ("/docs/_search", "", r#","search_pipeline":"normalise"}"#),
        ("/docs/_search", "", inline),
        ("/docs/_search?search_pipeline=_none", "", "}"),
    ] {
        let body = format!("{HYBRID}{end}");
        assert_eq!(status(&sidecar, &database, target, headers, &body).await, "applied", "{target} {end}");
    }
}

#[tokio::test]
async fn what_a_pipeline_reranks_is_not_reranked_again() {
    let database = opensearch().await;
    let sidecar = Sidecar::start(database.addr, reversing().await, "", "").await;
    let spoken = r#","ext":{"rerank":{"query_context":{"query_text":"uk"}}}}"#;
    let inline = r#","search_pipeline":{"response_processors":[{"rerank":{}}]}}"#;
    for (target, end) in [
        ("/docs/_search?search_pipeline=my-rerank-pipeline", "}"),
        ("/docs/_search?search_pipeline=personalised", "}"),
        ("/docs/_search?search_pipeline=normalise", spoken),
        ("/docs/_search", inline),
    ] {
        let body = format!("{HYBRID}{end}");
        let status = status(&sidecar, &database, target, "x-rerank-query: uk\r\n", &body).await;
        assert_eq!(status, "kept; reason=unsupported", "{target} {end}");
    }
    assert!(database.seen()[2].contains("\"rerank\""), "the pipeline's own words reach it");
}

#[tokio::test]
async fn a_setting_names_the_pipelines_that_are_trusted() {
    let database = opensearch().await;
    let rerank = "search_pipelines: ['norm*', '-normal']";
    let sidecar = Sidecar::start(database.addr, reversing().await, rerank, "").await;
    for (name, expected) in [
        ("normalise", "applied"),
        ("normal", "kept; reason=unsupported"),
        ("Normal", "kept; reason=unsupported"),
        ("other", "kept; reason=unsupported"),
    ] {
        let target = format!("/docs/_search?search_pipeline={name}");
        let body = format!("{HYBRID}}}");
        assert_eq!(status(&sidecar, &database, &target, "", &body).await, expected, "{name}");
    }
}

/// An OpenSearch whose index has a pipeline by default that reranks by `ext.rerank`; or rejects all else.
async fn reranking(pipeline: bool) -> Scripted {
    Scripted::start(move |request| {
        let asked = json_of(request);
        let spoken = !asked["ext"]["rerank"].is_null();
        if spoken != pipeline {
            let error =
                json!({"error": {"type": "illegal_argument_exception", "spoken": spoken}, "status": 400});
            return Some(response(400, "application/json", &error.to_string()));
        }
        let hits: Vec<_> = (0..3)
            .rev()
            .map(|id| json!({"_id": id.to_string(), "_score": 0.5, "_source": {"content": "x"}}))
            .collect();
        Some(response(200, "application/json", &json!({"hits": {"hits": hits}}).to_string()))
    })
    .await
}

const SPOKEN: &str =
    r#"{"query":{"match":{"content":"uk"}},"size":3,"ext":{"rerank":{"query_context":{"query_text":"uk"}}}}"#;

#[tokio::test]
async fn an_index_whose_own_pipeline_reranks_gets_the_words_that_it_needs() {
    let database = reranking(true).await;
    let sidecar = Sidecar::start(database.addr, reversing().await, "", "").await;
    for asked in [3, 1, 1] {
        let before = database.seen().len();
        let got = sidecar.post("/docs/_search", "", SPOKEN).await;
        assert!(got.starts_with("HTTP/1.1 200 "), "{got}");
        assert_eq!(header(&got, "x-rerank-status"), Some("kept; reason=unsupported"));
        assert_eq!(json_of(&got)["hits"]["hits"][0]["_id"], "2", "in the order of its own");
        let seen = database.seen();
        assert_eq!(seen.len() - before, asked);
        assert_eq!(crate::harness::body_of(seen.last().unwrap()), SPOKEN);
    }
}

#[tokio::test]
async fn a_search_that_fails_with_and_without_them_is_reported_why_it_fails_without() {
    let database = Scripted::start(|request| {
        let spoken = json_of(request)["ext"]["rerank"].is_object();
        Some(response(
            400,
            "application/json",
            &json!({"error": {"spoken": spoken}, "status": 400}).to_string(),
        ))
    })
    .await;
    let sidecar = Sidecar::start(database.addr, reversing().await, "", "").await;
    let got = sidecar.post("/docs/_search", "", SPOKEN).await;
    assert_eq!(json_of(&got)["error"]["spoken"], false);
    let plain = reranking(false).await;
    let sidecar = Sidecar::start(plain.addr, reversing().await, "", "").await;
    let got = sidecar.post("/docs/_search", "", SPOKEN).await;
    assert!(got.starts_with("HTTP/1.1 200 "), "{got}");
    assert!(plain.seen().iter().all(|request| !request.contains("\"ext\"")));
}

/// An OpenSearch with shards of so many documents; the nearest are the first.
async fn nearest(held: &'static [u64]) -> Scripted {
    Scripted::start(move |request| {
        let asked = json_of(request);
        let k = asked["query"]["knn"]["v"]["k"].as_u64().unwrap();
        let (from, size) = (asked["from"].as_u64().unwrap_or(0), asked["size"].as_u64().unwrap());
        let found: u64 = held.iter().map(|held| k.min(*held)).sum();
        let hits: Vec<_> = (from..(from + size).min(found))
            .map(|id| json!({"_index": "docs", "_id": id.to_string(), "_score": 1.0 / (id + 1) as f64, "_source": {"content": format!("text {id}")}}))
            .collect();
        let body = json!({"_shards": {"total": held.len(), "failed": 0}, "hits": {"total": {"value": found, "relation": "eq"}, "max_score": 1.0, "hits": hits}});
        Some(response(200, "application/json", &body.to_string()))
    })
    .await
}

fn knn(from: u64, size: u64) -> String {
    json!({"query": {"knn": {"v": {"vector": [0.1], "k": 10}}}, "from": from, "size": size}).to_string()
}

#[tokio::test]
async fn a_knn_query_gets_candidates_and_a_walk_sees_every_hit_once() {
    for held in [&[60][..], &[60; 3], &[3; 3]] {
        let database = nearest(held).await;
        let sidecar = Sidecar::start(database.addr, reversing().await, "", "").await;
        let text = "x-rerank-query: zebra\r\n";
        let mut walked = Vec::new();
        // The pages do not divide what there is.
        for from in [0, 4, 8] {
            let got = sidecar.post("/docs/_search", text, &knn(from, 4)).await;
            assert_eq!(header(&got, "x-rerank-status"), Some("applied"), "{got}");
            let body = json_of(&got);
            assert_eq!(body["hits"]["total"]["value"], held.iter().map(|held| held.min(&10)).sum::<u64>());
            let id = |hit: &serde_json::Value| hit["_id"].as_str().unwrap().parse::<u64>().unwrap();
            walked.extend(body["hits"]["hits"].as_array().unwrap().iter().map(id));
        }
        let candidates = 50.min(held.iter().sum());
        let shown = if held.len() == 1 { 10 } else { 12 };
        let expected: Vec<u64> = (0..candidates).rev().take(shown).collect();
        assert_eq!(walked, expected, "{held:?}");
        assert_eq!(database.seen().len(), 3, "{held:?}");
    }
}

#[tokio::test]
async fn a_total_that_more_candidates_hide_is_asked_for_as_the_client_did() {
    // Some shards hold fewer than the window, and more together than the client's `k`.
    let database = nearest(&[30, 25, 4]).await;
    let sidecar = Sidecar::start(database.addr, reversing().await, "", "").await;
    for _ in 0..2 {
        let got = sidecar.post("/docs/_search", "x-rerank-query: zebra\r\n", &knn(0, 4)).await;
        assert_eq!(header(&got, "x-rerank-status"), Some("applied"), "{got}");
        let body = json_of(&got);
        assert_eq!(body["hits"]["total"]["value"], 10 + 10 + 4);
        let ids: Vec<&str> =
            body["hits"]["hits"].as_array().unwrap().iter().map(|hit| hit["_id"].as_str().unwrap()).collect();
        assert_eq!(ids, ["3", "2", "1", "0"], "the client's own page, reranked");
    }
    let ks: Vec<_> =
        database.seen().iter().map(|request| json_of(request)["query"]["knn"]["v"]["k"].clone()).collect();
    assert_eq!(ks, [50, 10, 10], "and is remembered");
}

#[tokio::test]
async fn a_search_that_wants_its_k_explained_keeps_it() {
    for beside in ["explain", "profile"] {
        let database = nearest(&[60]).await;
        let sidecar = Sidecar::start(database.addr, reversing().await, "", "").await;
        let mut asked: serde_json::Value = serde_json::from_str(&knn(0, 4)).unwrap();
        asked[beside] = json!(true);
        sidecar.post("/docs/_search", "x-rerank-query: zebra\r\n", &asked.to_string()).await;
        assert_eq!(json_of(database.seen().last().unwrap())["query"]["knn"]["v"]["k"], 10, "{beside}");
    }
}

#[tokio::test]
async fn a_knn_query_whose_reranking_fails_is_asked_as_its_client_did() {
    let database = nearest(&[60]).await;
    let sidecar = Sidecar::start(database.addr, crate::harness::composed::rejecting().await, "", "").await;
    let got = sidecar.post("/docs/_search", "x-rerank-query: zebra\r\n", &knn(0, 4)).await;
    assert_eq!(json_of(&got)["hits"]["total"]["value"], 10);
    let ks: Vec<_> =
        database.seen().iter().map(|request| json_of(request)["query"]["knn"]["v"]["k"].clone()).collect();
    assert_eq!(ks, [50, 10]);
}
