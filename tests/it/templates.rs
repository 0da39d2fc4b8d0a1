//! `rerank.template`: how fields and labels make a document.

use serde_json::{Value, json};

use crate::harness::{Scripted, Sidecar, header, json_of};

const TEMPLATE: &str =
    r#"template: "Title: {title} ({published:date})\nTags: {tags}\nBy {meta.author}\n{body}""#;

fn score(text: &str) -> f64 {
    if text.contains("best") { 0.9 } else { 0.1 }
}

fn sources() -> Vec<Value> {
    vec![
        json!({"title": "Trains", "published": 1714567890, "tags": ["rail", 7, true], "meta": {"author": "Ada"}, "body": "They run.", "secret": "s"}),
        json!({"title": "Buses", "body": "The best."}),
        json!({"published": "2024-05-01T10:00:00Z", "meta": {"author": "Bo"}}),
        json!({"secret": "only this"}),
    ]
}

#[tokio::test]
async fn documents_are_made_as_the_template_says_and_what_is_missing_leaves_no_label() {
    let (database, provider) = (Scripted::holding(sources()).await, Scripted::scoring(score).await);
    let sidecar = Sidecar::start(database.addr, provider, TEMPLATE, "").await;
    let got =
        sidecar.post("/a/_search", "", r#"{"query":{"match":{"title":"zebra"}},"_source":false}"#).await;
    assert_eq!(header(&got, "x-rerank-status"), Some("applied"), "{got}");
    let documents = json_of(&sidecar.service.seen()[0])["documents"].clone();
    let expected = [
        "Title: Trains (2024-05-01)\nTags: rail, 7, true\nBy Ada\nThey run.",
        "Title: Buses\nThe best.",
        "(2024-05-01)\nBy Bo",
    ];
    assert_eq!(documents, json!(expected));
    // Exactly its fields were asked for, and the client sees what it asked for.
    let asked = json_of(&database.seen()[0])["fields"].clone();
    let mut asked: Vec<&str> = asked.as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    asked.sort_unstable();
    assert_eq!(asked, ["body", "meta.author", "published", "tags", "title"]);
    let hits = json_of(&got)["hits"]["hits"].clone();
    assert_eq!(hits[0], json!({"_index": "a", "_id": "1", "_score": 8}));
}

#[tokio::test]
async fn what_the_client_excludes_is_not_asked_for_and_missing_in_the_document() {
    let mut shown = sources();
    for source in &mut shown {
        let source = source.as_object_mut().unwrap();
        source.remove("body");
        source.remove("meta");
    }
    let (database, provider) = (Scripted::holding(shown).await, Scripted::scoring(score).await);
    let sidecar = Sidecar::start(database.addr, provider, TEMPLATE, "").await;
    let body = r#"{"query":{"match":{"title":"zebra"}},"_source":{"excludes":["body","meta"]}}"#;
    sidecar.post("/a/_search", "", body).await;
    let asked = json_of(&database.seen()[0]);
    assert_eq!(asked["_source"], json!({"excludes": ["body", "meta"]}));
    assert!(!asked["fields"].to_string().contains("body"), "{asked}");
    let documents = json_of(&sidecar.service.seen()[0])["documents"].clone();
    let first = "Title: Trains (2024-05-01)\nTags: rail, 7, true";
    assert_eq!(documents, json!([first, "Title: Buses", "(2024-05-01)"]));
}

#[tokio::test]
async fn another_template_is_another_text_and_the_same_one_is_cached() {
    let (database, provider) = (Scripted::holding(sources()).await, Scripted::scoring(score).await);
    let routes = "routes: [{ collection: b, template: '{title}. {body}' }]";
    let sidecar = Sidecar::start(database.addr, provider, r#"template: "{title}: {body}""#, routes).await;
    let search = r#"{"query":{"match":{"title":"zebra"}}}"#;
    for (path, cache) in
        [("/a/_search", "0/2"), ("/a/_search", "2/2"), ("/b/_search", "0/2"), ("/b/_search", "2/2")]
    {
        let got = sidecar.post(path, "", search).await;
        assert_eq!(header(&got, "x-rerank-cache"), Some(cache), "{path}");
    }
}

#[tokio::test]
async fn each_passage_of_a_long_document_has_the_labels_and_fields_before_the_last_one() {
    let body: Vec<String> = (0..9).map(|nth| format!("This is sentence number {nth} of all.")).collect();
    let source = json!({"title": "Trains", "body": body.join(" ")});
    let (database, provider) =
        (Scripted::holding(vec![source, json!({"body": "short"})]).await, Scripted::scoring(score).await);
    let settings = r#"template: "Title: {title}\nText: {body}", passages: { bytes: 120, overlap: 0 }"#;
    let sidecar = Sidecar::start(database.addr, provider, settings, "").await;
    sidecar.post("/a/_search", "", r#"{"query":{"match":{"title":"zebra"}}}"#).await;
    let sent = json_of(&sidecar.service.seen()[0]);
    let documents: Vec<&str> =
        sent["documents"].as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect();
    let (short, passages) = documents.split_last().unwrap();
    assert_eq!(*short, "Text: short");
    assert!(passages.len() > 3, "{passages:?}");
    for passage in passages {
        assert!(passage.len() <= 120 && passage.starts_with("Title: Trains\nText: This is"), "{passage}");
    }
}
