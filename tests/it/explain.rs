//! `rerankd explain`: what it shows is what left, byte for byte, and nobody's key.

mod bench;
mod calls;
mod said;

use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::harness::{FakeRedis, Scripted, body_of, json_of, response};
use bench::{BODY, Bench, COUNT, JSON, KEY, LINE, QUERY, SECRET, page, relevance};

/// The lines of a call's head as they were on the wire, the key masked.
fn head_of(call: &Value, host: SocketAddr) -> Vec<String> {
    let url = call["url"].as_str().unwrap();
    let path = url.strip_prefix(&format!("http://{host}")).unwrap();
    let pair = |pair: &Value| format!("{}: {}", pair[0].as_str().unwrap(), pair[1].as_str().unwrap());
    let mut lines: Vec<String> = call["headers"].as_array().unwrap().iter().map(pair).collect();
    lines.push(format!("{} {path} HTTP/1.1", call["method"].as_str().unwrap()));
    lines.sort();
    lines
}

/// That the call shown is the request that came, byte for byte but for the key.
fn assert_is_request(call: &Value, request: &str, host: SocketAddr) {
    let masked = request.replace(KEY, "***");
    let (head, body) = masked.split_once("\r\n\r\n").unwrap();
    assert_eq!(call["body"], body);
    let mut lines: Vec<String> = head.lines().map(str::to_owned).collect();
    lines.sort();
    assert_eq!(head_of(call, host), lines);
    let length = request.split_once("\r\n\r\n").unwrap().1.len().to_string();
    assert!(request.contains(&format!("content-length: {length}\r\n")));
}

#[tokio::test]
async fn the_call_shown_is_the_one_that_the_provider_received_with_the_key_masked() {
    let bench = Bench::start().await;
    let reported = bench.search(&[]).await;
    let seen = bench.service.seen();
    assert_eq!((seen.len(), reported["calls"].as_array().unwrap().len()), (1, 1));
    assert!(seen[0].contains(KEY), "it was sent");
    assert_is_request(&reported["calls"][0], &seen[0], bench.service.addr);
    assert_eq!(reported["calls"][0]["status"], 200);
    assert_eq!(reported["calls"][0]["documents"], COUNT - 1);
}

#[tokio::test]
async fn the_text_shown_is_the_text_that_left_and_what_was_cut_is_said() {
    let database = Scripted::start(|request| Some(page(request))).await;
    let service = Scripted::scoring(relevance).await;
    let yaml = format!(
        "providers: {{ cohere: {{ kind: cohere, base_url: 'http://{}', max_tokens_per_doc: 2 }} }}\n",
        service.addr
    );
    let bench = Bench::with(database, service, &yaml);
    let reported = bench.search(&[]).await;
    let sent = json_of(&bench.service.seen()[0])["documents"].clone();
    let hits = reported["searches"][0]["lists"][0].as_array().unwrap();
    let documents: Vec<&Value> =
        hits.iter().filter(|hit| !hit["document"].is_null()).map(|hit| &hit["document"]["text"]).collect();
    assert_eq!(documents, sent.as_array().unwrap().iter().collect::<Vec<_>>());
    assert!(hits.iter().all(|hit| hit["document"].is_null() || hit["document"]["cut"] == true), "{hits:?}");
    let (_, out, _) = bench.explain(&[LINE, "--body", BODY, "--query", QUERY]).await;
    assert!(out.contains("the rest was cut (as it left)\n    | giraffe 6"), "{out}");
}

#[tokio::test]
async fn the_database_was_asked_what_is_shown_and_what_was_added_is_named() {
    let bench = Bench::start().await;
    let reported = bench.search(&[]).await;
    let request = &bench.database.seen()[0];
    assert_eq!(reported["database"].as_array().unwrap().len(), 1);
    assert_eq!(reported["database"][0]["body"], body_of(request));
    assert_eq!(reported["database"][0]["target"], "/collections/docs/points/query");
    assert_eq!(reported["database"][0]["unchanged"], false);
    let taken: Vec<&str> = reported["database"][0]["taken_out_again"]
        .as_array()
        .unwrap()
        .iter()
        .map(|name| name.as_str().unwrap())
        .collect();
    assert_eq!(taken, ["payload"], "the client asked for none of it");
    let search = &reported["searches"][0];
    assert_eq!(
        (&search["limit"], &search["window"], &search["widened_to"]),
        (&json!(3), &json!(50), &json!(50))
    );
    assert_eq!((&search["query"], &search["query_source"]), (&json!(QUERY), &json!("header")));
}

