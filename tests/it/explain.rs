//! `rerankd explain` between a database and a rerank service that keep every byte they get.

use std::net::SocketAddr;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{FakeDatabase, FakeRedis, Scripted, answer, body_of, json_of, run};

const JSON: &str = "application/json";
const KEY: &str = "canary-provider-key";
const SECRET: &str = "canary-database-secret";
const QUERY: &str = "zebra crossing";
const LINE: &str = "POST /collections/docs/points/query";
const BODY: &str = r#"{"query":[0.1,0.2],"limit":3}"#;
/// As many points as the database has.
const COUNT: u64 = 8;

/// A point; the third has no text, and the last one a key in it.
fn point(id: u64) -> Value {
    let payload = match id {
        2 => json!({"colour": "grey"}),
        7 => json!({"text": format!("giraffe 7 {KEY}")}),
        _ => json!({"text": format!("giraffe {id} é\u{1b}[31m")}),
    };
    json!({"id": id, "version": 0, "score": (90 - id) as f64 / 100.0, "payload": payload})
}

fn page(request: &str) -> String {
    let asked = json_of(request);
    let most = asked["limit"].as_u64().unwrap_or(10).min(COUNT);
    let points: Vec<Value> = (0..most).map(point).collect();
    answer(200, JSON, &json!({"result": {"points": points}, "status": "ok", "time": 0.1}).to_string())
}

/// The later in the database's order, the better.
fn relevance(text: &str) -> f64 {
    text.split(' ').nth(1).and_then(|word| word.parse::<f64>().ok()).unwrap_or(0.0) / 10.0
}

/// A configuration before these two.
struct Bench {
    database: Scripted,
    service: Scripted,
    folder: TempDir,
}

impl Bench {
    async fn start() -> Self {
        let database = Scripted::start(|request| Some(page(request))).await;
        Self::of(database, Scripted::scoring(relevance).await, "", "").await
    }

    async fn of(database: Scripted, service: Scripted, rerank: &str, more: &str) -> Self {
        let providers = format!(
            "providers: {{ cohere: {{ kind: cohere, base_url: 'http://{}' }} }}\n{more}",
            service.addr
        );
        Self::with(database, service, &format!("rerank: {{ {rerank} }}\n{providers}"))
    }

    fn with(database: Scripted, service: Scripted, yaml: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = format!("listeners: [{{ upstream: {{ url: 'http://{}' }} }}]\n", database.addr);
        std::fs::write(folder.path().join("rerankd.yaml"), listener + yaml).unwrap();
        Self { database, service, folder }
    }

    /// Exit code, standard output and standard error; the key is in none of it.
    async fn explain(&self, args: &[&str]) -> (i32, String, String) {
        let config = self.folder.path().join("rerankd.yaml");
        let args = [&["explain", "--config", config.to_str().unwrap()], args].concat();
        let ended = run(&args, &[("CO_API_KEY", KEY), ("RUST_LOG", "debug")]).await;
        for text in [&ended.stdout, &ended.stderr] {
            assert!(!text.contains("canary-"), "{text}");
        }
        assert!(!ended.stdout.contains('\u{1b}'), "an escape of a document reached the terminal");
        (ended.status.code().unwrap(), ended.stdout, ended.stderr)
    }

    async fn json(&self, args: &[&str]) -> Value {
        let (code, out, err) = self.explain(&[args, &["--json"]].concat()).await;
        assert_eq!(code, 0, "{err}");
        serde_json::from_str(&out).unwrap()
    }

    async fn search(&self, more: &[&str]) -> Value {
        self.json(&[&[LINE, "--body", BODY, "--query", QUERY], more].concat()).await
    }
}

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
    let told = bench.search(&[]).await;
    let seen = bench.service.seen();
    assert_eq!((seen.len(), told["calls"].as_array().unwrap().len()), (1, 1));
    assert!(seen[0].contains(KEY), "it was sent");
    assert_is_request(&told["calls"][0], &seen[0], bench.service.addr);
    assert_eq!(told["calls"][0]["status"], 200);
    assert_eq!(told["calls"][0]["documents"], COUNT - 1);
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
    let told = bench.search(&[]).await;
    let sent = json_of(&bench.service.seen()[0])["documents"].clone();
    let hits = told["searches"][0]["lists"][0].as_array().unwrap();
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
    let told = bench.search(&[]).await;
    let request = &bench.database.seen()[0];
    assert_eq!(told["database"].as_array().unwrap().len(), 1);
    assert_eq!(told["database"][0]["body"], body_of(request));
    assert_eq!(told["database"][0]["target"], "/collections/docs/points/query");
    assert_eq!(told["database"][0]["unchanged"], false);
    let taken: Vec<&str> = told["database"][0]["taken_out_again"]
        .as_array()
        .unwrap()
        .iter()
        .map(|name| name.as_str().unwrap())
        .collect();
    assert_eq!(taken, ["payload"], "the client asked for none of it");
    let search = &told["searches"][0];
    assert_eq!(
        (&search["limit"], &search["window"], &search["widened_to"]),
        (&json!(3), &json!(50), &json!(50))
    );
    assert_eq!((&search["query"], &search["query_source"]), (&json!(QUERY), &json!("header")));
}

