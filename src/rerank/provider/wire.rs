//! A scripted server on a free loopback port, and the fixtures that it replays.

use std::{fs, net::SocketAddr, path::PathBuf, sync::Arc};

use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::mpsc,
};

/// What happens after a response was written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    Close,
    HoldOpen,
}

/// Reads one request: its head and body as text; empty at the end of the connection.
pub(super) async fn read_request(socket: &mut TcpStream) -> String {
    let mut read = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&read).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
            if body.len() >= length.unwrap_or(0) {
                return text;
            }
        }
        match socket.read(&mut chunk).await {
            Ok(n) if n > 0 => read.extend_from_slice(&chunk[..n]),
            _ => return String::new(),
        }
    }
}

/// Answers the first request of every connection as the script says; every request is sent to the test.
pub(super) async fn serve<F>(
    then: Then,
    script: impl Fn(String) -> F + Send + Sync + 'static,
) -> (SocketAddr, mpsc::UnboundedReceiver<String>)
where
    F: Future<Output = Vec<u8>> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (seen, requests) = mpsc::unbounded_channel();
    let script = Arc::new(script);
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let (seen, script) = (seen.clone(), script.clone());
            tokio::spawn(async move {
                let request = read_request(&mut socket).await;
                let _ = seen.send(request.clone());
                let _ = socket.write_all(&script(request).await).await;
                if then == Then::HoldOpen {
                    let _ = socket.read(&mut [0; 1]).await;
                }
            });
        }
    });
    (address, requests)
}

/// Answers every request with these bytes.
pub(super) async fn server(response: Vec<u8>, then: Then) -> (SocketAddr, mpsc::UnboundedReceiver<String>) {
    serve(then, move |_| std::future::ready(response.clone())).await
}

pub(super) fn http(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let mut response = format!("HTTP/1.1 {status}\r\n{headers}\r\n").into_bytes();
    response.extend_from_slice(body);
    response
}

pub(super) fn sized(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    http(status, &format!("{headers}content-length: {}\r\n", body.len()), body)
}

/// Every fixture of a folder below tests/fixtures, by name.
pub(super) fn fixtures(folder: &str) -> Vec<(String, Value)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(folder);
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|ext| ext == "json") {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            found.push((name, serde_json::from_slice(&fs::read(&path).unwrap()).unwrap()));
        }
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found
}

/// The body of a fixture's response.
pub(super) fn body(response: &Value) -> Vec<u8> {
    match (&response["body_text"], &response["body"]) {
        (Value::String(text), _) => text.clone().into_bytes(),
        (_, Value::Null) => Vec::new(),
        (_, body) => serde_json::to_vec(body).unwrap(),
    }
}

/// The headers of a fixture's response.
pub(super) fn headers(response: &Value) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in response["headers"].as_object().into_iter().flatten() {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        headers.append(name, HeaderValue::from_str(value.as_str().unwrap()).unwrap());
    }
    headers
}
