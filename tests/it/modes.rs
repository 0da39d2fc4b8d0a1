//! What decides whether and when a search is reranked: shadow, sample, margin, budgets, callers who leave.

use futures_util::future::join_all;

use crate::harness::{Fault, Faulty, Points, QUERY, Wire, body_of, header, json_of, points};

#[tokio::test]
async fn in_shadow_the_client_gets_the_databases_own_response_and_the_rerank_is_measured_behind_it() {
    let service = Faulty::start(Fault::Hang).await;
    let points = Points::before(service.addr, "rerank: { mode: shadow }\n").await;
    points.search(QUERY, 3).await.assert_kept("shadow", 3, "shadow");
    points.until(r#"rerankd_hit_displacement_count{mode="shadow"}"#, 1.0).await;
    let shadow = r#"rerankd_shadow_searches_total{dialect="qdrant",operation="query",outcome="applied",reason="none"}"#;
    assert_eq!(points.metric(shadow).await, 1.0);
    assert_eq!(points.metric(r#"rerankd_hit_displacement_count{mode="on"}"#).await, 0.0);
    let asked: Vec<u64> =
        points.database.seen().iter().map(|r| json_of(r)["limit"].as_u64().unwrap()).collect();
    assert_eq!(asked, [3, 50], "first as the client asked, then behind it the window");
    assert_eq!(json_of(&service.seen()[0])["priority"], 999);
}

#[tokio::test]
async fn in_shadow_a_provider_that_hangs_keeps_nobody_waiting() {
    let service = Faulty::start(Fault::Hang).await;
    service.set_broken(true);
    let points = Points::before(service.addr, "rerank: { mode: shadow, shadow_deadline: 30ms }\n").await;
    points.search(QUERY, 3).await.assert_kept("shadow", 3, "shadow");
    let late = r#"rerankd_shadow_searches_total{dialect="qdrant",operation="query",outcome="kept",reason="deadline"}"#;
    points.until(late, 1.0).await;
}

#[tokio::test]
async fn a_sample_is_sticky_by_query() {
    let service = Faulty::start(Fault::Hang).await;
    let points = Points::before(service.addr, "rerank: { sample: 50% }\n").await;
    let mut applied = 0;
    for n in 0..40 {
        let query = format!("query {n}");
        let first = points.search(&query, 3).await;
        let again = points.search(&query, 3).await;
        assert_eq!(first.status(), again.status(), "the same query falls alike");
        match first.status() {
            "applied" => applied += 1,
            status => assert_eq!(status, "kept; reason=not_sampled"),
        }
    }
    assert!((5..=35).contains(&applied), "about half of 40: {applied}");
}

#[tokio::test]
async fn kinds_of_queries_that_are_to_be_skipped_cost_no_call() {
    let service = Faulty::start(Fault::Hang).await;
    let skipping = "rerank: { skip_when: { identifiers: true, phrases: true, questions: true, words: 1, \
                    words_over: 6, patterns: ['site:*'] } }\n";
    let points = Points::before(service.addr, skipping).await;
    let long = "my bank card is lost or stolen";
    for query in ["SKU-4711", "\"bank card\"", "bank", "site:a.org bank card", "what is lost?", long] {
        points.search(query, 3).await.assert_kept("skipped", 3, query);
    }
    assert_eq!(service.calls(), 0);
    assert_eq!(points.search(QUERY, 3).await.status(), "applied");
    let points = Points::before(service.addr, "").await;
    assert_eq!(points.search("SKU-4711", 3).await.status(), "applied", "off by default");
}

#[tokio::test]
async fn a_best_hit_that_leads_by_far_saves_the_call() {
    let service = Faulty::start(Fault::Hang).await;
    // The points' scores fall evenly, so the best of 50 leads by a forty-ninth of their range.
    let points = Points::before(service.addr, "rerank: { margin_gate: 0.02 }\n").await;
    points.search(QUERY, 3).await.assert_kept("margin", 3, "over the gate");
    assert_eq!(service.calls(), 0);
    let points = Points::before(service.addr, "rerank: { margin_gate: 0.03 }\n").await;
    assert_eq!(points.search(QUERY, 3).await.status(), "applied");
}

#[tokio::test]
async fn sixty_four_clients_with_one_query_are_one_call() {
    let service = Faulty::start(Fault::Hang).await;
    let points = Points::before(service.addr, "rerank: { deadline: 10s }\n").await;
    let found = join_all((0..64).map(|_| points.search(QUERY, 3))).await;
    assert!(found.iter().all(|found| found.ids() == [49, 48, 47]));
    assert_eq!(service.calls(), 1);
}

#[tokio::test]
async fn a_call_that_its_caller_has_left_fills_the_cache() {
    let service = Faulty::start(Fault::SlowTrickle).await;
    service.set_broken(true);
    // Trickling takes nearly five seconds, the time of one call unless told otherwise.
    let points = Points::with(&format!(
        "rerank: {{ window: 2 }}\nproviders: {{ cohere: {{ base_url: \"http://{}\", timeout: 60s }} }}\n",
        service.addr
    ))
    .await;
    let hasty = "x-rerank-deadline: 20ms\r\n";
    points.search_with(QUERY, 2, hasty).await.assert_kept("deadline", 2, "too hasty");
    points.until(r#"rerankd_provider_background_calls_total{provider="cohere"}"#, 1.0).await;
    let found = points.search(QUERY, 2).await;
    assert_eq!((found.status(), found.ids()), ("applied", vec![1, 0]));
    assert_eq!((service.calls(), found.header("x-rerank-cache")), (1, Some("2/2")));
}

#[tokio::test]
async fn a_spent_budget_keeps_the_order_and_what_is_cached_is_still_free() {
    let service = Faulty::start(Fault::Hang).await;
    let points = Points::with(&format!(
        "providers: {{ cohere: {{ base_url: \"http://{}\", max_search_units_per_day: 2 }} }}\n",
        service.addr
    ))
    .await;
    let left = r#"rerankd_spend_left{provider="cohere",unit="search_units",window="day"}"#;
    assert_eq!(points.metric(left).await, 2.0);
    for query in ["one", "two"] {
        assert_eq!(points.search(query, 3).await.status(), "applied");
    }
    assert_eq!(points.metric(left).await, 0.0);
    points.search("three", 3).await.assert_kept("budget", 3, "spent");
    assert_eq!(points.search("one", 3).await.status(), "applied");
    assert_eq!(points.metric(r#"rerankd_provider_shed_total{provider="cohere",reason="budget"}"#).await, 1.0);
}

#[tokio::test]
async fn one_search_stays_within_its_search_units() {
    let service = Faulty::start(Fault::Hang).await;
    let points = Points::with(&format!(
        "rerank: {{ window: 110 }}\nproviders: {{ cohere: {{ base_url: \"http://{}\", \
         max_search_units_per_search: 1 }} }}\n",
        service.addr
    ))
    .await;
    let found = points.search(QUERY, 3).await;
    assert_eq!((found.ids(), found.header("x-rerank-unscored")), (vec![99, 98, 97], Some("10")));
    assert_eq!(json_of(&service.seen()[0])["documents"].as_array().unwrap().len(), 100);
}

#[tokio::test]
async fn a_429_pauses_the_provider_for_every_client() {
    let service = Faulty::start(Fault::RetryAfter(30)).await;
    let points = Points::before(service.addr, "").await;
    service.set_broken(true);
    points.search("one", 3).await.assert_kept("rate_limited", 3, "rejected");
    service.set_broken(false);
    points.search("two", 3).await.assert_kept("rate_limited", 3, "not asked");
    assert_eq!(service.calls(), 1);
}

#[tokio::test]
async fn a_client_that_hangs_up_leaves_nothing_in_flight() {
    let service = Faulty::start(Fault::Hang).await;
    service.set_broken(true);
    let points = Points::with(&format!(
        "rerank: {{ deadline: 60s }}\n\
         providers: {{ cohere: {{ base_url: \"http://{}\", finish_in_background: false }} }}\n",
        service.addr
    ))
    .await;
    let in_flight = r#"rerankd_provider_calls_in_flight{provider="cohere"}"#;
    let mut client = Wire::connect(points.program.addr).await;
    client.send(points::request(QUERY, 3, "")).await;
    points.until(in_flight, 1.0).await;
    drop(client);
    let gone = async { while points.metric(in_flight).await > 0.0 {} };
    tokio::time::timeout(std::time::Duration::from_secs(10), gone).await.expect("the call ends");
}

#[tokio::test]
async fn the_time_that_a_client_gives_the_database_bounds_the_rerank_too() {
    let service = Faulty::start(Fault::Hang).await;
    service.set_broken(true);
    let points = Points::before(service.addr, "rerank: { deadline: 60s }\n").await;
    let mut client = Wire::connect(points.program.addr).await;
    let request = points::request(QUERY, 3, "").replace("/points/query", "/points/query?timeout=1");
    client.send(request).await;
    let response = client.message().await.unwrap();
    assert_eq!(header(&response, "x-rerank-status"), Some("kept; reason=deadline"));
    assert!(body_of(&response).contains(r#""id" : 2"#));
}

#[tokio::test]
async fn no_time_that_a_client_gives_the_database_is_too_long_for_a_response() {
    let service = Faulty::start(Fault::Hang).await;
    let points = Points::before(service.addr, "").await;
    let mut client = Wire::connect(points.program.addr).await;
    let request =
        points::request(QUERY, 3, "").replace("/points/query", "/points/query?timeout=18446744073709551615");
    client.send(request).await;
    let response = client.message().await.expect("a response");
    assert_eq!(header(&response, "x-rerank-status"), Some("applied"));
}

#[tokio::test]
async fn calls_that_never_reached_the_provider_spend_nothing() {
    let points = Points::with(
        "providers: { cohere: { base_url: \"http://127.0.0.1:9\", max_search_units_per_day: 2 } }\n",
    )
    .await;
    for _ in 0..2 {
        points.search(QUERY, 3).await.assert_kept("provider_unavailable", 3, "unreachable");
    }
    let left = r#"rerankd_spend_left{provider="cohere",unit="search_units",window="day"}"#;
    assert_eq!(points.metric(left).await, 2.0);
}
