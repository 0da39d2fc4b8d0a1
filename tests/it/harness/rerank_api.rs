//! The Cohere-compatible endpoint: the whole program with nothing else, and what its callers send and read.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path;

use rerankd::{
    app::App,
    config::{self, Flags},
};
use serde_json::{Value, json};

use super::{Scripted, Wire, header, json_of, response};

pub const KEY: &str = "sekrit-key-123";
pub const JSON: &str = "application/json";
pub const CALLERS_KEY: &str = "callers-own-key";

/// The endpoint alone, before a Cohere-shaped service at this address.
pub async fn start(service: SocketAddr, api: &str, more: &str) -> App {
    let yaml = format!(
        "admin: {{ listen: 127.0.0.1:0 }}\nrerank_api: {{ listen: 127.0.0.1:0, {api} }}\n\
         providers:\n  cohere: {{ kind: cohere, base_url: \"http://{service}\", {more} }}\n"
    );
    let env = HashMap::from([("CO_API_KEY".to_owned(), KEY.to_owned())]);
    let config = config::load(Some((Path::new("test.yaml"), &yaml)), &env, &Flags::default()).unwrap();
    App::start(&config).await.unwrap()
}

pub fn post(path: &str, headers: &str, body: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: {JSON}\r\nauthorization: Bearer {CALLERS_KEY}\r\n\
         {headers}content-length: {}\r\n\r\n{body}",
        body.len()
    )
}

pub async fn send(app: &App, request: &str) -> String {
    let mut client = Wire::connect(app.rerank_api.unwrap()).await;
    client.send(request).await;
    client.message().await.expect("a response")
}

pub async fn ask(app: &App, body: &Value) -> String {
    send(app, &post("/v2/rerank", "", &body.to_string())).await
}

pub async fn metrics(app: &App) -> String {
    let mut client = Wire::connect(app.admin).await;
    client.send("GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    client.rest().await
}

pub fn of(documents: &[&str]) -> Value {
    json!({"model": "rerank-v3.5", "query": "zebra crossing", "documents": documents})
}

pub fn status(message: &str) -> u16 {
    message.split(' ').nth(1).unwrap().parse().unwrap()
}

/// An error of Cohere's shape, with this status; gives its message.
pub fn rejected(message: &str, expected: u16) -> String {
    assert_eq!(status(message), expected, "{message}");
    assert_eq!(header(message, "content-type"), Some(JSON));
    let body = json_of(message);
    let id = body["id"].as_str().unwrap();
    assert!(id.len() == 36 && &id[14..15] == "4", "a random UUID: {id}");
    body["message"].as_str().unwrap().to_owned()
}

/// The longer a document, the better.
pub fn by_length(text: &str) -> f64 {
    text.len() as f64 / 100.0
}

/// Answers every call with this status and these headers.
pub async fn failing(status: u16, headers: &'static str) -> Scripted {
    Scripted::start(move |_| {
        let body = r#"{"id":"x","message":"quoting zebra crossing"}"#;
        Some(response(status, JSON, body).replace("\r\n\r\n", &format!("\r\n{headers}\r\n")))
    })
    .await
}
