//! Requests that come back to the process through something between.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::OnceCell;

use crate::harness::grpc::GrpcClient;
use crate::harness::{Program, Scripted, Tap, Wire, body_of, response, search};

/// Passes connections on, once it is known where to.
async fn relay() -> (SocketAddr, Arc<OnceCell<SocketAddr>>) {
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (addr, to) = (socket.local_addr().unwrap(), Arc::<OnceCell<SocketAddr>>::default());
    let known = to.clone();
    tokio::spawn(async move {
        while let Ok((mut near, _)) = socket.accept().await {
            let Some(to) = known.get().copied() else { continue };
            tokio::spawn(async move {
                let mut far = TcpStream::connect(to).await.unwrap();
                copy_bidirectional(&mut near, &mut far).await.ok();
            });
        }
    });
    (addr, to)
}

#[tokio::test]
async fn a_circle_through_another_proxy_ends_with_508() {
    for more in ["", "limits: { max_headers: 50 }\n"] {
        let (addr, to) = relay().await;
        let program = Program::before(addr, more).await;
        to.set(program.addr).unwrap();
        for (request, body) in [
            (
                "GET /a HTTP/1.1\r\nhost: x\r\n\r\n",
                "rerankd: the upstream leads back to this rerankd (loop)\n",
            ),
            ("GET /b HTTP/1.1\r\nhost: x\r\n\r\n", ""),
            (&search(r#"{"query":[0.1],"limit":3}"#)[..], ""),
        ] {
            let got = program.ask(request).await;
            assert!(got.starts_with("HTTP/1.1 508 ") && got.contains("(loop)"), "{got}");
            assert!(body.is_empty() || body_of(&got) == body, "{got}");
        }
        let hops = program.metric("rerankd_requests_total{handling=\"forward\",status=\"5xx\"}").await;
        assert!(hops < 100, "{hops}");
        assert!(program.metric("rerankd_requests_failed_total{cause=\"loop\"}").await >= 3);
        program.until_all_is_given_back().await;
    }
}

#[tokio::test]
async fn a_circle_of_grpc_calls_ends_with_a_failed_precondition() {
    let (addr, to) = relay().await;
    let yaml = format!(
        "listeners: [{{ listen: '127.0.0.1:0', upstream: {{ url: 'http://127.0.0.1:1', grpc_url: 'http://{addr}' }} }}]\n\
         admin: {{ listen: '127.0.0.1:0' }}\n"
    );
    let program = Program::start(&yaml, &[]).await;
    to.set(program.addr).unwrap();
    let got = GrpcClient::connect(program.addr).await.call("/qdrant.Points/Scroll", "m").await;
    assert_eq!(got.own_failure("9"), "rerankd: the upstream leads back to this rerankd (loop)");
}

#[tokio::test]
async fn a_circle_through_two_of_us_ends_too_and_a_chain_of_two_is_none() {
    let (addr, to) = relay().await;
    let first = Program::before(addr, "").await;
    let second = Program::before(first.addr, "").await;
    to.set(second.addr).unwrap();
    let got = second.ask("GET /a HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(got.starts_with("HTTP/1.1 508 "), "{got}");

    let database = Tap::echoing().await;
    let behind = Program::before(database.addr, "").await;
    let before = Program::before(behind.addr, "").await;
    let mut client = Wire::connect(before.addr).await;
    client.send("GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
    assert_eq!(client.response(false).await.unwrap().text(), "GET /a");
}

#[tokio::test]
async fn a_request_that_goes_its_way_carries_nothing_of_ours() {
    let database = Scripted::start(|_| Some(response(200, "text/plain", "ok"))).await;
    let program = Program::before(database.addr, "").await;
    for _ in 0..100 {
        program.ask("GET /a HTTP/1.1\r\nhost: x\r\nx-rerankd-hop: theirs\r\n\r\n").await;
    }
    let seen = database.seen();
    assert!(
        seen.len() == 100 && seen.iter().all(|request| request.matches("hop").count() == 1),
        "{:?}",
        seen.last()
    );
}
