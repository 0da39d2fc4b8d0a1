//! The trace id of a search on the lines that the real binary logs about it.

use serde_json::Value;

use crate::harness::{Process, Scripted, Wire, response};

const JSON: &str = "application/json";
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const POINTS: &str = r#"{"result":{"points":[{"id":1,"score":0.2,"payload":{"text":"giraffe"}},{"id":2,"score":0.1,"payload":{"text":"okapi"}}]}}"#;

/// Two lines about one search with a rejected key: one from the rerank stack, one from the proxy.
async fn lines_of_a_search(format: &str, traceparent: &str) -> [String; 2] {
    let database = Scripted::start(|_| Some(response(200, JSON, POINTS))).await;
    let service = Scripted::start(|_| Some(response(401, JSON, "{}"))).await;
    let (upstream, provider) = (format!("http://{}", database.addr), format!("http://{}", service.addr));
    let args = [
        "--upstream",
        &upstream,
        "--listen",
        "127.0.0.1:0",
        "--admin",
        "127.0.0.1:0",
        "--log-format",
        format,
    ];
    let mut process = Process::start(&args, &[("CO_API_KEY", "sekrit"), ("CO_API_URL", &provider)]).await;
    let mut client = Wire::connect(process.listening[0]).await;
    let body = r#"{"query":[0.1],"with_payload":true}"#;
    client
        .send(format!(
            "POST /collections/docs/points/query HTTP/1.1\r\nhost: x\r\nx-rerank-query: zebra crossing\r\n{traceparent}\
             content-type: {JSON}\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        ))
        .await;
    client.message().await.expect("a response");
    let key = process.line_with("key").await;
    let kept = process.line_with("kept the database's order").await;
    assert!(kept.contains("collections") && kept.contains("\"docs\""), "{kept}");
    [key, kept]
}

#[tokio::test]
async fn every_line_of_a_traced_search_has_its_trace_id() {
    let traceparent = format!("traceparent: 00-{TRACE}-b7ad6b7169203331-01\r\n");
    for line in lines_of_a_search("json", &traceparent).await {
        let json: Value = serde_json::from_str(&line).expect("JSON");
        assert_eq!(json["trace_id"], TRACE, "{line}");
        assert!(!line.contains("zebra") && !line.contains("giraffe") && !line.contains("sekrit"), "{line}");
    }
    for line in lines_of_a_search("text", &traceparent).await {
        assert_eq!(line.matches(&format!(" trace_id=\"{TRACE}\"")).count(), 1, "{line}");
        assert!(!line.contains("zebra") && !line.contains("giraffe") && !line.contains("sekrit"), "{line}");
    }
}

#[tokio::test]
async fn a_search_without_a_trace_id_or_with_a_false_one_has_no_span() {
    for traceparent in ["", "traceparent: 00-zebra crossing-b7ad6b7169203331-01\r\n"] {
        for line in lines_of_a_search("text", traceparent).await {
            assert!(!line.contains("trace_id") && !line.contains("zebra"), "{line}");
        }
    }
}
