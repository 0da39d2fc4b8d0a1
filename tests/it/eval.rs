//! `rerankd eval` and `rerankd calibrate`: the program between a database and a rerank service that count.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{Scripted, json_of, response, run};

const JSON: &str = "application/json";
const QUERY: &str = "canary-query";
const DOCUMENT: &str = "canary-document";
const KEY: &str = "canary-key";
const QUERIES: usize = 8;
/// What the service answers after so many calls is `limit_status`.
const NO_LIMIT: usize = usize::MAX;

/// A database of forty points, a rerank service, and the files of a run.
struct Bench {
    database: Scripted,
    service: Scripted,
    /// The service answers so many calls more.
    responses: Arc<AtomicUsize>,
    folder: TempDir,
}

impl Bench {
    /// With this many calls answered, the others with `status`.
    async fn start(responses: usize, status: u16) -> Self {
        let database = Scripted::start(|request| Some(page(request))).await;
        let left = Arc::new(AtomicUsize::new(responses));
        let script_left = left.clone();
        let service = Scripted::start(move |request| {
            let take = |left: usize| Some(if left == NO_LIMIT { left } else { left.checked_sub(1)? });
            match script_left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take) {
                Ok(_) => Some(scores(request)),
                Err(_) => Some(response(status, JSON, &json!({"message": request}).to_string())),
            }
        })
        .await;
        let folder = tempfile::tempdir().unwrap();
        let bench = Self { database, service, responses: left, folder };
        let yaml = format!(
            "listeners: [{{ upstream: {{ url: 'http://{}' }} }}]\nrerank: {{ mode: shadow, sample: 1% }}\n\
             providers: {{ cohere: {{ kind: cohere, base_url: 'http://{}' }} }}\n",
            bench.database.addr, bench.service.addr
        );
        bench.write("rerankd.yaml", &yaml);
        let line = |at: usize| {
            let category = if at.is_multiple_of(2) { "even" } else { "odd" };
            let text = format!("{QUERY} {at}");
            let line = json!({"id": format!("q{at}"), "category": category, "text": text, "vector": [0.5, at], "collection": "docs"});
            line.to_string()
        };
        bench.write("queries.jsonl", &(0..QUERIES).map(line).collect::<Vec<_>>().join("\n"));
        let judged = |at: usize| format!("q{at} 0 {} 2\nq{at} 0 1 1\n", 12 + at);
        bench.write("qrels.txt", &(0..QUERIES).map(judged).collect::<String>());
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    fn args(&self, command: &str, more: &[&str]) -> Vec<String> {
        let file = |name: &str| self.path(name).to_str().unwrap().to_owned();
        let mut args = vec![command.to_owned()];
        for (flag, name) in
            [("--config", "rerankd.yaml"), ("--queries", "queries.jsonl"), ("--judgments", "qrels.txt")]
        {
            args.extend([flag.to_owned(), file(name)]);
        }
        args.extend(more.iter().map(|arg| (*arg).to_owned()));
        args
    }

    async fn run(&self, command: &str, more: &[&str]) -> Ran {
        let args = self.args(command, more);
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let ended = run(&args, &[("CO_API_KEY", KEY)]).await;
        Ran { code: ended.status.code(), stdout: ended.stdout, stderr: ended.stderr }
    }

    /// How often the service was asked.
    fn calls(&self) -> usize {
        self.service.seen().len()
    }

    /// How often each query's vector was in a request to the database.
    fn asked(&self, at: usize) -> usize {
        let asks = |request: &&String| json_of(request)["query"][1] == json!(at);
        self.database.seen().iter().filter(asks).count()
    }
}

struct Ran {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Ran {
    fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|_| panic!("{}\n{}", self.stdout, self.stderr))
    }
}

