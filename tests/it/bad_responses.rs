//! Responses of a database that are no hits, or broken: each reaches the client unchanged.

use crate::harness::{RawServer, Scripted, Sidecar, body_of, gzip, header, request, whole};

const QUERY: &str = "/collections/docs/points/query";
const BATCH: &str = "/collections/docs/points/query/batch";
const SEARCH: &str = "/a/_search";
const MSEARCH: &str = "/a/_msearch";
const TEXT: &str = "x-rerank-query: zebra crossing\r\n";

/// The database's response to a search of each dialect comes through byte for byte, whatever it is.
async fn answered(response: &[u8], reason: &str) {
    let split = response.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
    for (target, body) in [
        (QUERY, r#"{"query":[1],"limit":3}"#),
        (QUERY, r#"{"query":[1],"limit":50,"with_payload":true}"#),
        (BATCH, r#"{"searches":[{"query":[1]}]}"#),
        (SEARCH, r#"{"query":{"match":{"a":"x"}}}"#),
        (MSEARCH, "{}\n{\"query\":{\"match\":{\"a\":\"x\"}}}\n"),
    ] {
        let database = RawServer::answering(response).await;
        let sidecar = Sidecar::start(database.addr, Scripted::scoring(|_| 0.5).await, "", "").await;
        let got = sidecar.raw(request(target, TEXT, body.as_bytes())).await;
        let shown = String::from_utf8_lossy(&got).into_owned();
        let (status, body) = (&response[..12], &response[split..]);
        assert!(got.starts_with(status) && got.ends_with(body), "{target}: {shown}");
        let head = &shown[..shown.find("\r\n\r\n").unwrap() + 4];
        assert_eq!(
            header(head, "x-rerank-status"),
            Some(format!("kept; reason={reason}").as_str()),
            "{target}: {shown}"
        );
        for line in
            String::from_utf8_lossy(&response[..split]).lines().skip(1).filter(|line| !line.is_empty())
        {
            let (name, value) = line.split_once(": ").unwrap();
            assert_eq!(header(head, name), Some(value), "{target}: {shown}");
        }
        assert_eq!(head.len() + body.len(), got.len(), "{target}: {shown}");
        assert!(sidecar.service.seen().is_empty());
    }
}

#[tokio::test]
async fn pages_that_are_no_json_pass() {
    let html = b"<html><body>login</body></html>";
    answered(&whole(200, "content-type: text/html\r\n", html), "unsupported").await;
    answered(&whole(502, "content-type: text/html\r\n", html), "upstream_error").await;
    answered(&whole(200, "content-type: application/json\r\n", html), "malformed").await;
    answered(&whole(200, "", br#"{"result":{"points":[]}}"#), "unsupported").await;
    answered(&whole(200, "content-type: application/yaml\r\n", b"---\nhits: {}\n"), "unsupported").await;
}

#[tokio::test]
async fn empty_and_odd_responses_pass() {
    let json = "content-type: application/json\r\n";
    for body in [
        "",
        "null",
        "[]",
        "{}",
        r#"{"result":null}"#,
        r#"{"hits":{"hits":{}}}"#,
        r#"{"hits":{"hits":[7]}}"#,
        "{\"a\":\"\u{7f}\\ud800\"}",
    ] {
        answered(&whole(200, json, body.as_bytes()), "malformed").await;
    }
    answered(&whole(200, json, b"{\"result\":\"\xff\"}"), "malformed").await;
    answered(&whole(503, "", b""), "upstream_error").await;
    answered(&whole(401, "www-authenticate: Basic\r\n", b"Unauthorized"), "upstream_error").await;
    answered(b"HTTP/1.1 204 No Content\r\nx-a: b\r\n\r\n", "upstream_error").await;
}

#[tokio::test]
async fn a_truncated_response_is_as_truncated_for_the_client() {
    let cut = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{\"result\":{\"points\":[{\"id\"";
    answered(cut, "upstream_error").await;
    let whole_but_no_json =
        whole(200, "content-type: application/json\r\n", b"{\"result\":{\"points\":[{\"id\"");
    answered(&whole_but_no_json, "malformed").await;
}

#[tokio::test]
async fn a_compressed_response_that_cannot_be_unpacked_passes() {
    let points = br#"{"result":{"points":[{"id":1,"score":0.5},{"id":2,"score":0.4}]}}"#;
    let good = gzip(points);
    let coded = |coding: &str| format!("content-type: application/json\r\ncontent-encoding: {coding}\r\n");
    answered(&whole(200, &coded("gzip"), &good[..good.len() - 6]), "malformed").await;
    answered(&whole(200, &coded("gzip"), points), "malformed").await;
    answered(&whole(200, &coded("lzma"), points), "unsupported").await;
    answered(&whole(200, &coded("gzip"), &gzip(b"<html>")), "malformed").await;
    answered(&whole(400, &coded("gzip"), &gzip(b"{}")), "upstream_error").await;
}

#[tokio::test]
async fn a_compressed_response_is_reranked_and_reported_uncompressed() {
    let points: Vec<String> =
        (1..3).map(|id| format!(r#"{{"id":{id},"score":0.50,"payload":{{"text":"text {id}"}}}}"#)).collect();
    let page = |a: &str, b: &str| format!(r#"{{"result":{{"points":[{a},{b}]}}}}"#);
    let body = gzip(page(&points[0], &points[1]).as_bytes());
    let headers = "content-type: application/json\r\ncontent-encoding: gzip\r\n";
    let database = RawServer::answering(whole(200, headers, &body)).await;
    let service = Scripted::scoring(|text| if text.ends_with('2') { 0.9 } else { 0.1 }).await;
    let sidecar = Sidecar::start(database.addr, service, "", "").await;
    let got = sidecar
        .post(QUERY, &format!("{TEXT}accept-encoding: gzip\r\n"), r#"{"query":[1],"with_payload":true}"#)
        .await;
    assert_eq!((header(&got, "x-rerank-status"), header(&got, "content-encoding")), (Some("applied"), None));
    assert_eq!(body_of(&got), page(&points[1], &points[0]));
    let seen = String::from_utf8(database.seen().remove(0)).unwrap();
    assert_eq!(header(&seen, "accept-encoding"), Some("identity"));
}
