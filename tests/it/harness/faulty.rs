//! A rerank service that goes wrong in every way that a network and a program can.

use std::net::SocketAddr;
use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, Ordering},
};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::{Wire, json_of, response};

/// What happens to a call.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fault {
    Status(u16),
    RetryAfter(u64),
    ResetBefore,
    ResetInBody,
    Hang,
    SlowTrickle,
    NotHttp,
    TruncatedJson,
    Html,
    Empty,
    IndexOutOfRange,
    IndexTwice,
    NotANumber,
    OutOfRange,
    TooFew,
    TenThousand,
    Redirect,
}

/// Scores well, or goes wrong in one way, as it is switched.
pub struct Faulty {
    pub addr: SocketAddr,
    broken: Arc<AtomicBool>,
    seen: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Faulty {
    pub async fn start(fault: Fault) -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = socket.local_addr().unwrap();
        let (broken, seen) = (Arc::new(AtomicBool::new(false)), Arc::<Mutex<Vec<String>>>::default());
        let shared = (broken.clone(), seen.clone());
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = socket.accept().await {
                let (broken, seen) = shared.clone();
                tokio::spawn(async move {
                    let mut wire = Wire::new(stream);
                    while let Some(request) = wire.message().await {
                        seen.lock().unwrap().push(request.clone());
                        let fault = broken.load(Ordering::SeqCst).then_some(fault);
                        if !reply(&mut wire, &request, fault).await {
                            return;
                        }
                    }
                });
            }
        });
        Self { addr, broken, seen, task }
    }

    pub fn set_broken(&self, broken: bool) {
        self.broken.store(broken, Ordering::SeqCst);
    }

    pub fn calls(&self) -> usize {
        self.seen.lock().unwrap().len()
    }

    /// Every call so far, byte for byte.
    pub fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

impl Drop for Faulty {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Whether the connection goes on.
async fn reply(wire: &mut Wire, request: &str, fault: Option<Fault>) -> bool {
    let results = good(request);
    let json = |results: &Value| response(200, "application/json", &json!({"results": results}).to_string());
    let Some(fault) = fault else {
        wire.try_send(json(&Value::from(results))).await;
        return true;
    };
    let count = results.len();
    let bytes = match fault {
        Fault::Status(status) => response(status, "application/json", r#"{"message":"no"}"#),
        Fault::RetryAfter(seconds) => response(429, "application/json", "{}")
            .replace("content-type", &format!("retry-after: {seconds}\r\ncontent-type")),
        Fault::ResetBefore => return false,
        Fault::ResetInBody => {
            let whole = json(&Value::from(results));
            wire.try_send(&whole[..whole.len() - 20]).await;
            return false;
        }
        Fault::Hang => {
            wire.rest().await;
            return false;
        }
        Fault::SlowTrickle => {
            let whole = json(&Value::from(results));
            for byte in whole.as_bytes() {
                wire.try_send([*byte]).await;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            return false;
        }
        Fault::NotHttp => "SSH-2.0-OpenSSH\r\n\r\n".to_owned(),
        Fault::TruncatedJson => response(200, "application/json", r#"{"results":[{"index":0,"rel"#),
        Fault::Html => response(200, "text/html", "<html>gateway</html>"),
        Fault::Empty => response(200, "application/json", ""),
        Fault::IndexOutOfRange => json(&changed(results, 0, "index", json!(count))),
        Fault::IndexTwice => json(&changed(results, 0, "index", json!(1))),
        Fault::NotANumber => {
            json(&changed(results, 0, "relevance_score", Value::Null)).replace("null", "NaN ")
        }
        Fault::OutOfRange => json(&changed(results, 0, "relevance_score", json!(7.5))),
        Fault::TooFew => json(&Value::from(&results[1..])),
        Fault::TenThousand => {
            json(&(0..10_000).map(|index| json!({"index": index, "relevance_score": 0.5})).collect())
        }
        Fault::Redirect => response(307, "text/plain", "")
            .replace("content-type", "location: http://127.0.0.1:9/\r\ncontent-type"),
    };
    wire.try_send(bytes).await;
    true
}

/// The later a point comes in the database's order, the better.
fn good(request: &str) -> Vec<Value> {
    let documents = json_of(request)["documents"].as_array().cloned().unwrap_or_default();
    let score =
        |text: &Value| text.as_str().unwrap().rsplit(' ').next().unwrap().parse::<f64>().unwrap() / 1e3;
    documents
        .iter()
        .enumerate()
        .map(|(index, text)| json!({"index": index, "relevance_score": score(text)}))
        .collect()
}

fn changed(mut results: Vec<Value>, at: usize, member: &str, value: Value) -> Value {
    results[at][member] = value;
    Value::from(results)
}
