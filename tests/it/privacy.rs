//! Nothing secret leaves by the way of logs, metrics, the proxy's own errors or `rerankd check`.
//!
//! Canaries go through every success and failure that there is, with all logs on, and are searched for afterwards.

use std::fmt::Write;
use std::net::SocketAddr;
use std::path::Path;

use base64::Engine;
use tempfile::NamedTempFile;

use crate::harness::strict::Message;
use crate::harness::{
    Authority, FakeDatabase, Frames, Process, Reply, Scripted, Tap, TlsDatabase, Wire, echo, json_of,
    response, run,
};

const KEY: &str = "canary-key";
const QUERY: &str = "canary-query";
const DOCUMENT: &str = "canary-document";
const PASSWORD: &str = "canary-password";
const REDIS: &str = "redis://:canary-redis@cache:6379/0";
const JSON: &str = "application/json";

/// What the rerank service does; each has a collection, a provider and a route of its own.
const SERVICE: [&str; 16] = [
    "applied", "e400", "e401", "e402", "e404", "e422", "e429", "e500", "e503", "garbage", "cut", "html",
    "index", "gone", "silent", "tls",
];
/// What the database does; these collections have the provider that answers.
const DATABASE: [&str; 8] = ["d401", "d400", "d500", "dgarbage", "dhtml", "dcut", "dgone", "dsilent"];

