use std::net::SocketAddr;

use arc_swap::ArcSwap;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::{
    admin::{Access, Condition, Inspector, Readiness, Scrape},
    pipeline::{Capture, RecordRing, RecordSettings},
};

async fn ask(address: SocketAddr, line: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream
        .write_all(format!("{line} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").as_bytes())
        .await
        .unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).await.unwrap();
    response
}

/// With a head of its own, less the last lines.
async fn ask_bytes(address: SocketAddr, head: &str) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(format!("{head}\r\nhost: x\r\nconnection: close\r\n\r\n").as_bytes()).await.unwrap();
    let mut response = Vec::new();
    stream.read_to_end(&mut response).await.unwrap();
    response
}

/// Listens; its one condition does not hold yet.
async fn start() -> (SocketAddr, Condition) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let readiness = Readiness::new();
    let bound = readiness.condition("listener");
    let registry = crate::telemetry::new_registry().unwrap();
    // Longer than a packet.
    let long = prometheus::IntCounter::new("long_total", "x".repeat(2000)).unwrap();
    registry.register(Box::new(long)).unwrap();
    let about = Arc::new(|| "configuration 0123abcd\n".to_owned());
    let settings = RecordSettings { capture: Capture::Scores, keep: 10, max_bytes: 1 << 20 };
    let (records, access) =
        (Arc::new(RecordRing::new(settings)), Arc::new(ArcSwap::from_pointee(Access::default())));
    let inspector = Inspector::new(records, access, || json!({}), || "rerank: {}\n".to_owned());
    let scrape = Scrape::new(registry, || ());
    let admin = Admin { scrape, readiness, about, inspector: Arc::new(inspector) };
    tokio::spawn(admin.serve(listener));
    (address, bound)
}

#[tokio::test]
async fn probes_and_metrics_are_answered_over_a_socket_whatever_the_host() {
    let (address, bound) = start().await;
    assert!(ask(address, "GET /livez").await.starts_with("HTTP/1.1 200"));
    let unready = ask(address, "GET /readyz").await;
    assert!(
        unready.starts_with("HTTP/1.1 503")
            && unready.ends_with("\r\n\r\nnot ready: listener\nconfiguration 0123abcd\n")
    );
    bound.set(true);
    let ready = ask(address, "GET /readyz?verbose").await;
    assert!(ready.starts_with("HTTP/1.1 200") && ready.ends_with("\r\n\r\nready\nconfiguration 0123abcd\n"));

    let metrics = ask(address, "GET /metrics").await;
    assert!(metrics.contains("content-type: text/plain; version=0.0.4"), "{metrics}");
    assert!(metrics.contains("rerankd_build_info{"));
    let packed = ask_bytes(address, "GET /metrics HTTP/1.1\r\naccept-encoding: gzip").await;
    assert!(packed.windows(22).any(|bytes| bytes == b"content-encoding: gzip"));
    assert!(packed.len() < metrics.len());
    let head = ask(address, "HEAD /metrics").await;
    assert!(head.starts_with("HTTP/1.1 200") && head.ends_with("\r\n\r\n"));
}

#[tokio::test]
async fn nothing_can_be_changed_and_a_foreign_name_shows_nothing() {
    let (address, _bound) = start().await;
    for line in ["POST /livez", "DELETE /metrics", "PUT /api/state"] {
        let rejected = ask(address, line).await;
        assert!(rejected.starts_with("HTTP/1.1 405") && rejected.contains("allow: GET, HEAD"), "{rejected}");
    }
    for line in ["GET /", "GET /api/state", "GET /other"] {
        let rejected = ask(address, line).await;
        assert!(
            rejected.starts_with("HTTP/1.1 421") && rejected.contains("open it as localhost"),
            "{rejected}"
        );
    }
}

/// Until its response, or the end of the connection.
async fn first_line(stream: &mut TcpStream) -> String {
    let mut bytes = [0; 15];
    let read = tokio::time::timeout(Duration::from_secs(5), stream.read(&mut bytes)).await;
    let read = read.expect("a response in time").unwrap_or(0);
    String::from_utf8_lossy(&bytes[..read]).into_owned()
}

#[tokio::test]
async fn a_probe_is_answered_beside_clients_that_read_nothing_and_clients_that_say_nothing() {
    let (address, _bound) = start().await;
    let mut open = Vec::new();
    for _ in 0..64 {
        let stream = TcpStream::connect(address).await.unwrap();
        let many = "GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n".repeat(2000);
        let _ = stream.writable().await;
        let _ = stream.try_write(many.as_bytes());
        open.push(stream);
    }
    for at in 0..300 {
        open.push(TcpStream::connect(address).await.unwrap());
        if at % 10 == 0 {
            for probe in ["/livez", "/readyz"] {
                let mut stream = TcpStream::connect(address).await.unwrap();
                let request = format!("GET {probe} HTTP/1.1\r\nhost: x\r\n\r\n");
                stream.write_all(request.as_bytes()).await.unwrap();
                let line = first_line(&mut stream).await;
                assert!(
                    line.starts_with("HTTP/1.1 200") || line.starts_with("HTTP/1.1 503"),
                    "{at}: {line:?}"
                );
            }
        }
    }
}

#[tokio::test]
async fn an_old_connection_of_a_prober_gives_way_to_a_new_one_and_not_the_other_way_round() {
    let (address, _bound) = start().await;
    let mut open = Vec::new();
    for _ in 0..MAX_CONNECTIONS {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        assert_eq!(first_line(&mut stream).await, "HTTP/1.1 200 OK");
        open.push(stream);
    }
    assert!(ask(address, "GET /livez").await.ends_with("live\n"));
    let mut rest = Vec::new();
    open.remove(0).read_to_end(&mut rest).await.unwrap();
    assert!(rest.ends_with(b"live\n"), "its response had come, and it is closed");
}
