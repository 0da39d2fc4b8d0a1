//! Hits that hold their place: of indices that are not let in, by whatever name they were reached; pinned ones are in `pins`,
//! and what routes say of hits in `routes`.

mod pins;
mod routes;

use proptest::{
    prelude::*,
    strategy::ValueTree,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use serde_json::{Value, json};

use crate::harness::{Scripted, Sidecar, body_of, header, json_of, response, run};

const JSON: &str = "application/json";
const MATCH: &str = r#"{"query":{"match":{"content":"salary"}}}"#;
/// What is excluded, and twice.
const EXCLUDING: &str = "collections: ['*', '-.*', '-hr-*']";
const ROUTE: &str = "routes: [{ collection: 'hr-*', mode: off }]\n";

fn case(file: &str) -> String {
    let path = format!("{}/tests/fixtures/cases/{file}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(path).unwrap()
}

fn lines(file: &str) -> Vec<String> {
    case(file).lines().map(str::to_owned).collect()
}

fn hits_of(response: &Value) -> Vec<String> {
    let hits = response["hits"]["hits"].as_array().cloned().unwrap_or_default();
    hits.iter().map(|hit| hit["_id"].as_str().unwrap_or("?").to_owned()).collect()
}

/// A database that answers every search with a page of these hits, whatever it was asked for.
async fn database(hits: Vec<String>) -> Scripted {
    Scripted::start(move |request| {
        let page = |asked: &Value| {
            let number = |name: &str, default| asked[name].as_u64().unwrap_or(default) as usize;
            let (from, size) = (number("from", 0), number("size", 10));
            let page: Vec<String> = hits.iter().skip(from).take(size).cloned().collect();
            format!(
                r#"{{"took":1,"hits":{{"total":{{"value":{},"relation":"eq"}},"max_score":1.0,"hits":[{}]}}}}"#,
                hits.len(),
                page.join(",")
            )
        };
        let body = body_of(request);
        if request.split(' ').nth(1).is_some_and(|target| target.contains("_msearch")) {
            let bodies = body.lines().skip(1).step_by(2);
            let each = bodies.map(|line| page(&serde_json::from_str(line).unwrap_or_default()));
            let responses = each.collect::<Vec<_>>().join(",");
            return Some(response(200, JSON, &format!(r#"{{"took":1,"responses":[{responses}]}}"#)));
        }
        Some(response(200, JSON, &page(&json_of(request))))
    })
    .await
}

/// The longer a text the better.
async fn by_length() -> Scripted {
    Scripted::scoring(|text| text.len() as f64 / 1000.0).await
}

fn hit(index: &str, id: &str, score: &str, text: &str) -> String {
    format!(r#"{{"_index":"{index}","_id":"{id}","_score":{score},"_source":{{"content":"{text}"}}}}"#)
}

fn status(message: &str) -> &str {
    header(message, "x-rerank-status").expect("a status header")
}

/// No word of an excluded text has left.
fn assert_nothing_left(sidecar: &Sidecar, reported: &str) {
    let sent = sidecar.service.seen().join("\n");
    assert!(!sent.contains("SECRET"), "{reported}: {sent}");
}

#[tokio::test]
async fn the_text_of_an_excluded_index_stays_whatever_name_it_was_reached_by() {
    for (rerank, more) in [(EXCLUDING, ""), ("", ROUTE), ("collections: ['wiki-*']", "")] {
        let database = database(lines("03/hits.ndjson")).await;
        let sidecar = Sidecar::start(database.addr, by_length().await, rerank, more).await;
        for path in lines("03/paths.txt") {
            // A path below a prefix is no index.
            let named = !rerank.contains("wiki")
                || path.contains("wiki")
                || ["/*/", "/_all/", "/_search"].iter().any(|any| path.starts_with(any));
            if path.starts_with("/es/") || !named {
                continue;
            }
            let got = sidecar.post(&path, "", MATCH).await;
            assert_nothing_left(&sidecar, &path);
            assert_eq!(hits_of(&json_of(&got)), ["p1", "s1", "p2"], "{path}: it holds its place");
            assert_eq!((status(&got), header(&got, "x-rerank-held")), ("applied", Some("1")), "{path}");
        }
        for path in
            ["/hr-payroll/_search", "/%68r-payroll/_search", "/hr-payroll,hr-x/_search", "/hr-p*/_search"]
        {
            let asked = database.seen().len();
            let got = sidecar.post(path, "", MATCH).await;
            assert_eq!(status(&got), "kept; reason=off", "{path}");
            assert_eq!(body_of(&database.seen()[asked]), MATCH, "{path}: nothing is asked for in vain");
            assert_nothing_left(&sidecar, path);
        }
        let metrics = sidecar.metrics().await;
        assert!(metrics.contains("rerankd_hits_held_total{cause=\"pinned\"} 0"), "{metrics}");
        assert!(!metrics.contains("rerankd_hits_held_total{cause=\"excluded\"} 0"), "{metrics}");
    }
}

#[tokio::test]
async fn batches_are_judged_search_by_search() {
    let database = database(lines("03/hits.ndjson")).await;
    let sidecar = Sidecar::start(database.addr, by_length().await, EXCLUDING, ROUTE).await;
    for header_line in
        ["{}", "", r#"{"index":"h*"}"#, r#"{"index":["wiki-2025","h*"]}"#, r#"{"index":"_all"}"#]
    {
        for path in ["/_msearch", "/w*/_msearch"] {
            let body = format!("{header_line}\n{MATCH}\n{{\"index\":\"wiki-2025\"}}\n{MATCH}\n");
            let got = sidecar.post(path, "", &body).await;
            assert_nothing_left(&sidecar, header_line);
            for response in json_of(&got)["responses"].as_array().unwrap() {
                assert_eq!(hits_of(response), ["p1", "s1", "p2"], "{header_line}");
            }
        }
    }
}

#[tokio::test]
async fn where_none_of_the_hits_may_leave_the_search_is_off() {
    let secret = |id: &str, index: &str, score: &str| hit(index, id, score, "SECRET");
    for index in
        ["hr-payroll", "eu:hr-payroll", ".ds-hr-logs-2026.01.31-000001", "partial-hr-x", ".security-7"]
    {
        let hits = vec![secret("a", index, "2.0"), secret("b", index, "1.0")];
        let database = database(hits).await;
        let sidecar = Sidecar::start(database.addr, by_length().await, EXCLUDING, "").await;
        let got = sidecar.post("/staff/_search?size=1", "", MATCH).await;
        assert_eq!(
            (status(&got), hits_of(&json_of(&got))),
            ("kept; reason=off", vec!["a".to_owned()]),
            "{index}"
        );
        assert!(sidecar.service.seen().is_empty());
    }
}

#[tokio::test]
async fn data_streams_and_remote_indices_that_are_let_in_are_ranked() {
    let hits = vec![
        hit(".ds-logs-2026.01.31-000001", "a", "3.0", "short"),
        hit("eu:wiki", "b", "2.0", "rather longer"),
        hit("eu:.ds-logs-2026.01.31-000001", "c", "1.0", "the longest text of all"),
    ];
    let database = database(hits).await;
    let sidecar = Sidecar::start(database.addr, by_length().await, EXCLUDING, "").await;
    for path in ["/logs/_search", "/*:wiki,logs/_search", "/.ds-logs-2026.01.31-000001/_search"] {
        let got = sidecar.post(path, "", MATCH).await;
        assert_eq!((status(&got), hits_of(&json_of(&got)).join("")), ("applied", "cba".to_owned()), "{path}");
    }
}

#[tokio::test]
async fn hits_that_do_not_say_where_they_are_from_are_asked_to_or_not_read() {
    // A database that obeys the filter as far as `_index` goes.
    let database = Scripted::start(|request| {
        let reported = request.lines().next().unwrap_or("").contains("_index");
        let index = if reported { r#""_index":"wiki","# } else { "" };
        let hit = |text: &str| format!(r#"{{{index}"_source":{{"content":"{text}"}}}}"#);
        let hits = format!("{},{}", hit("short"), hit("much longer"));
        Some(response(200, JSON, &format!(r#"{{"hits":{{"hits":[{hits}]}}}}"#)))
    })
    .await;
    let sidecar = Sidecar::start(database.addr, by_length().await, "", "").await;
    let got = sidecar.post("/wiki/_search?filter_path=hits.hits._source", "", MATCH).await;
    let ranked =
        r#"{"hits":{"hits":[{"_source":{"content":"much longer"}},{"_source":{"content":"short"}}]}}"#;
    assert_eq!((status(&got), body_of(&got)), ("applied", ranked));

    let mute = Scripted::start(|_| {
        let hit = |text: &str| format!(r#"{{"_source":{{"content":"SECRET {text}"}}}}"#);
        Some(response(200, JSON, &format!(r#"{{"hits":{{"hits":[{},{}]}}}}"#, hit("a"), hit("bb"))))
    })
    .await;
    let sidecar = Sidecar::start(mute.addr, by_length().await, EXCLUDING, "").await;
    let got = sidecar.post("/wiki/_search", "", MATCH).await;
    assert_eq!(status(&got), "kept; reason=off");
    assert_nothing_left(&sidecar, "no index");
    // Where no more than hidden indices is kept out they are read.
    let sidecar = Sidecar::start(mute.addr, by_length().await, "", "").await;
    assert_eq!(status(&sidecar.post("/wiki/_search", "", MATCH).await), "applied");
}

#[tokio::test]
async fn nobody_is_shown_a_text_that_may_not_leave() {
    let database = database(lines("03/hits.ndjson")).await;
    let more = format!("inspector: {{ capture: text }}\n{ROUTE}");
    let sidecar = Sidecar::start(database.addr, by_length().await, EXCLUDING, &more).await;
    sidecar.post("/_search", "", MATCH).await;
    let reported = loop {
        let list = json_of(&sidecar.reported("/api/searches").await);
        if let Some(number) = list["searches"][0]["number"].as_u64() {
            break json_of(&sidecar.reported(&format!("/api/searches/{number}")).await);
        }
        tokio::task::yield_now().await;
    };
    let hits = &reported["lists"][0];
    assert_eq!((&hits[0]["scored_by"], &hits[0]["document"]["cut"]), (&json!("provider"), &json!(false)));
    assert_eq!((&hits[1]["id"], &hits[1]["document"]), (&json!("s1"), &Value::Null));
    assert_eq!((&hits[1]["unscored_because"], &hits[1]["place"]), (&json!("excluded"), &json!(1)));
    assert_eq!(reported["held"], json!({"excluded": 1, "pinned": 0}));
    assert!(!reported.to_string().contains("SECRET"), "{reported}");

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rerankd.yaml");
    let yaml = format!(
        "listeners: [{{ upstream: {{ url: 'http://{}' }} }}]\nrerank: {{ {EXCLUDING}, fields: [nothing, content] }}\n\
         providers: {{ cohere: {{ kind: cohere, base_url: 'http://{}' }} }}\n",
        database.addr, sidecar.service.addr
    );
    std::fs::write(&file, yaml).unwrap();
    for format in [&["--json"][..], &["--full"]] {
        let args = ["explain", "--config", file.to_str().unwrap(), "POST /_search", "--body", MATCH];
        let ended = run(&[&args[..], format].concat(), &[("CO_API_KEY", "key")]).await;
        let reported = ended.stdout + &ended.stderr;
        assert!(reported.contains("salary FAQ") && reported.contains("s1"), "{reported}");
        assert!(!reported.contains("SECRET"), "{reported}");
    }
}

/// Any index expression: names, wildcards, lists, exclusions, date math, clusters.
fn expressions() -> impl Strategy<Value = String> {
    let name = prop::sample::select(vec![
        "hr-payroll",
        "wiki-2025",
        "staff",
        "h",
        "eu",
        "logs",
        "*",
        "h*",
        "-h*",
        "*roll",
        "_all",
        "",
        "-.*",
        ".*",
        "<hr-{now/d}>",
        "<wiki-{now/M{yyyy.MM}}>",
        "*:*",
        "eu:*",
        "eu:hr-payroll",
        "eu:h*",
        ".ds-*",
        "partial-*",
        "hr-payroll::failures",
        "wiki-*,-wiki-1",
        "%68r*",
        "?r-payroll",
        "hr-payrol?",
        "w*,hr-payroll",
    ]);
    prop::collection::vec(name, 1..4).prop_map(|names| names.join(","))
}

/// Hits of many indices, some of them excluded.
fn many() -> Vec<String> {
    let indices = [
        ("wiki-2025", false),
        ("hr-payroll", true),
        ("eu:hr-payroll", true),
        ("eu:wiki-2025", false),
        (".ds-hr-logs-2026.01.31-000001", true),
        (".ds-logs-2026.01.31-000001", false),
        (".security-7", true),
        ("partial-hr-x", true),
        ("restored-.ds-hr-logs-2026.01.31-000001", true),
        ("shrink-ab1d-hr-x", true),
        (".fs-hr-logs-2026.01.31-000002", true),
        ("wiki-2024", false),
        ("eu:.ds-hr-logs-2026.01.31-000001", true),
    ];
    let hit = |(n, (index, secret)): (usize, &(&str, bool))| {
        let text = if *secret { format!("SECRET {n}") } else { format!("public {}", "x".repeat(n)) };
        hit(index, &n.to_string(), "1.0", &text)
    };
    indices.iter().enumerate().map(hit).collect()
}

#[tokio::test]
async fn text_of_an_excluded_index_never_appears_in_a_provider_call_whatever_the_expression() {
    let hits = many();
    let held: Vec<(usize, String)> = hits
        .iter()
        .enumerate()
        .filter(|(_, hit)| hit.contains("SECRET"))
        .map(|(place, _)| (place, place.to_string()))
        .collect();
    let database = database(hits.clone()).await;
    let mut runner =
        TestRunner::new_with_rng(Config::default(), TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    for (rerank, more) in [(EXCLUDING, ""), ("", ROUTE), ("score: rrf", ROUTE), ("score: replace", ROUTE)] {
        let sidecar = Sidecar::start(database.addr, by_length().await, rerank, more).await;
        let mut applied = 0;
        for _ in 0..60 {
            let expression = expressions().new_tree(&mut runner).unwrap().current();
            let path: String = expression.replace('/', "%2F").replace(['<', '>', '{', '}'], "*");
            let batch = format!("{}\n{MATCH}\n", json!({ "index": expression }));
            let body = MATCH.replacen('{', r#"{"size":13,"#, 1);
            let single = sidecar.post(&format!("/{path}/_search"), "", &body).await;
            let many = sidecar.post("/_msearch", "", &batch).await;
            assert_nothing_left(&sidecar, &expression);
            if header(&single, "x-rerank-status") == Some("applied") && !rerank.is_empty() {
                applied += 1;
            }
            if single.starts_with("HTTP/1.1 200") && header(&single, "x-rerank-status").is_some() {
                let answered = hits_of(&json_of(&single));
                for (place, id) in &held {
                    assert_eq!(answered.get(*place), Some(id), "{expression}: {answered:?}");
                }
            }
            assert!(many.starts_with("HTTP/1.1 200"), "{many}");
        }
        assert!(applied > 10 || rerank.is_empty(), "{applied}");
    }
}

#[tokio::test]
async fn scores_that_are_replaced_sort_the_page_as_it_stands() {
    let database = database(lines("03/hits.ndjson")).await;
    let sidecar =
        Sidecar::start(database.addr, by_length().await, "score: replace, annotate: true", ROUTE).await;
    let got = json_of(&sidecar.post("/_search", "", MATCH).await);
    let hits = got["hits"]["hits"].as_array().unwrap();
    let scores: Vec<f64> = hits.iter().map(|hit| hit["_score"].as_f64().unwrap()).collect();
    assert!(scores.is_sorted_by(|a, b| a >= b), "{scores:?}");
    assert_eq!(hits[1]["_index"], "hr-payroll");
    assert_eq!(
        (&hits[1]["rerank_score"], &hits[1]["rerank_from"]),
        (&Value::Null, &json!(1)),
        "no score is invented"
    );
    assert_eq!(got["hits"]["max_score"], hits[0]["_score"]);
}

#[tokio::test]
async fn what_is_ranked_behind_the_response_or_in_a_rerankers_place_is_judged_too() {
    let database = database(lines("03/hits.ndjson")).await;
    let sidecar = Sidecar::start(database.addr, by_length().await, "mode: shadow", ROUTE).await;
    let got = sidecar.post("/_search", "", MATCH).await;
    assert_eq!(
        (status(&got), hits_of(&json_of(&got)).join("")),
        ("kept; reason=shadow", "p1s1p2".to_owned())
    );
    while sidecar.service.seen().is_empty() {
        tokio::task::yield_now().await;
    }
    assert_nothing_left(&sidecar, "shadow");

    let sidecar = Sidecar::start(database.addr, by_length().await, "inference_ids: [mine]", ROUTE).await;
    let inner = r#""retriever":{"standard":{"query":{"match":{"content":"salary"}}}}"#;
    let body = format!(
        r#"{{"retriever":{{"text_similarity_reranker":{{{inner},"field":"content","inference_id":"mine","inference_text":"salary"}}}}}}"#
    );
    let got = sidecar.post("/*/_search", "", &body).await;
    assert_eq!((status(&got), hits_of(&json_of(&got)).join("")), ("applied", "p1s1p2".to_owned()));
    assert_nothing_left(&sidecar, "a served reranker");
}