/// The service tells all it knows in whatever goes wrong.
fn service(request: &str) -> Option<String> {
    let reported = json_of(request).to_string() + request;
    let reported = serde_json::json!({"message": reported, "error": reported}).to_string();
    let mode = request.split('/').nth(1).unwrap();
    match mode {
        "applied" => {
            let count = json_of(request)["documents"].as_array().unwrap().len();
            let result =
                |index| serde_json::json!({"index": index, "relevance_score": 1.0 / (2.0 + index as f64)});
            let results: Vec<_> = (0..count).map(result).collect();
            Some(response(200, JSON, &serde_json::json!({"results": results}).to_string()))
        }
        "garbage" => Some(response(200, JSON, &format!("{{{reported}"))),
        "cut" => Some(format!("HTTP/1.1 200 OK\r\ncontent-length: 99999\r\n\r\n{reported}")),
        "html" => Some(response(200, "text/html", &reported)),
        "index" => Some(response(200, JSON, r#"{"results":[{"index":99,"relevance_score":0.5}]}"#)),
        "gone" => Some(format!("{QUERY} is no HTTP\r\n\r\n")),
        "silent" => None,
        status => Some(response(status[1..].parse().unwrap(), JSON, &reported)),
    }
}

fn page() -> String {
    let hit = |id| format!(r#"{{"id":{id},"version":0,"score":0.5,"payload":{{"text":"{DOCUMENT} {id}"}}}}"#);
    format!(r#"{{"result":{{"points":[{},{}]}},"status":"ok","time":0.1}}"#, hit(1), hit(2))
}

fn database(request: &Message) -> Reply {
    let page = page();
    let mode = request.word(1).split('/').nth(2).unwrap_or_default();
    let whole = |status, media_type, body: &str| Reply::Keep(response(status, media_type, body).into());
    match mode {
        "d401" => whole(401, "text/plain", DOCUMENT),
        "d400" => whole(400, JSON, &page),
        "d500" => whole(500, JSON, &page),
        "dgarbage" => whole(200, JSON, &page[1..]),
        "dhtml" => whole(200, "text/html", &page),
        "dcut" => Reply::Last(format!("HTTP/1.1 200 OK\r\ncontent-length: 99999\r\n\r\n{page}").into()),
        "dgone" => Reply::Last(format!("{DOCUMENT} is no HTTP\r\n\r\n").into()),
        // Longer than the time-out, by never.
        "dsilent" => Reply::Keep(Vec::new()),
        _ if request.word(1).contains("/points/query") || request.word(1).contains("_search") => {
            whole(200, JSON, &page)
        }
        _ => echo(request),
    }
}

/// Three listeners: before this database, before none, and before one behind TLS and HTTP/2. One more provider, `tls`,
/// is behind TLS too.
fn file(
    upstream: SocketAddr,
    unreachable: SocketAddr,
    service: SocketAddr,
    tls: SocketAddr,
    ca: &Path,
) -> NamedTempFile {
    let (mut providers, mut routes, ca) = (String::new(), String::new(), ca.display());
    for mode in SERVICE {
        let (url, ca) = match mode {
            "tls" => (format!("https://{tls}"), format!("\"{ca}\"")),
            _ => (format!("http://{service}/{mode}"), "null".to_owned()),
        };
        writeln!(
            providers,
            "  {mode}: {{ kind: cohere, api_key_env: KEY, base_url: \"{url}\", ca_file: {ca} }}"
        )
        .unwrap();
        let deadline = if ["silent", "cut"].contains(&mode) { "50ms" } else { "20s" };
        writeln!(routes, "  - {{ collection: {mode}, providers: [{mode}], deadline: {deadline} }}").unwrap();
    }
    let listener = |upstream: &str| {
        let limits = "response_timeout: 1s, connect_timeout: 5s";
        format!("  - {{ listen: 127.0.0.1:0, upstream: {{ {upstream}, {limits} }} }}\n")
    };
    let listeners = [
        listener(&format!("url: \"http://{upstream}\"")),
        listener(&format!("url: \"http://{unreachable}\"")),
        listener(&format!("url: \"https://{tls}\", http2: true, ca_file: \"{ca}\"")),
    ];
    let file = tempfile::Builder::new().suffix(".yaml").tempfile().unwrap();
    let yaml = format!(
        "listeners:\n{}admin: {{ listen: 127.0.0.1:0 }}\n\
         rerank: {{ deadline: 20s, providers: [applied], query_sources: [header, body, native, baggage] }}\n\
         limits: {{ max_request_bytes: 64KiB }}\nproviders:\n{providers}routes:\n{routes}",
        listeners.concat()
    );
    std::fs::write(file.path(), yaml).unwrap();
    file
}

/// Header lines that hold secrets of the client.
fn secrets() -> String {
    let basic = base64::engine::general_purpose::STANDARD.encode(format!("user:{PASSWORD}"));
    format!(
        "Host: a\r\nAuthorization: Basic {basic}\r\napi-key: {PASSWORD}\r\nx-backend: {REDIS}\r\n\
         Cookie: session={PASSWORD}\r\nbaggage: rerank-query={QUERY}\r\n"
    )
}

fn post(target: &str, lines: &str, body: &str) -> Vec<u8> {
    let (secrets, length) = (secrets(), body.len());
    format!("POST {target} HTTP/1.1\r\n{secrets}{lines}Content-Length: {length}\r\n\r\n{body}").into_bytes()
}

/// Every kind of request, well-formed or not.
fn requests() -> Vec<Vec<u8>> {
    let vector = format!(r#"{{"query":[0.1],"limit":2,"with_payload":true,"filter":{{"x":"{QUERY}"}}}}"#);
    let mut requests = Vec::new();
    for collection in SERVICE.iter().chain(&DATABASE) {
        let target = format!("/collections/{collection}/points/query");
        requests.push(post(&target, &format!("x-rerank-query: {QUERY}\r\n"), &vector));
    }
    let search = "/collections/applied/points/query";
    let native = format!(r#"{{"query":{{"match":{{"body":"{QUERY}"}}}}}}"#);
    let in_body = vector.replacen('{', &format!(r#"{{"rerank":{{"query":"{QUERY}"}},"#), 1);
    let large = format!(r#"{{"query":[0.1],"limit":2,"x":"{}"}}"#, QUERY.repeat(10_000));
    for body in
        [in_body.as_str(), &large, &format!("{{{QUERY}"), &format!("{{\"query\":\"{QUERY}\",\"limit\":-1}}")]
    {
        requests.push(post(search, "", body));
    }
    requests.push(post("/i/_search", "", &native));
    requests.push(post(&format!("/i/_search?q={QUERY}"), "", ""));
    requests.push(post(search, &format!("x-rerank-query: {QUERY}\r\nx-rerank-vector: 9,9\r\n"), &vector));
    requests.push(post(search, "Content-Encoding: gzip\r\n", QUERY));
    requests.push(post("/collections/c/points", "", DOCUMENT));
    requests.push(post("/a", "Transfer-Encoding: gzip, chunked\r\n", DOCUMENT));
    requests.push(post(search, &format!("x-canary: {PASSWORD}\0\r\n"), DOCUMENT));
    requests.push(post(search, &format!("{PASSWORD}\r\n"), DOCUMENT));
    requests.push(post("/a", "Connection: Upgrade\r\nUpgrade: websocket\r\n", DOCUMENT));
    requests.push(post("/a", "Host: b\r\n", DOCUMENT));
    let secrets = secrets();
    requests.push(format!("CONNECT {PASSWORD}:1 HTTP/1.1\r\n{secrets}\r\n").into_bytes());
    requests.push(format!("{PASSWORD} {PASSWORD}\r\n\r\n").into_bytes());
    for target in ["/a", search] {
        let head = format!(
            "POST {target} HTTP/1.1\r\n{secrets}x-rerank-query: {QUERY}\r\nTransfer-Encoding: chunked\r\n\r\n"
        );
        requests.push(format!("{head}{DOCUMENT}\r\n").into_bytes());
        requests.push(format!("{head}5\r\n{DOCUMENT}\r\n").into_bytes());
    }
    requests
}

/// What the proxy itself says in its response.
async fn own_responses(addr: SocketAddr, request: &[u8]) -> String {
    let mut client = Wire::connect(addr).await;
    client.try_send(request).await;
    let Some(response) = client.response(false).await else { return String::new() };
    let own = ["400", "413", "431", "502", "504"].contains(&response.word(1)) && response.word(2) != "X";
    // Of the database's responses these headers are the proxy's.
    let said = response.headers.iter().filter(|(name, _)| own || name.starts_with("x-rerank"));
    let said = said.map(|(_, value)| value.as_str()).collect::<Vec<_>>().join(" ");
    if own { format!("{} {said} {}", response.start, response.text()) } else { said }
}

async fn over_http2(addr: SocketAddr) {
    let mut client = Frames::connect(addr).await;
    let fields = [
        (":method", "POST"),
        (":scheme", "http"),
        (":authority", "a"),
        (":path", "/collections/applied/points/query"),
        ("authorization", PASSWORD),
        ("x-rerank-query", QUERY),
        ("x-backend", REDIS),
    ];
    let fields = fields.map(|(name, value)| (name.to_owned(), value.to_owned()));
    client.head(1, &fields, false).await;
    client.data(1, format!(r#"{{"query":[0.1],"x":"{DOCUMENT}"}}"#).as_bytes(), true).await;
    client.end(1).await;
    // The parser of this protocol tells what it does not understand, if it is let.
    for (at, value) in
        [(0, "canary method"), (2, "canary/authority@@"), (3, "/i/_search?q=canary query"), (4, "canary\r\n")]
    {
        let mut fields = fields.clone();
        fields[at].1 = value.to_owned();
        let mut client = Frames::connect(addr).await;
        client.head(1, &fields, true).await;
        client.end(1).await;
    }
}

async fn get(addr: SocketAddr, path: &str) -> String {
    let mut client = Wire::connect(addr).await;
    client.send(format!("GET {path} HTTP/1.1\r\n{}Connection: close\r\n\r\n", secrets())).await;
    client.rest().await
}

/// As a browser on this machine asks.
async fn local(addr: SocketAddr, path: &str) -> String {
    let mut client = Wire::connect(addr).await;
    client.send(format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")).await;
    client.rest().await
}

fn assert_silent(place: &str, text: &str) {
    let basic = base64::engine::general_purpose::STANDARD.encode(format!("user:{PASSWORD}"));
    for secret in [KEY, QUERY, DOCUMENT, PASSWORD, "canary", &basic] {
        let line = text.lines().find(|line| line.to_lowercase().contains(&secret.to_lowercase()));
        assert_eq!(line, None, "{secret:?} in {place}");
    }
}

#[tokio::test]
async fn no_canary_is_heard_of_again() {
    let (database, service) = (Tap::start(database).await, Scripted::start(service).await);
    let nobody = FakeDatabase::by_hand().await.addr;
    let (authority, ca) = (Authority::new(), NamedTempFile::new().unwrap());
    std::fs::write(ca.path(), authority.pem()).unwrap();
    let tls = TlsDatabase::start(&authority.issue(&["127.0.0.1"]), None, &["h2"]).await;
    let file = file(database.addr, nobody, service.addr, tls.addr, ca.path());
    let path = file.path().to_str().unwrap();
    let env = [("RUST_LOG", "trace"), ("KEY", KEY)];
    let program = Process::start(&["serve", "--config", path], &env).await;

    let mut events = Wire::connect(program.admin).await;
    events.send("GET /api/events HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    let mut reported = events.until("event: state\n").await;

    let mut own = String::new();
    for request in requests() {
        for addr in &program.listening {
            own += &own_responses(*addr, &request).await;
            own.push('\n');
        }
    }
    for addr in &program.listening {
        over_http2(*addr).await;
    }
    for status in ["400", "502", "504", "applied", "auth", "rate_limited", "bad_response"] {
        assert!(own.contains(status), "{status} must have come about: {own}");
    }
    assert_silent("the proxy's own responses", &own);

    let metrics = get(program.admin, "/metrics").await;
    assert!(metrics.contains("reason=\"stale_query\"") && metrics.contains("outcome=\"applied\""));
    assert_silent("the metrics", &metrics);
    assert_silent("the admin listener", &get(program.admin, &format!("/{PASSWORD}?{QUERY}")).await);
    // The inspector keeps ids and scores: at its default level no word of queries and documents.
    let list = local(program.admin, "/api/searches").await;
    let numbers: Vec<u64> = json_of(&list)["searches"]
        .as_array()
        .unwrap()
        .iter()
        .map(|search| search["number"].as_u64().unwrap())
        .collect();
    assert!(list.contains("\"applied\"") && list.contains("\"stale_query\"") && numbers.len() > 20, "{list}");
    for number in &numbers {
        reported += &local(program.admin, &format!("/api/searches/{number}")).await;
    }
    assert!(reported.contains("\"scored_by\":\"provider\"") && reported.contains("\"database_score\":0.5"));
    reported += &events.so_far();
    assert!(reported.contains("event: search\n"), "{reported}");
    reported +=
        &(list + &local(program.admin, "/api/state").await + &local(program.admin, "/api/config").await);
    assert_silent("the inspector", &reported);
    let sent = service.seen().join("\n");
    for secret in [KEY, QUERY, DOCUMENT] {
        assert!(sent.contains(secret), "{secret} did go to the service");
    }
    let ended = program.stop().await;
    assert!(ended.stderr.contains("\"DEBUG\""), "the program's own lines are on: {}", ended.stderr);
    assert_silent("standard output", &ended.stdout);
    assert_silent("the log", &ended.stderr);
}

#[tokio::test]
async fn check_and_a_rejected_configuration_tell_no_secret() {
    let nowhere = "127.0.0.1:1".parse().unwrap();
    let ca = NamedTempFile::new().unwrap();
    std::fs::write(ca.path(), Authority::new().pem()).unwrap();
    let good = file(nowhere, nowhere, nowhere, nowhere, ca.path());
    let bad = NamedTempFile::new().unwrap();
    let yaml = format!(
        "listeners:\n  - upstream: {{ url: \"http://user:{PASSWORD}@db:9200\" }}\n\
         providers:\n  cohere: {{ kind: cohere, api_key: {KEY}, base_url: \"https://x:{PASSWORD}@y/\" }}\n\
         cache: {{ redis: \"{REDIS}\" }}\nadmin: {{ token: {PASSWORD} }}\n"
    );
    std::fs::write(bad.path(), yaml).unwrap();
    let env = [("KEY", KEY), ("CO_API_KEY", KEY), ("RUST_LOG", "trace")];
    let in_url = format!("http://user:{PASSWORD}@db:9200");
    let [good, bad] = [&good, &bad].map(|file| file.path().to_str().unwrap());
    for (args, code) in [
        (&["check", "--config", good][..], 0),
        (&["check", "--config", bad], 1),
        (&["serve", "--config", bad], 1),
        (&["serve", "--upstream", &in_url, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"], 1),
    ] {
        let ended = run(args, &env).await;
        assert_eq!(ended.status.code(), Some(code), "{args:?}");
        let reported = ended.stdout + &ended.stderr;
        assert!(!reported.is_empty());
        assert_silent(args[0], &reported);
    }
}
