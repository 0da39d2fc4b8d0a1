//! A database that answers, breaks off, or says nothing, as a closure has it.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::net::TcpListener;
use tokio::task::AbortHandle;

use super::Wire;

/// What a database does with a request.
#[derive(Clone, Debug)]
pub enum Act {
    /// These bytes, and on to the next request.
    Say(String),
    /// These bytes, and the connection ends.
    SayAndLeave(String),
    /// Nothing, for ever.
    Hang,
}

/// Listens on a free port; stops when dropped.
pub struct Moody {
    pub addr: SocketAddr,
    seen: Arc<Mutex<Vec<String>>>,
    task: AbortHandle,
}

impl Moody {
    pub async fn start(act: impl Fn(&str) -> Act + Send + Sync + 'static) -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = socket.local_addr().unwrap();
        let seen: Arc<Mutex<Vec<String>>> = Arc::default();
        let (act, record) = (Arc::new(act), seen.clone());
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = socket.accept().await {
                let (act, record) = (act.clone(), record.clone());
                tokio::spawn(async move {
                    let mut wire = Wire::new(stream);
                    while let Some(request) = wire.message().await {
                        let reaction = act(&request);
                        record.lock().unwrap().push(request);
                        match reaction {
                            Act::Say(response) => wire.try_send(response).await,
                            Act::SayAndLeave(response) => return wire.try_send(response).await,
                            Act::Hang => drop(wire.rest().await),
                        }
                    }
                });
            }
        })
        .abort_handle();
        Self { addr, seen, task }
    }

    /// Every request so far, byte for byte; none is left.
    pub fn take_seen(&self) -> Vec<String> {
        std::mem::take(&mut *self.seen.lock().unwrap())
    }
}

impl Drop for Moody {
    fn drop(&mut self) {
        self.task.abort();
    }
}
