//! HTTP/2 by hand: frames that no client library would send (RFC 9113).

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const ACK: u8 = 1;

/// How a stream ended.
#[derive(Debug, PartialEq, Eq)]
pub enum End {
    /// With a response whose body has these bytes.
    ProbeResponse(Vec<u8>),
    /// By a reset, or with the whole connection.
    Reset,
}

/// One connection as a client has it.
pub struct Frames {
    stream: TcpStream,
    dead: bool,
    resets: usize,
}

impl Frames {
    pub async fn connect(addr: SocketAddr) -> Self {
        let mut stream = TcpStream::connect(addr).await.unwrap();
        stream.set_nodelay(true).unwrap();
        stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
        let mut frames = Self { stream, dead: false, resets: 0 };
        frames.send(SETTINGS, 0, 0, &[]).await;
        frames
    }

    /// The next connection of a client, as its server has it.
    pub async fn accept(socket: &tokio::net::TcpListener) -> Self {
        let (mut stream, _) = socket.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        let mut preface = [0; 24];
        stream.read_exact(&mut preface).await.unwrap();
        assert_eq!(&preface, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        let mut frames = Self { stream, dead: false, resets: 0 };
        frames.send(SETTINGS, 0, 0, &[]).await;
        frames
    }

    /// Reads until the head of that stream has come.
    pub async fn until_head(&mut self, stream: u32) {
        while let Some((kind, flags, of, payload)) = self.next().await {
            match kind {
                SETTINGS if flags & ACK == 0 => self.send(SETTINGS, ACK, 0, &[]).await,
                PING if flags & ACK == 0 => self.send(PING, ACK, 0, &payload).await,
                HEADERS if of == stream => return,
                _ => {}
            }
        }
        panic!("the connection ended");
    }

    /// Reads until the other side ends the connection; the last stream that it looks at. Acknowledges nothing.
    pub async fn until_go_away(&mut self) -> u32 {
        while let Some((kind, _, _, payload)) = self.next().await {
            if kind == GOAWAY {
                return u32::from_be_bytes(payload[..4].try_into().unwrap());
            }
        }
        panic!("the connection ended");
    }

    /// Ends the connection: streams after `last` have not been looked at.
    pub async fn go_away(&mut self, last: u32) {
        self.send(GOAWAY, 0, 0, &[&last.to_be_bytes()[..], &[0; 4]].concat()).await;
    }

    /// A request's head, each field as a literal that no table remembers (RFC 7541 §6.2.2).
    pub async fn head(&mut self, stream: u32, fields: &[(String, String)], last: bool) {
        let mut block = Vec::new();
        for (name, value) in fields {
            block.push(0);
            for text in [name, value] {
                let bytes = super::strict::bytes_of(text);
                block.push(
                    u8::try_from(bytes.len()).ok().filter(|&length| length < 127).expect("a short field"),
                );
                block.extend(bytes);
            }
        }
        let end = if last { END_STREAM } else { 0 };
        self.send(HEADERS, END_HEADERS | end, stream, &block).await;
    }

    pub async fn data(&mut self, stream: u32, bytes: &[u8], last: bool) {
        self.send(DATA, if last { END_STREAM } else { 0 }, stream, bytes).await;
    }

    /// Reads until that stream or the connection is over.
    pub async fn end(&mut self, stream: u32) -> End {
        let mut body = Vec::new();
        while let Some((kind, flags, of, payload)) = self.next().await {
            match kind {
                SETTINGS if flags & ACK == 0 => self.send(SETTINGS, ACK, 0, &[]).await,
                PING if flags & ACK == 0 => self.send(PING, ACK, 0, &payload).await,
                RST_STREAM if of == stream => return End::Reset,
                DATA if of == stream => body.extend(payload),
                _ => {}
            }
            if matches!(kind, DATA | HEADERS) && of == stream && flags & END_STREAM != 0 {
                return End::ProbeResponse(body);
            }
        }
        End::Reset
    }

    async fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let head = [&length[1..], &[kind, flags], &stream.to_be_bytes()].concat();
        // The other side may have hung up already.
        self.dead |= self.stream.write_all(&[&head, payload].concat()).await.is_err();
    }

    /// Kind, flags, stream and payload of the next frame; `None` at the end of the connection.
    async fn next(&mut self) -> Option<(u8, u8, u32, Vec<u8>)> {
        let read = async {
            let mut head = [0; 9];
            self.stream.read_exact(&mut head).await.ok()?;
            let [a, b, c, kind, flags, s @ ..] = head;
            let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
            self.stream.read_exact(&mut payload).await.ok()?;
            Some((kind, flags, u32::from_be_bytes(s) & 0x7fff_ffff, payload))
        };
        let next = tokio::time::timeout(Duration::from_secs(60), read).await.expect("no frame came")?;
        self.dead |= next.0 == GOAWAY;
        self.resets += usize::from(next.0 == RST_STREAM);
        Some(next)
    }

    /// Sends a ping and reads until it is acknowledged.
    pub async fn ping(&mut self) {
        self.send(PING, 0, 0, &[7; 8]).await;
        while let Some((kind, flags, _, payload)) = self.next().await {
            if kind == PING && flags & ACK != 0 && payload == [7; 8] {
                return;
            }
        }
        panic!("the connection ended");
    }

    /// How many streams the other side has reset so far.
    pub fn resets(&self) -> usize {
        self.resets
    }

    /// Whether the other side has given the connection up.
    pub fn is_dead(&self) -> bool {
        self.dead
    }
}
