//! Documents that somebody has put where they are.

use serde_json::Value;

use super::{by_length, case, database, hit, hits_of, lines, status};
use crate::harness::{Sidecar, header, json_of};

#[tokio::test]
async fn pinned_hits_stay_where_they_are_and_the_others_are_ranked_below() {
    let database = database(lines("02/hits.ndjson")).await;
    let sidecar = Sidecar::start(database.addr, by_length().await, "", "").await;
    let search = |file: &str| {
        let sidecar = &sidecar;
        let body = case(&format!("02/{file}"));
        async move { sidecar.post("/docs/_search", "", &body).await }
    };
    let got = search("pinned-query.json").await;
    assert_eq!((status(&got), header(&got, "x-rerank-held")), ("applied", Some("2")));
    assert_eq!(hits_of(&json_of(&got)), ["v1", "v2", "v3", "v4"], "the organic ones by their length");
    let got = search("pinned-retriever.json").await;
    let reported = hits_of(&json_of(&got));
    assert_eq!((status(&got), &*reported[0]), ("applied", "v1"));
    let got = search("rule-query.json").await;
    assert_eq!(
        (status(&got), hits_of(&json_of(&got)).join("")),
        ("kept; reason=not_ranked", "v1v2v3v4".to_owned())
    );
    let sent = sidecar.service.seen().concat();
    assert!(!sent.contains("Refunds are paid"), "a pinned text need not be read");
}

#[tokio::test]
async fn what_rules_have_pinned_is_reported_by_its_score() {
    let hits = vec![
        hit("docs", "a", "1.7014122E38", "x"),
        hit("docs", "b", "1.7014120E38", "xx"),
        hit("docs", "c", "9.1", "xxx"),
        hit("docs", "d", "8.2", "xxxx"),
    ];
    let database = database(hits).await;
    let sidecar = Sidecar::start(database.addr, by_length().await, "", "").await;
    let rule = case("02/rule-query.json");
    let got = sidecar.post("/docs/_search", "", &rule).await;
    assert_eq!((status(&got), hits_of(&json_of(&got)).join("")), ("applied", "abdc".to_owned()));
    // A template may hold such a query, too.
    let template = r#"{"id":"t","params":{"q":"uk"}}"#;
    let got = sidecar.post("/docs/_search/template", "x-rerank-query: uk\r\n", template).await;
    assert_eq!((status(&got), hits_of(&json_of(&got)).join("")), ("applied", "abdc".to_owned()));
}

#[tokio::test]
async fn a_walk_through_pages_visits_every_hit_once_and_finds_pinned_ones_in_their_places() {
    let text = |n: usize| "x".repeat(n * 37 % 50 + 1);
    let hits: Vec<String> = (0..30).map(|n| hit("docs", &format!("h{n}"), "1.0", &text(n))).collect();
    for rerank in
        ["window: 20", "window: 20, score: rrf", "window: 20, score: replace", "window: 20, widen: never"]
    {
        let database = database(hits.clone()).await;
        let sidecar = Sidecar::start(database.addr, by_length().await, rerank, "").await;
        let mut walked = Vec::new();
        for from in (0..30).step_by(4) {
            let organic = r#""organic":{"match":{"content":"x"}}"#;
            let body = format!(
                r#"{{"from":{from},"size":4,"query":{{"pinned":{{"ids":["h0","h3","h17"],{organic}}}}}}}"#
            );
            let got = sidecar.post("/docs/_search", "", &body).await;
            walked.extend(hits_of(&json_of(&got)));
        }
        for place in [0, 3, 17] {
            assert_eq!(walked[place], format!("h{place}"), "{rerank}");
        }
        assert!(walked[20..].iter().enumerate().all(|(n, id)| *id == format!("h{}", n + 20)));
        walked.sort();
        walked.dedup();
        assert_eq!(walked.len(), 30, "{rerank}");
    }
}

#[tokio::test]
async fn a_pin_of_one_index_pins_no_other_unless_it_names_an_alias() {
    let hits =
        vec![hit("other", "a", "3.0", "x"), hit("docs", "b", "2.0", "xx"), hit("docs", "a", "1.0", "xxx")];
    let database = database(hits).await;
    let sidecar = Sidecar::start(database.addr, by_length().await, "", "").await;
    let order = |index: &str| {
        let organic = r#""organic":{"match":{"content":"x"}}"#;
        let body =
            format!(r#"{{"query":{{"pinned":{{"docs":[{{"_index":"{index}","_id":"a"}}],{organic}}}}}}}"#);
        let sidecar = &sidecar;
        async move {
            let got = json_of(&sidecar.post("/docs,other/_search", "", &body).await);
            let hits = got["hits"]["hits"].as_array().cloned().unwrap_or_default();
            let name =
                |hit: &Value| format!("{}/{}", hit["_index"].as_str().unwrap(), hit["_id"].as_str().unwrap());
            hits.iter().map(name).collect::<Vec<_>>().join(" ")
        }
    };
    assert_eq!(order("other").await, "other/a docs/a docs/b");
    assert_eq!(order("docs").await, "docs/b other/a docs/a");
    assert_eq!(order("some-alias").await, "other/a docs/b docs/a", "both may be meant");
}