/// Points 1 to 40, best first by id; point `12 + n` is the one that the service likes for the query `n`.
fn page(request: &str) -> String {
    let asked = json_of(request);
    let limit = asked["limit"].as_u64().unwrap_or(10).min(40);
    let text = |id: u64| match &asked["with_payload"] {
        Value::Null | Value::Bool(false) => String::new(),
        _ => format!(r#","payload":{{"text":"{DOCUMENT} {id}"}}"#),
    };
    let hit = |id: u64| format!(r#"{{"id":{id},"version":0,"score":0.{:03}{}}}"#, 900 - 10 * id, text(id));
    let hits: Vec<String> = (1..=limit).map(hit).collect();
    response(
        200,
        JSON,
        &format!(r#"{{"result":{{"points":[{}]}},"status":"ok","time":0.1}}"#, hits.join(",")),
    )
}

fn scores(request: &str) -> String {
    let asked = json_of(request);
    let number = |text: &str| text.rsplit(' ').next().and_then(|number| number.parse::<u64>().ok());
    let liked = number(asked["query"].as_str().unwrap()).map(|at| at + 12);
    let documents = asked["documents"].as_array().unwrap();
    let score = |text: &Value| {
        let id = number(text.as_str().unwrap());
        if id == liked { 0.9 } else { 0.3 - id.unwrap_or(0) as f64 / 1000.0 }
    };
    let results: Vec<Value> = documents
        .iter()
        .enumerate()
        .map(|(index, text)| json!({"index": index, "relevance_score": score(text)}))
        .collect();
    let body = json!({"id": "r", "results": results, "meta": {"billed_units": {"search_units": 1}}});
    response(200, JSON, &body.to_string())
}

fn ndcg(report: &Value) -> &Value {
    &report["evaluation"]["groups"][0]["measures"][0]
}

#[tokio::test]
async fn before_and_after_are_those_of_database_and_server() {
    let bench = Bench::start(NO_LIMIT, 500).await;
    let ran = bench.run("eval", &["--json", "--price", "2"]).await;
    let report = ran.json();
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let first = &report["evaluation"]["queries"][0];
    assert_eq!(first["before"], json!(["1", "2", "3", "4", "5", "6", "7", "8", "9", "10"]));
    assert_eq!(first["after"], json!(["12", "1", "2", "3", "4", "5", "6", "7", "8", "9"]));
    assert_eq!(first["outcome"], "applied", "although the mode is shadow and the sample small");
    // Before: 1 at place 1 of an ideal 2 + 1/log2(3).
    let ideal = 2.0 + 1.0 / 3.0_f64.log2();
    assert!((ndcg(&report)["before"].as_f64().unwrap() - 1.0 / ideal).abs() < 1e-12, "{report}");
    assert!((ndcg(&report)["after"].as_f64().unwrap() - 1.0).abs() < 1e-12, "{report}");
    let cost = &report["evaluation"]["cost"];
    assert_eq!(cost["search_units"], json!(QUERIES as f64));
    assert_eq!((&cost["search_units_per_1000"], &cost["price_per_1000"]), (&json!(1000.0), &json!(2.0)));
    assert_eq!(report["evaluation"]["groups"][0]["change"]["top_changed"], 1.0);
    assert_eq!(bench.calls(), QUERIES);
    assert!((0..QUERIES).all(|at| bench.asked(at) == 2), "each query twice");
}

#[tokio::test]
async fn every_bad_line_is_reported_before_anything_is_sent() {
    let bench = Bench::start(NO_LIMIT, 500).await;
    let good = json!({"text": QUERY, "vector": [1], "collection": "docs"});
    let lines = format!("{good}\n{{\"text\": \"{QUERY}\n{{\"path\": \"/{QUERY}\", \"body\": {{}}}}\n");
    bench.write("queries.jsonl", &lines);
    bench.write("qrels.txt", "q1 0 1\n");
    let ran = bench.run("eval", &[]).await;
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""), "{}", ran.stderr);
    for place in ["queries.jsonl:2: expected JSON", "qrels.txt:1: expected four columns"] {
        assert!(ran.stderr.contains(place), "{}", ran.stderr);
    }
    bench.write("qrels.txt", "q1 0 1 1\n");
    bench.write("queries.jsonl", &lines.replace("{\"text\": \"canary-query\n", ""));
    let ran = bench.run("eval", &[]).await;
    assert!(ran.stderr.contains("queries.jsonl:2: expected one search"), "{}", ran.stderr);
    assert!(!ran.stderr.contains(QUERY), "{}", ran.stderr);
    assert_eq!((ran.code, bench.database.seen().len(), bench.calls()), (Some(1), 0, 0));
}

#[tokio::test]
async fn a_provider_that_goes_away_leaves_a_report_and_resuming_pays_nothing_twice() {
    let bench = Bench::start(3, 401).await;
    let ran = bench.run("eval", &["--json", "--concurrency", "1"]).await;
    let report = ran.json();
    assert_eq!((ran.code, &report["complete"], &report["done"]), (Some(3), &json!(false), &json!(3)));
    assert_eq!(report["stopped"], "auth");
    assert_eq!(
        (&report["failed"][0]["query"], &report["failed"][0]["reason"]),
        (&json!("q3"), &json!("auth"))
    );
    assert_eq!(report["failed"][4]["reason"], "not asked");
    let asked = bench.calls();
    bench.responses.store(NO_LIMIT, Ordering::SeqCst);

    let ran = bench.run("eval", &["--json"]).await;
    assert!(ran.code == Some(1) && ran.stderr.contains("--resume"), "{}", ran.stderr);
    assert_eq!(bench.calls(), asked, "an earlier run is not thrown away");

    let ran = bench.run("eval", &["--json", "--resume"]).await;
    let report = ran.json();
    assert_eq!((ran.code, &report["done"]), (Some(0), &json!(QUERIES)), "{}", ran.stderr);
    assert_eq!(bench.calls() - asked, QUERIES - 3);
    assert_eq!(bench.asked(0), 2, "what was done is not asked again");
    assert!(!bench.path("queries.jsonl.eval-checkpoint").exists(), "all is done");
}

#[tokio::test]
async fn a_database_that_is_down_stops_the_run() {
    let bench = Bench::start(NO_LIMIT, 500).await;
    let yaml = std::fs::read_to_string(bench.path("rerankd.yaml")).unwrap();
    let nowhere = yaml.replace(&bench.database.addr.to_string(), "127.0.0.1:1");
    bench.write("rerankd.yaml", &nowhere);
    let ran = bench.run("calibrate", &["--json", "--concurrency", "1"]).await;
    let report = ran.json();
    assert_eq!((ran.code, &report["done"]), (Some(3), &json!(0)), "{}", ran.stderr);
    assert!(report["stopped"].as_str().unwrap().contains("502"), "{report}");
    assert_eq!(report["failed"].as_array().unwrap().len(), QUERIES);
    assert_eq!(bench.calls(), 0);
}

#[tokio::test]
async fn no_more_search_units_are_spent_than_allowed() {
    let bench = Bench::start(NO_LIMIT, 500).await;
    let ran = bench.run("eval", &["--json", "--max-search-units", "3", "--concurrency", "4"]).await;
    let report = ran.json();
    assert_eq!((ran.code, bench.calls()), (Some(3), 3), "{report}");
    assert_eq!(report["evaluation"]["cost"]["search_units"], 3.0);
}

#[tokio::test]
async fn a_budget_holds_over_resumed_runs_and_a_larger_one_goes_on() {
    let bench = Bench::start(NO_LIMIT, 500).await;
    let first = ["--json", "--max-search-units", "3", "--concurrency", "4"];
    assert_eq!((bench.run("eval", &first).await.code, bench.calls()), (Some(3), 3));

    let again = ["--json", "--max-search-units", "3", "--concurrency", "4", "--resume"];
    let ran = bench.run("eval", &again).await;
    let report = ran.json();
    assert_eq!((ran.code, bench.calls()), (Some(3), 3), "all of it was spent before: {report}");
    let why = report["stopped"].as_str().unwrap();
    assert!(why.contains("3 search units are spent"), "{report}");

    let larger = ["--json", "--max-search-units", "5", "--concurrency", "4", "--resume"];
    let ran = bench.run("eval", &larger).await;
    assert_eq!((ran.code, bench.calls(), &ran.json()["done"]), (Some(3), 5, &json!(5)), "{}", ran.stderr);

    let ran = bench.run("eval", &["--json", "--resume"]).await;
    assert_eq!((ran.code, bench.calls()), (Some(0), QUERIES), "{}", ran.stderr);
}

#[tokio::test]
async fn an_id_that_comes_again_and_a_second_grade_are_reported_before_anything_is_sent() {
    let bench = Bench::start(NO_LIMIT, 500).await;
    let query = |id: Value| json!({"id": id, "text": QUERY, "vector": [1], "collection": "docs"});
    let lines = [query(json!("1")), query(json!("b")), query(json!(1))].map(|line| line.to_string());
    bench.write("queries.jsonl", &lines.join("\n"));
    bench.write("qrels.txt", "b 0 1 1\nb 0 2 1\nb 0 1 0\n");
    let ran = bench.run("eval", &[]).await;
    assert_eq!((ran.code, bench.database.seen().len(), bench.calls()), (Some(1), 0, 0));
    for place in ["queries.jsonl:3: expected an id of its own: line 1", "qrels.txt:3: expected one grade"] {
        assert!(ran.stderr.contains(place), "{}", ran.stderr);
    }
    assert!(!ran.stderr.contains(QUERY), "{}", ran.stderr);
}

#[tokio::test]
async fn a_dry_run_asks_no_provider_and_tells_what_it_would_cost() {
    let bench = Bench::start(NO_LIMIT, 500).await;
    let ran = bench.run("calibrate", &["--dry-run", "--json"]).await;
    let report = ran.json();
    assert_eq!((ran.code, bench.calls()), (Some(0), 0), "{}", ran.stderr);
    assert_eq!(report["evaluation"]["cost"]["search_units_per_1000"], 1000.0);
    assert!(report["evaluation"]["groups"].as_array().unwrap().is_empty());
    assert!(!bench.path("queries.jsonl.calibrate-checkpoint").exists());
}

#[tokio::test]
async fn what_is_suggested_loads() {
    let bench = Bench::start(NO_LIMIT, 500).await;
    let ran = bench.run("calibrate", &["--json", "--min-queries", "3", "--objective", "recall=0.5"]).await;
    let report = ran.json();
    let yaml = report["yaml"].as_str().unwrap();
    let config = std::fs::read_to_string(bench.path("rerankd.yaml")).unwrap();
    bench.write("suggested.yaml", &format!("{config}{yaml}"));
    let path = bench.path("suggested.yaml");
    let checked = run(&["check", "--all", "--config", path.to_str().unwrap()], &[("CO_API_KEY", KEY)]).await;
    assert_eq!(checked.status.code(), Some(0), "{}{yaml}", checked.stdout);
    assert!(
        checked.stdout.contains("collection: \"docs\"") && checked.stdout.contains("window: 20"),
        "{yaml}"
    );
    assert!(yaml.contains("\n    min_score: 0."), "{yaml}");
}

#[tokio::test]
async fn an_interrupted_run_reports_what_is_done() {
    let bench = Bench::start(2, 429).await;
    let mut child = tokio::process::Command::new(env!("CARGO_BIN_EXE_rerankd"))
        .args(bench.args("eval", &["--json", "--concurrency", "1"]))
        .env_clear()
        .env("CO_API_KEY", KEY)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    // The third query waits for the limit to be over.
    let waits = async {
        while bench.calls() < 3 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), waits).await.unwrap();
    let pid = child.id().unwrap().to_string();
    let sent = std::process::Command::new("sh").args(["-c", "kill -INT $0", &pid]).status().unwrap();
    assert!(sent.success());
    let ended = tokio::time::timeout(std::time::Duration::from_secs(20), async {
        let code = child.wait().await.unwrap().code();
        (code, child.wait_with_output().await.unwrap())
    });
    let (code, output) = ended.await.unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((code, &report["done"]), (Some(3), &json!(2)), "{report}");
    assert_eq!(report["stopped"], "stopped by a signal");
    assert!(bench.path("queries.jsonl.eval-checkpoint").exists());
}

