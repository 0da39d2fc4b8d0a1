//! [`Pool`]: hyper's HTTP/1 connections to one upstream.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response, Uri};
use hyper::client::conn::http1::Builder;
use tokio::time::Instant;
use tower::ServiceExt;

use super::begun::Begun;
use super::connect::{Connector, over_tcp, write_timeout};
use super::kept::Kept;
use super::link::{Failed, Link, exchange, exchange_apart};
use super::raw::{Links, RawConnections};
use super::response_body::{Came, ResponseBody};
use super::response_timeout::ResponseTimeout;
use super::{UpstreamError, UpstreamSettings};
use crate::body::Body;

/// Cheap to clone; clones share the connections.
#[derive(Clone)]
pub(super) struct Pool(Arc<Shared>);

struct Shared {
    connector: Connector,
    /// Where to connect to.
    upstream: Uri,
    http: Builder,
    write: Option<Duration>,
    kept: Links,
    /// Whoever has none of its own takes an idle one of the others': clients have no more connections than they need.
    raw: RawConnections,
}

impl Pool {
    /// To where `connector` and `upstream` lead.
    pub(super) fn new(
        connector: Connector,
        upstream: Uri,
        http: Builder,
        settings: &UpstreamSettings,
    ) -> Self {
        let (kept, raw) = (Kept::new(settings.idle_timeout), Kept::new(settings.idle_timeout));
        let write = write_timeout(settings);
        Self(Arc::new(Shared { connector, upstream, http, write, kept, raw }))
    }

    /// The idle connections, hyper's and the others.
    pub(super) fn idle(&self) -> (Links, RawConnections) {
        (self.0.kept.clone(), self.0.raw.clone())
    }

    /// The idle connection that was used last.
    async fn take(&self, now: Instant) -> Option<Box<Link>> {
        if let Some(link) = self.0.kept.take(now) {
            return Some(link);
        }
        loop {
            let mut connection = self.0.raw.take(now)?;
            if connection.is_closed() {
                continue;
            }
            let io = over_tcp(connection.into_stream(), self.0.write);
            return Link::new(io, &self.0.http).await.ok().map(Box::new);
        }
    }

    /// Sends a request in origin form, and waits for the head of its response. If a connection that was used before
    /// was closed without a byte of the request having been written, another one is used.
    pub(super) async fn send(
        &self,
        mut request: Request<Body>,
        upgrade: bool,
        waiting: ResponseTimeout<'_>,
    ) -> Result<Response<Came>, UpstreamError> {
        let mut begun = Begun::of(&mut request);
        loop {
            let (link, used) = match begun.take() {
                Some(begun) => (
                    Box::new(
                        Link::new(begun.into_io()?, &self.0.http)
                            .await
                            .map_err(UpstreamError::from_connection)?,
                    ),
                    false,
                ),
                None => match self.take(waiting.since()).await {
                    Some(link) => (link, true),
                    None => Box::pin(self.new_or_freed(waiting.connected())).await?,
                },
            };
            let until = waiting.answered(used);
            let sent = match upgrade {
                true => exchange_apart(link, request, until).await.map(|response| (response, None)),
                false => exchange(link, request, until).await,
            };
            let mut error = match sent {
                Ok((response, link)) => {
                    let free = link.as_ref().is_some_and(|link| link.is_free());
                    let link = link.and_then(|link| self.keep(link, waiting));
                    return Ok(response.map(|body| ResponseBody::new(body, link, self.clone()).came(free)));
                }
                Err(Failed::Late) => return Err(UpstreamError::Silent),
                Err(Failed::Sending(error)) => error,
            };
            match error.take_message() {
                Some(unsent) if used => request = unsent,
                _ => return Err(UpstreamError::from_connection(error.into_error())),
            }
        }
    }

    /// Returns a free connection to the pool.
    pub(super) fn put(&self, link: Box<Link>) {
        match link.is_begun() {
            true => link.close(),
            false => self.0.kept.put(link, Instant::now()),
        }
    }

    /// Makes a connection, or takes one that becomes free meanwhile. Returns whether it was used before.
    async fn new_or_freed(&self, until: Option<Instant>) -> Result<(Box<Link>, bool), UpstreamError> {
        let shared = self.0.clone();
        let making = async move {
            let io = shared.connector.clone().oneshot(shared.upstream.clone());
            let io = io.await.map_err(UpstreamError::Unreachable)?;
            let link = Link::new(io, &shared.http).await;
            link.map(Box::new).map_err(UpstreamError::from_connection)
        };
        self.0.kept.clone().new_or_freed(making, until).await
    }

    /// Puts the connection where it belongs once the response has begun; returns what its body has to poll.
    fn keep(&self, link: Box<Link>, waiting: ResponseTimeout<'_>) -> Option<Box<Link>> {
        if link.is_free() {
            self.put(link);
            return None;
        }
        // The response is read at the client's speed; the rest of the request must not wait for that.
        if !waiting.is_sent() || link.is_blocked() {
            link.run_on();
            return None;
        }
        Some(link)
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("idle", &self.0.kept.count()).finish_non_exhaustive()
    }
}
