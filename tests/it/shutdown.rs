//! Stopping, and the cap on connections.

use crate::harness::{FakeDatabase, Proxy};

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
