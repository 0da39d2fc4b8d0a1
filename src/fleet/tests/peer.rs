//! A Redis of a few lines, whose misbehaviour a test scripts.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::FutureExt;
use redis::{AsyncConnectionConfig, RedisConnectionInfo, aio::MultiplexedConnection};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::fleet::{Connection, Failure, lane::Dial};

/// What to do with one command.
pub(crate) enum Act {
    /// As Redis would.
    Serve,
    /// As Redis would, after this time.
    Late(Duration),
    /// Nothing more on this connection.
    Hang,
    /// These bytes.
    Say(&'static str),
    /// End the connection.
    Close,
}

type Script = Box<dyn Fn(&[Vec<u8>]) -> Act + Send>;

/// The server behind any number of connections.
pub(crate) struct Peer {
    script: Mutex<Script>,
    pub(crate) store: Mutex<HashMap<Vec<u8>, Vec<u8>>>,
    /// Every command that came, but for probes.
    pub(crate) seen: Mutex<Vec<Vec<Vec<u8>>>>,
    pub(crate) dialled: AtomicUsize,
}

impl Peer {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            script: Mutex::new(Box::new(|_| Act::Serve)),
            store: Mutex::default(),
            seen: Mutex::default(),
            dialled: AtomicUsize::new(0),
        })
    }

    /// From now on.
    pub(crate) fn script(&self, script: impl Fn(&[Vec<u8>]) -> Act + Send + 'static) {
        *self.script.lock().unwrap() = Box::new(script);
    }

    /// The commands of this name that came.
    pub(crate) fn seen(&self, name: &str) -> Vec<Vec<Vec<u8>>> {
        self.seen.lock().unwrap().iter().filter(|words| words[0] == name.as_bytes()).cloned().collect()
    }

    pub(crate) fn times_dialled(&self) -> usize {
        self.dialled.load(Ordering::SeqCst)
    }

    /// Connects over a pipe, so that the clock can be paused.
    pub(super) fn dial(self: &Arc<Self>) -> Dial {
        let peer = self.clone();
        Arc::new(move || {
            let peer = peer.clone();
            async move {
                peer.dialled.fetch_add(1, Ordering::SeqCst);
                let (here, there) = tokio::io::duplex(1 << 20);
                tokio::spawn(peer.serve(there));
                let info = RedisConnectionInfo::default().set_skip_set_lib_name();
                let config = AsyncConnectionConfig::new().set_response_timeout(None);
                let (connection, driver) = MultiplexedConnection::new_with_config(&info, here, config)
                    .await
                    .map_err(|error| Failure::of(&error))?;
                tokio::spawn(driver);
                Ok(Connection::Single(connection))
            }
            .boxed()
        })
    }

    pub(crate) async fn serve(self: Arc<Self>, mut stream: impl AsyncRead + AsyncWrite + Unpin) {
        let mut unread = Vec::new();
        loop {
            let words = loop {
                if let Some(words) = take_command(&mut unread) {
                    break words;
                }
                if stream.read_buf(&mut unread).await.unwrap_or(0) == 0 {
                    return;
                }
            };
            if !words.get(1).is_some_and(|key| key.windows(3).any(|part| part == b":p:")) {
                self.seen.lock().unwrap().push(words.clone());
            }
            let act = (self.script.lock().unwrap())(&words);
            let response = match act {
                Act::Serve => self.respond(&words),
                Act::Late(time) => {
                    tokio::time::sleep(time).await;
                    self.respond(&words)
                }
                Act::Hang => std::future::pending().await,
                Act::Say(bytes) => bytes.as_bytes().to_vec(),
                Act::Close => return,
            };
            if stream.write_all(&response).await.is_err() {
                return;
            }
        }
    }

    fn respond(&self, words: &[Vec<u8>]) -> Vec<u8> {
        let mut store = self.store.lock().unwrap();
        match words[0].as_slice() {
            b"MGET" => {
                let mut response = format!("*{}\r\n", words.len() - 1).into_bytes();
                for key in &words[1..] {
                    match store.get(key) {
                        Some(value) => {
                            response.extend(format!("${}\r\n", value.len()).bytes());
                            response.extend(value);
                            response.extend(b"\r\n");
                        }
                        None => response.extend(b"$-1\r\n"),
                    }
                }
                response
            }
            b"SET" => {
                store.insert(words[1].clone(), words[2].clone());
                b"+OK\r\n".to_vec()
            }
            _ => b"-ERR unknown command\r\n".to_vec(),
        }
    }
}

/// Takes `*2\r\n$3\r\nGET\r\n$1\r\na\r\n` from the front, once it is whole.
fn take_command(unread: &mut Vec<u8>) -> Option<Vec<Vec<u8>>> {
    let mut at = 0;
    let count = number(unread, &mut at)?;
    let mut words = Vec::new();
    for _ in 0..count {
        let length = number(unread, &mut at)?;
        words.push(unread.get(at..at + length)?.to_vec());
        at += length + 2;
    }
    if at > unread.len() {
        return None;
    }
    unread.drain(..at);
    Some(words)
}

/// The number of a line such as `*2\r\n` at `at`, which moves behind it.
fn number(bytes: &[u8], at: &mut usize) -> Option<usize> {
    let end = bytes.get(*at..)?.windows(2).position(|two| two == b"\r\n")? + *at;
    let number = std::str::from_utf8(&bytes[*at + 1..end]).unwrap().parse().unwrap();
    *at = end + 2;
    Some(number)
}
