//! A database that keeps every byte that reached it, complete requests or not.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use super::strict::{self, Message, Step};

type Transcripts = Arc<Mutex<Vec<Vec<u8>>>>;

/// What to do with a request.
pub enum Reply {
    /// These bytes, and the connection stays.
    Keep(Vec<u8>),
    /// These bytes, and the connection is closed.
    Last(Vec<u8>),
}

/// Listens on a free port. Takes requests by the strictest reading only, and answers nothing after what is none.
pub struct Tap {
    pub addr: SocketAddr,
    seen: Transcripts,
    connections: Arc<Mutex<JoinSet<()>>>,
    task: JoinHandle<()>,
}

impl Tap {
    /// Answers each request as `response` says.
    pub async fn start(response: impl Fn(&Message) -> Reply + Send + Sync + 'static) -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = socket.local_addr().unwrap();
        let seen = Transcripts::default();
        let connections = Arc::new(Mutex::new(JoinSet::new()));
        let (response, record, spawn) = (Arc::new(response), seen.clone(), connections.clone());
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = socket.accept().await {
                stream.set_nodelay(true).ok();
                let (record, response) = (record.clone(), response.clone());
                let at = {
                    let mut record = record.lock().unwrap();
                    record.push(Vec::new());
                    record.len() - 1
                };
                let serve = async move { serve(stream, at, &record, &*response).await };
                spawn.lock().unwrap().spawn(serve);
            }
        });
        Self { addr, seen, connections, task }
    }

    /// Echoes method and target in `x-responses` and in the body.
    pub async fn echoing() -> Self {
        Self::start(echo).await
    }

    /// Every byte of every connection so far.
    pub fn so_far(&self) -> Vec<Vec<u8>> {
        self.seen.lock().unwrap().clone()
    }

    /// Waits until the proxy has closed all connections: every byte of every one of them.
    pub async fn finish(self) -> Vec<Vec<u8>> {
        self.task.abort();
        let mut connections = std::mem::take(&mut *self.connections.lock().unwrap());
        let all = async { while connections.join_next().await.is_some() {} };
        tokio::time::timeout(Duration::from_secs(60), all).await.expect("an upstream connection stays open");
        self.so_far()
    }
}

/// The response of an echoing database.
pub fn echo(request: &Message) -> Reply {
    let to = format!("{} {}", request.word(0), request.word(1));
    let body = if request.word(0) == "HEAD" { "" } else { to.as_str() };
    let length = body.chars().count();
    let head = format!("HTTP/1.1 200 OK\r\nx-responses: {to}\r\ncontent-length: {length}\r\n\r\n");
    Reply::Keep(strict::bytes_of(&(head + body)))
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(
    mut stream: TcpStream,
    at: usize,
    record: &Transcripts,
    response: &(dyn Fn(&Message) -> Reply + Send + Sync),
) {
    let (mut done, mut asked_at) = (0, None);
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let Ok(read @ 1..) = stream.read(&mut buffer).await else { return };
        let (steps, awaited) = {
            let mut record = record.lock().unwrap();
            record[at].extend_from_slice(&buffer[..read]);
            (steps(&record[at], &mut done), strict::awaits_100(&record[at][done..]))
        };
        for request in steps {
            let (bytes, last) = match response(&request) {
                Reply::Keep(bytes) => (bytes, false),
                Reply::Last(bytes) => (bytes, true),
            };
            if stream.write_all(&bytes).await.is_err() || last {
                return;
            }
        }
        if awaited && asked_at != Some(done) {
            asked_at = Some(done);
            stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await.ok();
        }
    }
}

/// The requests that have become complete.
fn steps(bytes: &[u8], done: &mut usize) -> Vec<Message> {
    let mut found = Vec::new();
    while let Ok(Step::Whole(message, length)) = strict::request(&bytes[*done..]) {
        *done += length;
        found.push(message);
    }
    found
}
