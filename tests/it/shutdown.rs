//! Stopping, and the cap on connections.

use std::io::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::harness::{FakeDatabase, Folder, Process, Proxy, Scripted, Watched, Wire, ask};

const GET: &str = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

#[tokio::test]
async fn an_open_request_is_answered_after_shutdown_began_and_then_the_connection_closes() {
    let db = FakeDatabase::by_hand().await;
    let proxy = Proxy::start(db.addr).await;
    let mut client = proxy.client().await;
    client.send("GET /a HTTP/1.1\r\nHost: x\r\n\r\n").await;
    let mut upstream = db.connection().await;
    upstream.head().await;
    proxy.shutdown.cancel();
    upstream.send(OK).await;
    let got = client.rest().await;
    assert!(got.starts_with("HTTP/1.1 200 OK\r\n") && got.ends_with("\r\n\r\nok"), "{got}");
}

#[tokio::test]
async fn what_was_sent_before_shutdown_began_is_answered_whatever_comes_of_it() {
    let early =
        "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    let declared = "HTTP/1.1 200 OK\r\nTrailer: X\r\nContent-Length: 2\r\n\r\nok";
    for (response, status) in [(early, "200"), (declared, "200"), ("", "502"), ("HTTP/1.1 200 O", "502")] {
        let db = FakeDatabase::by_hand().await;
        let proxy = Proxy::start(db.addr).await;
        let mut client = proxy.client().await;
        client.send("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi").await;
        let mut upstream = db.connection().await;
        upstream.head().await;
        proxy.shutdown.cancel();
        upstream.send(response).await;
        drop(upstream);
        let got = client.rest().await;
        assert!(got.contains(&format!("HTTP/1.1 {status} ")), "{response:?}: {got:?}");
    }
}

#[tokio::test]
async fn at_the_cap_a_client_waits_until_another_leaves() {
    let db = FakeDatabase::answering(OK).await;
    let proxy = Proxy::with(db.addr, |_| {}, |s| s.max_connections = 1).await;
    let mut first = proxy.client().await;
    first.send("GET /first HTTP/1.1\r\nHost: x\r\n\r\n").await;
    first.message().await.unwrap();
    let mut second = proxy.client().await;
    second.send("GET /second HTTP/1.1\r\nHost: x\r\n\r\n").await;
    first.send("GET /again HTTP/1.1\r\nHost: x\r\n\r\n").await;
    first.message().await.unwrap();
    drop(first);
    assert_eq!(second.message().await.unwrap(), OK);
    let order = [db.request().await, db.request().await, db.request().await];
    assert!(order[1].starts_with("GET /again ") && order[2].starts_with("GET /second "), "{order:?}");
}

fn before(database: SocketAddr, shutdown: &str) -> String {
    format!(
        "admin: {{ listen: '127.0.0.1:0' }}\nshutdown: {{ {shutdown} }}\n\
         listeners: [{{ listen: '127.0.0.1:0', upstream: {{ url: 'http://{database}' }} }}]\n"
    )
}

/// A sidecar on its way out, which ends at once when `hurry` is dropped.
struct Draining {
    admin: SocketAddr,
    over: JoinHandle<()>,
    hurry: oneshot::Sender<()>,
}

/// Begins to drain; returns when that can be seen.
async fn drain(sidecar: Watched) -> Draining {
    let admin = sidecar.app.admin;
    let (hurry, hurried) = oneshot::channel();
    let over = tokio::spawn(sidecar.app.end(async {
        hurried.await.ok();
    }));
    soon(async { while ask(admin, "/readyz").await.starts_with("HTTP/1.1 200") {} }).await;
    Draining { admin, over, hurry }
}

async fn closed(listener: SocketAddr) {
    soon(async { while TcpStream::connect(listener).await.is_ok() {} }).await;
}

async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(10), what).await.expect("soon")
}

