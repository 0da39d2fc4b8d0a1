//! A client that leaves frees what it held, whatever stage its request is in.

use std::net::SocketAddr;

use http::Request;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rerankd::body;
use tokio::net::{TcpListener, TcpStream};

use crate::harness::{FakeDatabase, Program, Scripted, Wire, qdrant_hits, response, search};

const FORWARDED: &str = "PUT /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc";
const SEARCH: &str = r#"{"query":[0.1],"limit":50,"with_payload":true}"#;
const REQUESTS: &str = "rerankd_requests_in_flight";
const SEARCHES: &str = "rerankd_searches_in_flight";
const BUFFERED: &str = "rerankd_buffered_bytes";

/// With Cohere's API at `service`, and time enough for it.
async fn program(database: SocketAddr, service: SocketAddr) -> Program {
    let yaml = format!(
        "rerank: {{ deadline: 1h }}\nproviders: {{ cohere: {{ kind: cohere, base_url: \"http://{service}\", \
         finish_in_background: false }} }}"
    );
    Program::with_key(database, &yaml).await
}

/// In front of a database that a test plays, with no rerank service that it would need.
async fn by_hand() -> (FakeDatabase, Program) {
    let database = FakeDatabase::by_hand().await;
    let program = program(database.addr, closed_port().await).await;
    (database, program)
}

async fn closed_port() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

#[tokio::test]
async fn before_the_head_is_over_and_between_requests() {
    let database = FakeDatabase::answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    let program = program(database.addr, closed_port().await).await;
    let mut idle = program.client().await;
    idle.send(FORWARDED).await;
    idle.message().await.unwrap();
    let mut head = program.client().await;
    head.send("GET /a HT").await;
    let silent = program.client().await;
    program.until("rerankd_client_connections", |held| held == 3).await;
    drop((idle, head, silent));
    program.until_all_is_given_back().await;
}

#[tokio::test]
async fn in_the_body_of_a_forwarded_request() {
    let (database, program) = by_hand().await;
    let mut client = program.client().await;
    client.send(FORWARDED.trim_end_matches('c')).await;
    let mut upstream = database.connection().await;
    upstream.head().await;
    drop(client);
    assert_eq!(upstream.rest().await, "ab", "the upstream sees that the request is broken off");
    program.until_all_is_given_back().await;
}

#[tokio::test]
async fn in_the_body_of_a_search() {
    let (_database, program) = by_hand().await;
    let mut client = program.client().await;
    client.send(search(SEARCH).trim_end_matches('}')).await;
    program.until(BUFFERED, |held| held > 0).await;
    drop(client);
    program.until_all_is_given_back().await;
}

#[tokio::test]
async fn while_the_upstream_is_silent() {
    for request in [FORWARDED, &search(SEARCH)] {
        let (database, program) = by_hand().await;
        let mut client = program.client().await;
        client.send(request).await;
        let mut upstream = database.connection().await;
        upstream.message().await.unwrap();
        assert_eq!(program.metric(REQUESTS).await, 1);
        drop(client);
        assert_eq!(upstream.rest().await, "");
        program.until_all_is_given_back().await;
    }
}

#[tokio::test]
async fn while_the_response_comes() {
    for request in [FORWARDED, &search(SEARCH)] {
        let (database, program) = by_hand().await;
        let mut client = program.client().await;
        client.send(request).await;
        let mut upstream = database.connection().await;
        upstream.message().await.unwrap();
        let response = response(200, "application/json", &qdrant_hits(50, 100));
        upstream.send(&response[..response.len() - 1]).await;
        // A forwarded response is there already; that of a search is being collected.
        match request == FORWARDED {
            true => drop(client.exactly(response.len() - 1).await),
            false => drop(program.until(SEARCHES, |held| held == 1).await),
        }
        drop(client);
        assert_eq!(upstream.rest().await, "");
        program.until_all_is_given_back().await;
    }
}

#[tokio::test]
async fn while_scores_are_waited_for() {
    let database = Scripted::start(|_| Some(response(200, "application/json", &qdrant_hits(50, 100)))).await;
    let service = FakeDatabase::by_hand().await;
    let program = program(database.addr, service.addr).await;
    let mut client = program.client().await;
    client.send(search(SEARCH)).await;
    let mut call = service.connection().await;
    call.message().await.unwrap();
    assert_eq!(program.metric(SEARCHES).await, 1);
    assert!(program.metric(BUFFERED).await > 5000);
    drop(client);
    assert_eq!(call.rest().await, "", "nobody waits for the call any more");
    program.until_all_is_given_back().await;
    program.until("rerankd_provider_calls_in_flight{provider=\"cohere\"}", |held| held == 0).await;
}

#[tokio::test]
async fn while_the_response_is_written() {
    // More than the kernel's buffers hold, so that some of it stays with the proxy.
    // The last hit is a worse one: a cut between equal scores would have the client's own search sent instead.
    let hits =
        qdrant_hits(50, 160_000).replace(r#"49,"version":0,"score":0.5"#, r#"49,"version":0,"score":0.4"#);
    let large = response(200, "application/json", &hits);
    let database = Scripted::start(move |_| Some(large.clone())).await;
    let program = program(database.addr, closed_port().await).await;
    // As it came, and put together again: one hit is cut.
    for body in [SEARCH, &SEARCH.replace("50", "49")] {
        let mut client = Wire::connect_narrow(program.addr).await;
        client.send(search(body)).await;
        client.head().await;
        program.until(SEARCHES, |held| held == 0).await;
        let held = program.until(BUFFERED, |held| held < 9 << 20).await;
        assert!(held > 7 << 20, "a response counts until it is written, not {held}");
        drop(client);
        program.until_all_is_given_back().await;
    }
}

#[tokio::test]
async fn a_stream_of_http2_that_is_reset() {
    let (database, program) = by_hand().await;
    let stream = TcpStream::connect(program.addr).await.unwrap();
    let client = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
    let (mut sender, connection) = client.handshake(TokioIo::new(stream)).await.unwrap();
    let connection = tokio::spawn(connection);
    let request = Request::post(format!("http://{}/collections/docs/points/query", program.addr));
    let request = request.header("x-rerank-query", "zebra").body(body::full(SEARCH)).unwrap();
    let response = tokio::spawn(sender.send_request(request));
    let mut upstream = database.connection().await;
    upstream.message().await.unwrap();
    assert_eq!((program.metric(REQUESTS).await, program.metric(SEARCHES).await), (1, 1));
    response.abort();
    program.until(REQUESTS, |held| held == 0).await;
    program.until(SEARCHES, |held| held == 0).await;
    program.until(BUFFERED, |held| held == 0).await;
    assert_eq!(program.metric("rerankd_client_connections").await, 1);
    connection.abort();
    program.until_all_is_given_back().await;
}

#[tokio::test]
async fn in_a_tunnel() {
    let (database, program) = by_hand().await;
    let mut client = program.client().await;
    client.send("GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n").await;
    let mut upstream = database.connection().await;
    upstream.head().await;
    upstream.send("HTTP/1.1 101 X\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n").await;
    client.head().await;
    assert_eq!(program.metric("rerankd_client_connections").await, 1, "a tunnel counts as a connection");
    drop(client);
    assert_eq!(upstream.rest().await, "");
    drop(upstream);
    program.until_all_is_given_back().await;
}