#[tokio::test]
async fn floor_window_and_hits_without_text_are_drawn_in_the_table() {
    let database = Scripted::start(|request| Some(page(request))).await;
    let service = Scripted::scoring(relevance).await;
    let bench = Bench::of(database, service, "window: 6, min_score: 0.3", "").await;
    let body = r#"{"query":[0.1],"limit":7,"with_payload":true}"#;
    let (code, out, _) = bench.explain(&[LINE, "--body", body, "--query", QUERY]).await;
    assert_eq!(code, 0);
    let lines: Vec<&str> = out.lines().collect();
    let at = |part: &str| {
        lines.iter().position(|line| line.contains(part)).unwrap_or_else(|| panic!("{part}: {out}"))
    };
    let rows = at("database  relevance");
    let row = |line: usize| lines[line].split_whitespace().take(7).collect::<Vec<_>>().join(" ");
    assert_eq!(row(rows + 1), "1 6 +5 0.85 0.50000 provider 5");
    assert_eq!(row(rows + 3), "3 4 +1 0.87 0.30000 provider 3");
    assert_eq!(at("floor 0.3: dropped"), rows + 4);
    assert_eq!(row(rows + 5), "- 2 gone 0.89 0.10000 provider 1");
    assert_eq!(at("without a score"), rows + 7);
    assert_eq!(row(rows + 8), "4 3 -1 0.88 - - 2");
    assert!(lines[rows + 8].contains("it came with colour"), "{out}");
    assert_eq!(at("end of the window of 6"), rows + 9);
    assert_eq!(row(rows + 10), "5 7 +2 0.84 - - 6");
    assert!(out.contains("RERANKED by cohere") && out.contains("authorization: Bearer ***"), "{out}");
}

