//! [`ListenerSettings`]: the limits of a listener.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::ServerTls;
use crate::{
    bounds::{Timeouts, Traffic},
    upstream::FREE_HEADERS,
    workers::Workers,
};

/// Limits of a listener. A time of `None` is unlimited.
#[derive(Debug, Clone)]
pub struct ListenerSettings {
    /// At this many open connections accepting pauses; the kernel's backlog holds the rest.
    pub max_connections: usize,
    /// The most headers of a request.
    pub max_headers: usize,
    /// The largest head of a request, in bytes; at least 8 KiB. A connection buffers twice as much each way.
    pub max_head_bytes: usize,
    /// From the first byte of a request's head to its last.
    pub head_timeout: Option<Duration>,
    /// A connection with no open request is closed after this.
    pub idle_timeout: Option<Duration>,
    /// While the client takes no byte of a response.
    pub write_timeout: Option<Duration>,
    /// When it is cancelled, clients are told to go elsewhere, and served until they do. A listener keeps its first one.
    pub drain: CancellationToken,
    /// How long open requests, streams and tunnels may take to finish on shutdown.
    pub drain_timeout: Duration,
    /// TLS instead of cleartext.
    pub tls: Option<ServerTls>,
    /// Requests tell who has sent them, for whoever knows tenants apart.
    pub tells_peers: bool,
    /// Counts what is open.
    pub traffic: Traffic,
    /// Counts the timeouts that expired.
    pub waits: Timeouts,
    /// Requests that can be are passed on from their own bytes; only tests switch that off.
    pub relays: bool,
    /// The workers that serve the connections.
    pub workers: Workers,
}

impl Default for ListenerSettings {
    fn default() -> Self {
        Self {
            max_connections: 10_000,
            max_headers: FREE_HEADERS,
            max_head_bytes: 64 << 10,
            head_timeout: Some(Duration::from_secs(10)),
            idle_timeout: Some(Duration::from_secs(120)),
            write_timeout: Some(Duration::from_secs(60)),
            drain: CancellationToken::new(),
            drain_timeout: Duration::from_secs(30),
            tls: None,
            tells_peers: false,
            traffic: Traffic::default(),
            waits: Timeouts::default(),
            relays: true,
            workers: Workers::here(),
        }
    }
}
