//! The connection to the database: reused, given up, waited for, and lost.

use std::net::SocketAddr;
use std::time::Duration;

use crate::harness::{End, FakeDatabase, Frames, Program, QUERY, Wire, points};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const GET: &str = "GET /a HTTP/1.1\r\nHost: a\r\n\r\n";
const WRITE: &str = "PUT /collections/c/points HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}";
const SEARCH: &str = "POST /i/_search HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}";

/// Moves the clock of this runtime, and with it every time-out of the program, without waiting.
async fn pass(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

/// Waits until the kernel has taken the end of a connection of the database's to the proxy, whose address this is.
async fn end_has_come(database: SocketAddr, proxy: SocketAddr) {
    const ESTABLISHED: &str = "01";
    let [from, to] = [proxy, database].map(|address| format!(":{:04X}", address.port()));
    let is_open = |table: String| {
        let mut rows = table.lines().map(|row| row.split_whitespace().skip(1).take(3).collect::<Vec<_>>());
        rows.any(|row| match row[..] {
            [local, remote, state] => local.ends_with(&from) && remote.ends_with(&to) && state == ESTABLISHED,
            _ => false,
        })
    };
    // Elsewhere than on Linux there is no such table.
    while std::fs::read_to_string("/proc/net/tcp").is_ok_and(is_open) {
        tokio::task::yield_now().await;
    }
}

/// One exchange on the database's next connection, which is handed over still open.
async fn exchange(program: &Program, database: &FakeDatabase, request: &str) -> (Wire, Wire) {
    let mut client = program.client().await;
    client.send(request).await;
    let mut upstream = database.connection().await;
    response(&mut client, &mut upstream).await;
    (client, upstream)
}

/// The database's end gives the request that has come its response.
async fn response(client: &mut Wire, upstream: &mut Wire) {
    upstream.message().await.expect("a request");
    upstream.send(OK).await;
    assert_eq!(client.response(false).await.expect("a response").text(), "ok");
}

#[tokio::test]
async fn a_connection_that_the_database_has_closed_costs_no_request() {
    let database = FakeDatabase::by_hand().await;
    let program = Program::before(database.addr, "").await;
    for request in [GET, WRITE, SEARCH] {
        // The end of the connection and the next request reach the proxy in either order.
        for _ in 0..20 {
            let (mut client, upstream) = exchange(&program, &database, request).await;
            let proxy = upstream.peer().expect("TCP");
            drop(upstream);
            // What is not sent twice must not be sent on it.
            if request == WRITE {
                end_has_come(database.addr, proxy).await;
            }
            client.send(request).await;
            let mut fresh = database.connection().await;
            response(&mut client, &mut fresh).await;
        }
    }
}

#[tokio::test]
async fn a_search_is_sent_once_more_when_its_connection_breaks_and_a_write_is_not() {
    let database = FakeDatabase::by_hand().await;
    let program = Program::before(database.addr, "").await;
    let mut client = program.client().await;
    client.send(SEARCH).await;
    let mut first = database.connection().await;
    let asked = first.message().await.unwrap();
    drop(first);
    let mut second = database.connection().await;
    assert_eq!(second.message().await.unwrap(), asked);
    second.send(OK).await;
    assert_eq!(client.response(false).await.unwrap().text(), "ok");
    drop(second);

    client.send(SEARCH).await;
    for _ in 0..2 {
        database.connection().await.message().await.unwrap();
    }
    assert_eq!(client.response(false).await.unwrap().word(1), "502");

    client.send(WRITE).await;
    database.connection().await.message().await.unwrap();
    assert_eq!(client.response(false).await.unwrap().word(1), "502");
    // The next connection is the next request's.
    client.send(GET).await;
    let mut next = database.connection().await;
    assert!(next.head().await.starts_with("GET /a HTTP/1.1\r\n"));
}

#[tokio::test]
async fn a_connection_is_used_again_for_less_than_four_idle_seconds() {
    let database = FakeDatabase::by_hand().await;
    let program = Program::before(database.addr, "").await;
    let (mut client, mut first) = exchange(&program, &database, GET).await;
    pass(Duration::from_millis(3900)).await;
    client.send(GET).await;
    response(&mut client, &mut first).await;

    pass(Duration::from_millis(4100)).await;
    client.send(GET).await;
    let mut second = database.connection().await;
    response(&mut client, &mut second).await;
    assert_eq!(first.rest().await, "", "the old one is closed");
}

#[tokio::test]
async fn failures_of_the_database_have_its_own_shape() {
    let nobody = FakeDatabase::by_hand().await.addr;
    let silent = FakeDatabase::by_hand().await;
    let hasty = format!(
        "listeners:\n  - listen: 127.0.0.1:0\n    upstream: {{ url: \"http://{}\", response_timeout: 50ms, forward_timeout: 50ms }}\n\
         admin: {{ listen: 127.0.0.1:0 }}\n",
        silent.addr
    );
    for (program, status) in
        [(Program::before(nobody, "").await, "502"), (Program::start(&hasty, &[]).await, "504")]
    {
        let mut client = program.client().await;
        client
            .send("POST /collections/c/points/query HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}")
            .await;
        let got = client.response(false).await.unwrap();
        assert_eq!((got.word(1), got.header("content-type")), (status, Some("application/json")));
        let qdrant: serde_json::Value = serde_json::from_slice(&got.body).unwrap();
        assert!(qdrant["status"]["error"].as_str().unwrap().starts_with("rerankd: "), "{qdrant}");

        client.send(SEARCH).await;
        let got = client.response(false).await.unwrap();
        assert_eq!((got.word(1), got.header("content-type")), (status, Some("application/json")));
        let elastic: serde_json::Value = serde_json::from_slice(&got.body).unwrap();
        assert_eq!(elastic["status"].to_string(), status);
        assert!(elastic["error"]["reason"].as_str().unwrap().starts_with("rerankd: "), "{elastic}");

        client.send(GET).await;
        let got = client.response(false).await.unwrap();
        assert_eq!((got.word(1), got.text().starts_with("rerankd: ")), (status, true));
    }
}

/// A socket whose queue of connections is full: whoever connects now waits.
struct FullQueue {
    addr: std::net::SocketAddr,
    _held: (tokio::net::TcpListener, Vec<tokio::net::TcpStream>),
}

impl FullQueue {
    async fn new() -> Self {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(0).unwrap();
        let addr = listener.local_addr().unwrap();
        let mut waiting = Vec::new();
        while let Ok(Ok(stream)) =
            tokio::time::timeout(Duration::from_millis(20), tokio::net::TcpStream::connect(addr)).await
        {
            waiting.push(stream);
        }
        Self { addr, _held: (listener, waiting) }
    }
}

#[tokio::test]
async fn a_database_that_takes_no_connection_is_given_up_after_the_connect_timeout() {
    let full = FullQueue::new().await;
    // And one that takes the connection but never speaks TLS.
    let mute = FakeDatabase::by_hand().await;
    for url in [format!("http://{}", full.addr), format!("https://{}", mute.addr)] {
        let yaml = format!(
            "listeners:\n  - listen: 127.0.0.1:0\n    upstream: {{ url: \"{url}\", connect_timeout: 50ms }}\n\
             admin: {{ listen: 127.0.0.1:0 }}\n"
        );
        let program = Program::start(&yaml, &[]).await;
        let mut client = program.client().await;
        client.send(WRITE).await;
        assert_eq!(client.response(false).await.unwrap().word(1), "502", "{url}");
    }
}

#[tokio::test]
async fn the_body_goes_on_after_a_second_when_the_database_never_asks_for_it() {
    let database = FakeDatabase::by_hand().await;
    let program = Program::before(database.addr, "").await;
    let mut client = program.client().await;
    client.send("PUT /a HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n").await;
    let mut upstream = database.connection().await;
    upstream.head().await;
    pass(Duration::from_millis(900)).await;
    // Another request in between: whatever the proxy had to do for the first has been done when this is answered.
    exchange(&program, &database, GET).await;
    assert_eq!(client.so_far(), "", "the client is not asked early");
    pass(Duration::from_millis(200)).await;
    let passed = tokio::time::Instant::now();
    assert_eq!(client.head().await, "HTTP/1.1 100 Continue\r\n\r\n");
    assert!(passed.elapsed() < Duration::from_secs(5));
    client.send("abc").await;
    assert_eq!(upstream.exactly(3).await, "abc");
    upstream.send(OK).await;
    assert_eq!(client.response(false).await.unwrap().text(), "ok");
}

#[tokio::test]
async fn a_response_that_breaks_off_resets_the_stream_of_an_http2_client() {
    for cut in ["Content-Length: 4\r\n\r\nok", "Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n"] {
        let database = FakeDatabase::by_hand().await;
        let program = Program::before(database.addr, "").await;
        let mut client = Frames::connect(program.addr).await;
        let get = [(":method", "PUT"), (":scheme", "http"), (":authority", "a"), (":path", "/a")];
        client.head(1, &get.map(|(name, value)| (name.to_owned(), value.to_owned())), true).await;
        let mut upstream = database.connection().await;
        upstream.head().await;
        upstream.send(format!("HTTP/1.1 200 OK\r\n{cut}")).await;
        drop(upstream);
        assert_eq!(client.end(1).await, End::Reset);
    }
}

#[tokio::test]
async fn a_client_that_leaves_takes_its_upstream_connection_along() {
    let responses: [&str; 3] = [
        // Before the head of the response, and in either kind of body.
        "",
        "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n",
    ];
    for request in [GET, WRITE, SEARCH] {
        for response in responses {
            let database = FakeDatabase::by_hand().await;
            let program = Program::before(database.addr, "").await;
            let mut client = program.client().await;
            client.send(request).await;
            let mut upstream = database.connection().await;
            upstream.message().await.unwrap();
            upstream.send(response).await;
            if !response.is_empty() {
                client.head().await;
            }
            drop(client);
            assert_eq!(upstream.rest().await, "", "{request:?} {response:?}");
        }
    }
    // In the middle of its request.
    let database = FakeDatabase::by_hand().await;
    let program = Program::before(database.addr, "").await;
    let mut client = program.client().await;
    client.send("PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nab").await;
    let mut upstream = database.connection().await;
    upstream.head().await;
    drop(client);
    assert_eq!(upstream.rest().await, "ab");
}

#[tokio::test]
async fn the_response_to_a_search_is_streamed_where_it_is_not_reranked() {
    let database = FakeDatabase::by_hand().await;
    let program = Program::before(database.addr, "rerank: { mode: off }\n").await;
    let mut client = program.client().await;
    client.send(SEARCH).await;
    let mut upstream = database.connection().await;
    upstream.message().await.unwrap();
    upstream.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nde\r\n").await;
    client.head().await;
    assert_eq!(client.exactly(7).await, "2\r\nde\r\n");
    upstream.send("0\r\n\r\n").await;
    assert_eq!(client.exactly(5).await, "0\r\n\r\n");
}

#[tokio::test]
async fn at_the_drain_timeout_what_is_still_open_is_closed() {
    let database = FakeDatabase::by_hand().await;
    let program = Program::before(database.addr, "").await;
    let mut client = program.client().await;
    client.send(WRITE).await;
    let mut upstream = database.connection().await;
    upstream.message().await.unwrap();
    let stopped = tokio::spawn(program.stop());
    // The listener is closed first.
    client.until_rejected().await;
    assert!(!stopped.is_finished());
    pass(Duration::from_secs(26)).await;
    assert_eq!(client.rest().await, "");
    stopped.await.unwrap();
    assert_eq!(upstream.rest().await, "");
}

#[tokio::test]
async fn every_response_and_every_error_of_our_own_is_counted() {
    let database = FakeDatabase::by_hand().await;
    let program = Program::before(database.addr, "").await;
    let (mut client, upstream) = exchange(&program, &database, GET).await;
    drop(upstream);
    client.send(SEARCH).await;
    let mut upstream = database.connection().await;
    response(&mut client, &mut upstream).await;
    drop((client, upstream, database));
    for request in [SEARCH, WRITE, WRITE] {
        let mut client = program.client().await;
        client.send(request).await;
        assert_eq!(client.response(false).await.unwrap().word(1), "502");
    }
    let mut client = program.client().await;
    client.send("GET /a HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n").await;
    assert_eq!(client.response(false).await.unwrap().word(1), "400");

    let metrics = program.metrics().await;
    for line in [
        r#"rerankd_requests_total{handling="forward",status="2xx"} 1"#,
        r#"rerankd_requests_total{handling="forward",status="4xx"} 1"#,
        r#"rerankd_requests_total{handling="forward",status="5xx"} 2"#,
        r#"rerankd_requests_total{handling="search",status="2xx"} 1"#,
        r#"rerankd_requests_total{handling="search",status="5xx"} 1"#,
        r#"rerankd_requests_failed_total{cause="connection_refused"} 3"#,
        r#"rerankd_requests_failed_total{cause="unforwardable"} 1"#,
        r#"rerankd_requests_failed_total{cause="silent"} 0"#,
        r#"rerankd_search_duration_seconds_count{outcome="kept"} 1"#,
        r#"rerankd_search_duration_seconds_count{outcome="applied"} 0"#,
    ] {
        assert!(metrics.lines().any(|found| found == line), "{line} is not in {metrics}");
    }
}

#[tokio::test]
async fn a_search_that_the_database_never_answers_is_counted() {
    let program = Program::before("127.0.0.1:9".parse().unwrap(), "").await;
    let mut client = Wire::connect(program.addr).await;
    client.send(points::request(QUERY, 3, "")).await;
    assert!(client.message().await.unwrap().starts_with("HTTP/1.1 502 "));
    let text = program.metrics().await;
    assert!(text.contains("rerankd_requests_failed_total{cause=\"connection_refused\"} 1"), "{text}");
}
