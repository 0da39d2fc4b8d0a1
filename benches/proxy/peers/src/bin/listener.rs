//! Listens to chats of `service`, one after the other on one connection, and prints how late the events were, as `load.lua`
//! does for requests: one line of JSON, times in microseconds.
//!
//!     listener <port> <target> <seconds>

use std::{
    env,
    io::{self, Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

use peers::delays;

const END: &[u8] = b"\r\n0\r\n\r\n";

fn main() -> io::Result<()> {
    let mut arguments = env::args().skip(1);
    let mut next = || arguments.next().unwrap_or_default();
    let (port, target, seconds) = (next(), next(), next().parse().unwrap_or(1.0));
    let port = port.parse::<u16>().map_err(io::Error::other)?;
    let body = r#"{"model":"gpt-4o-mini","stream":true,"messages":[{"role":"user","content":"a question"}]}"#;
    let request = format!(
        "POST {target} HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_nodelay(true)?;
    let (began, mut late, mut bytes) = (Instant::now(), Vec::new(), 0);
    while began.elapsed() < Duration::from_secs_f64(seconds) {
        stream.write_all(request.as_bytes())?;
        bytes += listen(&mut stream, &mut late)?;
    }
    report(began.elapsed(), bytes, late);
    Ok(())
}

/// One chat, to its end; every event comes in one piece.
fn listen(stream: &mut TcpStream, late: &mut Vec<f64>) -> io::Result<usize> {
    let (mut part, mut bytes, mut tail) = (vec![0; 64 * 1024], 0, Vec::new());
    loop {
        let read = stream.read(&mut part)?;
        if read == 0 || bytes == 0 && !part.starts_with(b"HTTP/1.1 200") {
            return Err(io::Error::other("no chat"));
        }
        delays(&part[..read], |delay| late.push(delay));
        bytes += read;
        tail.extend_from_slice(&part[..read]);
        if tail.ends_with(END) {
            return Ok(bytes);
        }
        tail.drain(..tail.len().saturating_sub(END.len()));
    }
}

fn report(took: Duration, bytes: usize, mut late: Vec<f64>) {
    late.sort_by(f64::total_cmp);
    let (count, sum) = (late.len(), late.iter().sum::<f64>());
    let part = |share: usize| late.get(count * share / 100).copied().unwrap_or(0.0);
    println!(
        r#"{{"requests":{count},"seconds":{:.6},"bytes":{bytes},"errors":0,"mean":{:.1},"p50":{:.1},"p99":{:.1}}}"#,
        took.as_secs_f64(),
        sum / count.max(1) as f64,
        part(50),
        part(99)
    );
}
