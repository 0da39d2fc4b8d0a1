//! [`RawConnection`]: a connection over which the bytes of a request go as they are, and those of its response come.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{HeaderValue, Uri, uri::Scheme};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tower::ServiceExt;

use super::connect::{Connector, acknowledge_tcp, into_tcp};
use super::kept::{Keepable, Kept};
use super::link::Link;
use super::{HostHeader, Turn, Upstream, UpstreamError};
use crate::bounds::{DeadlineTimer, Timeouts};
use crate::workers;

/// Plain TCP to an upstream that speaks HTTP/1.
pub struct RawConnection {
    stream: TcpStream,
    /// Something has been read that may not have been acknowledged.
    heard: bool,
    alarm: DeadlineTimer,
}

impl RawConnection {
    fn new(stream: TcpStream) -> Self {
        Self { stream, heard: false, alarm: DeadlineTimer::default() }
    }

    /// Whether a kept one has been closed, or has said something unasked.
    pub fn is_closed(&mut self) -> bool {
        let read = self.stream.try_read(&mut [0]);
        !matches!(read, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }

    /// Writes as much as the upstream takes.
    pub fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    /// Ready at `until`.
    pub fn poll_by(&mut self, until: Instant, cx: &mut Context<'_>) -> Poll<()> {
        self.alarm.poll_by(until, cx)
    }

    pub(super) fn into_stream(self) -> TcpStream {
        self.stream
    }
}

impl AsyncRead for RawConnection {
    /// Reads what has come; nothing at its end. Before it waits for more of a response, what has come is acknowledged:
    /// an upstream with Nagle's algorithm keeps the rest back until then, up to 40 ms.
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(cx, into);
        if read.is_pending() && self.heard {
            acknowledge_tcp(&self.stream);
        }
        self.heard = read.is_ready();
        read
    }
}

/// Where the connections of a worker rest.
#[derive(Clone)]
pub struct RawHome(Option<RawConnections>);

impl RawHome {
    /// Returns a connection whose response is complete.
    pub fn free(&self, mut connection: RawConnection, now: Instant) {
        connection.heard = false;
        if let Some(kept) = &self.0 {
            kept.put(connection, now);
        }
    }
}

/// The idle ones.
pub(super) type RawConnections = Arc<Kept<RawConnection>>;

/// The idle ones that hyper has.
pub(super) type Links = Arc<Kept<Box<Link>>>;

impl Keepable for Box<Link> {
    fn rest(&mut self) {
        Link::rest(self);
    }

    fn is_over(&mut self) -> bool {
        Link::is_over(self)
    }

    fn close(self) {
        Link::close(*self);
    }
}

impl Keepable for RawConnection {
    fn is_over(&mut self) -> bool {
        self.is_closed()
    }

    fn close(self) {}
}

/// The raw connections to an upstream. Clones share them.
#[derive(Clone)]
pub(super) struct RawPool {
    connector: Connector,
    /// Where to connect to.
    upstream: Uri,
    kept: RawConnections,
    links: Links,
}

impl RawPool {
    /// Of these idle connections; `None` where the upstream is not reached in the clear.
    pub(super) fn new(
        (links, kept): (Links, RawConnections),
        upstream: &Uri,
        connector: &Connector,
    ) -> Option<Self> {
        let is_raw = upstream.scheme() == Some(&Scheme::HTTP);
        is_raw.then(|| Self { connector: connector.clone(), upstream: upstream.clone(), kept, links })
    }

    /// The idle connection that was used last.
    fn take(&self, now: Instant) -> Option<RawConnection> {
        if let Some(connection) = self.kept.take(now) {
            return Some(connection);
        }
        loop {
            if let Some(stream) = self.links.take(now)?.into_tcp() {
                return Some(RawConnection::new(stream));
            }
        }
    }
}

impl std::fmt::Debug for RawPool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RawPool").field("idle", &self.kept.count()).finish_non_exhaustive()
    }
}

/// Requests that are written as they are: whoever has them sent sees to it that each is complete.
impl Upstream {
    /// Whether requests can be sent so, with their targets as they are.
    pub fn is_raw(&self) -> bool {
        !self.raw.is_empty() && self.address.path_prefix.is_empty() && !self.signs()
    }

    fn raw_pool(&self) -> Option<&RawPool> {
        self.raw.get(workers::place()).or(self.raw.first())
    }

    /// A kept connection, if there is one that still stands.
    pub fn raw_kept(&self, now: Instant) -> Option<RawConnection> {
        let pool = self.raw_pool()?;
        loop {
            let mut connection = pool.take(now)?;
            if !connection.is_closed() {
                return Some(connection);
            }
        }
    }

    /// A new one by `until`, or one that becomes free meanwhile; whether it was used before.
    pub async fn raw_new(&self, until: Option<Instant>) -> Result<(bool, RawConnection), UpstreamError> {
        let pool = self.raw_pool().ok_or(UpstreamError::Unforwardable)?;
        let io = pool.connector.clone().oneshot(pool.upstream.clone());
        let making = async move {
            let io = io.await.map_err(UpstreamError::Unreachable)?;
            into_tcp(io).map(RawConnection::new).ok_or(UpstreamError::Unforwardable)
        };
        let (connection, used) = pool.kept.clone().new_or_freed(making, until).await?;
        Ok((used, connection))
    }

    /// Returns a connection whose response is complete.
    pub fn raw_free(&self, connection: RawConnection, now: Instant) {
        self.raw_home().free(connection, now);
    }

    /// Where connections of this worker are returned to.
    pub fn raw_home(&self) -> RawHome {
        RawHome(self.raw_pool().map(|pool| pool.kept.clone()))
    }

    /// Counts the timeouts that expire.
    pub fn raw_waits(&self) -> &Timeouts {
        &self.waits
    }

    /// What is written for the client's `Host`; `None` for the same.
    pub fn raw_host(&self) -> Option<&[u8]> {
        match self.address.host {
            HostHeader::Upstream => Some(self.address.host_value.as_bytes()),
            HostHeader::Preserve => None,
        }
    }

    /// Counts one more request; the value of the header that marks it, where there may be a loop.
    pub fn raw_sending(&self) -> Option<&HeaderValue> {
        self.owed.marks(&self.mark)
    }

    /// A response has come.
    pub fn raw_answered(&self) {
        self.owed.answered();
    }

    /// The timeout for the head of a response, which that to a search has another one for, and while no byte of a body
    /// moves.
    pub fn raw_limits(&self, search: Option<Turn>) -> (Option<Duration>, Option<Duration>) {
        (search.map_or(self.forward_timeout, |turn| self.search_timeout(turn)), self.body_timeout)
    }

    /// The most headers of a response, and the largest head of one in bytes.
    pub fn raw_head_limits(&self) -> (usize, usize) {
        (self.max_headers, self.max_head_bytes)
    }
}
