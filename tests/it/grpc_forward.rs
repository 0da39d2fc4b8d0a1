//! gRPC calls through a listener before a Qdrant: every frame, every trailer, and an end that clients of gRPC understand.

mod ends;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use h2::Reason;
use http::{HeaderMap, HeaderValue};
use rerankd::app::Reload;
use rerankd::body::{BodyRead, read_up_to};
use rerankd::bounds::Budget;
use rerankd::proxy::{Forwarder, TunnelSettings};
use rerankd::upstream::{Turn, Upstream, UpstreamSettings};
use serde_json::Value;
use tokio::sync::Notify;

use crate::harness::grpc::{Ended, GrpcClient, GrpcServer, Move, framed, headers};
use crate::harness::{Authority, FakeDatabase, Folder, Program, Watched, Wire, handshake};

const SCROLL: &str = "/qdrant.Points/Scroll";
const HEALTH: &str = "/qdrant.Qdrant/HealthCheck";
const REST: &str = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nrest";

/// A configuration with both ports, before a database that speaks both. `more` are keys of the upstream, `lines` further
/// lines of the file.
fn yaml(rest: SocketAddr, grpc: impl std::fmt::Display, more: &str, lines: &str) -> String {
    format!(
        "listeners:\n  - listen: 127.0.0.1:0\n    grpc_listen: 127.0.0.1:0\n    upstream: {{ url: \"http://{rest}\", \
         grpc_url: \"{grpc}\"{more} }}\nadmin: {{ listen: 127.0.0.1:0 }}\n{lines}"
    )
}

/// A database that nobody has to ask over REST.
fn nowhere() -> SocketAddr {
    "127.0.0.1:1".parse().unwrap()
}

async fn before(server: &GrpcServer, more: &str, lines: &str) -> Program {
    Program::start(&yaml(nowhere(), format_args!("http://{}", server.addr), more, lines), &[]).await
}

/// A call that was recorded with a real server.
struct Recorded {
    path: String,
    request: Bytes,
    response: Move,
    headers: HeaderMap,
    message: Vec<u8>,
    trailers: Option<HeaderMap>,
}

fn recorded(name: &str) -> Recorded {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/qdrant-1.19-grpc");
    let read = |end: &str| std::fs::read(folder.join(format!("{name}.{end}"))).unwrap();
    let json: Value = serde_json::from_slice(&read("json")).unwrap();
    let (request, response) = (&json["request"], &json["response"]);
    let flag = |of: &Value| u8::try_from(of["compressed_flag"].as_u64().unwrap()).unwrap();
    let pairs = |of: &Value| {
        let text = |value: &Value| -> &'static str { value.as_str().unwrap().to_owned().leak() };
        let pairs = of.as_array().cloned().unwrap_or_default();
        let pairs = pairs.iter().map(|pair| (text(&pair[0]), text(&pair[1])));
        pairs.filter(|(name, _)| !name.starts_with(':') && *name != "content-type").collect::<Vec<_>>()
    };
    let only = response["trailers_only"].as_bool().unwrap();
    let (head, trailers) = (pairs(&response["headers"]), pairs(&response["trailers"]));
    let message = if only { Vec::new() } else { framed(flag(response), read("response.bin")).to_vec() };
    let mut headers_of = headers(&head);
    headers_of.insert("content-type", HeaderValue::from_static("application/grpc"));
    Recorded {
        path: json["path"].as_str().unwrap().to_owned(),
        request: framed(flag(request), read("request.bin")),
        headers: headers_of,
        trailers: (!only).then(|| headers(&trailers)),
        response: match only {
            true => Move::TrailersOnly(head),
            // Split as a server may: within the prefix, and within the message.
            false => {
                let whole = Bytes::from(message.clone());
                let frames = [whole.slice(..3), whole.slice(3..7), whole.slice(7..)].to_vec();
                Move::Answer(head, frames, trailers)
            }
        },
        message,
    }
}

