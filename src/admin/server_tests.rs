use std::net::SocketAddr;

use arc_swap::ArcSwap;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::{
    admin::{Access, Condition, Inspector, Readiness},
    pipeline::{Capture, RecordRing, RecordSettings},
};

async fn ask(address: SocketAddr, line: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("{line} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

/// Listens; its one condition does not hold yet.
async fn start() -> (SocketAddr, Condition) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let readiness = Readiness::new();
    let bound = readiness.condition("listener");
    let registry = crate::telemetry::new_registry().unwrap();
    let about = Arc::new(|| "configuration 0123abcd\n".to_owned());
    let settings = RecordSettings { capture: Capture::Scores, keep: 10, max_bytes: 1 << 20 };
    let (records, access) =
        (Arc::new(RecordRing::new(settings)), Arc::new(ArcSwap::from_pointee(Access::default())));
    let inspector = Inspector::new(records, access, || json!({}), || "rerank: {}\n".to_owned());
    let admin =
        Admin { registry, readiness, refresh: Arc::new(|| ()), about, inspector: Arc::new(inspector) };
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
    let head = ask(address, "HEAD /metrics").await;
    assert!(head.starts_with("HTTP/1.1 200") && head.ends_with("\r\n\r\n"));
}

#[tokio::test]
async fn nothing_can_be_changed_and_a_foreign_name_shows_nothing() {
    let (address, _bound) = start().await;
    for line in ["POST /livez", "DELETE /metrics", "PUT /api/state"] {
        let refused = ask(address, line).await;
        assert!(refused.starts_with("HTTP/1.1 405") && refused.contains("allow: GET, HEAD"), "{refused}");
    }
    for line in ["GET /", "GET /api/state", "GET /other"] {
        let refused = ask(address, line).await;
        assert!(refused.starts_with("HTTP/1.1 421") && refused.contains("open it as localhost"), "{refused}");
    }
}
