//! Every fault of a provider, with nothing, some and all of the scores cached: the client gets exactly what the
//! database alone would have sent, or a right rerank.

use futures_util::future::join_all;
use tokio::net::TcpListener;

use crate::harness::{Fault, Faulty, Points, QUERY, Wire};

/// Faults that are over at once, and the reason that the client reads.
const QUICK: &[(Fault, &str)] = &[
    (Fault::Status(400), "invalid_request"),
    (Fault::Status(401), "auth"),
    (Fault::Status(402), "billing"),
    (Fault::Status(404), "not_found"),
    (Fault::Status(413), "too_large"),
    (Fault::Status(422), "invalid_request"),
    (Fault::Status(429), "rate_limited"),
    (Fault::RetryAfter(30), "rate_limited"),
    (Fault::Status(500), "provider_unavailable"),
    (Fault::Status(503), "provider_unavailable"),
    (Fault::ResetBefore, "provider_unavailable"),
    (Fault::ResetInBody, "provider_unavailable"),
    (Fault::NotHttp, "provider_unavailable"),
    (Fault::TruncatedJson, "bad_response"),
    (Fault::Html, "bad_response"),
    (Fault::Empty, "bad_response"),
    (Fault::IndexOutOfRange, "bad_response"),
    (Fault::IndexTwice, "bad_response"),
    (Fault::NotANumber, "bad_response"),
    (Fault::OutOfRange, "bad_response"),
    (Fault::TooFew, "bad_response"),
    (Fault::TenThousand, "bad_response"),
    (Fault::Redirect, "bad_response"),
];

/// Faults that only the deadline ends.
const SLOW: &[(Fault, &str)] = &[(Fault::Hang, "deadline"), (Fault::SlowTrickle, "deadline")];

/// Room for all that a test does on a busy machine.
const PATIENT: &str = "rerank: { deadline: 5s }\n";

/// Each fault with its reason and the headers of the search that meets it: little time where nothing but time
/// ends the wait.
fn all() -> impl Iterator<Item = (Fault, &'static str, &'static str)> {
    let quick = QUICK.iter().map(|&(fault, reason)| (fault, reason, ""));
    quick.chain(SLOW.iter().map(|&(fault, reason)| (fault, reason, "x-rerank-deadline: 60ms\r\n")))
}

#[tokio::test]
async fn with_nothing_cached_the_database_answers() {
    join_all(all().map(|(fault, reason, headers)| async move {
        let service = Faulty::start(fault).await;
        let points = Points::before(service.addr, PATIENT).await;
        service.set_broken(true);
        points.search_with(QUERY, 3, headers).await.assert_kept(reason, 3, &format!("{fault:?}"));
        let series = format!(
            r#"rerankd_searches_total{{dialect="qdrant",operation="query",outcome="kept",reason="{reason}"}}"#
        );
        assert_eq!(points.metric(&series).await, 1.0, "{fault:?}");
    }))
    .await;
}

#[tokio::test]
async fn with_some_cached_the_database_answers() {
    join_all(all().map(|(fault, reason, headers)| async move {
        let service = Faulty::start(fault).await;
        let points = Points::before(service.addr, PATIENT).await;
        assert_eq!(points.search_with(QUERY, 2, "x-rerank-window: 10\r\n").await.ids(), [9, 8]);
        service.set_broken(true);
        points.search_with(QUERY, 3, headers).await.assert_kept(reason, 3, &format!("{fault:?}"));
    }))
    .await;
}

#[tokio::test]
async fn with_all_cached_nobody_notices() {
    join_all(all().map(|(fault, _, _)| async move {
        let service = Faulty::start(fault).await;
        let points = Points::before(service.addr, PATIENT).await;
        assert_eq!(points.search(QUERY, 3).await.ids(), [49, 48, 47]);
        service.set_broken(true);
        let found = points.search(QUERY, 3).await;
        assert_eq!((found.status(), found.ids()), ("applied", vec![49, 48, 47]), "{fault:?}");
        assert_eq!(service.calls(), 1, "{fault:?}");
    }))
    .await;
}

