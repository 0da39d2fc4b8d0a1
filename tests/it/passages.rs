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
async fn passages_that_the_database_has_highlighted_are_read_before_the_first_ones() {
    let texts = [text(2, 0), text(9, 7)];
    let database = Scripted::start(move |request| {
        let asked = json_of(request)["highlight"].is_object();
        let hit = |(id, text): (usize, &String)| {
            let mut hit = json!({"_id": format!("{id}"), "_score": 9 - id, "_source": {"text": text}});
            if asked && id == 1 {
                let fragment = text.rsplit_once("This").map(|(_, end)| format!("<em>This</em>{end}"));
                hit["highlight"] = json!({"text": [fragment]});
            }
            hit
        };
        let hits: Vec<Value> = texts.iter().enumerate().map(hit).collect();
        Some(response(200, JSON, &json!({"hits": {"max_score": 9, "hits": hits}}).to_string()))
    })
    .await;
    let few = "passages: { bytes: 100, overlap: 0, most: 2 }";
    let sidecar = Sidecar::start(database.addr, Scripted::scoring(score).await, few, "").await;
    let (_, plain) = search(&sidecar).await;
    assert_eq!(ids(&plain), ["0", "1"]);
    let body = r#"{"query":{"match":{"text":"zebra"}},"highlight":{"fields":{"text":{}}}}"#;
    let got = sidecar.post("/a/_search", "", body).await;
    let hits = json_of(&got)["hits"]["hits"].as_array().unwrap().clone();
    assert_eq!(ids(&hits), ["1", "0"]);
}

/// Elasticsearch 9.2's `chunk_rescorer`, where the reranker is served here.
#[tokio::test]
async fn a_chunk_rescorer_of_a_served_reranker_means_passages_with_the_words_of_the_question() {
    let said = |text: String| text.replace("This one", "This zebra");
    let texts = vec![text(2, 0), said(text(9, 7)), "short, of a relevance of 0.5 only".to_owned()];
    let (database, provider) = (database(texts).await, Scripted::scoring(score).await);
    let served = "annotate: true, inference_ids: [mine]";
    let sidecar = Sidecar::start(database.addr, provider, served, "").await;
    for (more, cache) in
        [("", "0/3"), (r#","chunk_rescorer":{"size":1,"chunking_settings":{"max_chunk_size":17}}"#, "1/3")]
    {
        let body = format!(
            r#"{{"retriever":{{"text_similarity_reranker":{{"retriever":{{"standard":{{"query":{{"match":{{"text":"zebra"}}}}}}}},
                "field":"text","inference_id":"mine","inference_text":"which zebra?"{more}}}}}}}"#
        );
        let got = sidecar.post("/a/_search", "", &body).await;
        assert_eq!(header(&got, "x-rerank-status"), Some("applied"), "{got}");
        assert_eq!(header(&got, "x-rerank-cache"), Some(cache), "{more}");
        let hits = json_of(&got)["hits"]["hits"].as_array().unwrap().clone();
        assert_eq!(ids(&hits)[0], "1", "{more}");
        assert_eq!(hits[0].get("rerank_passage").is_some(), !more.is_empty(), "{more}");
    }
    let calls = sidecar.service.seen();
    let chunks = json_of(&calls[1])["documents"].clone();
    let chunks: Vec<&str> = chunks.as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect();
    assert!(chunks.len() == 2 && chunks.iter().all(|chunk| chunk.len() <= 102), "{chunks:?}");
    assert!(chunks[1].contains("This zebra has a relevance of 0.9"), "{chunks:?}");
}

#[tokio::test]
async fn a_model_that_tells_passages_itself_reads_texts_whole_and_is_asked_for_the_best_one() {
    let texts = vec![text(2, 0), text(9, 5)];
    let service = Scripted::start(|request| {
        let documents = json_of(request)["documents"].as_array().cloned().unwrap_or_default();
        let result = |(at, text): (usize, &Value)| {
            let text = text.as_str().unwrap();
            let start = text.find("This").unwrap();
            let span = json!({"start": start, "end": start + 8, "score": score(text)});
            json!({"index": at, "relevance_score": score(text), "relevant_spans": [span]})
        };
        let results: Vec<Value> = documents.iter().enumerate().map(result).collect();
        Some(response(200, JSON, &json!({"results": results}).to_string()))
    })
    .await;
    let database = database(texts.clone()).await;
    let listener = format!("upstream: {{ url: \"http://{}\" }}", database.addr);
    let provider = format!("cohere: {{ model: rerank-v5.0-pro, base_url: \"http://{}\" }}", service.addr);
    let sidecar = Sidecar::asking(&listener, &provider, service, ON, "").await;
    for cache in ["0/2", "2/2"] {
        let (got, hits) = search(&sidecar).await;
        assert_eq!(header(&got, "x-rerank-cache"), Some(cache), "{got}");
        assert_eq!(ids(&hits), ["1", "0"]);
        let start = texts[1].find("This").unwrap();
        assert_eq!(hits[0]["rerank_passage"], json!({"offset": start, "length": 8}));
    }
    let sent = json_of(&sidecar.service.seen()[0]);
    assert_eq!(sent["documents"], json!(texts));
    assert_eq!(sent["relevant_spans"], json!({"mode": "enabled", "max_spans": 1}));
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
