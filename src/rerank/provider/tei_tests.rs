//! A TEI server tells its batch limit: read once beside a call, again after a rejection, kept to by the layer above.

use std::{sync::Arc, time::Duration};

use serde_json::Value;
use tokio::sync::Notify;
use tower::ServiceExt;

use super::{
    HttpProvider,
    wire::{Then, serve, sized},
};
use crate::rerank::{
    ApiKey, FailureClass, HttpKind, HttpSettings, ProviderKind, ProviderSettings,
    test_support::{request, stack_of},
};

/// Scores every text with one half, or rejects more than it takes.
fn ranks(sent: &str, most: usize) -> Vec<u8> {
    let body: Value = serde_json::from_str(sent.split_once("\r\n\r\n").unwrap().1).unwrap();
    let count = body["texts"].as_array().unwrap().len();
    if count > most {
        let text = format!("batch size {count} > maximum allowed batch size {most}");
        let body = serde_json::json!({"error": text, "error_type": "Validation"});
        return sized("422 Unprocessable Entity", "", body.to_string().as_bytes());
    }
    let ranks: Vec<Value> = (0..count).map(|at| serde_json::json!({"index": at, "score": 0.5})).collect();
    sized("200 OK", "", Value::Array(ranks).to_string().as_bytes())
}

fn info(most: usize) -> Vec<u8> {
    let body = format!(r#"{{"model_id":"BAAI/bge-reranker-base","max_client_batch_size":{most}}}"#);
    sized("200 OK", "", body.as_bytes())
}

fn settings(address: std::net::SocketAddr) -> HttpSettings {
    HttpSettings::at(HttpKind::Tei, &format!("http://{address}"), ApiKey::NotNeeded)
}

#[tokio::test]
async fn the_limit_is_read_once_and_beside_the_first_call() {
    let known = Arc::new(Notify::new());
    let held = known.clone();
    let script = move |sent: String| {
        let held = held.clone();
        async move {
            if sent.starts_with("GET /info ") {
                return info(64);
            }
            held.notified().await;
            held.notify_one();
            ranks(&sent, 64)
        }
    };
    let (address, mut requests) = serve(Then::Close, script).await;
    let tei = HttpProvider::new("tei".into(), &settings(address)).unwrap();
    assert_eq!(tei.max_documents(), 32, "until it is known");
    // The first scores come only when the limit is known.
    let watch = async {
        while tei.max_documents() != 64 {
            tokio::task::yield_now().await;
        }
        known.notify_one();
    };
    let first = tei.clone().oneshot(request(&["a", "b"]));
    let both = async { tokio::join!(first, watch) };
    assert!(tokio::time::timeout(Duration::from_secs(10), both).await.unwrap().0.is_ok());
    assert!(tei.clone().oneshot(request(&["a", "b"])).await.is_ok());
    let last = tei.clone().oneshot(request(&["a"])).await.unwrap();
    assert_eq!(&*last.model, "BAAI/bge-reranker-base");
    let mut asked = 0;
    while let Ok(sent) = requests.try_recv() {
        asked += usize::from(sent.starts_with("GET /info "));
    }
    assert_eq!(asked, 1);
}

#[tokio::test]
async fn a_server_that_says_nothing_of_itself_is_used_all_the_same() {
    for silent in [sized("404 Not Found", "", b""), sized("200 OK", "", b"<html>"), Vec::new()] {
        let script = move |sent: String| {
            let silent = silent.clone();
            async move { if sent.starts_with("GET ") { silent } else { ranks(&sent, 32) } }
        };
        let (address, _requests) = serve(Then::Close, script).await;
        let tei = HttpProvider::new("tei".into(), &settings(address)).unwrap();
        assert!(tei.clone().oneshot(request(&["a"])).await.is_ok());
        assert_eq!(tei.max_documents(), 32);
    }
}

#[tokio::test]
async fn a_rejected_batch_teaches_the_limit() {
    let script =
        |sent: String| async move { if sent.starts_with("GET ") { info(3) } else { ranks(&sent, 3) } };
    let (address, _requests) = serve(Then::Close, script).await;
    let tei = HttpProvider::new("tei".into(), &settings(address)).unwrap();
    let rejected = tei.clone().oneshot(request(&["a", "b", "c", "d"])).await.unwrap_err();
    assert_eq!(rejected.class(), FailureClass::TooLarge);
    assert_eq!(tei.max_documents(), 3);
}

#[tokio::test]
async fn a_window_is_split_at_the_learned_limit_with_few_calls_at_once() {
    let script =
        |sent: String| async move { if sent.starts_with("GET ") { info(3) } else { ranks(&sent, 3) } };
    let (address, _requests) = serve(Then::Close, script).await;
    // More calls at once than are let through would be shed, and fail the whole.
    let mut provider = ProviderSettings::new("tei", ProviderKind::Http(settings(address)));
    provider.limits.max_concurrency = 4;
    let (stack, _) = stack_of(provider);
    // The first call is rejected, which tells the limit; its parts then fit.
    let scores = stack.oneshot(request(&["text"; 32])).await.unwrap();
    assert_eq!(scores.scores, [Some(0.5); 32]);
}
