//! Why nothing changed, from the log of the real binary alone.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::harness::{Process, Scripted, Wire, response};

const JSON: &str = "application/json";
const QUERY: &str = "x-rerank-query: zebra crossing\r\n";

/// A page of two hits with this payload.
fn page(payload: &Value) -> String {
    let hit = |id| {
        let mut payload = payload.clone();
        if let Some(text) = payload.get_mut("text") {
            *text = format!("giraffe {id}").into();
        }
        json!({"id": id, "version": 0, "score": 0.5, "payload": payload})
    };
    json!({"result": {"points": [hit(1), hit(2)]}, "status": "ok", "time": 0.1}).to_string()
}

/// The program before a database whose hits have this payload, with a provider that responds with this head and body.
async fn program(payload: Value, provider: &'static str, env: &[(&str, &str)]) -> (Process, [Scripted; 2]) {
    let database = Scripted::start(move |_| Some(response(200, JSON, &page(&payload)))).await;
    let service = Scripted::start(move |_| Some(provider.to_owned())).await;
    let (upstream, url) = (format!("http://{}", database.addr), format!("http://{}", service.addr));
    let args = ["--upstream", &upstream, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"];
    let env = [&[("CO_API_KEY", "sekrit"), ("CO_API_URL", &url)], env].concat();
    (Process::start(&args, &env).await, [database, service])
}

async fn search(program: &Process, collection: &str, lines: &str) {
    let mut client = Wire::connect(program.listening[0]).await;
    let body = r#"{"query":[0.1],"limit":2,"with_payload":true}"#;
    let length = body.len();
    let head = format!("POST /collections/{collection}/points/query HTTP/1.1\r\nhost: x\r\n{lines}");
    client.send(format!("{head}content-type: {JSON}\r\ncontent-length: {length}\r\n\r\n{body}")).await;
    assert!(client.message().await.unwrap().starts_with("HTTP/1.1 200"));
}

/// The lines of one reason, each of them one flat object.
async fn lines_of(program: Process, reason: &str) -> Vec<Value> {
    let log = program.stop().await.stderr;
    assert!(!log.contains("zebra") && !log.contains("sekrit") && !log.contains("giraffe"), "{log}");
    let objects = log.lines().map(|line| serde_json::from_str::<Value>(line).expect(line));
    let flat = |object: &Value| object.as_object().unwrap().values().all(|each| !each.is_object());
    objects
        .inspect(|object| assert!(flat(object), "{object}"))
        .filter(|each| each["reason"] == reason)
        .collect()
}

#[tokio::test]
async fn each_reason_has_a_line_that_says_where_and_the_rest_are_counted() {
    let (program, _servers) = program(json!({"text": "giraffe"}), "", &[]).await;
    for collection in ["docs", "docs", "shop", "docs", "docs"] {
        search(&program, collection, "").await;
    }
    search(&program, "docs", "x-rerank: off\r\n").await;
    let listener = program.listening[0].ip().to_string();
    let log = lines_of(program, "no_query").await;
    let [first, rest] = log.as_slice() else { panic!("{log:?}") };
    for line in [first, rest] {
        assert_eq!(line["level"], "INFO");
        assert_eq!((&line["dialect"], &line["operation"]), (&"qdrant".into(), &"query".into()));
        assert!(line["listener"].as_str().unwrap().starts_with(&listener), "{line}");
        assert_eq!(line["help"], "docs/reasons.md#no_query");
        assert!(line["message"].as_str().unwrap().contains("carries no query text"), "{line}");
        assert!(line["total_ms"].is_number() && line["rerank_ms"].is_number(), "{line}");
        assert!(line["total_ms"].to_string().trim_matches(['0', '.']).len() <= 4, "{line}");
    }
    assert_eq!((&first["collections"], &first["left_out"]), (&"docs".into(), &Value::Null));
    assert_eq!((&rest["collections"], &rest["left_out"]), (&"docs,shop".into(), &3.into()), "five in all");
}

#[tokio::test]
async fn no_text_says_which_fields_were_seen_and_none_of_their_values() {
    let payload = json!({"price": 3, "b\u{1b}[31m": "giraffe", "sku": "giraffe"});
    let (program, _servers) = program(payload, "", &[]).await;
    search(&program, "docs", QUERY).await;
    let log = lines_of(program, "no_text").await;
    let [line] = log.as_slice() else { panic!("{log:?}") };
    let mut fields: Vec<&str> = line["fields_seen"].as_str().unwrap().split(", ").collect();
    fields.sort_unstable();
    assert!(fields[0].starts_with('b') && !fields[0].contains('\u{1b}'), "{fields:?}");
    assert_eq!((fields.len(), fields[1], fields[2]), (3, "price", "sku"));
    assert_eq!(line["level"], "WARN");
}

#[tokio::test]
async fn a_rate_limit_says_until_when() {
    const REFUSED: &str = "HTTP/1.1 429 Too Many Requests\r\nretry-after: 30\r\ncontent-length: 2\r\n\r\n{}";
    let (program, _servers) = program(json!({"text": "giraffe"}), REFUSED, &[]).await;
    search(&program, "docs", QUERY).await;
    let log = lines_of(program, "rate_limited").await;
    let line = log.iter().find(|line| line["outcome"] == "kept").expect("a line about the search");
    let until = humantime::parse_rfc3339(line["until"].as_str().unwrap()).unwrap();
    let said = humantime::parse_rfc3339(line["timestamp"].as_str().unwrap()).unwrap();
    let seconds = until.duration_since(said).unwrap().as_secs();
    assert!((20..=30).contains(&seconds), "{line}");
}

#[tokio::test]
async fn an_open_circuit_says_until_when() {
    let (program, _servers) =
        program(json!({"text": "giraffe"}), "HTTP/1.1 401 No\r\ncontent-length: 2\r\n\r\n{}", &[]).await;
    search(&program, "docs", QUERY).await;
    let log = lines_of(program, "auth").await;
    let opened = log.iter().find(|line| line["message"].as_str().unwrap().starts_with("circuit open"));
    let kept = log.iter().find(|line| line["outcome"] == "kept");
    for line in [opened, kept] {
        let line = line.expect("a line for each");
        assert!(humantime::parse_rfc3339(line["until"].as_str().unwrap()).is_ok(), "{line}");
        assert_eq!(line["help"], "docs/reasons.md#auth");
    }
}

#[tokio::test]
async fn at_debug_every_search_has_one_line() {
    const SCORES: &str =
        r#"{"results":[{"index":0,"relevance_score":0.9},{"index":1,"relevance_score":0.1}]}"#;
    let scored = response(200, JSON, SCORES).leak();
    let (program, _servers) =
        program(json!({"text": "giraffe"}), scored, &[("RUST_LOG", "rerankd=debug")]).await;
    for lines in [QUERY, QUERY, "", "", ""] {
        search(&program, "docs", lines).await;
    }
    let log = program.stop().await.stderr;
    let count = |part: &str| log.lines().filter(|line| line.contains(part)).count();
    assert_eq!(count("\"message\":\"reranked\""), 2, "{log}");
    // At the end there is one more for the number of those that were left out.
    assert_eq!((count("\"outcome\":\"kept\""), count("\"left_out\":1")), (4, 1), "{log}");
}

#[tokio::test]
async fn a_database_that_answers_again_has_one_line_with_the_requests_that_failed_until_then() {
    let requests = AtomicUsize::new(0);
    let database = Scripted::start(move |_| match requests.fetch_add(1, Ordering::SeqCst) {
        0 | 1 => Some("no HTTP at all\r\n\r\n".to_owned()),
        // It starts: that is not yet over.
        2 => Some(response(503, JSON, "{}")),
        _ => Some(response(200, JSON, "{}")),
    })
    .await;
    let upstream = format!("http://{}", database.addr);
    let args = ["--upstream", &upstream, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"];
    let program = Process::start(&args, &[]).await;
    for status in ["502", "502", "503", "200", "200"] {
        let mut client = Wire::connect(program.listening[0]).await;
        client.send("POST /a HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n").await;
        let got = client.message().await.unwrap();
        assert!(got.starts_with(&format!("HTTP/1.1 {status}")), "{got}");
    }
    let log = program.stop().await.stderr;
    let again: Vec<&str> = log.lines().filter(|line| line.contains("answers again")).collect();
    let [line] = again.as_slice() else { panic!("{log}") };
    let line: Value = serde_json::from_str(line).unwrap();
    assert_eq!((&line["cause"], &line["requests"]), (&"bad_response".into(), &3.into()), "{line}");
}
