//! A Redis of two commands, MGET and SET, that can be told to hang.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    task::AbortHandle,
};

/// Listens on a free port; stops when dropped.
pub struct FakeRedis {
    pub addr: SocketAddr,
    state: Arc<State>,
    task: AbortHandle,
}

#[derive(Default)]
struct State {
    values: Mutex<HashMap<Vec<u8>, Vec<u8>>>,
    hangs: AtomicBool,
}

impl FakeRedis {
    pub async fn start() -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = socket.local_addr().unwrap();
        let state = Arc::<State>::default();
        let shared = state.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = socket.accept().await {
                tokio::spawn(serve(stream, shared.clone()));
            }
        })
        .abort_handle();
        Self { addr, state, task }
    }

    /// From now on it answers nothing.
    pub fn hang(&self) {
        self.state.hangs.store(true, Ordering::SeqCst);
    }

    /// The keys and values that it holds, but for probes.
    pub fn holds(&self) -> Vec<(String, Vec<u8>)> {
        let values = self.state.values.lock().unwrap();
        let text = |key: &Vec<u8>| String::from_utf8(key.clone()).unwrap();
        let all = values.iter().map(|(key, value)| (text(key), value.clone()));
        all.filter(|(key, _)| !key.contains(":p:")).collect()
    }
}

impl Drop for FakeRedis {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(stream: TcpStream, state: Arc<State>) {
    let mut stream = BufReader::new(stream);
    while let Some(words) = command(&mut stream).await {
        if state.hangs.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        let response = response(&words, &mut state.values.lock().unwrap());
        if stream.write_all(&response).await.is_err() {
            return;
        }
    }
}

fn response(words: &[Vec<u8>], values: &mut HashMap<Vec<u8>, Vec<u8>>) -> Vec<u8> {
    match words {
        [name, key, value, ..] if name == b"SET" => {
            values.insert(key.clone(), value.clone());
            b"+OK\r\n".to_vec()
        }
        [name, keys @ ..] if name == b"MGET" => {
            let mut response = format!("*{}\r\n", keys.len()).into_bytes();
            for value in keys.iter().map(|key| values.get(key)) {
                match value {
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
        [name, ..] if name == b"PING" => b"+PONG\r\n".to_vec(),
        [name, ..] if name == b"INFO" => {
            let said = "# Server\r\nredis_version:7.2.4\r\nvalkey_version:8.1.0\r\n";
            format!("${}\r\n{said}\r\n", said.len()).into_bytes()
        }
        [name, script, ..] if name == b"EVAL" && script == b"return 1" => b":1\r\n".to_vec(),
        [name, ..] if name == b"TIME" => {
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
            let seconds = now.as_secs().to_string();
            format!("*2\r\n${}\r\n{seconds}\r\n$1\r\n0\r\n", seconds.len()).into_bytes()
        }
        _ => b"-ERR unknown command\r\n".to_vec(),
    }
}

/// The words of the next command; `None` at the end.
async fn command(stream: &mut BufReader<TcpStream>) -> Option<Vec<Vec<u8>>> {
    let count = number(stream).await?;
    let mut words = Vec::new();
    for _ in 0..count {
        let mut word = vec![0; number(stream).await? + 2];
        stream.read_exact(&mut word).await.ok()?;
        word.truncate(word.len() - 2);
        words.push(word);
    }
    Some(words)
}

/// The number of a line such as `*2` or `$3`.
async fn number(stream: &mut BufReader<TcpStream>) -> Option<usize> {
    let mut line = String::new();
    stream.read_line(&mut line).await.ok()?;
    line.get(1..)?.trim_end().parse().ok()
}