#[tokio::test]
async fn recorded_calls_pass_with_every_byte_header_and_trailer() {
    let server = GrpcServer::start().await;
    let program = before(&server, "", "rerank: { mode: off, response_headers: false }\n").await;
    let client = GrpcClient::connect(program.addr).await;
    for name in ["01-query-plain", "06-query-nothing", "13-error-not-found", "14-query-gzip"] {
        let call = recorded(name);
        server.will([call.response]);
        let more = [("x-custom", "a"), ("grpc-timeout", "5S")];
        let got = client.call_with(&call.path, &more, call.request.clone()).await;
        assert_eq!((got.status, got.reset), (200, None), "{name}");
        assert_eq!((&got.headers, &got.trailers), (&call.headers, &call.trailers), "{name}");
        assert_eq!(got.message(), call.message, "{name}");
        let seen = server.last();
        assert_eq!((seen.path, seen.frames.concat()), (call.path, call.request.to_vec()), "{name}");
        let sent = [
            ("content-type", "application/grpc"),
            ("te", "trailers"),
            ("x-custom", "a"),
            ("grpc-timeout", "5S"),
        ];
        assert_eq!(seen.headers, headers(&sent), "{name}");
        assert_eq!(seen.authority, server.addr.to_string(), "{name}");
    }
    assert_eq!(server.connections(), 1, "all calls share a connection");
}

#[tokio::test]
async fn trailers_only_pass_as_they_came_with_retry_after() {
    let server = GrpcServer::start().await;
    let program = before(&server, "", "").await;
    let limited =
        vec![("grpc-status", "8"), ("grpc-message", "Rate%20limit"), ("retry-after", "7"), ("x-own", "b")];
    server.will([Move::TrailersOnly(limited.clone())]);
    let got = GrpcClient::connect(program.addr).await.call(SCROLL, "m").await;
    let mut expected = headers(&limited);
    expected.insert("content-type", HeaderValue::from_static("application/grpc"));
    assert_eq!((got.headers, got.trailers, got.frames.len()), (expected, None, 0));
}

#[tokio::test]
async fn te_is_sent_upstream_also_for_a_client_that_does_not_send_it_and_any_grpc_type_is_a_call() {
    let server = GrpcServer::start().await;
    let program = before(&server, "", "").await;
    let client = GrpcClient::connect(program.addr).await;
    for kind in ["application/grpc+proto", "application/grpc"] {
        let got = client.call_with(SCROLL, &[("content-type", kind)], framed(0, "m")).await;
        assert_eq!(got.code(), "0");
        assert_eq!(server.last().headers["te"], "trailers");
        assert_eq!(server.last().headers["content-type"], kind);
    }
}

#[tokio::test]
async fn the_authority_is_the_databases_own_or_the_clients_as_configured() {
    let server = GrpcServer::start().await;
    for (more, authority) in
        [("", server.addr.to_string()), (", host: preserve", "client.example".to_owned())]
    {
        let program = before(&server, more, "").await;
        GrpcClient::connect(program.addr).await.call(SCROLL, "m").await;
        assert_eq!(server.last().authority, authority);
    }
}

#[tokio::test]
async fn streams_pass_both_ways_frame_by_frame() {
    let server = GrpcServer::start().await;
    let program = before(&server, "", "").await;
    let mut call = GrpcClient::connect(program.addr).await.begin("/a.B/Both", &[]).await;
    for text in ["one", "two", "three"] {
        call.send(framed(0, text), false);
        if text == "one" {
            call.head().await.unwrap();
        }
        assert_eq!(call.next().await.unwrap().unwrap(), framed(0, text));
    }
    call.send(Bytes::new(), true);
    assert!(call.next().await.is_none());
    let seen = server.until(|seen| seen.iter().all(|call| call.ended == Ended::Well)).await;
    assert_eq!(seen[0].frames.concat(), [framed(0, "one"), framed(0, "two"), framed(0, "three")].concat());
}

