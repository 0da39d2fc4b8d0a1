//! Clients served by several threads.

use rerankd::workers::Workers;

use crate::harness::{FakeDatabase, Proxy};

const GET: &str = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

#[tokio::test]
async fn every_worker_has_its_own_connections_to_the_database_and_all_are_drained() {
    let db = FakeDatabase::by_hand().await;
    let workers = Workers::start(2).unwrap();
    let proxy = Proxy::with(db.addr, |s| s.workers = 2, |s| s.workers = workers).await;
    let (mut first, mut second) = (proxy.client().await, proxy.client().await);
    first.send(GET).await;
    let mut of_first = db.connection().await;
    of_first.head().await;
    of_first.send(OK).await;
    assert_eq!(first.message().await.unwrap(), OK);

    second.send(GET).await;
    let mut of_second = db.connection().await;
    of_second.head().await;
    first.send(GET).await;
    of_first.head().await;
    of_first.send(OK).await;
    assert_eq!(first.message().await.unwrap(), OK);

    proxy.shutdown.cancel();
    first.end().await;
    of_second.send(OK).await;
    assert!(second.rest().await.ends_with("\r\n\r\nok"), "an open request is answered");
}

#[tokio::test]
async fn the_cap_on_connections_is_that_of_all_workers_together() {
    let db = FakeDatabase::answering(OK).await;
    let workers = Workers::start(2).unwrap();
    let cap = |s: &mut rerankd::proxy::ListenerSettings| (s.workers, s.max_connections) = (workers, 1);
    let proxy = Proxy::with(db.addr, |s| s.workers = 2, cap).await;
    let mut first = proxy.client().await;
    first.send(GET).await;
    first.message().await.unwrap();
    let mut second = proxy.client().await;
    second.send("GET /second HTTP/1.1\r\nHost: x\r\n\r\n").await;
    first.send(GET).await;
    first.message().await.unwrap();
    drop(first);
    second.message().await.unwrap();
    let order = [db.request().await, db.request().await, db.request().await];
    assert!(order[2].starts_with("GET /second "), "{order:?}");
}
