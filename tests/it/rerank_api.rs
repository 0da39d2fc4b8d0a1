//! The Cohere-compatible endpoint through the whole program: callers before it, a rerank service beside it.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::rerank_api::{
    CALLERS_KEY, JSON, KEY, ask, by_length, failing, metrics, of, post, rejected, send, start, status,
};
use crate::harness::{FakeDatabase, Scripted, Wire, body_of, header, json_of, response};

#[tokio::test]
async fn scores_come_in_coheres_shape_and_a_second_time_from_the_cache() {
    let service = Scripted::start(|request| {
        let documents = json_of(request)["documents"].as_array().unwrap().len();
        let results: Vec<Value> =
            (0..documents).map(|i| json!({"index": i, "relevance_score": 0.9})).collect();
        let meta = json!({"billed_units": {"search_units": 1}});
        Some(response(200, JSON, &json!({"id": "r", "results": results, "meta": meta}).to_string()))
    })
    .await;
    let app = start(service.addr, "", "").await;
    let first = ask(&app, &of(&["a", "b"])).await;
    let mut body = json_of(&first);
    let id = body["id"].take();
    assert_eq!(
        body,
        json!({"id": null, "results": [
            {"index": 0, "relevance_score": 0.9}, {"index": 1, "relevance_score": 0.9}
        ], "meta": {
            "api_version": {"version": "2", "is_experimental": false}, "billed_units": {"search_units": 1}
        }})
    );
    assert!(body_of(&first).contains(r#""relevance_score":0.9}"#), "no digits of a 32-bit float's neighbour");
    for (name, value) in
        [("x-rerank-provider", "cohere"), ("x-rerank-model", "rerank-v3.5"), ("x-rerank-cache", "0/2")]
    {
        assert_eq!(header(&first, name), Some(value));
    }
    assert!(header(&first, "server-timing").unwrap().starts_with("rerank;dur="));

    let again = ask(&app, &of(&["b", "a"])).await;
    assert_eq!(header(&again, "x-rerank-cache"), Some("2/2"));
    assert_eq!(json_of(&again)["meta"]["billed_units"], json!({"search_units": 0}));
    assert_ne!(json_of(&again)["id"], id);
    assert_eq!(service.seen().len(), 1, "what is known is not asked for again");
}

#[tokio::test]
async fn top_n_shortens_the_response_and_every_document_is_scored() {
    let service = Scripted::scoring(by_length).await;
    let app = start(service.addr, "", "").await;
    let mut body = of(&["a", "ccc", "bb"]);
    body["top_n"] = json!(1);
    let got = json_of(&ask(&app, &body).await);
    assert_eq!(got["results"], json!([{"index": 1, "relevance_score": 0.03}]));
    assert!(json_of(&service.seen()[0])["top_n"].is_null());
    let all = ask(&app, &of(&["a", "bb"])).await;
    assert_eq!((header(&all, "x-rerank-cache"), service.seen().len()), (Some("2/2"), 1));
}

#[tokio::test]
async fn relevant_spans_are_passed_on_given_back_and_cached_with_what_was_asked_for() {
    let service = Scripted::start(|request| {
        let asked = json_of(request);
        let reported = asked["relevant_spans"]["mode"] == "enabled";
        let results: Vec<Value> = (0..asked["documents"].as_array().unwrap().len())
            .map(|at| match reported && at == 0 {
                true => {
                    let spans = json!([{"start": 8, "end": 28, "score": 0.88}, {"start": "odd"}]);
                    json!({"index": at, "relevance_score": 0.5, "relevant_spans": spans})
                }
                false => json!({"index": at, "relevance_score": 0.5}),
            })
            .collect();
        Some(response(200, JSON, &json!({"results": results}).to_string()))
    })
    .await;
    let app = start(service.addr, "", "model: rerank-v5.0-pro").await;
    let with = |model: &str, spans: Value| {
        let documents = json!(["naïve 😀 reset it in Settings", "no"]);
        json!({"model": model, "query": "q", "documents": documents, "relevant_spans": spans})
    };
    let (wanted, v5) = (json!({"mode": "enabled", "threshold": 0.2, "max_spans": 3}), "rerank-v5.0-pro");
    for calls in [1, 1] {
        let got = json_of(&ask(&app, &with(v5, wanted.clone())).await);
        let spans = json!([{"start": 8, "end": 28, "score": 0.88}]);
        assert_eq!(got["results"][0], json!({"index": 0, "relevance_score": 0.5, "relevant_spans": spans}));
        assert_eq!(got["results"][1]["relevant_spans"], json!([]));
        assert_eq!(service.seen().len(), calls, "the second time from the cache");
    }
    assert_eq!(json_of(&service.seen()[0])["relevant_spans"], wanted);
    let plain = json_of(&ask(&app, &with(v5, json!({"mode": "disabled"}))).await);
    assert_eq!(plain["results"][0], json!({"index": 0, "relevance_score": 0.5}));
    assert!(json_of(&service.seen()[1])["relevant_spans"].is_null());
    ask(&app, &with(v5, json!({"mode": "enabled"}))).await;
    assert_eq!(json_of(&service.seen()[2])["relevant_spans"], json!({"mode": "enabled"}), "other passages");

    // A model that tells none is not asked for any, and what is known of it without them is as good.
    for spans in [json!({"mode": "disabled"}), wanted] {
        let got = json_of(&ask(&app, &with("rerank-v3.5", spans.clone())).await);
        let warned = got["meta"]["warnings"].to_string().contains("relevant_spans are not returned");
        assert_eq!(warned, spans["mode"] == "enabled", "{got}");
        assert_eq!(got["results"][0], json!({"index": 0, "relevance_score": 0.5}));
    }
    assert_eq!(service.seen().len(), 4);
}

#[tokio::test]
async fn v1_gives_documents_back_and_says_what_does_nothing() {
    let service = Scripted::scoring(by_length).await;
    let app = start(service.addr, "", "").await;
    let body = json!({
        "query": "q", "documents": ["a", {"title": "t", "text": "bb"}], "return_documents": true,
        "rank_fields": ["title", "text"], "max_chunks_per_doc": 10
    });
    let got = json_of(&send(&app, &post("/base/v1/rerank", "", &body.to_string())).await);
    assert_eq!(got["results"][0]["document"], json!({"text": "bb"}));
    assert_eq!(got["results"][1], json!({"document": {"text": "a"}, "index": 0, "relevance_score": 0.01}));
    assert_eq!(got["meta"]["api_version"], json!({"version": "1"}));
    assert!(got["meta"]["warnings"][0].as_str().unwrap().starts_with("max_chunks_per_doc has no effect"));
    assert_eq!(json_of(&service.seen()[0])["documents"][1], "title: t\ntext: bb");
}

#[tokio::test]
async fn sixty_four_callers_of_the_same_are_one_call_billed_once() {
    let service = FakeDatabase::by_hand().await;
    let app = start(service.addr, "", "").await;
    let request = post("/v2/rerank", "", &of(&["a"]).to_string());
    let mut callers = Vec::new();
    for _ in 0..64 {
        let mut client = Wire::connect(app.rerank_api.unwrap()).await;
        client.send(&request).await;
        callers.push(client);
    }
    let mut call = service.connection().await;
    call.message().await.unwrap();
    let joined = r#"rerankd_provider_coalesced_total{provider="cohere"} 63"#;
    let all_wait = async { while !metrics(&app).await.contains(joined) {} };
    tokio::time::timeout(Duration::from_secs(10), all_wait).await.expect("not all callers share the call");
    let body = json!({
        "results": [{"index": 0, "relevance_score": 0.5}], "meta": {"billed_units": {"search_units": 1}}
    });
    call.send(response(200, JSON, &body.to_string())).await;
    let mut billed = 0;
    for client in &mut callers {
        let got = json_of(&client.message().await.unwrap());
        assert_eq!(got["results"], body["results"]);
        billed += got["meta"]["billed_units"]["search_units"].as_u64().unwrap();
    }
    assert_eq!(billed, 1);
}

#[tokio::test]
async fn the_next_provider_of_the_chain_scores_and_the_response_says_so() {
    let service = failing(500, "").await;
    let app = start(service.addr, "providers: [cohere, lexical]", "").await;
    let got = ask(&app, &of(&["a crossing", "a zebra crossing"])).await;
    assert_eq!((status(&got), header(&got, "x-rerank-provider")), (200, Some("lexical")));
    let body = json_of(&got);
    assert_eq!(body["results"][0]["index"], 1);
    assert_eq!(
        body["meta"]["warnings"],
        json!(["asked for rerank-v3.5, scored by bm25 of the provider lexical"])
    );
}

#[tokio::test]
async fn the_callers_own_key_goes_nowhere() {
    let service = Scripted::scoring(by_length).await;
    let app = start(service.addr, "", "").await;
    ask(&app, &of(&["a"])).await;
    let seen = &service.seen()[0];
    assert!(!seen.contains(CALLERS_KEY));
    assert_eq!(header(seen, "authorization"), Some("Bearer sekrit-key-123"));
}

#[tokio::test]
async fn a_model_goes_to_cohere_as_named_and_only_if_it_is_allowed() {
    let service = Scripted::scoring(by_length).await;
    let app = start(service.addr, "allow_models: [\"rerank-v4*\"]", "").await;
    let mut body = of(&["a"]);
    body["model"] = json!("rerank-v4.0-pro");
    let got = ask(&app, &body).await;
    assert_eq!(header(&got, "x-rerank-model"), Some("rerank-v4.0-pro"));
    assert_eq!(json_of(&service.seen()[0])["model"], "rerank-v4.0-pro");
    let own = ask(&app, &of(&["a"])).await;
    assert_eq!(header(&own, "x-rerank-cache"), Some("0/1"), "models do not mix in the cache");
    body["model"] = json!("xyz");
    assert!(rejected(&ask(&app, &body).await, 404).starts_with("model 'xyz' not found"));
    assert_eq!(service.seen().len(), 2);
}

#[tokio::test]
async fn a_model_that_cohere_does_not_know_is_the_callers_404_and_holds_nobody_off() {
    let service = Scripted::start(|request| {
        let good = r#"{"results":[{"index":0,"relevance_score":0.5}]}"#;
        let known = json_of(request)["model"] == "rerank-v3.5";
        Some(if known { response(200, JSON, good) } else { response(404, JSON, "{}") })
    })
    .await;
    let app = start(service.addr, "", "").await;
    let mut body = of(&["a"]);
    body["model"] = json!("xyz");
    assert!(rejected(&ask(&app, &body).await, 404).starts_with("model 'xyz' not found"));
    assert_eq!(status(&ask(&app, &of(&["a"])).await), 200);
}

#[tokio::test]
async fn an_open_request_is_answered_while_the_program_stops() {
    let service = FakeDatabase::by_hand().await;
    let app = start(service.addr, "", "").await;
    let mut client = Wire::connect(app.rerank_api.unwrap()).await;
    client.send(post("/v2/rerank", "", &of(&["a"]).to_string())).await;
    let mut call = service.connection().await;
    call.message().await.unwrap();
    let stopping = tokio::spawn(app.stop());
    call.send(response(200, JSON, r#"{"results":[{"index":0,"relevance_score":0.5}]}"#)).await;
    assert_eq!(status(&client.message().await.unwrap()), 200);
    stopping.await.unwrap();
}

#[tokio::test]
async fn every_request_is_counted_and_no_text_or_key_is_in_the_metrics() {
    let service = Scripted::start(|request| {
        let good = r#"{"results":[{"index":0,"relevance_score":0.5}]}"#;
        let fine = json_of(request)["documents"] == json!(["a"]);
        Some(if fine { response(200, JSON, good) } else { response(429, JSON, "{}") })
    })
    .await;
    let app = start(service.addr, "pass_on: false", "").await;
    ask(&app, &of(&["a"])).await;
    ask(&app, &of(&["b"])).await;
    ask(&app, &of(&[])).await;
    send(&app, &post("/v2/embed", "", "{}")).await;
    let text = metrics(&app).await;
    for line in [
        r#"rerankd_api_requests_total{outcome="ok",reason="none",version="v2"} 1"#,
        r#"rerankd_api_requests_total{outcome="ok",reason="none",version="v1"} 0"#,
        r#"rerankd_api_requests_total{outcome="failed",reason="rate_limited",version="v2"} 1"#,
        r#"rerankd_api_requests_total{outcome="failed",reason="auth",version="v2"} 0"#,
        r#"rerankd_api_requests_total{outcome="rejected",reason="invalid_request",version="v2"} 1"#,
        r#"rerankd_api_requests_total{outcome="rejected",reason="not_served",version="none"} 1"#,
        r#"rerankd_api_request_duration_seconds_count{outcome="rejected"} 2"#,
    ] {
        assert!(text.contains(line), "{line} not in\n{text}");
    }
    for private in [KEY, CALLERS_KEY, "zebra"] {
        assert!(!text.contains(private));
    }
}

#[tokio::test]
async fn response_headers_can_be_switched_off() {
    let service = Scripted::scoring(by_length).await;
    let app = start(service.addr, "response_headers: false", "").await;
    let got = ask(&app, &of(&["a"])).await.to_ascii_lowercase();
    assert!(!got.contains("x-rerank") && !got.contains("server-timing"), "{got}");
}
