//! Accepts clients' connections, up to a cap, and hands them to be served.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use http::{Request, Response};
use hyper::body::Incoming;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_util::sync::CancellationToken;

use super::connection::Connections;
use super::listener_settings::ListenerSettings;
use super::relay::Relay;
use super::serve::Server;
use crate::body::Body;
use crate::trouble::Lines;

/// A bound socket, ready to serve.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    settings: watch::Sender<ListenerSettings>,
}

impl Listener {
    /// Binds the address; port 0 takes a free one.
    pub async fn bind(addr: SocketAddr, settings: ListenerSettings) -> std::io::Result<Self> {
        Ok(Self { socket: TcpListener::bind(addr).await?, settings: watch::Sender::new(settings) })
    }

    /// The address that was bound.
    pub fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Where the settings can be replaced while it serves. New connections use the new ones; open ones keep those
    /// that they began with.
    pub fn settings(&self) -> watch::Sender<ListenerSettings> {
        self.settings.clone()
    }

    /// Serves until `shutdown`, then lets open requests finish within the drain timeout. Dropping the future closes
    /// every connection. `relay` is asked for each request who may pass it on as it is.
    pub async fn serve<S, F, R>(self, service: S, relay: R, shutdown: CancellationToken)
    where
        S: Fn(Request<Incoming>) -> F + Clone + Send + 'static,
        R: Fn() -> Option<Arc<Relay>> + Clone + Send + Sync + 'static,
        F: Future<Output = Response<Body>> + Send + 'static,
    {
        let mut settings = self.settings.subscribe();
        let mut current = settings.borrow_and_update().clone();
        let mut server = Arc::new(Server::new(current.clone()));
        let mut slots = Slots::new(current.max_connections);
        let (connections, lines) = (Connections::new(current.drain.clone()), Lines::default());
        let listen = self.socket.local_addr().unwrap_or(NOWHERE);
        let counted = current.traffic.listener(listen, current.max_connections);
        let start = |(stream, place): Accepted, server: &Arc<Server>, current: &ListenerSettings| {
            let handle = connections.open(place, counted.open());
            let (server, service, relay) = (server.clone(), service.clone(), relay.clone());
            let serve = move |stream| server.serve(stream, (service, relay), handle);
            current.workers.serve(stream, serve);
        };
        loop {
            let accepted = tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                Ok(()) = settings.changed() => {
                    current = settings.borrow_and_update().clone();
                    server = Arc::new(Server::new(current.clone()));
                    slots.resize(current.max_connections);
                    counted.set_limit(current.max_connections);
                    continue;
                }
                accepted = accept(&self.socket, &slots, &lines) => accepted,
            };
            if let Some(accepted) = accepted {
                start(accepted, &server, &current);
            }
        }
        for accepted in still_waiting(self.socket, &slots) {
            start(accepted, &server, &current);
        }
        connections.finish(current.drain_timeout).await;
    }
}

/// For a socket whose address the system does not know.
const NOWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

type Accepted = (TcpStream, OwnedSemaphorePermit);

/// The slots under the cap on connections.
struct Slots {
    free: Arc<Semaphore>,
    count: usize,
}

impl Slots {
    fn new(count: usize) -> Self {
        let count = count.min(Semaphore::MAX_PERMITS);
        Self { free: Arc::new(Semaphore::new(count)), count }
    }

    /// More slots are free at once; fewer as connections close, and no new one is accepted until then.
    fn resize(&mut self, count: usize) {
        let count = count.min(Semaphore::MAX_PERMITS);
        if count > self.count {
            self.free.add_permits(count - self.count);
        } else if let Ok(fewer) = u32::try_from(self.count - count) {
            let free = self.free.clone();
            let mut given_up = Box::pin(async move {
                if let Ok(places) = free.acquire_many_owned(fewer).await {
                    places.forget();
                }
            });
            // Queued from now on: before the next connection.
            if given_up.as_mut().now_or_never().is_none() {
                tokio::spawn(given_up);
            }
        }
        self.count = count;
    }
}

impl Drop for Slots {
    fn drop(&mut self) {
        self.free.close();
    }
}

/// Waits for a place first, so that a connection is not taken before it can be served.
async fn accept(socket: &TcpListener, slots: &Slots, lines: &Lines) -> Option<Accepted> {
    let slot = slots.free.clone().acquire_owned().await.ok()?;
    match socket.accept().await {
        Ok((stream, _)) => Some((stream, slot)),
        Err(error) => {
            lines.say("accept", || {
                let error = error.to_string();
                move |left_out: Option<u64>| {
                    tracing::warn!(
                        error,
                        left_out,
                        "cannot accept a connection: too many open files, usually"
                    );
                }
            });
            // Without a pause the loop would spin.
            tokio::time::sleep(Duration::from_millis(50)).await;
            None
        }
    }
}

/// Accepts those already in the backlog before the socket is closed: the kernel would reset them, with their request.
fn still_waiting(socket: TcpListener, slots: &Slots) -> Vec<Accepted> {
    let Ok(socket) = socket.into_std() else { return Vec::new() };
    let next = || {
        let slot = slots.free.clone().try_acquire_owned().ok()?;
        let (stream, _) = socket.accept().ok()?;
        stream.set_nonblocking(true).ok()?;
        Some((TcpStream::from_std(stream).ok()?, slot))
    };
    std::iter::from_fn(next).collect()
}
