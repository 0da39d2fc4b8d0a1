//! A reranker of constant latency, in Cohere's shape. A thread for each connection, because a sleeping thread wakes more
//! punctually than a timer wheel of milliseconds. `GET /calls` tells how often it was asked.
//!
//!     provider <port> <microseconds>

use std::{
    env,
    fmt::Write as _,
    io::{self, Read, Write},
    net::{TcpListener, TcpStream},
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use peers::{head, json};
use serde::Deserialize;
use serde_json::value::RawValue;

static CALLS: AtomicU64 = AtomicU64::new(0);

#[derive(Deserialize)]
struct Call<'a> {
    #[serde(borrow)]
    documents: Vec<&'a RawValue>,
}

fn main() -> io::Result<()> {
    let mut numbers = env::args().skip(1).filter_map(|number| number.parse::<u64>().ok());
    let port = u16::try_from(numbers.next().unwrap_or(0)).unwrap_or(0);
    let latency = Duration::from_micros(numbers.next().unwrap_or(0));
    for stream in TcpListener::bind(("127.0.0.1", port))?.incoming() {
        let stream = stream?;
        thread::spawn(move || connection(stream, latency).ok());
    }
    Ok(())
}

fn connection(mut stream: TcpStream, latency: Duration) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let (mut buffer, mut part) = (Vec::new(), vec![0; 64 * 1024]);
    loop {
        let Some(head) = head(&buffer) else {
            let read = stream.read(&mut part)?;
            if read == 0 {
                return Ok(());
            }
            buffer.extend_from_slice(&part[..read]);
            continue;
        };
        let arrived = Instant::now();
        let (start, whole) = (head.length, head.length + head.body);
        let asks_count = head.target == "/calls";
        while buffer.len() < whole {
            let read = stream.read(&mut part)?;
            if read == 0 {
                return Ok(());
            }
            buffer.extend_from_slice(&part[..read]);
        }
        let response = if asks_count {
            json(&CALLS.load(Ordering::SeqCst).to_string())
        } else {
            CALLS.fetch_add(1, Ordering::SeqCst);
            let response = scores(&buffer[start..whole]);
            thread::sleep(latency.saturating_sub(arrived.elapsed()));
            response
        };
        buffer.drain(..whole);
        stream.write_all(&response)?;
    }
}

/// Scores that mix up the order, the same for the same number of documents.
fn scores(body: &[u8]) -> Vec<u8> {
    let count = serde_json::from_slice::<Call>(body).map_or(0, |call| call.documents.len());
    let mut response = String::from(r#"{"id":"x","results":["#);
    for index in 0..count {
        let comma = if index == 0 { "" } else { "," };
        let score = (index * 7 % count) as f64 / count as f64;
        write!(response, r#"{comma}{{"index":{index},"relevance_score":{score:.6}}}"#).ok();
    }
    response.push_str(r#"],"meta":{"billed_units":{"search_units":1}}}"#);
    json(&response)
}
