//! `score: replace`: `_score` and `max_score` of what Elasticsearch answers.

use serde_json::{Value, json};

use crate::harness::{Scripted, Sidecar, header, json_of, response};

const JSON: &str = "application/json";

/// A database of 30 hits; `max_score` is as given.
async fn database(max_score: &'static str) -> Scripted {
    Scripted::start(move |request| {
        let asked = json_of(request);
        let number = |name: &str, default| asked[name].as_u64().unwrap_or(default);
        let (from, size) = (number("from", 0), number("size", 10));
        let hit =
            |id: u64| format!(r#"{{"_id":"{id}","_score":{}.5,"_source":{{"body":"text {id}"}}}}"#, 90 - id);
        let hits: Vec<String> = (from..(from + size).min(30)).map(hit).collect();
        let body =
            format!(r#"{{"hits":{{"total":30,"max_score":{max_score},"hits":[{}]}}}}"#, hits.join(","));
        Some(response(200, JSON, &body))
    })
    .await
}

/// The later a hit comes, the better.
fn reversing(text: &str) -> f64 {
    text.rsplit(' ').next().unwrap().parse::<f64>().unwrap() / 64.0
}

/// `max_score`, then `_score` of every hit, in 64ths.
async fn scores(sidecar: &Sidecar, beside: &str) -> (Option<f64>, Vec<f64>) {
    let body = format!(r#"{{"query":{{"match":{{"body":"zebra"}}}}{beside}}}"#);
    let got = sidecar.post("/a/_search", "", &body).await;
    let hits = json_of(&got)["hits"].clone();
    let parts = |value: &Value| value.as_f64().map(|score| score * 64.0);
    let of_hits = hits["hits"].as_array().unwrap().iter().map(|hit| parts(&hit["_score"]).unwrap()).collect();
    (parts(&hits["max_score"]), of_hits)
}

async fn replacing(database: &Scripted, more: &str) -> Sidecar {
    let rerank = format!("score: replace, window: 20{more}");
    Sidecar::start(database.addr, Scripted::scoring(reversing).await, &rerank, "").await
}

#[tokio::test]
async fn max_score_is_the_best_of_the_window_on_every_page() {
    let database = database("90.5").await;
    let sidecar = replacing(&database, "").await;
    assert_eq!(scores(&sidecar, r#","size":3"#).await, (Some(19.0), vec![19.0, 18.0, 17.0]));
    assert_eq!(scores(&sidecar, r#","size":3,"from":9"#).await, (Some(19.0), vec![10.0, 9.0, 8.0]));
    // Past the window nothing has a score.
    assert_eq!(scores(&sidecar, r#","size":4,"from":18"#).await, (Some(19.0), vec![1.0, 0.0, 0.0, 0.0]));
}

#[tokio::test]
async fn max_score_of_a_page_that_is_reranked_as_it_is_is_the_pages_own() {
    let database = database("90.5").await;
    let sidecar = replacing(&database, ", widen: never").await;
    assert_eq!(scores(&sidecar, r#","size":3"#).await, (Some(2.0), vec![2.0, 1.0, 0.0]));
    assert_eq!(scores(&sidecar, r#","size":3,"from":9"#).await, (Some(11.0), vec![11.0, 10.0, 9.0]));
    assert_eq!(scores(&sidecar, r#","size":4,"from":18"#).await, (Some(19.0), vec![19.0, 18.0, 0.0, 0.0]));
}

#[tokio::test]
async fn there_is_no_best_score_where_a_floor_drops_every_hit() {
    let database = database("90.5").await;
    let sidecar = replacing(&database, ", min_score: 0.9, max_window: 30").await;
    assert_eq!(scores(&sidecar, r#","size":3"#).await, (None, Vec::new()));
    // The page after the window is not the reranker's, nor are its scores.
    assert_eq!(
        scores(&sidecar, r#","size":2,"from":20"#).await,
        (Some(90.5 * 64.0), vec![70.5 * 64.0, 69.5 * 64.0])
    );
}

#[tokio::test]
async fn a_max_score_that_is_null_is_the_best_score_like_any_other() {
    let database = database("null").await;
    let sidecar = replacing(&database, "").await;
    assert_eq!(scores(&sidecar, r#","size":1"#).await, (Some(19.0), vec![19.0]));
}

#[tokio::test]
async fn where_the_order_is_kept_scores_are_the_databases() {
    let database = database("90.5").await;
    let failing = Scripted::start(|_| Some(response(500, JSON, "{}"))).await;
    let sidecar = Sidecar::start(database.addr, failing, "score: replace", "").await;
    let body = json!({"query": {"match": {"body": "zebra"}}, "size": 2}).to_string();
    let got = sidecar.post("/a/_search", "", &body).await;
    assert_eq!(header(&got, "x-rerank-status"), Some("kept; reason=provider_unavailable"));
    assert_eq!(json_of(&got)["hits"]["max_score"], 90.5);
    assert_eq!(json_of(&got)["hits"]["hits"][1]["_score"], 89.5);
}
