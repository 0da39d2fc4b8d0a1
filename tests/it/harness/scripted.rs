//! A server whose every response a closure makes: a rerank service, or a database that counts.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::AbortHandle;

use super::Wire;

/// Listens on a free port; stops when dropped.
pub struct Scripted {
    pub addr: SocketAddr,
    seen: Arc<Mutex<Vec<String>>>,
    task: AbortHandle,
}

impl Scripted {
    /// Answers each request with what `script` makes of its bytes, or with silence for `None`.
    pub async fn start(script: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Self {
        Self::start_bytes(move |request| script(request).map(String::into_bytes)).await
    }

    /// Like `start`, for responses that are no text.
    pub async fn start_bytes(script: impl Fn(&str) -> Option<Vec<u8>> + Send + Sync + 'static) -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = socket.local_addr().unwrap();
        let seen: Arc<Mutex<Vec<String>>> = Arc::default();
        let (script, record) = (Arc::new(script), seen.clone());
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = socket.accept().await {
                let (script, record) = (script.clone(), record.clone());
                tokio::spawn(async move {
                    let mut wire = Wire::new(stream);
                    while let Some(request) = wire.message().await {
                        let response = script(&request);
                        record.lock().unwrap().push(request);
                        if let Some(response) = response {
                            wire.try_send(response).await;
                        }
                    }
                });
            }
        })
        .abort_handle();
        Self { addr, seen, task }
    }

    /// A rerank service that scores each document by `score`.
    pub async fn scoring(score: impl Fn(&str) -> f64 + Send + Sync + 'static) -> Self {
        Self::start(move |request| {
            let documents = json_of(request)["documents"].as_array().cloned().unwrap_or_default();
            let results: Vec<Value> = documents
                .iter()
                .enumerate()
                .map(
                    |(index, text)| json!({"index": index, "relevance_score": score(text.as_str().unwrap())}),
                )
                .collect();
            Some(response(200, "application/json", &json!({"id": "r", "results": results}).to_string()))
        })
        .await
    }

    /// Elasticsearch with a hit of each of these sources in index `a`, of which it shows in `fields` what is asked for there.
    pub async fn holding(sources: Vec<Value>) -> Self {
        let of = |source: &Value, path: &str| {
            let found = source.pointer(&format!("/{}", path.replace('.', "/")));
            found.filter(|found| !found.is_null()).cloned()
        };
        Self::start(move |request| {
            let asked = json_of(request)["fields"].as_array().cloned().unwrap_or_default();
            let asked: Vec<&str> = asked.iter().filter_map(Value::as_str).collect();
            let hit = |(id, source): (usize, &Value)| {
                let listed = |value: Value| if value.is_array() { value } else { json!([value]) };
                let shown =
                    asked.iter().filter_map(|path| Some((path.to_string(), listed(of(source, path)?))));
                let shown: serde_json::Map<String, Value> = shown.collect();
                let mut hit = json!({"_index": "a", "_id": id.to_string(), "_score": 9 - id});
                match shown.is_empty() {
                    true => hit["_source"] = source.clone(),
                    false => hit["fields"] = shown.into(),
                }
                hit
            };
            let hits: Vec<Value> = sources.iter().enumerate().map(hit).collect();
            let body = json!({"hits": {"max_score": 9, "hits": hits}}).to_string();
            Some(response(200, "application/json", &body))
        })
        .await
    }

    /// Every request so far, byte for byte.
    pub fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A whole response.
pub fn response(status: u16, media_type: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status} X\r\ncontent-type: {media_type}\r\ncontent-length: {length}\r\n\r\n{body}")
}

/// What follows a message's head.
pub fn body_of(message: &str) -> &str {
    message.split_once("\r\n\r\n").map_or("", |(_, body)| body)
}

/// A message's body as JSON; null if it is none.
pub fn json_of(message: &str) -> Value {
    serde_json::from_str(body_of(message)).unwrap_or_default()
}

/// The first header of that name, of any case.
pub fn header<'a>(message: &'a str, name: &str) -> Option<&'a str> {
    let (head, _) = message.split_once("\r\n\r\n")?;
    head.lines().find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}