#[tokio::test]
async fn both_ports_take_grpc_and_rest() {
    let (server, rest) = (GrpcServer::start().await, FakeDatabase::answering(REST).await);
    let url = format!("http://{}", server.addr);
    let program = Program::start(&yaml(rest.addr, url, "", ""), &[]).await;
    for addr in [program.addr, program.grpc()] {
        server.will([Move::message("grpc")]);
        let client = GrpcClient::connect(addr).await;
        assert_eq!(client.call(SCROLL, "m").await.message(), framed(0, "grpc"));
        let mut http1 = Wire::connect(addr).await;
        http1.send("GET /collections HTTP/1.1\r\nhost: x\r\n\r\n").await;
        assert!(http1.message().await.unwrap().ends_with("rest"));
        // Browsers' gRPC is no call: it goes where everything else goes.
        let web =
            client.call_with("/a.B/C", &[("content-type", "application/grpc-web+proto")], Bytes::new()).await;
        assert_eq!(web.message(), b"rest");
    }
}

#[tokio::test]
async fn calls_pass_over_tls_on_both_sides() {
    let authority = Authority::new();
    let us = authority.issue(&["localhost"]);
    let server = GrpcServer::with(|_| {}, Some(us.acceptor(&["h2"]))).await;
    let folder = Folder::new(&format!(
        "listeners: [{{ listen: '127.0.0.1:0', grpc_listen: '127.0.0.1:0', tls: {{ cert_file: DIR/us.crt, key_file: \
         DIR/us.key }}, upstream: {{ url: 'http://127.0.0.1:1', grpc_url: 'https://localhost:{}', ca_file: DIR/ca.crt \
         }} }}]\nadmin: {{ listen: '127.0.0.1:0' }}",
        server.addr.port()
    ));
    us.write(&folder.path(""), "us");
    folder.write("ca.crt", &authority.pem());
    let sidecar = Watched::start_in(folder).await;
    for addr in [sidecar.app.listening[0], sidecar.app.grpc_listening[0].unwrap()] {
        let stream = handshake(addr, &authority, None, &["h2", "http/1.1"]).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        server.will([Move::message("safe")]);
        let got = GrpcClient::over(stream, |_| {}).await.call(SCROLL, "m").await;
        assert_eq!((got.code(), got.message()), ("0", framed(0, "safe").to_vec()));
    }
}

#[tokio::test]
async fn windows_of_one_byte_carry_whole_messages_both_ways() {
    let server = GrpcServer::with(
        |http| {
            http.initial_window_size(1);
        },
        None,
    )
    .await;
    let program = before(&server, "", "").await;
    let client = GrpcClient::with(program.addr, |http| {
        http.initial_window_size(1);
    })
    .await;
    let message = framed(0, [7; 300]);
    let got = client.call_with("/a.B/Echo", &[], message.clone()).await;
    assert_eq!((got.message(), got.code()), (message.to_vec(), "0"));
    assert!(got.frames.iter().all(|frame| frame.len() <= 1));
}

#[tokio::test]
async fn a_large_response_passes_beside_one_that_nobody_reads() {
    let server = GrpcServer::start().await;
    let program = before(&server, "", "").await;
    let large = framed(0, vec![7; 8 << 20]);
    let answer = || Move::Answer(vec![], vec![large.clone()], vec![("grpc-status", "0")]);
    server.will([answer(), answer()]);
    let client = GrpcClient::with(program.addr, |http| {
        http.initial_window_size(4 << 20).initial_connection_window_size(32 << 20);
    })
    .await;
    let mut unread = client.begin(SCROLL, &[]).await;
    unread.send(framed(0, "m"), true);
    unread.head().await.unwrap();
    let got = client.call(SCROLL, "m").await;
    assert_eq!((got.message().len(), got.code()), (large.len(), "0"));
}

#[tokio::test]
async fn more_calls_than_a_connection_is_given_take_another_one() {
    let server = GrpcServer::start().await;
    let program = before(&server, "", "").await;
    let client = GrpcClient::connect(program.addr).await;
    let go = Arc::new(Notify::new());
    server.will((0..100).map(|_| Move::Wait(go.clone())));
    let mut calls = Vec::new();
    for _ in 0..100 {
        let mut call = client.begin(SCROLL, &[]).await;
        call.send(framed(0, "m"), true);
        calls.push(call);
    }
    server.until(|seen| seen.len() == 100 && seen.iter().all(|call| call.ended == Ended::Well)).await;
    assert_eq!(server.connections(), 2);
    for _ in 0..100 {
        go.notify_one();
    }
    for call in calls {
        let go = go.clone();
        let done = async { call.got().await };
        tokio::pin!(done);
        let got = loop {
            tokio::select! { got = &mut done => break got, () = tokio::task::yield_now() => go.notify_waiters() }
        };
        assert_eq!(got.code(), "0");
    }
}