#[tokio::test]
async fn before_the_listeners_close_it_is_not_ready_but_alive_and_serves() {
    let db = FakeDatabase::answering(OK).await;
    let sidecar = Watched::start(&before(db.addr, "delay: 1h")).await;
    let listener = sidecar.app.listening[0];
    assert!(sidecar.admin("/readyz").await.contains("\r\n\r\nready\n"));
    // It asks soon: an idle one is not waited for.
    let mut client = sidecar.client().await;
    let draining = drain(sidecar).await;
    // The client goes elsewhere before the listener closes.
    let mut late = Wire::connect(listener).await;
    for client in [&mut client, &mut late] {
        client.send(GET).await;
        let response = client.rest().await;
        assert!(response.contains("\r\nconnection: close\r\n") && response.ends_with("ok"), "{response}");
    }
    let readiness = ask(draining.admin, "/readyz").await;
    assert!(readiness.starts_with("HTTP/1.1 503") && readiness.contains("\r\n\r\nnot ready: draining\n"));
    assert!(ask(draining.admin, "/livez").await.starts_with("HTTP/1.1 200"));

    drop(draining.hurry);
    soon(draining.over).await.unwrap();
    assert!(TcpStream::connect(listener).await.is_err());
}

#[tokio::test]
async fn idle_connections_close_at_once_and_busy_ones_after_a_response_that_says_so() {
    let db = FakeDatabase::by_hand().await;
    let sidecar = Watched::start(&before(db.addr, "")).await;
    let (mut idle, mut busy) = (sidecar.client().await, sidecar.client().await);
    idle.send(GET).await;
    let mut upstream = db.connection().await;
    upstream.head().await;
    upstream.send(OK).await;
    idle.message().await.unwrap();
    busy.send(GET).await;
    upstream.head().await;

    let draining = drain(sidecar).await;
    assert_eq!(idle.rest().await, "");
    assert!(ask(draining.admin, "/livez").await.starts_with("HTTP/1.1 200"));
    upstream.send(OK).await;
    let response = busy.rest().await;
    assert!(response.contains("\r\nconnection: close\r\n") && response.ends_with("ok"), "{response}");
    soon(draining.over).await.unwrap();
}

#[tokio::test]
async fn streams_and_tunnels_are_waited_for() {
    let db = FakeDatabase::by_hand().await;
    let sidecar = Watched::start(&before(db.addr, "")).await;
    let listener = sidecar.app.listening[0];
    let (mut stream, mut tunnel) = (sidecar.client().await, sidecar.client().await);
    stream.send(GET).await;
    let mut streaming = db.connection().await;
    streaming.head().await;
    streaming.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n").await;
    stream.until("one").await;
    tunnel.send("GET /t HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: thing\r\n\r\n").await;
    let mut tunnelled = db.connection().await;
    tunnelled.head().await;
    let switch = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: thing\r\n\r\n";
    tunnelled.send(switch).await;
    tunnel.head().await;

    let draining = drain(sidecar).await;
    closed(listener).await;
    tunnel.send("there").await;
    assert_eq!(tunnelled.exactly(5).await, "there");
    tunnelled.send("back").await;
    assert_eq!(tunnel.exactly(4).await, "back");
    streaming.send("3\r\ntwo\r\n0\r\n\r\n").await;
    assert!(stream.rest().await.ends_with("3\r\ntwo\r\n0\r\n\r\n"));
    assert!(!draining.over.is_finished(), "the tunnel is still open");
    drop(tunnelled);
    assert_eq!(tunnel.rest().await, "");
    drop(tunnel);
    soon(draining.over).await.unwrap();
}

#[tokio::test]
async fn what_is_open_when_the_grace_time_is_over_is_cut() {
    let db = FakeDatabase::by_hand().await;
    let sidecar = Watched::start(&before(db.addr, "grace: 50ms")).await;
    let (mut client, mut tunnel) = (sidecar.client().await, sidecar.client().await);
    client.send(GET).await;
    let mut upstream = db.connection().await;
    upstream.head().await;
    tunnel.send("GET /t HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: thing\r\n\r\n").await;
    let mut tunnelled = db.connection().await;
    tunnelled.head().await;
    let switch = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: thing\r\n\r\n";
    tunnelled.send(switch).await;
    tunnel.head().await;
    soon(sidecar.app.stop()).await;
    assert_eq!(client.rest().await, "");
    assert_eq!(tunnel.rest().await, "");
    assert_eq!(tunnelled.rest().await, "");
}

