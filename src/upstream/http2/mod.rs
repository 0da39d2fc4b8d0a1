//! [`Http2`]: HTTP/2 connections to one upstream, mostly a single one with many calls at a time on it.

mod call;
mod connection;
mod request_body;
mod response_body;
#[cfg(test)]
mod tests;

use std::error::Error;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use h2::client::{Builder, SendRequest};
use http::{Request, Response, Uri};
use tokio::sync::oneshot;
use tokio::time::timeout_at;
use tower::ServiceExt;

use super::connect::Connector;
use super::response_body::Came;
use super::response_timeout::ResponseTimeout;
use super::{UpstreamError, UpstreamSettings};
use crate::body::{Body, BoxError};
pub(super) use call::Failed;
use connection::{Call, Connection};

/// The window of one stream and of a connection, for responses.
const STREAM_WINDOW: u32 = 512 << 10;
const CONNECTION_WINDOW: u32 = STREAM_WINDOW * 64;
/// The response to a search of fifty hits or so comes in one frame, which is not copied.
const LARGEST_FRAME: u32 = 128 << 10;
/// The most calls on a connection; for more there is another one. All of them fit into the connection's window: clients
/// that do not read their responses hold up nobody else.
const MOST_CALLS: usize = (CONNECTION_WINDOW / STREAM_WINDOW) as usize;
/// The most connections; over that, calls wait for each other.
const MOST_CONNECTIONS: usize = 64;

/// Cheap to clone; clones share the connections.
#[derive(Clone)]
pub(super) struct Http2(Arc<Shared>);

struct Shared {
    connector: Connector,
    /// Where to connect to.
    upstream: Uri,
    http: Builder,
    idle_timeout: Duration,
    pool: Mutex<Pool>,
}

#[derive(Default)]
struct Pool {
    connections: Vec<Connection>,
    /// Who waits for the connection that is being made; `None` if none is.
    waiting: Option<Vec<oneshot::Sender<Result<(), Shareable>>>>,
}

/// Why no connection could be made, for all that wait for it.
#[derive(Clone, Debug)]
struct Shareable(Arc<BoxError>);

impl fmt::Display for Shareable {
    /// The source says it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no connection")
    }
}

impl Error for Shareable {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&**self.0)
    }
}

impl Http2 {
    pub(super) fn new(connector: Connector, upstream: Uri, settings: &UpstreamSettings) -> Self {
        let mut http = Builder::new();
        http.enable_push(false)
            .initial_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_frame_size(LARGEST_FRAME)
            .max_header_list_size(u32::try_from(settings.max_head_bytes).unwrap_or(u32::MAX));
        let idle_timeout = settings.idle_timeout;
        Self(Arc::new(Shared { connector, upstream, http, idle_timeout, pool: Mutex::default() }))
    }

    /// Sends a request with an absolute target, and waits for the head of its response. It is sent once more, if its body
    /// has arrived, where the upstream says that it has not looked at it.
    pub(super) async fn send(
        &self,
        request: Request<Body>,
        waiting: ResponseTimeout<'_>,
    ) -> Result<Response<Came>, UpstreamError> {
        let response = call::exchange(self, request);
        match waiting.answered(true) {
            Some(until) => timeout_at(until, response).await.map_err(|_| UpstreamError::Silent)?,
            None => response.await,
        }
    }

    /// A connection for a call, and the call.
    async fn begin(&self) -> Result<(SendRequest<Bytes>, Call), UpstreamError> {
        loop {
            let made = {
                let mut pool = self.0.pool();
                if let Some(begun) = pool.begin(MOST_CALLS) {
                    return Ok(begun);
                }
                if pool.connections.len() >= MOST_CONNECTIONS
                    && let Some(begun) = pool.begin_anyway()
                {
                    return Ok(begun);
                }
                let (tell, told) = oneshot::channel();
                match &mut pool.waiting {
                    Some(waiting) => waiting.push(tell),
                    None => {
                        pool.waiting = Some(vec![tell]);
                        // A client that leaves must not take it from the others.
                        tokio::spawn(self.0.clone().connect());
                    }
                }
                told
            };
            match made.await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    // One that is full is better than none.
                    let begun = self.0.pool().begin_anyway();
                    return begun.ok_or_else(|| UpstreamError::Unreachable(error.into()));
                }
                Err(ended) => return Err(UpstreamError::Unreachable(ended.into())),
            }
        }
    }
}

impl Shared {
    fn pool(&self) -> MutexGuard<'_, Pool> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a connection, and tells all who wait for it.
    async fn connect(self: Arc<Self>) {
        let made = self.connection().await;
        let (waiting, told) = {
            let mut pool = self.pool();
            let told = made.map(|connection| pool.connections.push(connection));
            (pool.waiting.take().unwrap_or_default(), told)
        };
        for each in waiting {
            // Who has left meanwhile needs no connection.
            each.send(told.clone()).ok();
        }
    }

    async fn connection(self: &Arc<Self>) -> Result<Connection, Shareable> {
        let io = self.connector.clone().oneshot(self.upstream.clone()).await;
        let io = io.map_err(|error| Shareable(Arc::new(error)))?;
        let pool = Arc::downgrade(self);
        let retired = move || {
            if let Some(shared) = pool.upgrade() {
                let left = shared.pool().without_retired();
                drop(left);
            }
        };
        let made = Connection::new(io, &self.http, self.idle_timeout, retired).await;
        made.map_err(|error| Shareable(Arc::new(error.into())))
    }
}

impl Pool {
    /// Takes out those that are not to have another call.
    fn without_retired(&mut self) -> Vec<Connection> {
        self.connections.extract_if(.., |connection| connection.is_retired()).collect()
    }

    /// On the oldest connection that has room, so that surplus ones become idle and end.
    fn begin(&mut self, most: usize) -> Option<(SendRequest<Bytes>, Call)> {
        self.connections.iter().find_map(|connection| connection.begin(most))
    }

    /// On the one with the fewest calls.
    fn begin_anyway(&self) -> Option<(SendRequest<Bytes>, Call)> {
        let usable = self.connections.iter().filter(|connection| connection.is_usable());
        usable.min_by_key(|connection| connection.calls()).map(Connection::begin_anyway)
    }
}

impl fmt::Debug for Http2 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http2").field("connections", &self.0.pool().connections.len()).finish_non_exhaustive()
    }
}
