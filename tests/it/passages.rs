//! `rerank.passages`: long documents are ranked by their best passage.

use serde_json::{Value, json};

use crate::harness::{Scripted, Sidecar, header, json_of, response};

const JSON: &str = "application/json";
const ON: &str = "annotate: true, passages: { bytes: 100, overlap: 20, most: 4 }";

/// Sentences of 40 bytes, one of which says how good the text is.
fn text(score: u64, at: usize) -> String {
    let sentence = |nth: usize| match nth == at {
        true => format!("This one has a relevance of 0.{score:<3} no.{nth}."),
        false => format!("Here is nothing that anybody asks no.{nth:02}."),
    };
    (0..8).map(sentence).collect::<Vec<_>>().join(" ")
}

/// A database of these texts.
async fn database(texts: Vec<String>) -> Scripted {
    Scripted::start(move |_| {
        let hits: Vec<Value> = (0..)
            .zip(&texts)
            .map(|(id, text)| json!({"_id": format!("{id}"), "_score": 9 - id, "_source": {"text": text}}))
            .collect();
        let total = hits.len();
        Some(response(
            200,
            JSON,
            &json!({"hits": {"total": total, "max_score": 9, "hits": hits}}).to_string(),
        ))
    })
    .await
}

fn score(text: &str) -> f64 {
    let found = text.split_once("relevance of ").and_then(|(_, rest)| rest.split_whitespace().next());
    found.map_or(0.0, |score| score.parse().unwrap())
}

async fn search(sidecar: &Sidecar) -> (String, Vec<Value>) {
    let got = sidecar.post("/a/_search", "", r#"{"query":{"match":{"text":"zebra"}},"size":3}"#).await;
    let hits = json_of(&got)["hits"]["hits"].as_array().unwrap().clone();
    (got, hits)
}

fn ids(hits: &[Value]) -> Vec<&str> {
    hits.iter().map(|hit| hit["_id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_document_is_ranked_by_its_best_passage_which_is_told() {
    let texts = vec![text(2, 0), text(9, 5), "short, of a relevance of 0.5 only".to_owned()];
    let (database, provider) = (database(texts.clone()).await, Scripted::scoring(score).await);
    let sidecar = Sidecar::start(database.addr, provider, ON, "").await;
    let (first, hits) = search(&sidecar).await;
    assert_eq!(header(&first, "x-rerank-status"), Some("applied"));
    assert_eq!(ids(&hits), ["1", "2", "0"]);
    assert_eq!(hits[0]["rerank_score"], 0.9);
    let place = |name| usize::try_from(hits[0]["rerank_passage"][name].as_u64().unwrap()).unwrap();
    let passage = &texts[1][place("offset")..place("offset") + place("length")];
    assert!(passage.len() <= 100 && passage.contains("relevance of 0.9"), "{passage}");
    assert!(passage.ends_with('.') && texts[1].contains(&format!(". {passage} ")), "{passage}");
    // What was not cut has none, and nothing of a text was changed.
    assert_eq!(hits[1].get("rerank_passage"), None);
    assert_eq!(hits[0]["_source"]["text"], texts[1]);
}

#[tokio::test]
async fn each_passage_is_cached_for_itself() {
    let (database, provider) =
        (database(vec![text(2, 0), text(9, 3), text(5, 2)]).await, Scripted::scoring(score).await);
    let sidecar = Sidecar::start(database.addr, provider, ON, "").await;
    let (first, _) = search(&sidecar).await;
    let passages = header(&first, "x-rerank-cache").unwrap().strip_prefix("0/").unwrap().to_owned();
    assert!(passages.parse::<u64>().unwrap() > 9, "{passages}");
    let (second, hits) = search(&sidecar).await;
    assert_eq!(header(&second, "x-rerank-cache"), Some(&*format!("{passages}/{passages}")));
    assert_eq!(ids(&hits), ["1", "2", "0"]);
}

#[tokio::test]
async fn no_more_passages_are_read_than_are_set() {
    let (database, provider) = (database(vec![text(2, 0), text(9, 7)]).await, Scripted::scoring(score).await);
    let few = "passages: { bytes: 100, overlap: 0, most: 2 }";
    let sidecar = Sidecar::start(database.addr, provider, few, "").await;
    let (_, hits) = search(&sidecar).await;
    assert_eq!(ids(&hits), ["0", "1"]);
}

#[tokio::test]
async fn without_the_setting_a_document_is_scored_as_a_whole() {
    let (database, provider) = (database(vec![text(2, 0), text(9, 7)]).await, Scripted::scoring(score).await);
    let sidecar = Sidecar::start(database.addr, provider, "annotate: true", "").await;
    let (got, hits) = search(&sidecar).await;
    assert_eq!(header(&got, "x-rerank-cache"), Some("0/2"));
    assert_eq!(ids(&hits), ["1", "0"]);
    assert_eq!(hits[0].get("rerank_passage"), None);
}
