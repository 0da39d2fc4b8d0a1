//! A Redis of the few commands that a fleet needs, that can be told to hang.

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
    lists: Mutex<HashMap<Vec<u8>, Vec<Vec<u8>>>>,
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

    /// The keys and values that it holds, but for probes; of a list, all of it.
    pub fn holds(&self) -> Vec<(String, Vec<u8>)> {
        let (values, lists) = (self.state.values.lock().unwrap(), self.state.lists.lock().unwrap());
        let text = |key: &Vec<u8>| String::from_utf8(key.clone()).unwrap();
        let all = values.iter().map(|(key, value)| (text(key), value.clone()));
        let all = all.chain(lists.iter().map(|(key, list)| (text(key), list.concat())));
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
    // The responses of a transaction.
    let mut queued: Option<Vec<Vec<u8>>> = None;
    while let Some(words) = command(&mut stream).await {
        if state.hangs.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        let response = match (words[0].as_slice(), queued.as_mut()) {
            (b"MULTI", _) => {
                queued = Some(Vec::new());
                b"+OK\r\n".to_vec()
            }
            (b"EXEC", Some(responses)) => {
                let all = [format!("*{}\r\n", responses.len()).into_bytes(), responses.concat()].concat();
                queued = None;
                all
            }
            (_, Some(responses)) => {
                responses.push(response(&words, &state));
                b"+QUEUED\r\n".to_vec()
            }
            (_, None) => response(&words, &state),
        };
        if stream.write_all(&response).await.is_err() {
            return;
        }
    }
}

fn response(words: &[Vec<u8>], state: &State) -> Vec<u8> {
    let (mut values, mut lists) = (state.values.lock().unwrap(), state.lists.lock().unwrap());
    match words {
        [name, key, chunk] if name == b"RPUSH" => {
            let list = lists.entry(key.clone()).or_default();
            list.push(chunk.clone());
            format!(":{}\r\n", list.len()).into_bytes()
        }
        [name, ..] if name == b"LTRIM" => b"+OK\r\n".to_vec(),
        [name, ..] if name == b"PEXPIRE" => b":1\r\n".to_vec(),
        [name, key, ..] if name == b"LRANGE" => {
            let chunks = lists.get(key).cloned().unwrap_or_default();
            let mut response = format!("*{}\r\n", chunks.len()).into_bytes();
            for chunk in chunks {
                response.extend(format!("${}\r\n", chunk.len()).bytes());
                response.extend(chunk);
                response.extend(b"\r\n");
            }
            response
        }
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