#[tokio::test]
async fn pings_are_answered_also_without_a_call() {
    let server = GrpcServer::start().await;
    let program = before(&server, "", "").await;
    let stream = tokio::net::TcpStream::connect(program.addr).await.unwrap();
    let (sender, mut connection) = h2::client::handshake(stream).await.unwrap();
    let mut pings = connection.ping_pong().unwrap();
    tokio::spawn(connection);
    for _ in 0..100 {
        pings.ping(h2::Ping::opaque()).await.unwrap();
    }
    drop(sender);
}

/// How a search is sent that has been read.
#[tokio::test]
async fn a_call_whose_body_is_in_memory_gets_its_response_with_trailers() {
    let server = GrpcServer::start().await;
    let settings = UpstreamSettings {
        http2: true,
        grpc: true,
        ..UpstreamSettings::new(format!("http://{}", server.addr).parse().unwrap())
    };
    let forwarder = Forwarder::new(Upstream::new(settings).unwrap(), TunnelSettings::default());
    let client = [("content-type", "application/grpc"), ("content-length", "9"), ("connection", "close")];
    let (mut parts, ()) =
        http::Request::post("http://client.example/qdrant.Points/Query").body(()).unwrap().into_parts();
    (parts.headers, parts.version) = (headers(&client), http::Version::HTTP_2);
    server.will([Move::Reset(Reason::REFUSED_STREAM), Move::message("hits")]);
    let sent = framed(0, "a search of ours");
    let response = forwarder
        .send_buffered(&parts, "/qdrant.Points/Query", sent.clone(), (Turn::Last, false), |kept| {
            kept.insert("x-more", HeaderValue::from_static("1"));
        })
        .await
        .unwrap();
    assert_eq!(response.status(), 200);
    let permit = Budget::new(1 << 20).nothing();
    let Ok(BodyRead::Whole { bytes, trailers }) =
        read_up_to(response.into_body(), 1 << 20, permit, None).await
    else {
        panic!("it is small")
    };
    assert_eq!((bytes, trailers), (framed(0, "hits"), Some(headers(&[("grpc-status", "0")]))));
    let seen = server.last();
    assert_eq!(seen.frames.concat(), sent);
    assert_eq!(
        seen.headers,
        headers(&[("content-type", "application/grpc"), ("x-more", "1"), ("te", "trailers")])
    );
}

#[tokio::test]
async fn a_reload_moves_calls_to_another_address_and_closes_the_second_port() {
    let (first, second) = (GrpcServer::start().await, GrpcServer::start().await);
    let yaml = |server: &GrpcServer, more: &str| {
        format!(
            "listeners: [{{ listen: '127.0.0.1:0'{more}, upstream: {{ url: 'http://127.0.0.1:1', grpc_url: 'http://{}' }} \
             }}]\nadmin: {{ listen: '127.0.0.1:0' }}",
            server.addr
        )
    };
    let sidecar = Watched::start(&yaml(&first, ", grpc_listen: '127.0.0.1:0'")).await;
    let (one, two) = (sidecar.app.listening[0], sidecar.app.grpc_listening[0].unwrap());
    let client = GrpcClient::connect(two).await;
    assert_eq!(client.call(SCROLL, "m").await.code(), "0");
    assert!(matches!(sidecar.reload(&yaml(&second, ", grpc_listen: '127.0.0.1:0'")).await, Reload::Applied));
    assert_eq!(client.call(SCROLL, "m").await.code(), "0");
    assert_eq!((first.seen().len(), second.seen().len()), (1, 1), "on the same connection of the client's");
    drop(client);
    let watching = Wire::connect(two).await;
    assert!(matches!(sidecar.reload(&yaml(&second, "")).await, Reload::Applied));
    watching.until_rejected().await;
    assert_eq!(GrpcClient::connect(one).await.call(SCROLL, "m").await.code(), "0");
}