#[tokio::test]
async fn no_text_and_no_key_is_in_any_output() {
    let bench = Bench::start(6, 500).await;
    let page = bench.path("report.html");
    let reported = ["--report", page.to_str().unwrap(), "--checkpoint"];
    let mut seen = String::new();
    for (command, form) in [("eval", "--json"), ("calibrate", "--seed=1")] {
        let checkpoint = bench.path(&format!("{command}.checkpoint"));
        let more = [&reported[..], &[checkpoint.to_str().unwrap(), "--concurrency=1", form]].concat();
        let args = bench.args(command, &more);
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let ended = run(&args, &[("CO_API_KEY", KEY), ("RUST_LOG", "trace")]).await;
        seen += &(ended.stdout + &ended.stderr);
        seen += &read(&page);
        seen += &read(&checkpoint);
    }
    assert!(seen.contains("nDCG@10") && seen.contains("<svg") && seen.contains("rerankd_checkpoint"));
    for canary in [QUERY, DOCUMENT, KEY] {
        assert!(!seen.contains(canary), "{canary}");
    }
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

#[tokio::test]
async fn runs_of_others_are_measured_without_asking_anybody() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        std::fs::write(folder.path().join(name), text).unwrap();
        folder.path().join(name).to_str().unwrap().to_owned()
    };
    let before = file("before.txt", "q 0 a 1 2.0 x\nq 0 b 2 1.0 x\n");
    let after = file("after.txt", "q 0 b 1 2.0 x\nq 0 a 2 1.0 x\n");
    let qrels = file("qrels.txt", "q 0 b 1\n");
    let ended = run(&["eval", "--run", &before, "--run", &after, "--judgments", &qrels, "--json"], &[]).await;
    let report: Value = serde_json::from_str(&ended.stdout).unwrap_or_else(|_| panic!("{}", ended.stderr));
    assert_eq!(ended.status.code(), Some(0));
    let mrr = &report["evaluation"]["groups"][0]["measures"][1];
    assert_eq!((&mrr["before"], &mrr["after"]), (&json!(0.5), &json!(1.0)));
    assert_eq!(mrr["interval"], Value::Null, "of one query");
    assert_eq!(run(&["eval"], &[]).await.status.code(), Some(2));
}
