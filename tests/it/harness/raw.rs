//! A server of bytes: what it gets and what it says need be neither text nor well-formed.

use std::{
    io::Write,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::AbortHandle,
};

/// Gives every request the same bytes and hangs up. Stops when dropped.
pub struct RawServer {
    pub addr: SocketAddr,
    seen: Arc<Mutex<Vec<Vec<u8>>>>,
    task: AbortHandle,
}

impl RawServer {
    pub async fn answering(response: impl Into<Vec<u8>>) -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = socket.local_addr().unwrap();
        let seen: Arc<Mutex<Vec<Vec<u8>>>> = Arc::default();
        let (record, response) = (seen.clone(), Arc::new(response.into()));
        let task = tokio::spawn(async move {
            while let Ok((mut stream, _)) = socket.accept().await {
                let (record, response) = (record.clone(), response.clone());
                tokio::spawn(async move {
                    if let Some(request) = read_request(&mut stream).await {
                        record.lock().unwrap().push(request);
                        stream.write_all(&response).await.ok();
                    }
                });
            }
        })
        .abort_handle();
        Self { addr, seen, task }
    }

    /// Every request so far.
    pub fn seen(&self) -> Vec<Vec<u8>> {
        self.seen.lock().unwrap().clone()
    }

    /// The body of the last request.
    pub fn last_body(&self) -> Vec<u8> {
        let seen = self.seen();
        let last = seen.last().expect("a request");
        last[end_of_head(last).expect("a head")..].to_vec()
    }
}

impl Drop for RawServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn end_of_head(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4)
}

/// A request framed by its content-length, or without a body.
async fn read_request(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut whole = usize::MAX;
    while bytes.len() < whole {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
        if let (usize::MAX, Some(head)) = (whole, end_of_head(&bytes)) {
            let text = String::from_utf8_lossy(&bytes[..head]).to_ascii_lowercase();
            let length = text
                .split("content-length: ")
                .nth(1)
                .and_then(|rest| rest.split("\r\n").next()?.parse().ok());
            whole = head + length.unwrap_or(0);
        }
    }
    Some(bytes)
}

/// A `POST` of these bytes as JSON, on a connection that is to be closed; header lines with their ends.
pub fn request(target: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "POST {target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}content-type: application/json\r\n\
         content-length: {length}\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}

/// A response of these bytes; header lines with their ends.
pub fn whole(status: u16, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status} X\r\n{headers}content-length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

/// The bytes, compressed.
pub fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}
