//! A database that does what a test tells it.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{Mutex, mpsc};
use tokio::task::AbortHandle;

use super::Wire;

/// Listens on a free port; stops when dropped.
pub struct FakeDatabase {
    pub addr: SocketAddr,
    requests: Mutex<mpsc::UnboundedReceiver<String>>,
    connections: Mutex<mpsc::UnboundedReceiver<Wire>>,
    task: AbortHandle,
}

impl FakeDatabase {
    /// Gives every request these bytes, and records the bytes of every request.
    pub async fn answering(response: &'static str) -> Self {
        let (record, requests) = mpsc::unbounded_channel();
        Self::start(requests, mpsc::unbounded_channel().1, move |mut wire| {
            let record = record.clone();
            tokio::spawn(async move {
                while let Some(request) = wire.message().await {
                    record.send(request).ok();
                    wire.try_send(response).await;
                }
            });
        })
        .await
    }

    /// Leaves each connection to the test.
    pub async fn by_hand() -> Self {
        let (hand_over, connections) = mpsc::unbounded_channel();
        Self::start(mpsc::unbounded_channel().1, connections, move |wire| {
            hand_over.send(wire).ok();
        })
        .await
    }

    async fn start(
        requests: mpsc::UnboundedReceiver<String>,
        connections: mpsc::UnboundedReceiver<Wire>,
        on_connection: impl Fn(Wire) + Send + 'static,
    ) -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = socket.local_addr().unwrap();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = socket.accept().await {
                on_connection(Wire::new(stream));
            }
        })
        .abort_handle();
        Self { addr, requests: Mutex::new(requests), connections: Mutex::new(connections), task }
    }

    /// The next request's bytes.
    pub async fn request(&self) -> String {
        let mut requests = self.requests.lock().await;
        let next = tokio::time::timeout(Duration::from_secs(60), requests.recv()).await;
        next.expect("no request came").expect("the database has stopped")
    }

    /// The requests that have come and were not taken yet.
    pub async fn requests_so_far(&self) -> Vec<String> {
        let mut requests = self.requests.lock().await;
        std::iter::from_fn(|| requests.try_recv().ok()).collect()
    }

    /// The next connection.
    pub async fn connection(&self) -> Wire {
        let mut connections = self.connections.lock().await;
        let next = tokio::time::timeout(Duration::from_secs(60), connections.recv()).await;
        next.expect("no connection came").expect("the database has stopped")
    }
}

impl Drop for FakeDatabase {
    fn drop(&mut self) {
        self.task.abort();
    }
}
