//! The dialect as the proxy uses it: a head, a request, its response.

use std::sync::Arc;

use http::{HeaderValue, StatusCode, header::CONTENT_TYPE};

use super::*;
use crate::dialect::{Dialect, Dialects, Framing, SearchRequest, Verdict, qdrant::QdrantGrpc};

fn headers(content_type: &'static str) -> HeaderMap {
    HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(content_type))])
}

fn read(path: &str, message: Vec<u8>) -> Arc<dyn SearchRequest> {
    let headers = headers("application/grpc");
    let head = Head { method: &Method::POST, path, query: None, headers: &headers };
    QdrantGrpc.read_body(&head, &Bytes::from(message)).unwrap()
}

#[test]
fn a_call_is_read_by_its_own_dialect_and_a_request_over_http_by_the_other() {
    let dialects = Dialects::new(vec![Arc::new(Qdrant), Arc::new(QdrantGrpc)]);
    let found = |path: &str, content_type| {
        let headers = headers(content_type);
        let routed = dialects.route(&Head { method: &Method::POST, path, query: None, headers: &headers })?;
        Some((routed.dialect.name(), routed.route.endpoint.framing(), routed.route.below_prefix))
    };
    let (over_grpc, over_rest) = ("/qdrant.Points/Query", "/collections/kb/points/query");
    for content_type in ["application/grpc", "application/grpc+proto"] {
        assert_eq!(found(over_grpc, content_type), Some(("qdrant-grpc", Framing::Grpc, false)));
        assert_eq!(found(over_rest, content_type), None);
    }
    assert_eq!(found("/db/qdrant.Points/Query", "application/grpc").map(|found| found.2), Some(true));
    for content_type in ["application/json", "application/grpc-web", "application/grpc-web+proto"] {
        assert_eq!(found(over_grpc, content_type), None);
        assert_eq!(found(over_rest, content_type), Some(("qdrant", Framing::Http, false)));
    }
}

#[test]
fn a_search_goes_and_comes_back_as_a_whole() {
    let message =
        messages::SearchPoints { vector: vec![0.5], limit: 2, ..Default::default() }.encode_to_vec();
    let request = read("/qdrant.Points/Search", message.clone());
    assert_eq!(request.body(), &message);
    assert_eq!(request.intents().unwrap()[0].limit, 2);
    let rewrite = request.rewrite(&[plan(50, &["text"])]).unwrap();
    assert_eq!(rewrite.target, "/qdrant.Points/Search");
    // Two hits, of which the second one has the text that was asked for.
    let hits = "0a090a0208011d0000803f0a170a02080212110a04746578741209220772656420736561";
    let time = "110000000000000000";
    let response = Bytes::from(bytes(&format!("{hits}{time}")));
    assert!(request.page(response.slice(..response.len() - 1)).is_err(), "cut short");
    let page = request.page(response.clone()).unwrap();
    assert!(page.held_bytes() <= request.page_bytes(&response));
    let joined = page.reordered(&rewrite.strips, &[ranking([1, 0])]);
    assert_eq!(joined[..], bytes(&format!("0a040a0208020a090a0208011d0000803f{time}")));
}

#[test]
fn a_response_is_what_its_status_says() {
    let request = read("/qdrant.Points/Query", Vec::new());
    let mut head = headers("application/grpc");
    assert!(request.can_read(&head) && request.can_read(&headers("application/grpc+proto")));
    assert!(!request.can_read(&headers("text/html")));
    assert_eq!(request.verdict(StatusCode::OK, &head), Verdict::Success);
    head.insert("grpc-status", HeaderValue::from_static("13"));
    head.insert("grpc-message", HeaderValue::from_static("Inference%20error"));
    assert_eq!(request.verdict(StatusCode::OK, &head), Verdict::Rejected);
    assert_eq!(request.complaint(&head).unwrap(), b"Inference error");
}

#[test]
fn a_failure_of_ours_is_a_response_of_trailers_alone() {
    let failure = QdrantGrpc.failure(StatusCode::BAD_GATEWAY, "no response");
    assert_eq!((failure.status(), failure.body().len()), (StatusCode::OK, 0));
    assert_eq!(failure.headers()["grpc-status"], "14");
    assert_eq!(failure.headers()["grpc-message"], "no response");
}
