//! Nothing waits for ever for a byte, whichever side has to send or to take it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::Request;
use http_body_util::BodyExt;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rerankd::body;
use rerankd::upstream::{Upstream, UpstreamSettings};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Semaphore;

use crate::harness::{
    Authority, FakeDatabase, Folder, Program, Watched, Wire, body_of, handshake, handshake_over, header,
    search,
};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
/// More than the kernel's buffers on both sides of a connection hold.
const ENDLESS: usize = 64 << 20;

async fn program(database: SocketAddr, limits: &str) -> Program {
    Program::with_key(
        database,
        &format!("limits: {{ {limits} }}\nproviders: {{ lexical: {{ kind: lexical }} }}"),
    )
    .await
}

async fn timeouts(program: &Program, wait: &str) -> u64 {
    program.metric(&format!("rerankd_timeouts_total{{wait=\"{wait}\"}}")).await
}

#[tokio::test]
async fn a_head_that_does_not_end_closes_the_connection() {
    let db = FakeDatabase::answering(OK).await;
    let program = program(db.addr, "head_timeout: 50ms").await;
    for begun in ["G", "GET /a HTTP/1.1\r\nHost: x\r\n", "PRI * HTTP/2.0\r\n"] {
        let mut client = program.client().await;
        client.send(begun).await;
        assert_eq!(client.rest().await, "");
    }
    // Also the second head of a connection.
    let mut client = program.client().await;
    client.send("GET /a HTTP/1.1\r\nHost: x\r\n\r\n").await;
    client.message().await.unwrap();
    client.send("GET /b HT").await;
    assert_eq!(client.rest().await, "");
    assert_eq!(timeouts(&program, "request_head").await, 4);
    program.until_all_is_given_back().await;
}

