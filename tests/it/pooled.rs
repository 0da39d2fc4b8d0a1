//! The kept connections to the database: which is used, which is closed, and which is not used again.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::timeout;

use crate::harness::{FakeDatabase, Program, Wire, qdrant_hits, response as message, search};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const GET: &str = "GET /a HTTP/1.1\r\nHost: a\r\n\r\n";
const GUARD: Duration = Duration::from_secs(10);

/// Moves the clock of this runtime, and with it every time-out of the program, without waiting.
async fn pass(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

/// The database's end gives the request that has come its response.
async fn response(client: &mut Wire, upstream: &mut Wire) {
    upstream.message().await.expect("a request");
    upstream.send(OK).await;
    assert_eq!(client.response(false).await.expect("a response").text(), "ok");
}

/// A client and the connection that its request has been given, both idle now.
async fn exchange(program: &Program, database: &FakeDatabase) -> (Wire, Wire) {
    let mut client = program.client().await;
    client.send(GET).await;
    let mut upstream = database.connection().await;
    response(&mut client, &mut upstream).await;
    (client, upstream)
}

#[tokio::test]
async fn an_idle_connection_is_closed_after_four_seconds_though_nobody_asks_for_one() {
    let database = FakeDatabase::by_hand().await;
    let program = Program::before(database.addr, "").await;
    let (_client, mut upstream) = exchange(&program, &database).await;
    pass(Duration::from_millis(3900)).await;
    let early = timeout(Duration::from_millis(50), upstream.rest());
    assert!(early.await.is_err(), "it is kept for four seconds");
    pass(Duration::from_millis(200)).await;
    assert_eq!(timeout(GUARD, upstream.rest()).await.expect("it is closed"), "");
}

#[tokio::test]
async fn a_connection_that_the_database_has_ended_is_let_go_of_though_nobody_asks_for_one() {
    let database = FakeDatabase::by_hand().await;
    let program = Program::before(database.addr, "").await;
    let (_client, mut upstream) = exchange(&program, &database).await;
    upstream.end().await;
    // What was done before this is answered has arrived.
    let mut admin = program.client().await;
    admin.send("GET /a HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n").await;
    admin.response(false).await.unwrap();
    pass(Duration::from_millis(1100)).await;
    let closed = timeout(Duration::from_secs(1), upstream.rest()).await;
    assert_eq!(closed.expect("it is closed before four seconds are over"), "");
}

#[tokio::test]
async fn the_connection_used_last_is_taken_first_and_the_others_grow_old() {
    let database = FakeDatabase::by_hand().await;
    let program = Program::before(database.addr, "").await;
    let (mut one, mut two) = (program.client().await, program.client().await);
    one.send(GET).await;
    let mut first = database.connection().await;
    two.send(GET).await;
    let mut second = database.connection().await;
    response(&mut two, &mut second).await;
    response(&mut one, &mut first).await;
    for _ in 0..6 {
        pass(Duration::from_secs(1)).await;
        two.send(GET).await;
        response(&mut two, &mut first).await;
    }
    assert_eq!(timeout(GUARD, second.rest()).await.expect("it is too many"), "");
}

#[tokio::test]
async fn a_request_goes_on_after_its_response_and_its_connection_is_not_used_again() {
    let database = FakeDatabase::by_hand().await;
    let program = Program::before(database.addr, "").await;
    for framing in ["Content-Length: 2\r\n\r\nok", "Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"] {
        let mut client = program.client().await;
        client.send("PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nab").await;
        let mut upstream = database.connection().await;
        upstream.head().await;
        assert_eq!(upstream.exactly(2).await, "ab");
        upstream.send(format!("HTTP/1.1 200 OK\r\n{framing}")).await;
        assert_eq!(client.response(false).await.unwrap().text(), "ok");
        // In the middle of a request, no other can be sent.
        let (_other, _its) = exchange(&program, &database).await;
        client.send("cd").await;
        assert_eq!(timeout(GUARD, upstream.rest()).await.expect("it is closed"), "cd");
        pass(Duration::from_secs(5)).await;
    }
}

#[tokio::test]
async fn a_client_may_send_all_of_its_request_before_it_reads_the_response() {
    const MUCH: usize = 16 << 20;
    let database = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let program = Program::before(database.local_addr().unwrap(), "").await;
    let mut client = Wire::connect_narrow(program.addr).await;
    client.send(format!("PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: {MUCH}\r\n\r\n")).await;
    let (upstream, _) = database.accept().await.unwrap();
    let (mut requests, mut responses) = upstream.into_split();
    tokio::spawn(async move {
        responses.write_all(format!("HTTP/1.1 200 OK\r\nContent-Length: {MUCH}\r\n\r\n").as_bytes()).await?;
        responses.write_all(&vec![b'x'; MUCH]).await
    });
    let taken = tokio::spawn(async move {
        let (mut taken, mut bytes) = (0, vec![0; 64 << 10]);
        while taken < MUCH {
            taken += requests.read(&mut bytes).await.unwrap();
        }
    });
    client.head().await;
    timeout(GUARD, client.send(vec![b'y'; MUCH])).await.expect("the request is taken");
    timeout(GUARD, taken).await.expect("the request goes on").unwrap();
    assert_eq!(client.bytes(MUCH).await.len(), MUCH);
}

#[tokio::test]
async fn a_connection_that_comes_free_is_used_by_whoever_waits_for_a_new_one() {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let database = socket.listen(0).unwrap();
    let addr = database.local_addr().unwrap();
    let program = Program::before(addr, "").await;
    let (mut one, mut two) = (program.client().await, program.client().await);
    one.send(GET).await;
    let mut upstream = Wire::new(database.accept().await.unwrap().0);
    upstream.message().await.unwrap();
    // Its queue is full: whoever connects now waits.
    let mut queue = Vec::new();
    while let Ok(Ok(stream)) = timeout(Duration::from_millis(20), TcpStream::connect(addr)).await {
        queue.push(stream);
    }
    two.send(GET).await;
    pass(Duration::from_millis(10)).await;
    upstream.send(OK).await;
    assert_eq!(one.response(false).await.unwrap().text(), "ok");
    response(&mut two, &mut upstream).await;
}

#[tokio::test]
async fn what_has_come_of_a_response_that_breaks_off_is_passed_on() {
    let database = FakeDatabase::by_hand().await;
    let program = Program::before(database.addr, "").await;
    let mut client = program.client().await;
    client.send(GET).await;
    let mut upstream = database.connection().await;
    upstream.message().await.unwrap();
    upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nok").await;
    drop(upstream);
    assert!(client.head().await.starts_with("HTTP/1.1 200 OK\r\n"));
    assert_eq!(client.rest().await, "ok");
}

/// The names of a head's lines, as they were written.
fn names(message: &str) -> Vec<String> {
    let head = message.split("\r\n\r\n").next().unwrap();
    head.lines().skip(1).map(|line| line.split(':').next().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_search_that_is_sent_again_since_its_connection_broke_is_spelled_as_before() {
    let found = message(200, "application/json", &qdrant_hits(50, 100));
    for more in ["", "X-Rerank-Mode: off\r\n"] {
        // The one kept connection breaks, or both of two.
        for kept in [1, 2] {
            let database = FakeDatabase::by_hand().await;
            let program = Program::with_key(database.addr, "rerank: { providers: [lexical] }\n").await;
            let mut clients = Vec::new();
            let mut connections = Vec::new();
            for _ in 0..kept {
                let mut client = program.client().await;
                client.send(GET).await;
                connections.push(database.connection().await);
                clients.push(client);
            }
            for (client, upstream) in clients.iter_mut().zip(&mut connections) {
                response(client, upstream).await;
            }
            let mut client = program.client().await;
            let search = search(r#"{"query":[0.1],"limit":50,"with_payload":true}"#);
            let search = search.replacen("\r\n", &format!("\r\nX-CASED: a\r\nx-Cased-Too: b\r\n{more}"), 1);
            client.send(search).await;
            // Each is closed once it has the request; what has been sent twice is sent no more.
            let mut seen = Vec::new();
            while let Some(mut upstream) = connections.pop() {
                seen.push(upstream.message().await.expect("the request"));
            }
            if seen.len() < 2 {
                let mut upstream = database.connection().await;
                seen.push(upstream.message().await.expect("it is sent again"));
                upstream.send(&found).await;
                assert!(client.message().await.unwrap().starts_with("HTTP/1.1 200"));
            }
            for message in &seen {
                let names = names(message);
                for name in ["X-CASED", "x-Cased-Too"] {
                    assert!(names.iter().any(|each| each == name), "{more}{kept}: {message}");
                }
            }
            assert_eq!(names(&seen[0]), names(&seen[1]), "{more}{kept}");
        }
    }
}

#[tokio::test]
async fn so_it_is_where_the_connection_breaks_after_a_response_has_begun_that_hyper_reads() {
    let found = message(200, "application/json", &qdrant_hits(50, 100));
    let database = FakeDatabase::by_hand().await;
    let program = Program::with_key(database.addr, "rerank: { providers: [lexical] }\n").await;
    let mut client = program.client().await;
    let search = search(r#"{"query":[0.1],"limit":50,"with_payload":true}"#);
    client.send(search.replacen("\r\n", "\r\nX-CASED: a\r\n", 1)).await;
    let mut upstream = database.connection().await;
    let first = upstream.message().await.expect("the request");
    upstream.send("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n").await;
    drop(upstream);
    let mut upstream = database.connection().await;
    let again = upstream.message().await.expect("it is sent again");
    upstream.send(&found).await;
    let response = client.message().await.unwrap();
    assert!(response.contains("x-rerank-status: applied"), "{response}");
    assert_eq!(again, first);
}
