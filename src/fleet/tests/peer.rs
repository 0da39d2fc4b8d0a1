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

/// Commands that are run together.
#[derive(Default)]
struct Transaction {
    commands: Vec<Vec<Vec<u8>>>,
    is_aborted: bool,
}

type Script = Box<dyn Fn(&[Vec<u8>]) -> Act + Send>;

/// The server behind any number of connections.
pub(crate) struct Peer {
    script: Mutex<Script>,
    pub(crate) store: Mutex<HashMap<Vec<u8>, Vec<u8>>>,
    pub(crate) lists: Mutex<HashMap<Vec<u8>, Vec<Vec<u8>>>>,
    /// Every command that came, but for probes and the bounds of transactions.
    pub(crate) seen: Mutex<Vec<Vec<Vec<u8>>>>,
    pub(crate) dialled: AtomicUsize,
}

impl Peer {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            script: Mutex::new(Box::new(|_| Act::Serve)),
            store: Mutex::default(),
            lists: Mutex::default(),
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
        let (mut unread, mut transaction) = (Vec::new(), None);
        loop {
            let words = loop {
                if let Some(words) = take_command(&mut unread) {
                    break words;
                }
                if stream.read_buf(&mut unread).await.unwrap_or(0) == 0 {
                    return;
                }
            };
            let is_bound = [b"MULTI".as_slice(), b"EXEC"].contains(&words[0].as_slice());
            if !is_bound && !words.get(1).is_some_and(|key| key.windows(3).any(|part| part == b":p:")) {
                self.seen.lock().unwrap().push(words.clone());
            }
            let act = (self.script.lock().unwrap())(&words);
            let response = match act {
                Act::Serve => self.serve_one(words, &mut transaction),
                Act::Late(time) => {
                    tokio::time::sleep(time).await;
                    self.serve_one(words, &mut transaction)
                }
                Act::Hang => std::future::pending().await,
                Act::Say(bytes) => {
                    if let Some(Transaction { is_aborted, .. }) = &mut transaction {
                        *is_aborted = true;
                    }
                    bytes.as_bytes().to_vec()
                }
                Act::Close => return,
            };
            if stream.write_all(&response).await.is_err() {
                return;
            }
        }
    }

    fn serve_one(&self, words: Vec<Vec<u8>>, transaction: &mut Option<Transaction>) -> Vec<u8> {
        match (words[0].as_slice(), transaction.as_mut()) {
            (b"MULTI", None) => {
                *transaction = Some(Transaction::default());
                b"+OK\r\n".to_vec()
            }
            (b"EXEC", Some(Transaction { is_aborted: true, .. })) => {
                *transaction = None;
                b"-EXECABORT Transaction discarded because of previous errors.\r\n".to_vec()
            }
            (b"EXEC", Some(Transaction { commands, .. })) => {
                let responses: Vec<_> = commands.iter().flat_map(|words| self.respond(words)).collect();
                let all = [format!("*{}\r\n", commands.len()).into_bytes(), responses].concat();
                *transaction = None;
                all
            }
            (_, Some(Transaction { commands, .. })) => {
                commands.push(words);
                b"+QUEUED\r\n".to_vec()
            }
            (_, None) => self.respond(&words),
        }
    }

    fn respond(&self, words: &[Vec<u8>]) -> Vec<u8> {
        let (mut store, mut lists) = (self.store.lock().unwrap(), self.lists.lock().unwrap());
        match words[0].as_slice() {
            b"LRANGE" => {
                let chunks = lists.get(&words[1]).cloned().unwrap_or_default();
                let bulks = chunks
                    .iter()
                    .map(|chunk| [format!("${}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat());
                [format!("*{}\r\n", chunks.len()).into_bytes(), bulks.collect::<Vec<_>>().concat()].concat()
            }
            b"RPUSH" => {
                let list = lists.entry(words[1].clone()).or_default();
                list.push(words[2].clone());
                format!(":{}\r\n", list.len()).into_bytes()
            }
            b"LTRIM" => {
                let most: i64 = std::str::from_utf8(&words[2]).unwrap().parse().unwrap();
                let list = lists.entry(words[1].clone()).or_default();
                list.drain(..list.len().saturating_sub(usize::try_from(-most).unwrap()));
                b"+OK\r\n".to_vec()
            }
            b"PEXPIRE" => b":1\r\n".to_vec(),
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
