//! [`Pool`]: HTTP/1 connections to one upstream. The one used last is taken first, so that surplus ones grow old and
//! are closed.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use http::{Request, Response, Uri};
use hyper::client::conn::http1::Builder;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until, timeout_at};
use tower::ServiceExt;

use super::UpstreamError;
use super::connect::Connector;
use super::link::{Failed, Link, exchange, exchange_apart};
use super::response_body::{Came, ResponseBody};
use super::response_timeout::ResponseTimeout;
use crate::body::{Body, BoxError};

/// A connection closed by the upstream is found when it would be used, or after this.
const SWEEP: Duration = Duration::from_secs(1);

/// Cheap to clone; clones share the connections.
#[derive(Clone)]
pub(super) struct Pool(Arc<Shared>);

struct Shared {
    connector: Connector,
    /// Where to connect to.
    upstream: Uri,
    http: Builder,
    idle_timeout: Duration,
    idle: Mutex<Idle>,
}

#[derive(Default)]
struct Idle {
    /// With the time when its last response ended; the oldest first.
    links: VecDeque<(Instant, Box<Link>)>,
    /// Requests for which a connection is being made; any other that becomes free will do as well.
    waiting: VecDeque<oneshot::Sender<Box<Link>>>,
    swept: bool,
}

/// Why no connection could be made.
enum ConnectError {
    Unreachable(BoxError),
    Handshake(hyper::Error),
}

impl Pool {
    /// `idle_timeout`: connections without a request are closed after this.
    pub(super) fn new(connector: Connector, upstream: Uri, http: Builder, idle_timeout: Duration) -> Self {
        Self(Arc::new(Shared { connector, upstream, http, idle_timeout, idle: Mutex::default() }))
    }

    /// Sends a request in origin form, and waits for the head of its response. If a connection that was used before
    /// was closed without a byte of the request having been written, another one is used.
    pub(super) async fn send(
        &self,
        mut request: Request<Body>,
        upgrade: bool,
        waiting: ResponseTimeout<'_>,
    ) -> Result<Response<Came>, UpstreamError> {
        loop {
            let (link, used) = match self.0.take(waiting.since()) {
                Some(link) => (link, true),
                None => Box::pin(self.0.clone().new_within(waiting.connected())).await?,
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
        self.0.put(link);
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

impl Shared {
    fn idle(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The idle connection that was used last.
    fn take(&self, now: Instant) -> Option<Box<Link>> {
        let mut idle = self.idle();
        let (since, link) = idle.links.pop_back()?;
        if now.saturating_duration_since(since) < self.idle_timeout {
            return Some(link);
        }
        // The others are older.
        let old = std::mem::take(&mut idle.links);
        drop(idle);
        link.close();
        old.into_iter().for_each(|(_, link)| link.close());
        None
    }

    /// Returns a free connection, for a request that waits for one, or for later.
    fn put(self: &Arc<Self>, mut link: Box<Link>) {
        link.rest();
        let mut idle = self.idle();
        while let Some(first) = idle.waiting.pop_front() {
            match first.send(link) {
                Ok(()) => return,
                Err(back) => link = back,
            }
        }
        idle.links.push_back((Instant::now(), link));
        let swept = std::mem::replace(&mut idle.swept, true);
        drop(idle);
        if !swept {
            let sweeper = Sweeper(Arc::downgrade(self));
            if let Ok(runtime) = Handle::try_current() {
                runtime.spawn(sweeper.sweep());
            }
        }
    }

    async fn new_within(self: Arc<Self>, until: Option<Instant>) -> Result<(Box<Link>, bool), UpstreamError> {
        match until {
            Some(until) => timeout_at(until, self.new_or_freed()).await.map_err(|_| UpstreamError::Silent)?,
            None => self.new_or_freed().await,
        }
    }

    /// Makes a connection, or takes one that becomes free meanwhile. Returns whether it was used before.
    async fn new_or_freed(self: Arc<Self>) -> Result<(Box<Link>, bool), UpstreamError> {
        let (give, mut given) = oneshot::channel();
        {
            let mut idle = self.idle();
            while idle.waiting.front().is_some_and(oneshot::Sender::is_closed) {
                idle.waiting.pop_front();
            }
            idle.waiting.push_back(give);
        }
        let mut making = Box::pin(self.clone().connect());
        tokio::select! {
            biased;
            Ok(link) = &mut given => {
                // The other one will be used by another request.
                tokio::spawn(async move { if let Ok(link) = making.await { self.put(link) } });
                Ok((link, true))
            }
            made = &mut making => {
                given.close();
                if let Ok(link) = given.try_recv() {
                    self.put(link);
                }
                match made {
                    Ok(link) => Ok((link, false)),
                    Err(ConnectError::Unreachable(error)) => Err(UpstreamError::Unreachable(error)),
                    Err(ConnectError::Handshake(error)) => Err(UpstreamError::from_connection(error)),
                }
            }
        }
    }

    async fn connect(self: Arc<Self>) -> Result<Box<Link>, ConnectError> {
        let io = self.connector.clone().oneshot(self.upstream.clone());
        let io = io.await.map_err(ConnectError::Unreachable)?;
        Link::new(io, &self.http).await.map(Box::new).map_err(ConnectError::Handshake)
    }

    /// Closes those that are old, and those closed by the upstream. Returns when the next one grows old; `None` if
    /// there is none.
    fn sweep(&self) -> Option<Instant> {
        let mut idle = self.idle();
        let now = Instant::now();
        let is_old = |since: &Instant| now.saturating_duration_since(*since) >= self.idle_timeout;
        let (mut gone, mut kept) = (Vec::new(), VecDeque::with_capacity(idle.links.len()));
        for (since, mut link) in idle.links.drain(..) {
            if is_old(&since) {
                gone.push(link);
            } else if !link.is_over() {
                kept.push_back((since, link));
            }
        }
        idle.links = kept;
        let grows_old = |since: &Instant| since.checked_add(self.idle_timeout).unwrap_or(now + SWEEP);
        let oldest = idle.links.front().map(|(since, _)| grows_old(since));
        idle.swept = oldest.is_some();
        drop(idle);
        gone.into_iter().for_each(|link| link.close());
        oldest
    }
}

/// Closes idle connections as long as there are any.
struct Sweeper(Weak<Shared>);

impl Sweeper {
    async fn sweep(mut self) {
        let mut oldest = Instant::now();
        loop {
            let now = Instant::now();
            sleep_until(oldest.clamp(now + SWEEP / 8, now + SWEEP)).await;
            match self.0.upgrade().and_then(|pool| pool.sweep()) {
                Some(next) => oldest = next,
                None => break,
            }
        }
        // None is idle; the next idle one starts a sweeper of its own.
        self.0 = Weak::new();
    }
}

impl Drop for Sweeper {
    fn drop(&mut self) {
        // Its runtime may have ended before the pool.
        if let Some(pool) = self.0.upgrade() {
            let mut idle = pool.idle();
            idle.swept = false;
        }
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("idle", &self.0.idle().links.len()).finish_non_exhaustive()
    }
}
