//! `rerank.boosts`: what hits' fields add to their relevance.

use serde_json::{Value, json};

use crate::harness::{Scripted, Sidecar, header, json_of};

const SEARCH: &str = r#"{"query":{"match":{"text":"zebra"}},"_source":false}"#;

/// The relevance is the text.
fn score(text: &str) -> f64 {
    text.parse().unwrap()
}

async fn start(sources: Vec<Value>, rerank: &str) -> (Sidecar, Scripted) {
    let database = Scripted::holding(sources).await;
    let sidecar = Sidecar::start(database.addr, Scripted::scoring(score).await, rerank, "").await;
    (sidecar, database)
}

fn hits(got: &str) -> Vec<Value> {
    json_of(got)["hits"]["hits"].as_array().unwrap().clone()
}

fn ids(got: &str) -> Vec<String> {
    hits(got).iter().map(|hit| hit["_id"].as_str().unwrap().to_owned()).collect()
}

fn sources() -> Vec<Value> {
    vec![
        json!({"text": "0.5", "meta": {"published": "2001-01-01"}, "views": 1, "source": ["forum"]}),
        json!({"text": "0.45", "meta": {"published": "2999-01-01T00:00:00Z"}, "source": "wiki"}),
        json!({"text": "0.4", "views": 900, "source": "manual"}),
        json!({"text": "0.3", "views": "no number", "meta": {"published": null}, "source": 7}),
    ]
}

#[tokio::test]
async fn newer_more_popular_and_better_sourced_hits_rise_and_the_client_sees_what_it_asked_for() {
    for (boosts, order) in [
        ("[]", ["0", "1", "2", "3"]),
        ("[{ field: meta.published, half_life: 30d, weight: 0.5 }]", ["1", "0", "2", "3"]),
        ("[{ field: views, pivot: 100, weight: 0.5 }]", ["2", "0", "1", "3"]),
        ("[{ field: source, values: [manual, '7'], weight: 1 }]", ["2", "3", "0", "1"]),
        ("[{ field: source, values: [forum], cap: 0.2 }]", ["1", "2", "3", "0"]),
        ("[{ field: source, values: ['7'], floor: 0.48 }]", ["0", "3", "1", "2"]),
        ("[{ field: nowhere, pivot: 1, weight: 5 }]", ["0", "1", "2", "3"]),
    ] {
        let (sidecar, _database) = start(sources(), &format!("annotate: true, boosts: {boosts}")).await;
        let got = sidecar.post("/a/_search", "", SEARCH).await;
        assert_eq!(header(&got, "x-rerank-status"), Some("applied"), "{boosts}");
        assert_eq!(ids(&got), order, "{boosts}");
        for hit in hits(&got) {
            let nth: usize = hit["_id"].as_str().unwrap().parse().unwrap();
            assert_eq!((hit.get("fields"), hit.get("_source")), (None, None), "what was added is taken out");
            let relevance = score(sources()[nth]["text"].as_str().unwrap());
            assert_eq!(hit["rerank_score"], relevance, "relevance stays what it is");
        }
    }
}

#[tokio::test]
async fn the_fields_of_boosts_are_asked_for_and_never_sent_to_the_provider() {
    let boosts = "boosts: [{ field: meta.published, half_life: 30d, weight: 1 }, { field: source, values: [wiki], weight: 1 }]";
    let (sidecar, database) = start(sources(), boosts).await;
    sidecar.post("/a/_search", "", SEARCH).await;
    let asked = json_of(&database.seen()[0])["fields"].clone();
    let asked: Vec<&str> = asked.as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    assert!(asked.contains(&"meta.published") && asked.contains(&"source"), "{asked:?}");
    assert_eq!(json_of(&sidecar.service.seen()[0])["documents"], json!(["0.5", "0.45", "0.4", "0.3"]));
}

#[tokio::test]
async fn a_floor_looks_at_relevance_before_boosts_and_written_scores_fall_with_the_boosted_order() {
    let boosts = "min_score: 0.35, score: replace, boosts: [{ field: views, pivot: 100, weight: 10 }]";
    let mut all = sources();
    all[3]["views"] = json!(1e9);
    let (sidecar, _database) = start(all, boosts).await;
    let got = sidecar.post("/a/_search", "", SEARCH).await;
    assert_eq!(ids(&got), ["2", "0", "1"], "the most popular one does not answer the question");
    let scores: Vec<f64> = hits(&got).iter().map(|hit| hit["_score"].as_f64().unwrap()).collect();
    assert!(scores[0] > 1.0 && scores.is_sorted_by(|a, b| a > b), "{scores:?}");
    let metrics = sidecar.metrics().await;
    assert!(metrics.contains("rerankd_hits_boosted_total{mode=\"on\"} 3"), "{metrics}");
}

#[tokio::test]
async fn a_pinned_hit_is_not_moved_by_boosts() {
    let boosts = "boosts: [{ field: source, values: [manual], weight: 9 }]";
    let (sidecar, _database) = start(sources(), boosts).await;
    let pinned = r#"{"query":{"pinned":{"ids":["0"],"organic":{"match":{"text":"zebra"}}}},"_source":false}"#;
    let got = sidecar.post("/a/_search", "", pinned).await;
    assert_eq!(header(&got, "x-rerank-status"), Some("applied"));
    assert_eq!(ids(&got), ["0", "2", "1", "3"]);
}