#[tokio::test]
async fn who_had_connected_before_the_listener_closed_is_answered() {
    let db = FakeDatabase::answering(OK).await;
    let proxy = Proxy::start(db.addr).await;
    // Without a turn of the runtime in between, so that it waits in the kernel's queue.
    let mut waiting = std::net::TcpStream::connect(proxy.addr).unwrap();
    waiting.write_all(GET.as_bytes()).unwrap();
    waiting.set_nonblocking(true).unwrap();
    proxy.shutdown.cancel();
    let mut client = Wire::new(TcpStream::from_std(waiting).unwrap());
    let response = client.rest().await;
    assert!(response.starts_with("HTTP/1.1 200") && response.ends_with("ok"), "{response}");
}

#[tokio::test]
async fn sigterm_lets_an_open_stream_finish_and_exits_with_0() {
    let db = FakeDatabase::by_hand().await;
    let mut process = Process::of(&Folder::new(&before(db.addr, "")), &[]).await;
    let mut client = Wire::connect(process.listening[0]).await;
    client.send(GET).await;
    let mut upstream = db.connection().await;
    upstream.head().await;
    upstream.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n").await;
    client.until("one").await;
    process.signal("TERM").await;
    process.said("stopping").await;
    closed(process.listening[0]).await;
    upstream.send("3\r\ntwo\r\n0\r\n\r\n").await;
    assert!(client.rest().await.ends_with("3\r\ntwo\r\n0\r\n\r\n"));
    assert_eq!(process.exit_code().await, Some(0));
}

#[tokio::test]
async fn a_second_signal_ends_at_once() {
    let db = FakeDatabase::by_hand().await;
    let mut process = Process::of(&Folder::new(&before(db.addr, "delay: 1h, grace: 1h")), &[]).await;
    let mut client = Wire::connect(process.listening[0]).await;
    client.send(GET).await;
    let mut upstream = db.connection().await;
    upstream.head().await;
    process.signal("INT").await;
    process.said("stopping").await;
    process.signal("TERM").await;
    assert_eq!(process.exit_code().await, Some(0));
    assert_eq!(client.rest().await, "");
}

/// One client with one connection at a time, on its way from `old` to `new`. It may ask again only if a connection that
/// it had used before was closed without a word.
async fn moving_client(old: SocketAddr, new: SocketAddr) -> usize {
    let (mut connection, mut moved, mut answered) = (Wire::connect(old).await, false, 0);
    let mut used = false;
    loop {
        connection.try_send(GET).await;
        match connection.message().await {
            Some(response) => {
                assert!(response.starts_with("HTTP/1.1 200") && response.ends_with("ok"), "{response}");
                answered += 1;
                used = true;
                if moved {
                    return answered;
                }
                if !response.contains("connection: close") {
                    continue;
                }
            }
            None => {
                assert!(used && !moved, "a request failed");
                assert_eq!(connection.rest().await, "", "cut in a response");
            }
        }
        (connection, moved, used) = (Wire::connect(new).await, true, false);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_fails_no_request_of_clients_that_ask_again_on_closed_idle_connections_only() {
    let db = Scripted::start(|_| Some(OK.to_owned())).await;
    let (old, new) =
        (Watched::start(&before(db.addr, "delay: 50ms")).await, Watched::start(&before(db.addr, "")).await);
    let addresses = (old.app.listening[0], new.app.listening[0]);
    let clients: Vec<_> = (0..16).map(|_| tokio::spawn(moving_client(addresses.0, addresses.1))).collect();
    // All of them have connected and are being answered.
    soon(async {
        while db.seen().len() < 100 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    soon(old.app.stop()).await;
    let mut answered = 0;
    for client in clients {
        answered += soon(client).await.unwrap();
    }
    // What was closed without a word had not been passed on: asking again did nothing twice.
    assert_eq!(db.seen().len(), answered);
}

#[tokio::test]
async fn an_open_http2_stream_is_finished_too() {
    let db = FakeDatabase::by_hand().await;
    let sidecar = Watched::start(&before(db.addr, "")).await;
    let stream = TcpStream::connect(sidecar.app.listening[0]).await.unwrap();
    let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
    let (mut sender, connection) = handshake.await.unwrap();
    let connection = tokio::spawn(connection);
    let request = http::Request::get("http://x/a").body(Empty::<Bytes>::new()).unwrap();
    let response = tokio::spawn(sender.send_request(request));
    let mut upstream = db.connection().await;
    upstream.head().await;
    let draining = drain(sidecar).await;
    upstream.send(OK).await;
    let response = soon(response).await.unwrap().unwrap();
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "ok");
    soon(draining.over).await.unwrap();
    soon(connection).await.unwrap().unwrap();
}
