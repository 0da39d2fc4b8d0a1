//! The demonstration as a stranger's program sees it that has set two addresses, and sends no text with its searches.

use std::collections::HashMap;

use rerankd::demo::{Demo, Reranked, Scorer};
use serde_json::{Value, json};

use crate::harness::Wire;

/// A running demonstration, and all that it has printed.
async fn shown() -> (Demo, String) {
    let demo = Demo::start(&HashMap::new(), Scorer::Lexical).await.unwrap();
    let mut out = Vec::new();
    let shown = demo.show(&mut out).await.unwrap();
    assert_eq!(shown.reranked, Reranked::All);
    demo.show_addresses(&mut out, &shown).unwrap();
    (demo, String::from_utf8(out).unwrap())
}

/// The address on the line that begins with `word`.
fn address<'a>(out: &'a str, word: &str) -> &'a str {
    let line = out.lines().find(|line| line.starts_with(word)).unwrap_or_else(|| panic!("{word}: {out}"));
    let url = line.split_once("http://").unwrap().1;
    &url[..url.find([',', '/', ' ']).unwrap_or(url.len())]
}

async fn post(address: &str, path: &str, body: &Value) -> (String, Value) {
    let body = body.to_string();
    let mut wire = Wire::connect(address.parse().unwrap()).await;
    let head = format!("POST {path} HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\n");
    wire.send(&format!("{head}content-length: {}\r\n\r\n{body}", body.len())).await;
    let response = wire.message().await.unwrap();
    let (head, body) = response.split_once("\r\n\r\n").unwrap();
    (head.to_ascii_lowercase(), serde_json::from_str(body).unwrap())
}

#[tokio::test]
async fn the_demo_reranks_searches_that_hold_a_vector_only_and_says_how() {
    let (demo, out) = shown().await;
    assert!(out.contains("then its vector, and no text, is asked of"), "{out}");
    assert!(out.contains("texts from (x-rerank-query-source): embedding\n"), "{out}");
    assert!(!out.contains("x-rerank-query:"), "no command needs the header: {out}");
    demo.stop().await;
}

#[tokio::test]
async fn a_program_of_ones_own_needs_the_demos_two_addresses_only() {
    let (demo, out) = shown().await;
    let text = "my sourdough does not rise";
    // As LangChain sends it by default: the tokens of the text.
    let tokens = tiktoken::get_encoding("cl100k_base").unwrap().encode(text);
    let asked = json!({ "model": "text-embedding-ada-002", "input": [tokens] });
    let (head, embedded) = post(address(&out, "embeddings"), "/openai/v1/embeddings", &asked).await;
    assert!(head.starts_with("http/1.1 200"), "{head}");
    let search = json!({ "query": embedded["data"][0]["embedding"], "limit": 3 });
    let (head, _) = post(address(&out, "proxy"), "/collections/demo/points/query", &search).await;
    assert!(head.contains("x-rerank-status: applied"), "{head}");
    assert!(head.contains("x-rerank-query-source: embedding"), "{head}");
    demo.stop().await;
}