#[tokio::test]
async fn second_tries_batches_and_the_next_provider_are_calls_of_their_own() {
    let database = Scripted::start(|request| Some(page(request))).await;
    let busy = Scripted::start(|_| Some(answer(503, JSON, "{}"))).await;
    let service = Scripted::start(|request| {
        if request.starts_with("GET ") {
            return Some(answer(200, JSON, r#"{"model_id":"m","max_client_batch_size":5}"#));
        }
        let texts = json_of(request)["texts"].as_array().unwrap().len();
        let score = |index| json!({"index": index, "score": 0.5});
        Some(answer(
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
    let told = bench.search(&[]).await;
    let calls = told["calls"].as_array().unwrap();
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
            Scripted::start(|request| Some(answer(401, JSON, &json!({ "message": request }).to_string())))
                .await;
        let yaml = format!(
            "rerank: {{ providers: [p] }}\n\
             providers: {{ p: {{ kind: {kind}, api_key_env: CO_API_KEY, base_url: 'http://{}'{more} }} }}\n",
            service.addr
        );
        let bench = Bench::with(database, service, &yaml);
        let (code, out, err) = bench.explain(&[LINE, "--body", BODY, "--query", QUERY, "--full"]).await;
        assert_eq!(code, 0, "{kind}: {err}");
        assert!(out.contains("ORDER WAS KEPT: auth") && out.contains("401 after"), "{kind}: {out}");
        assert!(out.contains("the answer began:"), "what the service says is shown: {out}");
        let seen = bench.service.seen();
        assert!(seen[0].contains(KEY) && out.contains("***"), "{kind}: {}", seen[0]);
        assert_is_request(&bench.search(&[]).await["calls"][0], &bench.service.seen()[1], bench.service.addr);
    }
}

#[tokio::test]
async fn the_clients_credentials_reach_the_database_and_are_shown_nowhere() {
    let database =
        Scripted::start(|request| Some(answer(403, JSON, &json!({ "error": request }).to_string()))).await;
    let bench = Bench::of(database, Scripted::scoring(relevance).await, "", "").await;
    let (authorization, key) = (format!("authorization: Bearer {SECRET}"), format!("api-key: {SECRET}"));
    let target = format!("POST /docs/_search?token={SECRET}");
    let body = r#"{"query":{"match":{"text":"zebra"}}}"#;
    let args = [&target[..], "--body", body, "-H", &authorization, "-H", &key];
    let (code, out, _) = bench.explain(&args).await;
    assert_eq!(code, 3, "the database refused it");
    assert!(out.contains("THE DATABASE SAYS (status 403)") && out.contains("token=***"), "{out}");
    let seen = &bench.database.seen()[0];
    assert_eq!(seen.matches(SECRET).count(), 3, "all went to the database: {seen}");
    let (_, out, _) = bench.explain(&[&args[..], &["--json"]].concat()).await;
    let told: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(told["request"]["headers"][0], json!(["authorization", "***"]));
}

#[tokio::test]
async fn a_kept_order_is_explained_with_what_to_do() {
    let bench = Bench::start().await;
    let (code, out, _) = bench.explain(&[LINE, "--body", BODY]).await;
    assert_eq!(code, 0);
    for part in
        ["ORDER WAS KEPT: no_query", "carries no query text", "x-rerank-query", "nothing: no call was made"]
    {
        assert!(out.contains(part), "{part}: {out}");
    }
    assert!(out.contains("the client's own body, byte for byte"), "{out}");
    let (code, out, _) = bench.explain(&[LINE, "--body", "{", "--query", QUERY]).await;
    assert!(code == 0 && out.contains("malformed") && out.contains("passed on as it came: "), "{out}");
    let (code, out, _) =
        bench.explain(&[LINE, "--body", BODY, "--query", QUERY, "-H", "x-rerank: off"]).await;
    assert!(code == 0 && out.contains("ORDER WAS KEPT: off"), "{out}");
    assert!(bench.service.seen().is_empty());
}

#[tokio::test]
async fn a_shadow_is_seen_and_a_missed_deadline_told() {
    let database = Scripted::start(|request| Some(page(request))).await;
    let service = Scripted::scoring(relevance).await;
    let bench = Bench::of(
        database,
        service,
        "mode: shadow, deadline: 1ms",
        "routes: [{ collection: 'd*', window: 4 }]\n",
    )
    .await;
    let told = bench.search(&[]).await;
    let notes = told["notes"].to_string();
    assert!(notes.contains("shadow") && notes.contains("over the deadline of 1 ms"), "{notes}");
    let search = &told["searches"][0];
    assert_eq!(
        (&search["outcome"], &search["plan"]["route"], &search["window"]),
        (&json!("applied"), &json!("d*"), &json!(4))
    );
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

#[tokio::test]
async fn a_batch_is_explained_search_by_search() {
    let database = Scripted::start(|request| {
        let one = json_of(&page("\r\n\r\n{\"limit\":3}"))["result"].clone();
        let many =
            json_of(request)["searches"].as_array().unwrap().iter().map(|_| one.clone()).collect::<Vec<_>>();
        Some(answer(200, JSON, &json!({"result": many, "status": "ok", "time": 0.1}).to_string()))
    })
    .await;
    let bench = Bench::of(database, Scripted::scoring(relevance).await, "", "").await;
    let body = format!(r#"{{"searches":[{BODY},{{"query":[0.1],"limit":0}}]}}"#);
    let (code, out, _) = bench
        .explain(&["POST /collections/docs/points/query/batch", "--body", &body, "--query", QUERY])
        .await;
    assert_eq!(code, 0);
    assert!(
        out.contains("SEARCH 1 of 2\nRERANKED by cohere")
            && out.contains("SEARCH 2 of 2\nTHE DATABASE'S ORDER"),
        "{out}"
    );
}

#[tokio::test]
async fn a_request_that_cannot_be_explained_is_told_plainly_and_nothing_is_sent() {
    let bench = Bench::start().await;
    for (args, said) in [
        (&["GET /collections"][..], "/collections/docs/points/query, …/batch"),
        (&["GET /collections/docs/points/query"], "only with POST"),
        (&[LINE], "needs a body: --body"),
        (&["body.json"], "--path"),
        (&[LINE, "--body", "@no-such-file.json"], "no-such-file.json"),
        (&[LINE, "--body", BODY, "-H", "nonsense"], "header 1"),
        (&[LINE, "--body", BODY, "--listener", "2"], "1 listeners"),
    ] {
        let (code, out, err) = bench.explain(args).await;
        assert_eq!((code, out.as_str()), (1, ""), "{args:?}");
        assert!(err.contains(said), "{args:?}: {err}");
    }
    assert!(bench.database.seen().is_empty() && bench.service.seen().is_empty());
    assert_eq!(bench.explain(&[]).await.0, 2, "nothing was named");
    let upstream =
        format!("listeners: [{{ dialect: none, upstream: {{ url: 'http://{}' }} }}]\n", bench.database.addr);
    std::fs::write(bench.folder.path().join("rerankd.yaml"), upstream).unwrap();
    let (code, _, err) = bench.explain(&[LINE, "--body", BODY]).await;
    assert!(code == 1 && err.contains("dialect is `none`"), "{err}");
}

#[tokio::test]
async fn a_database_that_does_not_answer_is_an_error_that_names_it() {
    let nobody = FakeDatabase::by_hand().await.addr;
    let args = ["explain", LINE, "--body", BODY, "--upstream", &format!("http://{nobody}")];
    let ended = run(&args, &[]).await;
    assert_eq!(ended.status.code(), Some(1));
    assert!(
        ended.stderr.contains(&format!("http://{nobody}: cannot connect to the upstream")),
        "{}",
        ended.stderr
    );
}

#[tokio::test]
async fn the_demos_search_is_explained_with_one_command() {
    let ended = run(&["explain", "--demo"], &[]).await;
    assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
    assert!(
        ended.stdout.contains("RERANKED by lexical") && ended.stdout.contains("were computed here"),
        "{}",
        ended.stdout
    );
}