#[tokio::test]
async fn an_idle_connection_is_closed_whether_it_has_been_used_or_not() {
    let db = FakeDatabase::answering(OK).await;
    let program = program(db.addr, "idle_timeout: 50ms").await;
    let mut fresh = program.client().await;
    assert_eq!(fresh.rest().await, "");
    let mut used = program.client().await;
    used.send("GET /a HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert_eq!(used.rest().await, OK);
    assert_eq!(timeouts(&program, "idle_connection").await, 2);
    program.until_all_is_given_back().await;
}

#[tokio::test]
async fn over_tls_heads_and_idle_connections_end_alike() {
    let db = FakeDatabase::answering(OK).await;
    let authority = Authority::new();
    let folder = Folder::new(&format!(
        "listeners: [{{ listen: '127.0.0.1:0', tls: {{ cert_file: DIR/us.crt, key_file: DIR/us.key }}, \
         upstream: {{ url: 'http://{}' }} }}]\nadmin: {{ listen: '127.0.0.1:0' }}\n\
         limits: {{ head_timeout: 50ms, idle_timeout: 300ms }}",
        db.addr
    ));
    authority.issue(&["localhost"]).write(&folder.path(""), "us");
    let sidecar = Watched::start_in(folder).await;
    for (sent, wait) in [("GET /a HT", "request_head"), ("", "idle_connection")] {
        let mut client =
            Wire::over(handshake(sidecar.app.listening[0], &authority, None, &[]).await.unwrap());
        client.send(sent).await;
        assert_eq!(client.rest().await, "");
        assert_eq!(sidecar.metric(&format!("rerankd_timeouts_total{{wait=\"{wait}\"}}")).await, "1");
    }
}

#[tokio::test]
async fn over_tls_a_client_that_reads_late_gets_the_end_of_a_response() {
    const LENGTH: usize = 60 << 10;
    let body = "b".repeat(LENGTH);
    let db =
        FakeDatabase::answering(format!("HTTP/1.1 200 OK\r\nContent-Length: {LENGTH}\r\n\r\n{body}").leak())
            .await;
    let authority = Authority::new();
    let folder = Folder::new(&format!(
        "listeners: [{{ listen: '127.0.0.1:0', tls: {{ cert_file: DIR/us.crt, key_file: DIR/us.key }}, \
         upstream: {{ url: 'http://{}' }} }}]\nadmin: {{ listen: '127.0.0.1:0' }}\n\
         limits: {{ idle_timeout: 300ms }}",
        db.addr
    ));
    authority.issue(&["localhost"]).write(&folder.path(""), "us");
    let sidecar = Watched::start_in(folder).await;
    // Its window is closed long before the response is there.
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(2048).unwrap();
    let stream = socket.connect(sidecar.app.listening[0]).await.unwrap();
    let mut client = handshake_over(stream, &authority, None, &[]).await.unwrap();
    client.write_all(b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    // It is all written, as far as rerankd goes.
    while sidecar.metric("rerankd_requests_total{handling=\"forward\",status=\"2xx\"}").await != "1" {
        tokio::task::yield_now().await;
    }
    let mut got = Vec::new();
    while !got.ends_with(body.as_bytes()) {
        assert!(client.read_buf(&mut got).await.unwrap() > 0, "{} bytes", got.len());
    }
}

#[tokio::test]
async fn an_idle_http2_connection_is_reported_to_go_away() {
    let db = FakeDatabase::answering(OK).await;
    let program = program(db.addr, "idle_timeout: 50ms").await;
    let stream = TcpStream::connect(program.addr).await.unwrap();
    let client = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
    let (mut sender, connection) = client.handshake(TokioIo::new(stream)).await.unwrap();
    let connection = tokio::spawn(connection);
    let request = Request::get(format!("http://{}/a", program.addr)).body(body::empty()).unwrap();
    assert_eq!(sender.send_request(request).await.unwrap().status(), 200);
    // An end that is no error is one that was announced.
    tokio::time::timeout(Duration::from_secs(10), connection).await.expect("it ends").unwrap().unwrap();
    assert_eq!(timeouts(&program, "idle_connection").await, 1);
}

#[tokio::test]
async fn a_request_whose_body_does_not_go_on_is_408_and_the_connection_closed() {
    let db = FakeDatabase::by_hand().await;
    let program = program(db.addr, "body_timeout: 50ms").await;
    let mut client = program.client().await;
    client.send("PUT /a HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc").await;
    let mut upstream = db.connection().await;
    upstream.head().await;
    assert_eq!(upstream.rest().await, "abc", "the upstream sees that the request is broken off");
    let got = client.rest().await;
    assert!(
        got.starts_with("HTTP/1.1 408 Request Timeout\r\n") && got.contains("connection: close\r\n"),
        "{got}"
    );
    assert_eq!(timeouts(&program, "request_body").await, 1);
    program.until_all_is_given_back().await;
}

#[tokio::test]
async fn a_search_whose_body_does_not_go_on_is_408_in_the_databases_shape() {
    let db = FakeDatabase::by_hand().await;
    let program = program(db.addr, "body_timeout: 50ms").await;
    let mut client = program.client().await;
    client.send(search(r#"{"query":[0.1]}"#).trim_end_matches('}')).await;
    let got = client.rest().await;
    assert!(got.starts_with("HTTP/1.1 408 Request Timeout\r\n"), "{got}");
    assert!(
        got.contains(r#"{"status":{"error":"rerankd: the request's body did not go on in time"}"#),
        "{got}"
    );
    assert_eq!(timeouts(&program, "request_body").await, 1);
    program.until_all_is_given_back().await;
}

#[tokio::test]
async fn an_upstream_that_takes_no_more_of_a_request_is_504() {
    let db = FakeDatabase::by_hand().await;
    let program = program(db.addr, "body_timeout: 200ms").await;
    let mut client = program.client().await;
    let sending = async {
        client.send(format!("PUT /a HTTP/1.1\r\nHost: x\r\nContent-Length: {ENDLESS}\r\n\r\n")).await;
        client.try_send(vec![0; ENDLESS]).await;
        client
    };
    // The upstream keeps the connection open and reads nothing.
    let (mut client, _upstream) = tokio::join!(sending, db.connection());
    let got = client.rest().await;
    assert!(got.is_empty() || got.starts_with("HTTP/1.1 504 Gateway Timeout\r\n"), "{got}");
    assert_eq!(timeouts(&program, "response").await, 1);
    program.until_all_is_given_back().await;
}

#[tokio::test]
async fn a_response_that_does_not_go_on_is_broken_off_so_that_the_client_notices() {
    let db = FakeDatabase::by_hand().await;
    let program = program(db.addr, "body_timeout: 50ms").await;
    for framing in ["Content-Length: 10\r\n\r\nabc", "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"] {
        let mut client = program.client().await;
        client.send("GET /a HTTP/1.1\r\nHost: x\r\n\r\n").await;
        let mut upstream = db.connection().await;
        upstream.head().await;
        upstream.send(format!("HTTP/1.1 200 OK\r\n{framing}")).await;
        let got = client.rest().await;
        assert!(got.ends_with("abc") || got.ends_with("3\r\nabc\r\n"), "{got}");
        assert_eq!(upstream.rest().await, "");
    }
    assert_eq!(timeouts(&program, "response_body").await, 2);
    program.until_all_is_given_back().await;
}

#[tokio::test]
async fn a_search_whose_response_does_not_go_on_is_asked_again_as_the_client_did() {
    let db = FakeDatabase::by_hand().await;
    let limits = "limits: { body_timeout: 50ms }\nrerank: { providers: [lexical] }\n\
                  providers: { lexical: { kind: lexical } }";
    let program = Program::with_key(db.addr, limits).await;
    let mut client = program.client().await;
    client.send(search(r#"{"query":[0.1],"limit":3}"#)).await;
    let mut upstream = db.connection().await;
    assert!(upstream.message().await.unwrap().contains("\"limit\":50"));
    upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{\"result\":").await;
    let mut again = db.connection().await;
    assert_eq!(body_of(&again.message().await.unwrap()), r#"{"query":[0.1],"limit":3}"#);
    again.send(OK).await;
    let got = client.message().await.unwrap();
    assert_eq!((header(&got, "x-rerank-status"), body_of(&got)), (Some("kept; reason=upstream_error"), "ok"));
    assert_eq!(timeouts(&program, "response_body").await, 1);
    drop(client);
    program.until_all_is_given_back().await;
}

#[tokio::test]
async fn a_client_that_takes_no_more_of_a_response_is_let_go_and_its_upstream_connection_with_it() {
    let db = FakeDatabase::by_hand().await;
    let program = program(db.addr, "body_timeout: 200ms").await;
    let mut client = program.client().await;
    client.send("GET /a HTTP/1.1\r\nHost: x\r\n\r\n").await;
    let mut upstream = db.connection().await;
    upstream.head().await;
    upstream.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {ENDLESS}\r\n\r\n")).await;
    // Ends when the proxy closes the connection; the client is open and reads nothing.
    upstream.try_send(vec![0; ENDLESS]).await;
    program.until_all_is_given_back().await;
    assert_eq!(timeouts(&program, "client_read").await, 1);
    drop(client);
}

#[tokio::test]
async fn a_tunnel_through_which_nothing_goes_is_closed() {
    let db = FakeDatabase::by_hand().await;
    let program = program(db.addr, "tunnel_timeout: 50ms, head_timeout: 10ms").await;
    let mut client = program.client().await;
    client.send("GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n").await;
    let mut upstream = db.connection().await;
    upstream.head().await;
    upstream.send("HTTP/1.1 101 X\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n").await;
    client.head().await;
    client.send("ping").await;
    assert_eq!(upstream.exactly(4).await, "ping");
    assert_eq!((client.rest().await, upstream.rest().await), (String::new(), String::new()));
    assert_eq!((timeouts(&program, "tunnel").await, timeouts(&program, "request_head").await), (1, 0));
    program.until_all_is_given_back().await;
}

/// An HTTP/2 server with an endless response at `/endless` and a short one elsewhere, which is held back until the
/// endless one has filled its window.
async fn endless_and_short() -> SocketAddr {
    use http_body::Frame;
    use http_body_util::StreamBody;
    let filled = Arc::new(Semaphore::new(0));
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = socket.local_addr().unwrap();
    let response = move |request: Request<hyper::body::Incoming>| {
        let filled = filled.clone();
        async move {
            if request.uri().path() != "/endless" {
                filled.acquire().await.unwrap().forget();
                return Ok::<_, std::convert::Infallible>(http::Response::new(body::full("short")));
            }
            let sent = futures_util::stream::unfold(0, move |sent| {
                // What a window of the protocol's default size takes.
                if sent == 64 << 10 {
                    filled.add_permits(1);
                }
                async move {
                    Some((
                        Ok::<_, std::convert::Infallible>(Frame::data(vec![0; 1 << 10].into())),
                        sent + (1 << 10),
                    ))
                }
            });
            Ok(http::Response::new(body::boxed(StreamBody::new(sent))))
        }
    };
    tokio::spawn(async move {
        while let Ok((stream, _)) = socket.accept().await {
            let service = hyper::service::service_fn(response.clone());
            let connection = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                .serve_connection(TokioIo::new(stream), service);
            tokio::spawn(connection);
        }
    });
    addr
}

#[tokio::test]
async fn a_response_that_nobody_reads_holds_up_no_other_on_the_same_http2_connection() {
    let url = format!("http://{}", endless_and_short().await).parse().unwrap();
    let upstream = Upstream::new(UpstreamSettings { http2: true, ..UpstreamSettings::new(url) }).unwrap();
    let ask = |path: &str| upstream.send(Request::get(path).body(body::empty()).unwrap(), false);
    let unread = ask("/endless").await.unwrap();
    let short = async { ask("/short").await.unwrap().into_body().collect().await.unwrap().to_bytes() };
    let short = tokio::time::timeout(Duration::from_secs(10), short).await;
    assert_eq!(short.expect("the other response comes"), "short");
    drop(unread);
}

#[tokio::test]
async fn a_wait_that_is_switched_off_is_without_end() {
    let db = FakeDatabase::by_hand().await;
    let program =
        program(db.addr, "head_timeout: 0s, idle_timeout: null, body_timeout: 0s, tunnel_timeout: 0s").await;
    // Two clients that would have been cut, and one that shows that time has passed for them.
    let mut head: Wire = program.client().await;
    head.send("GET /a HTTP/1.1\r\n").await;
    let mut body = program.client().await;
    body.send("PUT /b HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n").await;
    let mut upstream = db.connection().await;
    upstream.head().await;
    let short = self::program(db.addr, "idle_timeout: 100ms").await;
    assert_eq!(short.client().await.rest().await, "");
    body.send("abc").await;
    assert_eq!(upstream.exactly(3).await, "abc");
    upstream.send(OK).await;
    assert_eq!(body.message().await.unwrap(), OK);
    head.send("Host: x\r\n\r\n").await;
    assert!(upstream.head().await.starts_with("GET /a HTTP/1.1\r\n"));
}
