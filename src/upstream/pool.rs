//! [`Pool`]: connections of HTTP/1 to one upstream. The one used last is taken first, so that those that are too many
//! grow old and are closed.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::client::conn::http1::Builder;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until, timeout_at};
use tower::ServiceExt;

use super::UpstreamError;
use super::body::{self, Body, BoxError};
use super::connect::Connector;
use super::link::{Failed, Link, drive, exchange, exchange_apart};
use super::watch::Watch;

/// One that the upstream has ended is found when it would be used, or after this.
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
    /// With when its last answer ended; the oldest first.
    links: VecDeque<(Instant, Box<Link>)>,
    /// Requests for which a connection is being made; any other that comes free will do as well.
    waiting: VecDeque<oneshot::Sender<Box<Link>>>,
    swept: bool,
}

/// How long a request is waited for.
#[derive(Clone, Copy)]
pub(super) enum Waiting<'a> {
    /// Somebody else does, by what goes on with its body.
    Watched(&'a Watch),
    /// All of it is there: so long from `since` for a connection, and for the answer.
    Since {
        since: Instant,
        connection: Option<Duration>,
        answer: Option<Duration>,
        /// The answer's time begins when the request has been sent.
        once_sent: bool,
    },
}

impl Waiting<'_> {
    /// When it began: for a request that is watched, about now.
    fn since(self) -> Instant {
        match self {
            Self::Watched(_) => Instant::now(),
            Self::Since { since, .. } => since,
        }
    }

    fn connected(self) -> Option<Instant> {
        match self {
            Self::Watched(_) => None,
            Self::Since { since, connection, .. } => Some(since + connection?),
        }
    }

    /// `used`: there was no wait for a connection.
    pub(super) fn answered(self, used: bool) -> Option<Instant> {
        match self {
            Self::Watched(_) => None,
            Self::Since { answer, once_sent: true, .. } if !used => Some(Instant::now() + answer?),
            Self::Since { since, answer, .. } => Some(since + answer?),
        }
    }

    pub(super) fn watch(&self) -> Option<&Watch> {
        match self {
            Self::Watched(watch) => Some(watch),
            Self::Since { .. } => None,
        }
    }

    /// Whether hyper has all of the request.
    fn is_sent(self) -> bool {
        match self {
            Self::Watched(watch) => watch.is_sent(),
            Self::Since { .. } => true,
        }
    }
}

/// The body of an answer whose head has come.
pub(super) enum Came {
    /// All of it is there.
    Whole(Body),
    /// More has to come.
    Streamed(Body),
}

/// Why no connection could be made.
enum ConnectError {
    Unreachable(BoxError),
    Handshake(hyper::Error),
}

impl Pool {
    /// `idle_timeout`: connections without a request are closed after it.
    pub(super) fn new(connector: Connector, upstream: Uri, http: Builder, idle_timeout: Duration) -> Self {
        Self(Arc::new(Shared { connector, upstream, http, idle_timeout, idle: Mutex::default() }))
    }

    /// Sends a request in origin form, and waits for the head of its answer. Where a connection that was used before
    /// has ended without a byte of the request having been written, another one is taken.
    pub(super) async fn send(
        &self,
        mut request: Request<Body>,
        upgrade: bool,
        waiting: Waiting<'_>,
    ) -> Result<Response<Came>, UpstreamError> {
        loop {
            let (link, used) = match self.0.take(waiting.since()) {
                Some(link) => (link, true),
                None => Box::pin(self.0.clone().new_within(waiting.connected())).await?,
            };
            let until = waiting.answered(used);
            let sent = match upgrade {
                true => exchange_apart(link, request, until).await.map(|answer| (answer, None)),
                false => exchange(link, request, until).await,
            };
            let mut error = match sent {
                Ok((answer, link)) => return Ok(answer.map(|body| self.came(body, link, waiting))),
                Err(Failed::Late) => return Err(UpstreamError::Silent),
                Err(Failed::Sending(error)) => error,
            };
            match error.take_message() {
                Some(unsent) if used => request = unsent,
                _ => return Err(UpstreamError::from_connection(error.into_error())),
            }
        }
    }

