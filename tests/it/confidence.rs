//! `rerank.confidence`: how likely the best hit is relevant, and `on_nothing_relevant`; `rerank.drift`: whether the scores are
//! still those that floor and fit were made for.

use serde_json::{Value, json};

use crate::harness::{Scripted, Sidecar, header, json_of, response};

const JSON: &str = "application/json";
/// A score is its own probability.
const SURE: &str = "confidence: { model: rerank-v3.5, slope: 1, intercept: 0, least: 0.4 }";
const SEARCH: &str = r#"{"query":{"match":{"text":"zebra"}},"size":3}"#;

/// A database of three hits with these texts.
async fn database(texts: [&'static str; 3]) -> Scripted {
    Scripted::start(move |_| {
        let hit = |(id, text): (usize, &&str)| match *text {
            "" => json!({"_id": id.to_string(), "_score": 9 - id, "_source": {}}),
            text => json!({"_id": id.to_string(), "_score": 9 - id, "_source": {"text": text}}),
        };
        let hits: Vec<Value> = texts.iter().enumerate().map(hit).collect();
        let body = json!({"hits": {"total": {"value": 3, "relation": "eq"}, "max_score": 9, "hits": hits}});
        Some(response(200, JSON, &body.to_string()))
    })
    .await
}

/// A text is as good as the number that it is.
async fn provider() -> Scripted {
    Scripted::scoring(|text| text.parse().unwrap()).await
}

async fn search(sidecar: &Sidecar, headers: &str) -> (String, usize) {
    let got = sidecar.post("/a/_search", headers, SEARCH).await;
    let hits = json_of(&got)["hits"]["hits"].as_array().map_or(0, Vec::len);
    (got, hits)
}

#[tokio::test]
async fn the_probability_of_the_best_hit_is_told_in_header_body_and_metric() {
    let database = database(["0.2", "0.75", "0.1"]).await;
    let settings = "answer_block: true, confidence: { model: rerank-v3.5, slope: 2, intercept: -1 }";
    let sidecar = Sidecar::start(database.addr, provider().await, settings, "").await;
    let (got, hits) = search(&sidecar, "").await;
    // 1 / (1 + e^-(2 ln 3 - 1))
    assert_eq!((header(&got, "x-rerank-confidence"), hits), (Some("0.768"), 3));
    assert_eq!(json_of(&got)["rerank"]["confidence"], 0.768);
    assert_eq!(header(&got, "x-rerank-nothing-relevant"), None);
    let metrics = sidecar.metrics().await;
    assert!(metrics.contains("rerankd_best_hit_confidence_count{mode=\"on\"} 1"), "{metrics}");
    let searches = sidecar.reported("/api/searches").await;
    assert!(searches.contains("\"confidence\":0.76"), "{searches}");
}

#[tokio::test]
async fn without_a_fit_nothing_is_said() {
    let database = database(["0.2", "0.75", "0.1"]).await;
    let sidecar = Sidecar::start(database.addr, provider().await, "", "").await;
    let (got, _) = search(&sidecar, "").await;
    assert_eq!(
        (header(&got, "x-rerank-status"), header(&got, "x-rerank-confidence")),
        (Some("applied"), None)
    );
}

#[tokio::test]
async fn the_fit_of_one_model_is_never_applied_to_scores_of_another() {
    let texts = ["0.01", "0.02", "0.03"];
    let empties = format!("{SURE}, on_nothing_relevant: empty");
    // A model that the request names.
    let allowed = format!("{empties}, allow: {{ models: [rerank-v4] }}");
    let first = database(texts).await;
    let sidecar = Sidecar::start(first.addr, provider().await, &allowed, "").await;
    let (got, _) = search(&sidecar, "x-rerank-model: rerank-v4\r\n").await;
    assert_eq!(header(&got, "x-rerank-confidence"), None, "{got}");
    // The next provider of a chain, though its model has the same name.
    let database = database(texts).await;
    let failing = Scripted::start(|_| Some(response(503, JSON, "{}"))).await;
    let second = provider().await;
    let chain = format!("providers: [cohere, other], {empties}");
    let other = format!("  other: {{ kind: cohere, base_url: \"http://{}\" }}\n", second.addr);
    let sidecar = Sidecar::with_providers(database.addr, failing, &chain, &other).await;
    let (got, hits) = search(&sidecar, "").await;
    assert_eq!(header(&got, "x-rerank-provider"), Some("other"), "{got}");
    assert_eq!((header(&got, "x-rerank-confidence"), hits), (None, 3));
}

#[tokio::test]
async fn with_nothing_relevant_hits_stay_or_are_told_of_or_are_dropped() {
    for (action, told, left) in [("keep", None, 3), ("header", Some("true"), 3), ("empty", Some("true"), 0)] {
        let database = database(["0.2", "0.3", "0.1"]).await;
        let settings = format!("{SURE}, on_nothing_relevant: {action}, min_keep: 2");
        let sidecar = Sidecar::start(database.addr, provider().await, &settings, "").await;
        let (got, hits) = search(&sidecar, "").await;
        assert_eq!((header(&got, "x-rerank-nothing-relevant"), hits), (told, left), "{action}: {got}");
        assert_eq!(header(&got, "x-rerank-status"), Some("applied"));
        assert_eq!(header(&got, "x-rerank-confidence"), Some("0.300"));
        let counted = format!("rerankd_nothing_relevant_total{{action=\"{action}\",mode=\"on\"}} 1");
        assert!(sidecar.metrics().await.contains(&counted), "{action}");
    }
}

#[tokio::test]
async fn hits_stay_where_the_best_one_is_likely_enough() {
    let database = database(["0.2", "0.41", "0.1"]).await;
    let settings = format!("{SURE}, on_nothing_relevant: empty");
    let sidecar = Sidecar::start(database.addr, provider().await, &settings, "").await;
    let (got, hits) = search(&sidecar, "").await;
    assert_eq!((header(&got, "x-rerank-nothing-relevant"), hits), (None, 3));
}

#[tokio::test]
async fn a_hit_without_a_score_may_be_the_relevant_one() {
    let database = database(["0.2", "", "0.1"]).await;
    let settings = format!("{SURE}, on_nothing_relevant: empty");
    let sidecar = Sidecar::start(database.addr, provider().await, &settings, "").await;
    let (got, hits) = search(&sidecar, "").await;
    assert_eq!((header(&got, "x-rerank-nothing-relevant"), hits), (None, 3), "{got}");
    assert_eq!(header(&got, "x-rerank-confidence"), Some("0.200"));
}

#[tokio::test]
async fn hits_behind_the_window_stay_where_nothing_in_it_is_relevant() {
    let database = database(["0.2", "0.3", "0.39"]).await;
    let settings = format!("{SURE}, on_nothing_relevant: empty, window: 2");
    let sidecar = Sidecar::start(database.addr, provider().await, &settings, "").await;
    let (got, hits) = search(&sidecar, "").await;
    assert_eq!((hits, &json_of(&got)["hits"]["hits"][0]["_id"]), (1, &json!("2")), "{got}");
}

#[tokio::test]
async fn each_search_of_a_batch_is_told_by_itself() {
    let one = |score: &str| {
        let hits: Vec<Value> = (0..2)
            .map(|id| json!({"_id": id.to_string(), "_score": 2 - id, "_source": {"text": score}}))
            .collect();
        json!({"hits": {"total": 2, "hits": hits}, "status": 200})
    };
    let body = json!({"took": 1, "responses": [one("0.9"), one("0.1")]}).to_string();
    let database = Scripted::start(move |_| Some(response(200, JSON, &body))).await;
    let settings = format!("{SURE}, on_nothing_relevant: empty, answer_block: true");
    let sidecar = Sidecar::start(database.addr, provider().await, &settings, "").await;
    let lines = "{\"index\":\"a\"}\n{\"query\":{\"match\":{\"text\":\"zebra\"}}}\n".repeat(2);
    let got = sidecar.post("/_msearch", "", &lines).await;
    let found = json_of(&got);
    let hits = |at: usize| found["responses"][at]["hits"]["hits"].as_array().map(Vec::len);
    assert_eq!((hits(0), hits(1)), (Some(2), Some(0)), "{got}");
    assert_eq!(found["responses"][0]["rerank"]["confidence"], 0.9);
    assert_eq!(found["responses"][1]["rerank"]["nothing_relevant"], true);
    assert_eq!(header(&got, "x-rerank-confidence"), None);
}

/// As many searches as are needed to see that scores have moved, each of another text.
async fn search_often(sidecar: &Sidecar) {
    for at in 0..200 {
        let body = format!(r#"{{"query":{{"match":{{"text":"zebra {at}"}}}},"size":3}}"#);
        sidecar.post("/a/_search", "", &body).await;
    }
}

#[tokio::test]
async fn where_scores_have_moved_floor_and_fit_of_the_old_ones_do_not_apply() {
    let settings = format!(
        "min_score: 0.25, {SURE}, on_nothing_relevant: empty,
         drift: {{ model: rerank-v3.5, searches: 500, quantiles: [0.6, 0.7, 0.8, 0.9] }}"
    );
    let database = database(["0.2", "0.3", "0.1"]).await;
    let sidecar = Sidecar::start(database.addr, provider().await, &settings, "").await;
    let (got, hits) = search(&sidecar, "").await;
    assert_eq!((header(&got, "x-rerank-confidence"), hits), (Some("0.300"), 0), "{got}");
    search_often(&sidecar).await;
    let moved = "rerankd_scores_moved{route=\"rerank\"} 1";
    let metrics = sidecar.metrics().await;
    assert!(
        metrics.contains(moved) && metrics.contains("rerankd_score_distance{route=\"rerank\"} 1"),
        "{metrics}"
    );
    let (got, hits) = search(&sidecar, "").await;
    assert_eq!((header(&got, "x-rerank-confidence"), hits), (None, 3), "{got}");
    // A floor that the request itself names is one for the scores of now.
    let (_, hits) = search(&sidecar, "x-rerank-min-score: 0.15\r\n").await;
    assert_eq!(hits, 2);
}

#[tokio::test]
async fn scores_as_they_were_keep_floor_and_fit() {
    let settings = format!(
        "min_score: 0.25, {SURE}, drift: {{ model: rerank-v3.5, searches: 500, quantiles: [0.75, 0.75] }}"
    );
    let database = database(["0.2", "0.75", "0.1"]).await;
    let sidecar = Sidecar::start(database.addr, provider().await, &settings, "").await;
    search_often(&sidecar).await;
    assert!(sidecar.metrics().await.contains("rerankd_scores_moved{route=\"rerank\"} 0"));
    let (got, hits) = search(&sidecar, "").await;
    assert_eq!((header(&got, "x-rerank-confidence"), hits), (Some("0.750"), 1), "{got}");
}

#[tokio::test]
async fn what_has_moved_counts_for_hits_of_several_routes_too() {
    let database = Scripted::start(|request| {
        let of = if request.contains("/a,b/_search") { ["a", "b", "a"] } else { ["a"; 3] };
        let hit = |(id, index): (usize, &&str)| {
            json!({"_index": index, "_id": id.to_string(), "_score": 9 - id, "_source": {"text": format!("0.{}", id + 1)}})
        };
        let hits: Vec<Value> = of.iter().enumerate().map(hit).collect();
        Some(response(200, JSON, &json!({"hits": {"total": 3, "hits": hits}}).to_string()))
    })
    .await;
    let settings = format!(
        "{SURE}, on_nothing_relevant: empty,
         drift: {{ model: rerank-v3.5, searches: 500, quantiles: [0.6, 0.7, 0.8, 0.9] }}"
    );
    let routes = "routes: [{ collection: a }, { collection: b }]";
    let sidecar = Sidecar::start(database.addr, provider().await, &settings, routes).await;
    let left = async || {
        let got = sidecar.post("/a,b/_search", "", SEARCH).await;
        json_of(&got)["hits"]["hits"].as_array().map_or(0, Vec::len)
    };
    assert_eq!(left().await, 0);
    search_often(&sidecar).await;
    assert_eq!(left().await, 3);
}
