//! Clients that leave while something goes on for them that is not their own exchange with the database: the work
//! behind a response, a call that fills the cache, the rerank API, a TLS handshake.

use std::net::SocketAddr;

use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::harness::{
    Authority, FakeDatabase, Folder, Program, Scripted, Watched, Wire, handshake, json_of, qdrant_hits,
    rerank_api, response, search,
};

const JSON: &str = "application/json";
const SEARCH: &str = r#"{"query":[0.1],"limit":50,"with_payload":true}"#;
const CONNECTIONS: &str = "rerankd_client_connections";
const REQUESTS: &str = "rerankd_requests_in_flight";
const SEARCHES: &str = "rerankd_searches_in_flight";
const BUFFERED: &str = "rerankd_buffered_bytes";

/// Before a database, with Cohere's API at `service`, and the rerank API on any port.
async fn program(database: SocketAddr, service: SocketAddr, rerank: &str, cohere: &str) -> Program {
    let yaml = format!(
        "rerank: {{ deadline: 1h, shadow_deadline: 1h{rerank} }}\n\
         providers: {{ cohere: {{ kind: cohere, timeout: 1h, base_url: \"http://{service}\"{cohere} }} }}\n\
         rerank_api: {{ listen: 127.0.0.1:0, deadline: 1h }}\n"
    );
    Program::with_key(database, &yaml).await
}

/// Fifty hits for every search.
async fn found() -> Scripted {
    Scripted::start(|_| Some(response(200, JSON, &qdrant_hits(50, 100)))).await
}

async fn closed_port() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

/// A score for every document of a call.
fn scores(call: &str) -> String {
    let documents = json_of(call)["documents"].as_array().unwrap().len();
    let results: Vec<Value> = (0..documents).map(|i| json!({"index": i, "relevance_score": 0.5})).collect();
    response(200, JSON, &json!({"id": "r", "results": results}).to_string())
}

/// A search whose client takes the response and leaves.
async fn taken(program: &Program) {
    let mut client = program.client().await;
    client.send(search(SEARCH)).await;
    client.message().await.expect("the database's own response");
    drop(client);
    program.until(CONNECTIONS, |held| held == 0).await;
}

#[tokio::test]
async fn the_work_behind_a_response_is_counted_until_its_scores_have_come() {
    let (database, service) = (found().await, FakeDatabase::by_hand().await);
    let program = program(database.addr, service.addr, ", mode: shadow", "").await;
    taken(&program).await;
    let mut call = service.connection().await;
    let asked = call.message().await.unwrap();
    assert_eq!((program.metric(SEARCHES).await, program.metric(REQUESTS).await), (1, 0));
    assert!(program.metric(BUFFERED).await > 5000);
    call.send(scores(&asked)).await;
    program.until_all_is_given_back().await;
    let shadow = "rerankd_shadow_searches_total{dialect=\"qdrant\",operation=\"query\",outcome=\"applied\",reason=\"none\"}";
    assert_eq!(program.metric(shadow).await, 1);
}

#[tokio::test]
async fn the_work_behind_a_response_is_counted_while_the_database_is_silent() {
    let database = FakeDatabase::by_hand().await;
    let program = program(database.addr, closed_port().await, ", mode: shadow", "").await;
    let mut client = program.client().await;
    client.send(search(SEARCH)).await;
    let mut upstream = database.connection().await;
    upstream.message().await.unwrap();
    upstream.send(response(200, JSON, &qdrant_hits(50, 100))).await;
    client.message().await.unwrap();
    drop(client);
    upstream.message().await.expect("the same search behind the response");
    program.until(REQUESTS, |held| held == 0).await;
    assert_eq!(program.metric(SEARCHES).await, 1);
    assert!(program.metric(BUFFERED).await > 0);
    drop(upstream);
    // It is asked once more.
    let mut upstream = database.connection().await;
    upstream.message().await.unwrap();
    drop(upstream);
    program.until_all_is_given_back().await;
}

#[tokio::test]
async fn over_the_searches_in_flight_nothing_is_done_behind_a_response() {
    let (database, service) = (found().await, FakeDatabase::by_hand().await);
    let yaml = format!(
        "rerank: {{ mode: shadow, shadow_deadline: 1h }}\nlimits: {{ max_searches_in_flight: 1 }}\n\
         providers: {{ cohere: {{ kind: cohere, timeout: 1h, base_url: \"http://{}\" }} }}\n",
        service.addr
    );
    let program = Program::with_key(database.addr, &yaml).await;
    taken(&program).await;
    let mut call = service.connection().await;
    let asked = call.message().await.unwrap();
    taken(&program).await;
    let lost = "rerankd_shadow_searches_total{dialect=\"qdrant\",operation=\"query\",outcome=\"kept\",reason=\"overloaded\"}";
    program.until(lost, |count| count == 1).await;
    call.send(scores(&asked)).await;
    program.until_all_is_given_back().await;
}

