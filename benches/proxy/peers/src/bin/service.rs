//! A service for embeddings and chat, in OpenAI's shape. A thread for each connection, as in the provider.
//!
//! Embeddings: responses made beforehand, in turn; with `"float"` in the request in digits, else in base64. Chat:
//! server-sent events at a steady pace, each of which says when it was sent, for `listener`.
//!
//!     service <port> <events of a chat> <microseconds between two>

use std::{
    env,
    io::{self, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use memchr::memmem;
use peers::{embeddings, event, head};

/// So many different vectors: what a proxy keeps of them is never the same twice in a row.
const VECTORS: usize = 512;
static ASKED: AtomicUsize = AtomicUsize::new(0);

/// How a chat goes.
#[derive(Clone, Copy)]
struct Pace {
    events: u64,
    every: Duration,
}

fn main() -> io::Result<()> {
    let mut numbers = env::args().skip(1).filter_map(|number| number.parse::<u64>().ok());
    let port = u16::try_from(numbers.next().unwrap_or(0)).unwrap_or(0);
    let pace = Pace {
        events: numbers.next().unwrap_or(100),
        every: Duration::from_micros(numbers.next().unwrap_or(2000)),
    };
    let made = Arc::new(embeddings(VECTORS));
    for stream in TcpListener::bind(("127.0.0.1", port))?.incoming() {
        let (stream, made) = (stream?, made.clone());
        thread::spawn(move || connection(stream, &made, pace).ok());
    }
    Ok(())
}

fn connection(mut stream: TcpStream, made: &[[Vec<u8>; 2]], pace: Pace) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let (mut buffer, mut part) = (Vec::new(), vec![0; 64 * 1024]);
    loop {
        let whole = head(&buffer).map(|head| head.length + head.body);
        let Some(whole) = whole.filter(|whole| buffer.len() >= *whole) else {
            let read = stream.read(&mut part)?;
            if read == 0 {
                return Ok(());
            }
            buffer.extend_from_slice(&part[..read]);
            continue;
        };
        if memmem::find(&buffer[..whole], b"/chat/completions ").is_some() {
            chat(&mut stream, pace)?;
        } else {
            let form = usize::from(memmem::find(&buffer[..whole], b"\"float\"").is_some());
            let turn = ASKED.fetch_add(1, Ordering::Relaxed) % made.len();
            stream.write_all(&made[turn][form])?;
        }
        buffer.drain(..whole);
    }
}

fn chat(stream: &mut TcpStream, pace: Pace) -> io::Result<()> {
    stream.write_all(
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n",
    )?;
    let mut next = Instant::now();
    for _ in 0..pace.events {
        next += pace.every;
        thread::sleep(next.saturating_duration_since(Instant::now()));
        let event = event();
        stream.write_all(format!("{:x}\r\n{event}\r\n", event.len()).as_bytes())?;
    }
    stream.write_all(b"0\r\n\r\n")
}
