//! What a server finds too large, through the whole stack: the rejections are those of real servers.

use std::{net::SocketAddr, time::Duration};

use serde_json::{Value, json};
use tokio::sync::mpsc::UnboundedReceiver;
use tower::ServiceExt;

use super::wire::{Then, serve, sized};
use crate::rerank::{
    ApiKey, FailureClass, HttpKind, HttpSettings, ProviderKind, ProviderSettings, RerankRequest, Reranker,
    Scores,
    test_support::{request, stack_of},
};

/// A server that shows nothing but its rerank path, and rejects more documents, or longer texts, than it takes.
async fn server(
    kind: HttpKind,
    documents: usize,
    text: usize,
    rejection: (&'static str, &'static str),
) -> (SocketAddr, UnboundedReceiver<String>) {
    let script = move |sent: String| async move {
        let Some((head, body)) = sent.split_once("\r\n\r\n").filter(|(head, _)| head.starts_with("POST "))
        else {
            return sized("404 Not Found", "", b"");
        };
        assert!(!head.is_empty());
        let body: Value = serde_json::from_str(body).unwrap();
        let name = if kind == HttpKind::Tei { "texts" } else { "documents" };
        let texts = body[name].as_array().unwrap();
        let length = |text: &Value| text.as_str().unwrap().len();
        if texts.len() > documents || texts.iter().any(|sent| length(sent) > text) {
            return sized(rejection.0, "content-type: application/json\r\n", rejection.1.as_bytes());
        }
        let score = if kind == HttpKind::Tei { "score" } else { "relevance_score" };
        let results: Vec<Value> = (0..texts.len()).map(|at| json!({"index": at, score: 0.5})).collect();
        let response = if kind == HttpKind::Tei { json!(results) } else { json!({"results": results}) };
        sized("200 OK", "", response.to_string().as_bytes())
    };
    serve(Then::Close, script).await
}

fn stack(kind: HttpKind, address: SocketAddr) -> Reranker {
    let key = if kind == HttpKind::Jina { ApiKey::Secret("k".into()) } else { ApiKey::NotNeeded };
    let mut settings = HttpSettings::at(kind, &format!("http://{address}"), key);
    settings.model = Some("m".to_owned());
    let mut provider = ProviderSettings::new("p", ProviderKind::Http(settings));
    // Were a rejection held against the provider, its circuit would open.
    provider.circuit.min_calls = 1;
    stack_of(provider).0
}

/// Fifty texts of a search, one of them this long.
fn window(search: usize, long: usize) -> RerankRequest {
    let texts: Vec<String> = (0..50)
        .map(|at| {
            if at == 17 { format!("{search}{}", "x".repeat(long)) } else { format!("text {at} of {search}") }
        })
        .collect();
    request(&texts.iter().map(String::as_str).collect::<Vec<_>>())
}

fn posts(requests: &mut UnboundedReceiver<String>) -> usize {
    let mut posts = 0;
    while let Ok(sent) = requests.try_recv() {
        posts += usize::from(sent.starts_with("POST "));
    }
    posts
}

fn scored(response: &Scores) -> usize {
    response.scores.iter().flatten().count()
}

#[tokio::test]
async fn a_window_that_was_split_is_halved_and_the_next_one_split_as_it_passes() {
    let stated = r#"{"error":"batch size 32 > maximum allowed batch size 16","error_type":"Validation"}"#;
    for (status, rejection) in [("422 Unprocessable Entity", stated), ("413 Payload Too Large", "too much")] {
        let (address, mut requests) = server(HttpKind::Tei, 16, usize::MAX, (status, rejection)).await;
        let stack = stack(HttpKind::Tei, address);
        let first = stack.clone().oneshot(window(1, 20)).await.unwrap();
        assert_eq!((scored(&first), first.failure), (50, None));
        assert!(posts(&mut requests) <= 8);
        let next = stack.clone().oneshot(window(2, 20)).await.unwrap();
        assert_eq!((scored(&next), posts(&mut requests)), (50, 4), "{rejection}");
    }
}

