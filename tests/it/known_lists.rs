//! A list of hits that has been there before is not read again, and nobody can tell from the response.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use serde_json::{Value, json};

use crate::harness::{Scripted, Sidecar, body_of, header, json_of, response};

const JSON: &str = "application/json";
/// So many bytes make a list worth knowing.
const FILLING: usize = 60;

/// What the database does differently from search to search.
#[derive(Default)]
struct Turns {
    /// Counts the searches, as `took` and `time` do.
    searches: AtomicUsize,
    /// Which hit has another text than before; none is 0.
    changed: AtomicUsize,
}

impl Turns {
    /// The text of a hit: its last word is what it is scored by.
    fn text(&self, hit: usize) -> String {
        let score = if hit == self.changed.load(Relaxed) { 99 } else { hit };
        format!("{} {score:02}", "x".repeat(FILLING))
    }

    fn took(&self) -> usize {
        // From one digit to three.
        9_usize.pow(self.searches.fetch_add(1, Relaxed) as u32 % 3 + 1)
    }
}

async fn elasticsearch(turns: Arc<Turns>) -> Scripted {
    Scripted::start(move |request| {
        let size = json_of(request)["size"].as_u64().unwrap_or(10) as usize;
        let hit = |id: usize| {
            let score = 90 - id;
            format!(r#"{{"_index":"a","_id":"{id}","_score":{score}.5,"_source":{{"body":"{}"}}}}"#, turns.text(id))
        };
        let hits: Vec<String> = (1..=size.min(30)).map(hit).collect();
        let body = format!(
            r#"{{"took":{},"timed_out":false,"hits":{{"total":{{"value":30,"relation":"eq"}},"max_score":89.5,"hits":[{}]}}}}"#,
            turns.took(),
            hits.join(",")
        );
        Some(response(200, JSON, &body))
    })
    .await
}

async fn qdrant(turns: Arc<Turns>) -> Scripted {
    Scripted::start(move |request| {
        let asked = json_of(request);
        let limit = asked["limit"].as_u64().unwrap_or(10) as usize;
        let with_text = asked["with_payload"] != json!(false);
        let hit = |id: usize| {
            let payload = format!(r#","payload":{{"text":"{}"}}"#, turns.text(id));
            let payload = if with_text { payload } else { String::new() };
            format!(r#"{{"id":{id},"version":0,"score":0.{}{payload}}}"#, 90 - id)
        };
        let hits: Vec<String> = (1..=limit.min(30)).map(hit).collect();
        let body = format!(
            r#"{{"result":{{"points":[{}]}},"status":"ok","time":0.{}}}"#,
            hits.join(","),
            turns.took()
        );
        Some(response(200, JSON, &body))
    })
    .await
}

/// The later a hit comes, the better.
fn reversing(text: &str) -> f64 {
    text.rsplit(' ').next().unwrap().parse::<f64>().unwrap() / 100.0
}

/// How many lists were read, and how many were known.
async fn found(sidecar: &Sidecar) -> (u64, u64) {
    let metrics = sidecar.metrics().await;
    let count = |how: &str| {
        let series = format!("rerankd_pages_total{{hits=\"{how}\"}} ");
        metrics.lines().find_map(|line| line.strip_prefix(&series)).unwrap().parse().unwrap()
    };
    (count("read"), count("known"))
}

/// A response's body without the time that it took.
fn timeless(response: &str) -> String {
    let mut body = json_of(response);
    for name in ["took", "time"] {
        body.as_object_mut().unwrap().remove(name).into_iter().for_each(|time| assert!(time.is_number()));
    }
    // As it is written: nothing but the time was ever different.
    let digits = |text: &str| text.chars().filter(|sign| !sign.is_ascii_digit()).collect::<String>();
    format!("{body}\n{}", digits(body_of(response)))
}

/// Asks five times, which gives the same response each time, and once more where a text has changed. The first response, and the
/// last one.
async fn asked_again(
    sidecar: &Sidecar,
    turns: &Turns,
    target: &str,
    headers: &str,
    body: &str,
) -> [String; 2] {
    let before = found(sidecar).await;
    let mut first = None;
    for search in 0..5 {
        let got = sidecar.post(target, headers, body).await;
        assert_eq!(header(&got, "x-rerank-status"), Some("applied"), "{got}");
        let first = first.get_or_insert_with(|| timeless(&got)).clone();
        assert_eq!(timeless(&got), first, "search {search}");
    }
    // The first asked for scores, the second found all of them, and was remembered.
    let after = found(sidecar).await;
    assert_eq!((after.0 - before.0, after.1 - before.1), (2, 3));
    turns.changed.store(5, Relaxed);
    let changed = sidecar.post(target, headers, body).await;
    assert_eq!(found(sidecar).await, (after.0 + 1, after.1), "another list is read");
    turns.changed.store(0, Relaxed);
    [first.unwrap(), changed]
}

#[tokio::test]
async fn a_list_that_is_the_same_is_not_read_again_and_one_that_has_changed_is() {
    let turns = Arc::new(Turns::default());
    let database = elasticsearch(turns.clone()).await;
    let rerank = "score: replace, window: 20";
    let sidecar = Sidecar::start(database.addr, Scripted::scoring(reversing).await, rerank, "").await;
    let body = r#"{"query":{"match":{"body":"zebra"}},"size":6}"#;
    let [first, changed] = asked_again(&sidecar, &turns, "/a/_search", "", body).await;
    assert!(first.contains(r#""_id":"20""#), "{first}");
    let best = &json_of(&changed)["hits"]["hits"][0];
    assert_eq!((&best["_id"], &best["_score"]), (&json!("5"), &json!(0.99)));
}

#[tokio::test]
async fn what_was_added_for_reranking_is_taken_out_of_hits_that_are_known() {
    let turns = Arc::new(Turns::default());
    let database = qdrant(turns.clone()).await;
    let sidecar = Sidecar::start(database.addr, Scripted::scoring(reversing).await, "window: 20", "").await;
    let body = r#"{"query":[0.1,0.2],"limit":20,"with_payload":false}"#;
    let headers = "x-rerank-query: zebra\r\n";
    let [first, changed] = asked_again(&sidecar, &turns, "/collections/c/points/query", headers, body).await;
    assert!(!first.contains("payload") && !changed.contains("payload"), "{first}");
    assert_eq!(json_of(&changed)["result"]["points"][0]["id"], 5);
}

#[tokio::test]
async fn lists_of_other_lengths_that_begin_alike_are_told_apart() {
    let turns = Arc::new(Turns::default());
    let database = qdrant(turns.clone()).await;
    let sidecar =
        Sidecar::start(database.addr, Scripted::scoring(reversing).await, "window: 30, widen: never", "")
            .await;
    for _ in 0..4 {
        for limit in [12, 30, 20] {
            let body = format!(r#"{{"query":[0.1,0.2],"limit":{limit},"with_payload":true}}"#);
            let got = sidecar.post("/collections/c/points/query", "x-rerank-query: zebra\r\n", &body).await;
            let points = json_of(&got)["result"]["points"].clone();
            let ids: Vec<u64> =
                points.as_array().unwrap().iter().map(|hit| hit["id"].as_u64().unwrap()).collect();
            assert_eq!(ids, (1..=limit).rev().collect::<Vec<_>>());
        }
    }
}

#[tokio::test]
async fn another_query_that_finds_the_same_list_gets_its_own_scores() {
    let turns = Arc::new(Turns::default());
    let database = qdrant(turns.clone()).await;
    let service = Scripted::start(|request| {
        let asked = json_of(request);
        let sign = if asked["query"] == "zebra" { 1.0 } else { -1.0 };
        let texts = asked["documents"].as_array().unwrap().iter();
        let scores = texts.map(|text| 0.5 + sign * reversing(text.as_str().unwrap()) / 2.0).enumerate();
        let results: Vec<Value> =
            scores.map(|(index, score)| json!({"index": index, "relevance_score": score})).collect();
        Some(response(200, JSON, &json!({"id": "r", "results": results}).to_string()))
    })
    .await;
    let sidecar = Sidecar::start(database.addr, service, "window: 20", "").await;
    let ask = async |query: &str| {
        let body = r#"{"query":[0.1,0.2],"limit":20,"with_payload":true}"#;
        let header = format!("x-rerank-query: {query}\r\n");
        let got = sidecar.post("/collections/c/points/query", &header, body).await;
        json_of(&got)["result"]["points"][0]["id"].as_u64().unwrap()
    };
    for _ in 0..4 {
        assert_eq!([ask("zebra").await, ask("lion").await, ask("zebra").await], [20, 1, 20]);
    }
    assert_eq!(found(&sidecar).await, (4, 8), "each is read twice");
}

#[tokio::test]
async fn without_a_cache_no_list_is_known() {
    let turns = Arc::new(Turns::default());
    let database = qdrant(turns.clone()).await;
    let sidecar = Sidecar::start(
        database.addr,
        Scripted::scoring(reversing).await,
        "window: 20",
        "cache: { max_bytes: 0 }\n",
    )
    .await;
    let body = r#"{"query":[0.1,0.2],"limit":20,"with_payload":true}"#;
    for _ in 0..3 {
        let got = sidecar.post("/collections/c/points/query", "x-rerank-query: zebra\r\n", body).await;
        assert_eq!(header(&got, "x-rerank-status"), Some("applied"));
    }
    assert_eq!(found(&sidecar).await, (3, 0));
}
