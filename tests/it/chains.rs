//! What is meant for one provider of a chain is not meant for the next.

use crate::harness::composed::{hits, rejecting, reversing};
use crate::harness::{
    Fault, Faulty, Points, Program, QUERY, Scripted, Wire, header, json_of, points, response,
};

const JSON: &str = "application/json";

#[tokio::test]
async fn a_floor_for_one_providers_scores_drops_no_hits_by_anothers() {
    let service = Faulty::start(Fault::Status(500)).await;
    let points =
        Points::before(service.addr, "rerank: { providers: [cohere, lexical], min_score: 0.02 }\n").await;
    service.set_broken(true);
    let found = points.search("giraffe 7", 5).await;
    assert_eq!(found.header("x-rerank-provider"), Some("lexical"));
    let floored = points.search("zebra crossing", 5).await;
    assert_eq!(floored.ids().len(), 5, "BM25 finds no word of the query in any hit; the database had five");
}

/// What the words of a collection say is learned while the provider answers, and weighs once that is down.
#[tokio::test]
async fn the_embedded_fallback_is_warm_when_the_provider_goes_down_and_cold_after_a_restart() {
    let service = Faulty::start(Fault::Status(500)).await;
    let yaml = "rerank: { providers: [cohere, lexical] }\n";
    let points = Points::before(service.addr, yaml).await;
    let learned = "rerankd_lexical_documents";
    assert_eq!(points.metric(learned).await, 0.0);
    let found = points.search("a first question", 5).await;
    assert_eq!(found.header("x-rerank-provider"), Some("cohere"));
    while points.metric(learned).await < 50.0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(points.metric(r#"rerankd_lexical_collections{state="learning"}"#).await, 1.0);
    assert!(points.metric("rerankd_lexical_bytes").await > 0.0);
    service.set_broken(true);
    let found = points.search("giraffe 7", 5).await;
    assert_eq!((found.status(), found.header("x-rerank-provider")), ("applied", Some("lexical")));
    let again = points.search("giraffe 7", 5).await;
    assert_eq!(found.ids(), again.ids(), "the same search is ranked alike");

    let restarted = Points::before(service.addr, yaml).await;
    assert_eq!(restarted.metric(learned).await, 0.0);
    let found = restarted.search("giraffe 7", 5).await;
    assert_eq!((found.ids()[0], found.header("x-rerank-provider")), (0, Some("lexical")));
}

/// Whoever sorts by the scores that are written has the order that is given.
#[tokio::test]
async fn scores_that_are_written_fall_with_the_fused_order() {
    let service = Faulty::start(Fault::Status(500)).await;
    service.set_broken(true);
    let yaml = "rerank: { providers: [cohere, lexical], score: replace }\n";
    let points = Points::before(service.addr, yaml).await;
    let scores = points.search("giraffe 7", 50).await.scores();
    assert_eq!(scores.len(), 50);
    assert!(scores.is_sorted_by(|a, b| a >= b) && scores[0] <= 1.0 && scores[49] > 0.0, "{scores:?}");
}

#[tokio::test]
async fn a_model_that_a_caller_names_is_no_model_of_the_fallback() {
    let cohere = rejecting().await;
    let other = reversing().await;
    let database = Scripted::start(|request| {
        let limit = json_of(request)["limit"].as_u64().unwrap();
        Some(response(200, JSON, &format!(r#"{{"result":{{"points":[{}]}}}}"#, hits(limit))))
    })
    .await;
    let yaml = format!(
        "listeners: [{{ listen: 127.0.0.1:0, upstream: {{ url: \"http://{}\" }} }}]\n\
         admin: {{ listen: 127.0.0.1:0 }}\n\
         rerank: {{ providers: [cohere, own], allow: {{ models: [rerank-v4.0-pro] }} }}\n\
         providers:\n  cohere: {{ base_url: \"http://{}\" }}\n\
         \x20 own: {{ kind: vllm, model: mine, base_url: \"http://{}\" }}\n",
        database.addr, cohere.addr, other.addr
    );
    let program = Program::start(&yaml, &[("CO_API_KEY", "k")]).await;
    let mut client = Wire::connect(program.addr).await;
    client.send(points::request(QUERY, 3, "x-rerank-model: rerank-v4.0-pro\r\n")).await;
    let got = client.message().await.expect("a response");
    assert_eq!(json_of(&other.seen()[0])["model"], "mine", "it knows no other");
    assert_eq!(header(&got, "x-rerank-model"), Some("mine"));
}