#[tokio::test]
async fn a_call_that_runs_on_for_the_cache_keeps_its_documents_counted() {
    let (database, service) = (found().await, FakeDatabase::by_hand().await);
    let program = program(database.addr, service.addr, "", "").await;
    let mut client = program.client().await;
    client.send(search(SEARCH)).await;
    let mut call = service.connection().await;
    let asked = call.message().await.unwrap();
    drop(client);
    program.until(SEARCHES, |held| held == 0).await;
    let held = program.metric(BUFFERED).await;
    assert!(held > 5000, "the call still has the documents, not {held} bytes");
    call.send(scores(&asked)).await;
    program.until_all_is_given_back().await;
}

/// A program of which only the rerank API is used.
async fn endpoint(service: SocketAddr) -> (Program, SocketAddr) {
    let program = program(closed_port().await, service, "", ", finish_in_background: false").await;
    let at = program.rerank_api.expect("it listens");
    (program, at)
}

fn rerank_request() -> String {
    let documents: Vec<String> = (0..50).map(|n| format!("{n} {}", "x".repeat(100))).collect();
    let body = json!({"model": "rerank-v3.5", "query": "zebra", "documents": documents});
    rerank_api::post("/v2/rerank", "", &body.to_string())
}

#[tokio::test]
async fn in_the_head_and_in_the_body_of_a_request_to_the_rerank_api() {
    let (program, at) = endpoint(closed_port().await).await;
    let mut head = Wire::connect(at).await;
    head.send("POST /v2/re").await;
    program.until(CONNECTIONS, |held| held == 1).await;
    drop(head);
    program.until_all_is_given_back().await;

    let mut body = Wire::connect(at).await;
    body.send(rerank_request().trim_end_matches('}')).await;
    program.until(BUFFERED, |held| held > 5000).await;
    assert_eq!((program.metric(SEARCHES).await, program.metric(REQUESTS).await), (1, 1));
    drop(body);
    program.until_all_is_given_back().await;
}

#[tokio::test]
async fn while_the_rerank_api_waits_for_scores() {
    let service = FakeDatabase::by_hand().await;
    let (program, at) = endpoint(service.addr).await;
    let mut client = Wire::connect(at).await;
    client.send(rerank_request()).await;
    let mut call = service.connection().await;
    call.message().await.unwrap();
    assert_eq!((program.metric(SEARCHES).await, program.metric(REQUESTS).await), (1, 1));
    assert!(program.metric(BUFFERED).await > 5000);
    drop(client);
    assert_eq!(call.rest().await, "", "nobody waits for the call any more");
    program.until_all_is_given_back().await;
}

#[tokio::test]
async fn while_the_response_of_the_rerank_api_is_written() {
    let service = Scripted::scoring(|_| 0.5).await;
    let (program, at) = endpoint(service.addr).await;
    // More than the kernel's buffers hold, so that some of it stays with the endpoint.
    let text = "x".repeat(800_000);
    let documents: Vec<&str> = vec![&text; 9];
    let body = json!({"query": "zebra", "documents": documents, "return_documents": true});
    let mut client = Wire::connect_narrow(at).await;
    client.send(rerank_api::post("/v1/rerank", "", &body.to_string())).await;
    assert!(client.head().await.starts_with("HTTP/1.1 200"));
    program.until(SEARCHES, |held| held == 0).await;
    let held = program.until(BUFFERED, |held| held < 9 << 20).await;
    assert!(held > 7_000_000, "a response counts until it is written, not {held}");
    drop(client);
    program.until_all_is_given_back().await;
}

#[tokio::test]
async fn before_in_and_after_a_tls_handshake() {
    let database = FakeDatabase::answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    let authority = Authority::new();
    let folder = Folder::new(&format!(
        "listeners: [{{ listen: '127.0.0.1:0', tls: {{ cert_file: DIR/us.crt, key_file: DIR/us.key }}, \
         upstream: {{ url: 'http://{}' }} }}]\nadmin: {{ listen: '127.0.0.1:0' }}",
        database.addr
    ));
    authority.issue(&["localhost"]).write(&folder.path(""), "us");
    let sidecar = Watched::start_in(folder).await;
    let at = sidecar.app.listening[0];
    let open = format!("{CONNECTIONS}{{listen=\"{at}\"}}");
    let until = async |connections: &str| while sidecar.metric(&open).await != connections {};

    let silent = sidecar.client().await;
    let mut half = sidecar.client().await;
    half.send([22, 3, 1, 2]).await;
    let mut used = Wire::over(handshake(at, &authority, None, &[]).await.unwrap());
    used.send("GET /a HTTP/1.1\r\nHost: x\r\n\r\n").await;
    used.message().await.unwrap();
    until("3").await;
    drop((silent, half, used));
    until("0").await;
    assert_eq!(sidecar.metric(REQUESTS).await, "0");
}