#[tokio::test]
async fn one_long_text_leaves_all_others_ranked_whatever_the_server_says_to_it() {
    const LLAMA: &str = r#"{"error":{"code":500,"message":"input is too large to process. increase the physical batch size","type":"server_error"}}"#;
    const COUNTED: &str = r#"{"error":{"code":500,"message":"input (30000 tokens) is too large to process. increase the physical batch size (current batch size: 512)"}}"#;
    const LOCALAI: &str = r#"{"error":{"code":500,"message":"rpc error: input is too large to process. increase the physical batch size","type":"server_error"}}"#;
    const CONTEXT: &str = r#"{"error":{"message":"This model's maximum context length is 512 tokens. However, you requested 513 tokens."}}"#;
    const INPUTS: &str =
        r#"{"error":"`inputs` must have less than 512 tokens. Given: 600","error_type":"Validation"}"#;
    for (kind, status, rejection) in [
        (HttpKind::LlamaCpp, "500 Internal Server Error", LLAMA),
        (HttpKind::LlamaCpp, "500 Internal Server Error", COUNTED),
        (HttpKind::LocalAi, "500 Internal Server Error", LOCALAI),
        (HttpKind::LocalAi, "500 Internal Server Error", "rpc error: input is too large to process"),
        (HttpKind::Vllm, "400 Bad Request", CONTEXT),
        (HttpKind::Tei, "422 Unprocessable Entity", INPUTS),
        (HttpKind::Xinference, "400 Bad Request", r#"{"detail":"[address=x] the text is too long"}"#),
        (
            HttpKind::Litellm,
            "400 Bad Request",
            r#"{"error":{"message":"litellm.ContextWindowExceededError: no"}}"#,
        ),
        (
            HttpKind::Infinity,
            "422 Unprocessable Entity",
            r#"{"detail":[{"loc":["body","documents",17],"msg":"String should have at most 2000 characters"}]}"#,
        ),
        (HttpKind::Jina, "413 Payload Too Large", ""),
    ] {
        let (address, mut requests) = server(kind, usize::MAX, 2000, (status, rejection)).await;
        let stack = stack(kind, address);
        let first = stack.clone().oneshot(window(0, 108_000)).await.unwrap();
        assert!(scored(&first) >= 49, "{kind:?} {rejection}: {first:?}");
        assert!(posts(&mut requests) <= 10, "{kind:?} {rejection}");
        for search in 1..25 {
            let next = stack.clone().oneshot(window(search, 108_000 + search)).await.unwrap();
            assert!(scored(&next) >= 49, "{kind:?} {rejection}: {next:?}");
            let parts = if kind == HttpKind::Tei { 2 } else { 1 };
            assert_eq!(posts(&mut requests), parts, "{kind:?} {rejection}: what was learned holds");
        }
    }
}

#[tokio::test]
async fn a_text_that_no_cut_helps_is_the_only_one_without_a_score() {
    let (address, mut requests) =
        server(HttpKind::LocalAi, usize::MAX, 100, ("500 X", "input is too large to process")).await;
    let stack = stack(HttpKind::LocalAi, address);
    for search in 0..25 {
        let response = stack.clone().oneshot(window(search, 108_000)).await.unwrap();
        assert_eq!((scored(&response), response.scores[17]), (49, None));
        assert_eq!(response.failure, Some(FailureClass::TooLarge));
    }
    assert!(posts(&mut requests) <= 25 + 4);
}

#[tokio::test]
async fn texts_are_cut_to_the_configured_length_before_they_are_sent() {
    for (bytes, tokens) in [(Some(2000), None), (None, Some(666)), (Some(100_000), Some(600))] {
        let (address, mut requests) =
            server(HttpKind::LlamaCpp, usize::MAX, 2000, ("500 X", "too large")).await;
        let mut settings =
            HttpSettings::at(HttpKind::LlamaCpp, &format!("http://{address}"), ApiKey::NotNeeded);
        (settings.max_bytes_per_doc, settings.max_tokens_per_doc) = (bytes, tokens);
        let (stack, _) = stack_of(ProviderSettings::new("p", ProviderKind::Http(settings)));
        let response = stack.oneshot(window(0, 108_000)).await.unwrap();
        assert_eq!((scored(&response), posts(&mut requests)), (50, 1));
        assert!(response.sent_bytes.is_some_and(|sent| sent <= 2000));
    }
}

#[tokio::test]
async fn a_window_in_more_parts_than_places_does_not_shed_itself() {
    let (address, _requests) = server(HttpKind::Tei, usize::MAX, usize::MAX, ("500 X", "")).await;
    let settings = HttpSettings::at(HttpKind::Tei, &format!("http://{address}"), ApiKey::NotNeeded);
    let mut provider = ProviderSettings::new("p", ProviderKind::Http(settings));
    provider.limits.max_concurrency = 1;
    let (stack, _) = stack_of(provider);
    let texts: Vec<String> = (0..200).map(|at| at.to_string()).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let response =
        tokio::time::timeout(Duration::from_secs(10), stack.oneshot(request(&texts))).await.unwrap();
    assert_eq!(scored(&response.unwrap()), 200);
}
