//! Searches that are not ranked: passed on as they came, their responses streamed; and the proxy's own members stay with
//! the proxy all the same.

use crate::harness::{
    FakeDatabase, Program, Scripted, Sidecar, Wire, body_of, header, qdrant_hits, response,
};

const JSON: &str = "application/json";
const OFF: &str = "x-rerank: off\r\n";

async fn database() -> Scripted {
    Scripted::start(|_| Some(response(200, JSON, &qdrant_hits(5, 10)))).await
}

async fn sidecar(database: &Scripted, more: &str) -> Sidecar {
    Sidecar::start(database.addr, Scripted::scoring(|_| 0.5).await, "", more).await
}

#[tokio::test]
async fn what_its_client_wants_unranked_reaches_the_database_unread() {
    let database = database().await;
    let sidecar = sidecar(&database, "").await;
    let ours = format!("x-rerank-query: giraffe\r\n{OFF}");
    for target in
        ["/collections/a/points/query", "/collections/a/points/query/groups?timeout=3", "/a/_search?q=b"]
    {
        for body in [r#"{ "query":[0.1],"limit": 5 }"#, "", "no JSON at all", r#"{"a":1,"a":2}"#] {
            let got = sidecar.post(target, &ours, body).await;
            assert_eq!(header(&got, "x-rerank-status"), Some("kept; reason=off"), "{target} {body}");
            assert!(got.ends_with(&qdrant_hits(5, 10)), "{got}");
            let seen = database.seen().pop().unwrap();
            assert!(seen.starts_with(&format!("POST {target} HTTP/1.1\r\n")), "{seen}");
            assert_eq!(body_of(&seen), body);
            assert!(!seen.contains("rerank"), "{seen}");
        }
    }
    let counted =
        r#"rerankd_searches_total{dialect="qdrant",operation="query",outcome="kept",reason="off"} 4"#;
    let metrics = sidecar.metrics().await;
    assert!(metrics.contains(counted), "{metrics}");
    assert!(sidecar.service.seen().is_empty());
}

#[tokio::test]
async fn own_members_stay_with_the_proxy_whoever_has_switched_it_off() {
    let database = database().await;
    let off = "routes: [{ collection: secret, mode: off }]\n";
    let sidecar = sidecar(&database, off).await;
    for (target, headers) in [
        ("/collections/a/points/query", OFF),
        ("/collections/secret/points/query", ""),
        ("/a/_search", OFF),
        ("/secret/_search", ""),
    ] {
        for own in [r#""rerank":{"query":"giraffe"}"#, r#""r\u0065rank":{"query":"giraffe"}"#] {
            let got = sidecar.post(target, headers, &format!(r#"{{"limit":5,{own}}}"#)).await;
            assert_eq!(header(&got, "x-rerank-status"), Some("kept; reason=off"), "{target} {own}");
            assert_eq!(body_of(&database.seen().pop().unwrap()), r#"{"limit":5}"#, "{target} {own}");
        }
    }
    let batch = r#"{"searches":[{"limit":1,"rerank":{}},{"limit":2}]}"#;
    sidecar.post("/collections/a/points/query/batch", OFF, batch).await;
    assert_eq!(body_of(&database.seen().pop().unwrap()), r#"{"searches":[{"limit":1},{"limit":2}]}"#);
    let metrics = sidecar.metrics().await;
    let each =
        r#"rerankd_searches_total{dialect="qdrant",operation="query_batch",outcome="kept",reason="off"} 2"#;
    assert!(metrics.contains(each), "each search of a batch is counted: {metrics}");
}

#[tokio::test]
async fn the_searches_of_an_excluded_collection_are_passed_on_unread() {
    let database = database().await;
    let sidecar = sidecar(&database, "routes: [{ collection: \"secret*\", mode: off }]\n").await;
    let got =
        sidecar.post("/collections/secrets/points/query", "x-rerank-query: giraffe\r\n", "no JSON").await;
    assert_eq!(header(&got, "x-rerank-status"), Some("kept; reason=off"));
    assert_eq!(body_of(&database.seen().pop().unwrap()), "no JSON");
    let got = sidecar.post("/collections/a/points/query", "x-rerank-query: giraffe\r\n", "no JSON").await;
    assert_eq!(header(&got, "x-rerank-status"), Some("kept; reason=malformed"));
}

#[tokio::test]
async fn what_a_search_asks_for_in_vain_is_said_where_it_is_not_ranked_too() {
    let database = database().await;
    let sidecar = sidecar(&database, "").await;
    let headers = format!("{OFF}x-rerank-model: other\r\nx-rerank-quey: a\r\n");
    let got = sidecar.post("/collections/a/points/query", &headers, r#"{"query":[0.1]}"#).await;
    let said = "kept; reason=off; ignored=x-rerank-quey,x-rerank-model";
    assert_eq!(header(&got, "x-rerank-status"), Some(said));
}

#[tokio::test]
async fn a_response_that_is_not_ranked_is_streamed() {
    let database = FakeDatabase::by_hand().await;
    let program = Program::before(database.addr, "").await;
    let mut client = program.client().await;
    let mut upstream: Option<Wire> = None;
    // Switched off; without a text.
    for headers in [OFF, ""] {
        let body = r#"{"query":[0.1]}"#;
        client
            .send(format!(
                "POST /collections/a/points/query HTTP/1.1\r\nhost: x\r\n{headers}content-length: {}\r\n\r\n{body}",
                body.len()
            ))
            .await;
        let upstream = match &mut upstream {
            Some(open) => open,
            none => none.insert(database.connection().await),
        };
        upstream.message().await.unwrap();
        upstream
            .send("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{\"r\"")
            .await;
        assert!(client.head().await.starts_with("HTTP/1.1 200 OK\r\n"));
        assert_eq!(client.exactly(4).await, "{\"r\"");
        upstream.send(":[] }").await;
        assert_eq!(client.exactly(5).await, ":[] }");
    }
}