#[tokio::test]
async fn second_tries_batches_and_the_next_provider_are_calls_of_their_own() {
    let database = Scripted::start(|request| Some(page(request))).await;
    let busy = Scripted::start(|_| Some(response(503, JSON, "{}"))).await;
    let service = Scripted::start(|request| {
        if request.starts_with("GET ") {
            return Some(response(200, JSON, r#"{"model_id":"m","max_client_batch_size":5}"#));
        }
        let texts = json_of(request)["texts"].as_array().unwrap().len();
        let score = |index| json!({"index": index, "score": 0.5});
        Some(response(
            200,
            JSON,
            &(0..texts).map(score).collect::<Vec<_>>().into_iter().collect::<Value>().to_string(),
        ))
    })
    .await;
    let yaml = format!(
        "rerank: {{ providers: [first, second] }}\nproviders:\n\
         \x20 first: {{ kind: cohere, api_key_env: CO_API_KEY, base_url: 'http://{}' }}\n\
         \x20 second: {{ kind: tei, base_url: 'http://{}' }}\n",
        busy.addr, service.addr
    );
    let bench = Bench::with(database, service, &yaml);
    let reported = bench.search(&[]).await;
    let calls = reported["calls"].as_array().unwrap();
    let ended: Vec<String> = calls
        .iter()
        .map(|call| {
            format!("{} {} {}", call["provider"].as_str().unwrap(), call["status"], call["documents"])
        })
        .collect();
    assert_eq!(ended, ["first 503 7", "first 503 7", "second 200 7"]);
    assert_eq!(busy.seen().len(), 2);
    assert_is_request(&calls[0], &busy.seen()[0], busy.addr);
    assert_is_request(&calls[1], &busy.seen()[1], busy.addr);
    let posted = bench.service.seen().into_iter().find(|request| request.starts_with("POST")).unwrap();
    assert_is_request(&calls[2], &posted, bench.service.addr);
}

#[tokio::test]
async fn no_key_of_any_kind_of_provider_is_shown() {
    for (kind, more) in [
        ("cohere", ""),
        ("azure-cohere", ", model: m"),
        ("pinecone", ""),
        ("voyage", ""),
        ("nvidia-nim", ", model: m"),
        ("litellm", ", model: m"),
    ] {
        let database = Scripted::start(|request| Some(page(request))).await;
        // It tells all it knows.
        let service =
            Scripted::start(|request| Some(response(401, JSON, &json!({ "message": request }).to_string())))
                .await;
        let yaml = format!(
            "rerank: {{ providers: [p] }}\n\
             providers: {{ p: {{ kind: {kind}, api_key_env: CO_API_KEY, base_url: 'http://{}'{more} }} }}\n",
            service.addr
        );
        let bench = Bench::with(database, service, &yaml);
        let (code, out, err) = bench.explain(&[LINE, "--body", BODY, "--query", QUERY, "--full"]).await;
        assert_eq!(code, 0, "{kind}: {err}");
        assert!(
            out.contains("ORDER WAS KEPT: auth")
                && out.contains("See docs/reasons.md#auth")
                && out.contains("401 after"),
            "{kind}: {out}"
        );
        assert!(out.contains("the response began:"), "what the service says is shown: {out}");
        let seen = bench.service.seen();
        assert!(seen[0].contains(KEY) && out.contains("***"), "{kind}: {}", seen[0]);
        assert_is_request(&bench.search(&[]).await["calls"][0], &bench.service.seen()[1], bench.service.addr);
    }
}

#[tokio::test]
async fn the_clients_credentials_reach_the_database_and_are_shown_nowhere() {
    let database =
        Scripted::start(|request| Some(response(403, JSON, &json!({ "error": request }).to_string()))).await;
    let bench = Bench::of(database, Scripted::scoring(relevance).await, "", "").await;
    let (authorization, key) = (format!("authorization: Bearer {SECRET}"), format!("api-key: {SECRET}"));
    let target = format!("POST /docs/_search?token={SECRET}");
    let body = r#"{"query":{"match":{"text":"zebra"}}}"#;
    let args = [&target[..], "--body", body, "-H", &authorization, "-H", &key];
    let (code, out, _) = bench.explain(&args).await;
    assert_eq!(code, 3, "the database rejected it");
    assert!(out.contains("THE DATABASE SAYS (status 403)") && out.contains("token=***"), "{out}");
    let seen = &bench.database.seen()[0];
    assert_eq!(seen.matches(SECRET).count(), 3, "all went to the database: {seen}");
    let (_, out, _) = bench.explain(&[&args[..], &["--json"]].concat()).await;
    let reported: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(reported["request"]["headers"][0], json!(["authorization", "***"]));
}

#[tokio::test]
async fn what_the_fleet_knows_is_not_asked_again_unless_it_is_to_be_fresh() {
    let (redis, secret) = (FakeRedis::start().await, tempfile::NamedTempFile::new().unwrap());
    std::fs::write(secret.path(), "the same for all").unwrap();
    let database = Scripted::start(|request| Some(page(request))).await;
    let service = Scripted::scoring(relevance).await;
    let cache = format!(
        "cache: {{ secret_file: '{}', redis: {{ url: 'redis://{}', timeout: 5s }} }}\n",
        secret.path().display(),
        redis.addr
    );
    let bench = Bench::of(database, service, "", &cache).await;
    assert_eq!(bench.search(&[]).await["searches"][0]["cache_hits"], 0);
    let again = bench.search(&[]).await;
    assert_eq!((&again["searches"][0]["cache_hits"], &again["calls"]), (&json!(COUNT - 1), &json!([])));
    let (_, out, _) = bench.explain(&[LINE, "--body", BODY, "--query", QUERY]).await;
    assert!(out.contains("every score was in the cache; --fresh asks anew"), "{out}");
    assert_eq!(bench.service.seen().len(), 1);
    let fresh = bench.search(&["--fresh"]).await;
    assert_eq!((fresh["calls"].as_array().unwrap().len(), bench.service.seen().len()), (1, 2));
}
