//! One end of a connection, byte for byte. Every wait ends after ten seconds with a panic.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use super::strict::{self, Message, Step};

const GUARD: Duration = Duration::from_secs(60);

/// TCP, or TLS over it.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// A connection and what was read from it beyond what was asked for.
pub struct Wire {
    stream: Box<dyn Stream>,
    /// Where it goes, if it is TCP alone.
    peer: Option<SocketAddr>,
    buffer: Vec<u8>,
}

impl Wire {
    pub fn new(stream: TcpStream) -> Self {
        stream.set_nodelay(true).unwrap();
        let peer = stream.peer_addr().ok();
        Self { peer, ..Self::over(stream) }
    }

    pub fn over(stream: impl Stream + 'static) -> Self {
        Self { stream: Box::new(stream), peer: None, buffer: Vec::new() }
    }

    /// Where it goes, if it is TCP alone.
    pub fn peer(&self) -> Option<SocketAddr> {
        self.peer
    }

    pub async fn connect(addr: SocketAddr) -> Self {
        Self::new(TcpStream::connect(addr).await.unwrap())
    }

    /// Of which the kernel takes little before it is read.
    pub async fn connect_narrow(addr: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(16 << 10).unwrap();
        Self::new(socket.connect(addr).await.unwrap())
    }

    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.unwrap();
    }

    /// Like `send`, where the other side may have hung up already.
    pub async fn try_send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.ok();
    }

    /// More bytes into the buffer; false at the end.
    async fn fill(&mut self) -> bool {
        let read = tokio::time::timeout(GUARD, self.stream.read_buf(&mut self.buffer)).await;
        let Ok(read) = read else {
            panic!("nothing came; so far: {:?}", String::from_utf8_lossy(&self.buffer))
        };
        read.unwrap_or(0) > 0
    }

    /// Everything up to and with `end`; `None` if the connection ends first.
    pub async fn try_until(&mut self, end: &[u8]) -> Option<String> {
        Some(String::from_utf8_lossy(&self.try_until_bytes(end).await?).into_owned())
    }

    /// The same, byte for byte.
    pub async fn try_until_bytes(&mut self, end: &[u8]) -> Option<Vec<u8>> {
        loop {
            if let Some(at) = self.buffer.windows(end.len()).position(|window| window == end) {
                let rest = self.buffer.split_off(at + end.len());
                return Some(std::mem::replace(&mut self.buffer, rest));
            }
            if !self.fill().await {
                return None;
            }
        }
    }

    pub async fn until(&mut self, end: &str) -> String {
        match self.try_until(end.as_bytes()).await {
            Some(found) => found,
            None => panic!("ended before {end:?}: {:?}", String::from_utf8_lossy(&self.buffer)),
        }
    }

    /// A message's head with its empty line.
    pub async fn head(&mut self) -> String {
        self.until("\r\n\r\n").await
    }

    pub async fn exactly(&mut self, length: usize) -> String {
        String::from_utf8(self.bytes(length).await).unwrap()
    }

    pub async fn bytes(&mut self, length: usize) -> Vec<u8> {
        while self.buffer.len() < length {
            assert!(self.fill().await, "ended early: {:?}", String::from_utf8_lossy(&self.buffer));
        }
        let rest = self.buffer.split_off(length);
        std::mem::replace(&mut self.buffer, rest)
    }

    /// Everything until the other side closes.
    pub async fn rest(&mut self) -> String {
        String::from_utf8_lossy(&self.rest_bytes().await).into_owned()
    }

    /// The same, byte for byte.
    pub async fn rest_bytes(&mut self) -> Vec<u8> {
        while self.fill().await {}
        std::mem::take(&mut self.buffer)
    }

    /// What has come already.
    pub fn so_far(&mut self) -> String {
        while self
            .stream
            .read_buf(&mut self.buffer)
            .now_or_never()
            .is_some_and(|read| read.is_ok_and(|n| n > 0))
        {}
        String::from_utf8_lossy(&self.buffer).into_owned()
    }

    /// Waits until nobody listens any more where this connection was made.
    pub async fn until_rejected(&self) {
        let addr = self.peer.expect("a TCP connection");
        while TcpStream::connect(addr).await.is_ok() {
            tokio::task::yield_now().await;
        }
    }

    /// Tells the other side that nothing more will be sent.
    pub async fn end(&mut self) {
        self.stream.shutdown().await.ok();
    }

    /// The next response that is not an interim one; `bodiless` if it is to a HEAD request. `None` if the
    /// connection ends before it is complete.
    pub async fn response(&mut self, bodiless: bool) -> Option<Message> {
        let mut ended = false;
        loop {
            match strict::response(&self.buffer, bodiless, ended).unwrap() {
                Step::Whole(message, length) => {
                    self.buffer.drain(..length);
                    if !message.word(1).starts_with('1') {
                        return Some(message);
                    }
                }
                Step::Partial if ended => return None,
                Step::Partial => ended = !self.fill().await,
            }
        }
    }

    /// A whole request or response, framed by its own headers; `None` if the connection ends before its head.
    pub async fn message(&mut self) -> Option<String> {
        let head = self.try_until(b"\r\n\r\n").await?;
        let lower = head.to_ascii_lowercase();
        let length = lower.split("content-length: ").nth(1).map(|rest| {
            rest.split("\r\n").next().unwrap_or_default().parse::<usize>().expect("a content-length")
        });
        let body = match length {
            Some(length) => self.exactly(length).await,
            None if lower.contains("transfer-encoding: chunked") => self.chunks().await,
            None => String::new(),
        };
        Some(head + &body)
    }

    /// A chunked body as it is on the wire, with its trailers.
    pub async fn chunks(&mut self) -> String {
        let mut raw = String::new();
        loop {
            let line = self.until("\r\n").await;
            let size = usize::from_str_radix(line.trim_end(), 16).expect("a chunk size");
            raw += &line;
            if size == 0 {
                break;
            }
            raw += &self.exactly(size + 2).await;
        }
        loop {
            let line = self.until("\r\n").await;
            raw += &line;
            if line == "\r\n" {
                return raw;
            }
        }
    }
}