#[tokio::test]
async fn with_partial_scores_allowed_the_known_ones_come_first() {
    let service = Faulty::start(Fault::Status(400)).await;
    let points = Points::before(service.addr, "rerank: { partial_scores: partial }\n").await;
    points.search_with(QUERY, 2, "x-rerank-window: 3\r\n").await;
    service.set_broken(true);
    let found = points.search(QUERY, 5).await;
    assert_eq!(found.status(), "partial; reason=invalid_request");
    assert_eq!(found.ids(), [2, 1, 0, 3, 4]);
    assert_eq!(found.header("x-rerank-unscored"), Some("47"));
    points.search("nothing known", 3).await.assert_kept("invalid_request", 3, "none known");
}

#[tokio::test]
async fn a_fallback_provider_answers_for_one_that_fails_and_is_named() {
    let service = Faulty::start(Fault::Status(500)).await;
    let alone = "  lexical: { fuse: false }\nrerank: { providers: [cohere, lexical] }\n";
    let points = Points::before(service.addr, alone).await;
    service.set_broken(true);
    let found = points.search("giraffe 7", 3).await;
    assert_eq!((found.status(), found.ids()[0]), ("applied", 7));
    assert_eq!(found.header("x-rerank-provider"), Some("lexical"));
    service.set_broken(false);
    let found = points.search("giraffe 7", 3).await;
    assert_eq!((found.header("x-rerank-provider"), found.ids()[0]), (Some("cohere"), 49));
}

#[tokio::test]
async fn a_name_that_does_not_resolve_and_a_port_without_tls_keep_the_order_and_are_distinguished() {
    let plain = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = plain.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = plain.accept().await {
            Wire::new(stream).try_send("HTTP/1.1 400 Bad Request\r\n\r\n").await;
        }
    });
    // A label of more than 63 letters is no name, so no resolver is asked.
    let nowhere = format!("http://{}.test", "x".repeat(64));
    let urls = [
        ("name_not_found", nowhere),
        ("tls_not_spoken", format!("https://{port}")),
        ("connection_refused", "http://127.0.0.1:9".into()),
    ];
    for (cause, url) in urls {
        let points = Points::with(&format!("providers: {{ cohere: {{ base_url: \"{url}\" }} }}\n")).await;
        points.search(QUERY, 3).await.assert_kept("provider_unavailable", 3, &url);
        let series = |cause: &str| {
            format!("rerankd_provider_unavailable_total{{cause=\"{cause}\",provider=\"cohere\"}}")
        };
        for each in ["status", "name_not_found", "tls_not_spoken", "connection_refused", "broken"] {
            let counted = points.metric(&series(each)).await;
            assert_eq!(counted > 0.0, each == cause, "{each} at {url}: {counted}");
        }
    }
}

#[tokio::test]
async fn an_open_circuit_serves_the_database_order_and_closes_again() {
    let service = Faulty::start(Fault::Html).await;
    let settings = "{ min_calls: 3, open_for: 1ms, probes: 1 }";
    let points = Points::with(&format!(
        "providers: {{ cohere: {{ base_url: \"http://{}\", breaker: {settings} }} }}\n",
        service.addr
    ))
    .await;
    service.set_broken(true);
    for n in 0..3 {
        points.search(&format!("query {n}"), 3).await.assert_kept("bad_response", 3, "closed");
    }
    assert_eq!(points.metric(r#"rerankd_circuit_state{provider="cohere"}"#).await, 2.0);
    service.set_broken(false);
    let closed = r#"rerankd_circuit_changes_total{provider="cohere",reason="none",state="closed"}"#;
    let mut applied = false;
    while !applied {
        applied = points.search("again", 3).await.status() == "applied";
    }
    points.until(closed, 1.0).await;
}
