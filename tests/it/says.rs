//! What a caller says about reranking is done, or the response tells that it was not.

use crate::harness::{Scripted, Sidecar, header, json_of, qdrant_hits, response};

const JSON: &str = "application/json";
const BODY: &str = r#"{"query":[0.1],"limit":5,"with_payload":true}"#;

async fn sidecar() -> Sidecar {
    let database = Scripted::start(|request| {
        if request.contains("/_search") {
            let hits: Vec<String> = (0..9)
                .map(|n| {
                    format!(r#"{{"_index":"i","_id":"{n}","_score":1.0,"_source":{{"text":"giraffe {n}"}}}}"#)
                })
                .collect();
            return Some(response(200, JSON, &format!(r#"{{"hits":{{"hits":[{}]}}}}"#, hits.join(","))));
        }
        Some(response(200, JSON, &qdrant_hits(50, 100)))
    })
    .await;
    // Leaked: the database has to live as long as the test.
    let addr = Box::leak(Box::new(database)).addr;
    Sidecar::start(addr, Scripted::scoring(|_| 0.5).await, "", "").await
}

async fn status(sidecar: &Sidecar, headers: &str, rerank: &str) -> String {
    let own = if rerank.is_empty() { String::new() } else { format!(r#","rerank":{rerank}"#) };
    let body = BODY.replace("true}", &format!("true{own}}}"));
    let got = sidecar.post("/collections/docs/points/query", headers, &body).await;
    header(&got, "x-rerank-status").expect("a status").to_owned()
}

const QUERY: &str = "x-rerank-query: giraffe\r\n";

#[tokio::test]
async fn no_is_no_in_header_and_body_and_what_is_neither_sends_nothing() {
    let sidecar = sidecar().await;
    for no in ["off", "OFF", "false", "False", "0", "no", "No", " off ", "\"false\"", "on, off"] {
        let said = status(&sidecar, &format!("{QUERY}x-rerank: {no}\r\n"), "").await;
        assert_eq!(said, "kept; reason=off", "{no}");
    }
    let twice = format!("{QUERY}x-rerank: on\r\nX-Rerank: no\r\n");
    assert_eq!(status(&sidecar, &twice, "").await, "kept; reason=off");
    for no in ["false", r#"{"enabled":false}"#] {
        assert_eq!(status(&sidecar, QUERY, no).await, "kept; reason=off", "{no}");
    }
    for neither in ["maybe", "", "2", "offf"] {
        let said = status(&sidecar, &format!("{QUERY}x-rerank: {neither}\r\n"), "").await;
        assert_eq!(said, "kept; reason=malformed; ignored=x-rerank", "{neither}");
    }
    for neither in ["\"off\"", "\"maybe\"", "0", "[]", r#"{"enabled":"no"}"#] {
        assert_eq!(status(&sidecar, QUERY, neither).await, "kept; reason=malformed", "{neither}");
    }
    assert!(sidecar.service.seen().is_empty());
    for yes in ["on", "TRUE", "1", "yes"] {
        let said = status(&sidecar, &format!("{QUERY}x-rerank: {yes}\r\n"), "true").await;
        assert_eq!(said, "applied", "{yes}");
    }
}

#[tokio::test]
async fn what_means_nothing_is_reported_by_its_name() {
    let sidecar = sidecar().await;
    for (headers, rerank, reported) in [
        ("x-rerank-window: abc\r\n", "", "applied; ignored=x-rerank-window"),
        (
            "x-rerank-window: 3.5\r\nx-rerank-min-score: high\r\n",
            "",
            "applied; ignored=x-rerank-window,x-rerank-min-score",
        ),
        ("x-rerank-min-score: 2\r\n", "", "applied; ignored=x-rerank-min-score"),
        ("", r#"{"min_score":70}"#, "kept; reason=malformed"),
        ("x-rerank-deadline: soon\r\n", "", "applied; ignored=x-rerank-deadline"),
        ("x-rerank-quey: a\r\n", "", "applied; ignored=x-rerank-quey"),
        ("x-rerank-model: other\r\n", "", "applied; ignored=x-rerank-model"),
        ("x-rerank-fields: secret\r\n", "", "applied; ignored=x-rerank-fields"),
        ("x-rerank-vector: 0.1,x\r\n", "", "kept; reason=malformed; ignored=x-rerank-vector"),
        ("", r#"{"windw":3,"model":"other"}"#, "applied; ignored=rerank.windw,rerank.model"),
        ("", r#"{"a b":3,"\u00e9":1}"#, "applied; ignored=rerank.?"),
        ("", r#"{"window":"abc"}"#, "kept; reason=malformed"),
        ("", r#"{"window":"4"}"#, "applied"),
        ("x-rerank-window: 4\r\nx-rerank-deadline: 2s\r\nx-rerank-min-score: 0.1\r\n", "", "applied"),
    ] {
        assert_eq!(
            status(&sidecar, &format!("{QUERY}{headers}"), rerank).await,
            reported,
            "{headers}{rerank}"
        );
    }
    let elastic = |own: &str| format!(r#"{{"query":{{"match":{{"text":"a"}}}},{own}}}"#);
    for (own, reported) in [
        (r#""rerank":{"windw":1}"#, "applied; ignored=rerank.windw"),
        (r#""ext":{"rerank":{"windw":1}}"#, "applied; ignored=rerank.windw"),
        (r#""ext":{"rerank":"off"}"#, "kept; reason=malformed"),
        (r#""rerank":{"window":"abc"}"#, "kept; reason=malformed"),
    ] {
        let got = sidecar.post("/i/_search", "", &elastic(own)).await;
        assert_eq!(header(&got, "x-rerank-status"), Some(reported), "{own}");
    }
}

#[tokio::test]
async fn a_header_is_read_as_its_client_meant_it() {
    for (raw, meant) in [
        (&b"caf\xe9 au lait"[..], "caf\u{e9} au lait"),
        ("caf\u{e9} au lait".as_bytes(), "caf\u{e9} au lait"),
        (b"caf%C3%A9%20au%20lait", "caf\u{e9} au lait"),
        (b"caf%C3%A9+au+lait", "caf\u{e9} au lait"),
        (b"red+shoes", "red shoes"),
        (b"C++ tutorial", "C++ tutorial"),
        (b"C%2B%2B+tutorial", "C++ tutorial"),
    ] {
        let sidecar = sidecar().await;
        let length = BODY.len();
        let head = "POST /collections/docs/points/query HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx-rerank-query: ";
        let rest = format!("\r\ncontent-type: {JSON}\r\ncontent-length: {length}\r\n\r\n{BODY}");
        let got = sidecar.raw([head.as_bytes(), raw, rest.as_bytes()].concat()).await;
        assert!(String::from_utf8_lossy(&got).contains("x-rerank-status: applied\r\n"));
        assert_eq!(json_of(&sidecar.service.seen()[0])["query"], meant);
    }
}
