//! What counts as a user's question, and which orders are not by relevance: Elasticsearch and OpenSearch through the proxy.

use serde_json::{Value, json};

use crate::harness::{Scripted, Sidecar, body_of, header, json_of, response};

const JSON: &str = "application/json";
const HITS: &str = include_str!("../fixtures/cases/01/hits.ndjson");

/// A database that gives these hits in their order, as many as it is asked for.
async fn database(hits: &'static str) -> Scripted {
    Scripted::start(move |request| {
        let asked = json_of(request);
        let (from, size) = (asked["from"].as_u64().unwrap_or(0), asked["size"].as_u64().unwrap_or(10));
        let hits: Vec<&str> = hits.lines().skip(from as usize).take(size as usize).collect();
        Some(response(200, JSON, &page(&hits)))
    })
    .await
}

fn page(hits: &[impl AsRef<str>]) -> String {
    let hits: Vec<&str> = hits.iter().map(AsRef::as_ref).collect();
    format!(r#"{{"took":1,"hits":{{"total":{{"value":300}},"max_score":0.9,"hits":[{}]}}}}"#, hits.join(","))
}

/// A service that scores a document by the share of the query's words that are in it.
async fn by_shared_words() -> Scripted {
    Scripted::start(|request| {
        let asked = json_of(request);
        let query = asked["query"].as_str().unwrap().to_lowercase();
        let words: Vec<&str> = query.split_whitespace().collect();
        let score = |text: &Value| {
            let text = text.as_str().unwrap().to_lowercase();
            words.iter().filter(|word| text.contains(**word)).count() as f64 / words.len() as f64
        };
        let documents = asked["documents"].as_array().unwrap();
        let results: Vec<Value> = documents
            .iter()
            .enumerate()
            .map(|(index, text)| json!({"index": index, "relevance_score": score(text)}))
            .collect();
        Some(response(200, JSON, &json!({"id": "r", "results": results}).to_string()))
    })
    .await
}

fn ids(response: &str) -> Vec<String> {
    let hits = json_of(response)["hits"]["hits"].as_array().cloned().unwrap_or_default();
    hits.iter().map(|hit| hit["_id"].as_str().unwrap().to_owned()).collect()
}

fn status(response: &str) -> &str {
    header(response, "x-rerank-status").expect("a status")
}

const SELECTING: [(&str, &str); 6] = [
    ("no_query", include_str!("../fixtures/cases/01/spring-ai-opensearch.json")),
    ("no_query", include_str!("../fixtures/cases/01/script-score-match-filter.json")),
    ("no_query", include_str!("../fixtures/cases/01/opensearch-knn-and-match-in-must.json")),
    ("not_ranked", include_str!("../fixtures/cases/01/random-score-replace.json")),
    ("no_query", include_str!("../fixtures/cases/01/nested-score-none.json")),
    ("no_query", include_str!("../fixtures/cases/01/match-boolean.json")),
];

#[tokio::test]
async fn text_that_only_selects_is_no_question_but_a_header_or_a_body_text_is() {
    for (reason, body) in SELECTING {
        let database = database(HITS).await;
        let sidecar = Sidecar::start(database.addr, by_shared_words().await, "", "").await;
        let got = sidecar.post("/docs/_search", "", body).await;
        assert_eq!(status(&got), format!("kept; reason={reason}"), "{body}");
        assert_eq!(ids(&got), ["v1", "v2", "v3", "v4"], "{body}");
        assert_eq!(body_of(&database.seen()[0]), body);
        assert!(sidecar.service.seen().is_empty(), "{body}");

        let got = sidecar.post("/docs/_search", "x-rerank-query: train tickets\r\n", body).await;
        assert_eq!(status(&got), "applied", "{body}");
        assert_eq!(ids(&got)[0], "v3", "{body}");
        let mut with_text: Value = serde_json::from_str(body).unwrap();
        with_text["ext"] = json!({"rerank": {"query": "train tickets"}});
        let got = sidecar.post("/docs/_search", "", &with_text.to_string()).await;
        assert_eq!((status(&got), ids(&got)[0].as_str()), ("applied", "v3"), "{body}");
    }
}

#[tokio::test]
async fn words_beside_a_vector_count_where_documents_are_made_of_their_field() {
    let body = |field: &str| {
        format!(
            r#"{{"size":4,"query":{{"bool":{{"must":[{{"match":{{"{field}":"train tickets"}}}},{{"knn":{{"e":{{"vector":[0.1],"k":10}}}}}}]}}}}}}"#
        )
    };
    for (rerank, headers, field, expected) in [
        ("", "", "content", "applied"),
        ("", "", "content.english", "applied"),
        ("", "", "country", "kept; reason=no_query"),
        ("fields: [country]", "", "country", "applied"),
        ("fields: [country]", "", "content", "kept; reason=no_query"),
        ("fields: '*'", "", "country", "applied"),
        (
            "fields: [country], allow: { fields: [content] }",
            "x-rerank-fields: content\r\n",
            "content",
            "applied",
        ),
    ] {
        let database = database(HITS).await;
        let sidecar = Sidecar::start(database.addr, by_shared_words().await, rerank, "").await;
        let got = sidecar.post("/docs/_search", headers, &body(field)).await;
        assert_eq!(status(&got), expected, "{rerank} {headers} {field}");
    }
}

#[tokio::test]
async fn what_vector_stores_send_stays_a_vector_search() {
    let searches = include_str!("../fixtures/vector-stores/searches.ndjson");
    let database = database(HITS).await;
    let sidecar = Sidecar::start(database.addr, by_shared_words().await, "", "").await;
    for line in searches.lines() {
        let search: Value = serde_json::from_str(line).unwrap();
        let (target, body) = (search["target"].as_str().unwrap(), search["body"].as_str().unwrap());
        let asked = sidecar.service.seen().len();
        let got = sidecar.post(target, "", body).await;
        let calls = sidecar.service.seen().len() - asked;
        match search["question"].as_str() {
            None => {
                assert!(status(&got).starts_with("kept; reason=no"), "{}: {}", search["name"], status(&got));
                assert_eq!(ids(&got)[..3], ["v1", "v2", "v3"], "{}", search["name"]);
                assert_eq!(calls, 0, "{}", search["name"]);
            }
            // Whether a search pipeline reranks is not for this test.
            Some(_) if target.contains("search_pipeline") => {}
            Some(question) => {
                assert_eq!(status(&got), "applied", "{}", search["name"]);
                assert!(sidecar.service.seen().iter().all(|call| json_of(call)["query"] == question));
            }
        }
    }
}

/// Forty hits that all match, with the cursor that Elasticsearch gives at a point in time.
fn walked(request: &str) -> Option<String> {
    let asked = json_of(request);
    let size = asked["size"].as_u64().unwrap_or(10) as usize;
    let after = asked["search_after"][1].as_u64().map_or(0, |place| place as usize + 1);
    let cursor = asked["pit"].is_object() && !asked["sort"].is_null();
    let hit = |place: usize| {
        let sort = if cursor { format!(r#","sort":[{},{place}]"#, 100 - place) } else { String::new() };
        format!(
            r#"{{"_index":"docs","_id":"d{place}","_score":{},"_source":{{"content":"red shoes number {place}"}}{sort}}}"#,
            100 - place
        )
    };
    let hits: Vec<String> = (after..40).take(size).map(hit).collect();
    Some(response(200, JSON, &page(&hits)))
}

/// A service for which the last is the best.
async fn reversing() -> Scripted {
    Scripted::scoring(|text| text.rsplit(' ').next().unwrap().parse::<f64>().unwrap() / 100.0).await
}

#[tokio::test]
async fn a_walk_from_a_point_in_time_sees_every_hit_once() {
    let first: Value = serde_json::from_str(include_str!("../fixtures/cases/05/first-page.json")).unwrap();
    let sorts = [
        json!("_score"),
        json!(["_score"]),
        json!({"_score": "desc"}),
        json!([{"_score": {"order": "desc"}}]),
    ];
    for sort in sorts {
        let database = Scripted::start(walked).await;
        let sidecar = Sidecar::start(database.addr, reversing().await, "", "").await;
        let mut body = first.clone();
        body["sort"] = sort.clone();
        let mut seen = Vec::new();
        loop {
            let got = sidecar.post("/_search", "x-rerank-query: red shoes\r\n", &body.to_string()).await;
            assert_eq!(status(&got), "kept; reason=not_ranked", "{sort}");
            let page = json_of(&got)["hits"]["hits"].as_array().cloned().unwrap();
            let Some(last) = page.last() else { break };
            body["search_after"] = last["sort"].clone();
            seen.extend(ids(&got));
        }
        let direct: Vec<String> = (0..40).map(|place| format!("d{place}")).collect();
        assert_eq!(seen, direct, "{sort}");
        assert!(sidecar.service.seen().is_empty());
    }
}

#[tokio::test]
async fn hits_that_say_what_they_are_sorted_by_keep_their_order_whatever_was_asked() {
    let database = Scripted::start(|request| {
        let list = |asked: &Value, sorted: bool| {
            let size = asked["size"].as_u64().unwrap_or(10);
            let sort = if sorted { r#","sort":[0.5,7]"# } else { r#","sort":null"# };
            let hit = |n: u64| {
                format!(r#"{{"_index":"docs","_id":"d{n}","_score":0.5,"_source":{{"content":"number {n}"}}{sort}}}"#)
            };
            page(&(0..size.min(40)).map(hit).collect::<Vec<_>>())
        };
        let body = body_of(request);
        if request.contains("_msearch") {
            let asked: Vec<Value> =
                body.lines().skip(1).step_by(2).map(|line| serde_json::from_str(line).unwrap()).collect();
            let lists: Vec<String> = asked.iter().enumerate().map(|(at, asked)| list(asked, at == 0)).collect();
            return Some(response(200, JSON, &format!(r#"{{"took":1,"responses":[{}]}}"#, lists.join(","))));
        }
        Some(response(200, JSON, &list(&json_of(request), true)))
    })
    .await;
    let sidecar = Sidecar::start(database.addr, reversing().await, "", "").await;
    let search = r#"{"query":{"match":{"content":"number"}},"size":3,"from":1}"#;
    let got = sidecar.post("/docs/_search", "", search).await;
    assert_eq!(status(&got), "kept; reason=not_ranked");
    assert_eq!(ids(&got), ["d1", "d2", "d3"], "cut back to the client's page");
    assert_eq!(json_of(&database.seen()[0])["size"], 50);
    assert!(sidecar.service.seen().is_empty());
    // In a batch only the search whose hits are sorted keeps its order.
    let got = sidecar.post("/docs/_msearch", "", &format!("{{}}\n{search}\n{{}}\n{search}\n")).await;
    assert_eq!(status(&got), "partial; reason=not_ranked");
    let ids = |at: usize| {
        let hits = json_of(&got)["responses"][at]["hits"]["hits"].as_array().cloned().unwrap();
        hits.iter().map(|hit| hit["_id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(
        (ids(0), ids(1)),
        (vec!["d1".into(), "d2".into(), "d3".into()], vec!["d38".into(), "d37".into(), "d36".into()])
    );
}

#[tokio::test]
async fn a_vector_search_whose_hits_are_sorted_is_asked_again_as_the_client_did() {
    let database = Scripted::start(|request| {
        let k = json_of(request)["knn"]["k"].as_u64().unwrap();
        // An approximate index finds others when it is asked for more.
        let hit = |n: u64| {
            format!(r#"{{"_index":"docs","_id":"k{k}-{n}","_score":0.5,"_source":{{"content":"number {n}"}},"sort":[1]}}"#)
        };
        Some(response(200, JSON, &page(&(0..k).map(hit).collect::<Vec<_>>())))
    })
    .await;
    let sidecar = Sidecar::start(database.addr, reversing().await, "", "").await;
    let body = r#"{"knn":{"field":"e","query_vector":[0.1],"k":3,"num_candidates":10},"size":3}"#;
    let got = sidecar.post("/docs/_search", "x-rerank-query: number\r\n", body).await;
    assert_eq!(
        (status(&got), ids(&got)),
        ("kept; reason=not_ranked", vec!["k3-0".into(), "k3-1".into(), "k3-2".into()])
    );
}

#[tokio::test]
async fn a_text_that_script_fields_hide_is_asked_for_and_taken_out_again() {
    let direct = include_str!("../fixtures/cases/12/hits-direct.ndjson");
    let database = Scripted::start(move |request| {
        let asked = json_of(request);
        let hits: Vec<String> = direct
            .lines()
            .enumerate()
            .map(|(n, line)| match asked["fields"].is_array() {
                true => {
                    line.replace("\"fields\": {", &format!("\"fields\": {{\"content\": [\"number {n}\"], "))
                }
                false => line.to_owned(),
            })
            .collect();
        Some(response(200, JSON, &page(&hits)))
    })
    .await;
    let sidecar = Sidecar::start(database.addr, reversing().await, "", "").await;
    let got = sidecar.post("/docs/_search", "", include_str!("../fixtures/cases/12/request.json")).await;
    assert_eq!(status(&got), "applied");
    let mut lines: Vec<&str> = direct.lines().collect();
    lines.reverse();
    assert_eq!(json_of(&got), serde_json::from_str::<Value>(&page(&lines)).unwrap());
}