    /// The answer's body, and what becomes of the connection.
    fn came(&self, body: Incoming, link: Option<Box<Link>>, waiting: Waiting<'_>) -> Came {
        let free = link.as_ref().is_some_and(|link| link.is_free());
        let link = link.and_then(|link| self.keep(link, waiting));
        let mut answer = Answer { body, link, pool: self.clone(), error: None };
        if answer.is_end_stream() && answer.link.is_none() {
            return Came::Whole(body::empty());
        }
        // All of it is there, in one piece.
        let length = if free { answer.size_hint().exact() } else { None };
        let Some(length) = length else { return Came::Streamed(body::boxed(answer)) };
        match Pin::new(&mut answer.body).poll_frame(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                Ok(bytes) if bytes.len() as u64 == length => Came::Whole(body::full(bytes)),
                _ => Came::Streamed(body::boxed(answer)),
            },
            _ => Came::Streamed(body::boxed(answer)),
        }
    }

    /// Puts the connection where it belongs once the answer has begun; gives back what its body has to drive.
    fn keep(&self, link: Box<Link>, waiting: Waiting<'_>) -> Option<Box<Link>> {
        if link.is_free() {
            self.0.put(link);
            return None;
        }
        // The answer is read as fast as the client takes it; the rest of the request must not wait for that.
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
        if now < since + self.idle_timeout {
            return Some(link);
        }
        // The others are older.
        let old = std::mem::take(&mut idle.links);
        drop(idle);
        link.close();
        old.into_iter().for_each(|(_, link)| link.close());
        None
    }

    /// Takes back a connection that is free, for whoever waits for one, or for later.
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

    /// Makes a connection, or takes one that comes free meanwhile. Says whether it was used before.
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
                // The other one will be somebody else's.
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

    /// Closes those that are old, and those that the upstream has ended. When the next one grows old; `None` if there
    /// is none.
    fn sweep(&self) -> Option<Instant> {
        let mut idle = self.idle();
        let now = Instant::now();
        let is_old = |since: &Instant| *since + self.idle_timeout <= now;
        let (mut gone, mut kept) = (Vec::new(), VecDeque::with_capacity(idle.links.len()));
        for (since, mut link) in idle.links.drain(..) {
            if is_old(&since) {
                gone.push(link);
            } else if !link.is_over() {
                kept.push_back((since, link));
            }
        }
        idle.links = kept;
        let oldest = idle.links.front().map(|(since, _)| *since + self.idle_timeout);
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
        // Nothing is idle; the next one will have a sweeper of its own.
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

/// The body of an answer, which drives its connection until it is all there, and gives it back then. Dropped before,
/// it ends the connection.
pub(super) struct Answer {
    body: Incoming,
    link: Option<Box<Link>>,
    pool: Pool,
    error: Option<hyper::Error>,
}

impl Answer {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        // Only the connection can bring more, so that it need not wake anybody.
        let mut silent = Context::from_waker(Waker::noop());
        if let Some(link) = &self.link {
            // To take what is there makes room for more. That is looked for when this is polled again.
            link.rest();
            if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(&mut silent) {
                return Poll::Ready(frame);
            }
            drive(&mut self.link, cx);
            if let Some(link) = self.link.take_if(|link| link.is_free()) {
                self.pool.0.put(link);
            }
        }
        match self.link {
            Some(_) => Pin::new(&mut self.body).poll_frame(&mut silent),
            None => Pin::new(&mut self.body).poll_frame(cx),
        }
    }
}

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        if let Some(error) = self.error.take() {
            return Poll::Ready(Some(Err(error)));
        }
        let next = ready!(self.poll_next(cx));
        let Some(Err(error)) = next else { return Poll::Ready(next) };
        // Whoever writes it on writes nothing more after an error: first let go what has come before.
        self.error = Some(error);
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
