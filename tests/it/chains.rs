//! What is meant for one provider of a chain is not meant for the next.

use crate::harness::composed::{hits, refusing, reversing};
use crate::harness::{
    Fault, Faulty, Points, Program, QUERY, Scripted, Wire, answer, header, json_of, points,
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

#[tokio::test]
async fn a_model_that_a_caller_names_is_no_model_of_the_fallback() {
    let cohere = refusing().await;
    let other = reversing().await;
    let database = Scripted::start(|request| {
        let limit = json_of(request)["limit"].as_u64().unwrap();
        Some(answer(200, JSON, &format!(r#"{{"result":{{"points":[{}]}}}}"#, hits(limit))))
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
    let got = client.message().await.expect("an answer");
    assert_eq!(json_of(&other.seen()[0])["model"], "mine", "it knows no other");
    assert_eq!(header(&got, "x-rerank-model"), Some("mine"));
}
