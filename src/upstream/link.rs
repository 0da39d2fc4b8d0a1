//! [`Link`]: a connection of HTTP/1 that no task of its own drives. Whoever has a request or an answer on it polls it
//! along, in his own task: nothing is handed from task to task, and nobody is woken twice.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::{Builder, Connection, SendRequest};
use tokio::runtime::Handle;
use tokio::task::coop::unconstrained;

use super::body::Body;
use super::connect::Io;

/// A connection, with what sends on it.
pub(super) struct Link {
    sender: SendRequest<Body>,
    connection: Connection<Io, Body>,
    /// The upstream did not take all of what was written last.
    blocked: Arc<AtomicBool>,
}

impl Link {
    /// Over a socket that has just been connected.
    pub(super) async fn new(io: Io, http: &Builder) -> hyper::Result<Self> {
        let blocked = io.blocked();
        let (sender, connection) = http.handshake(io).await?;
        Ok(Self { sender, connection, blocked })
    }

    /// Does what can be done now; ready when the connection is over. Not to be polled again then.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // An error was told to whoever waits for an answer or its body, or says that an idle one has ended.
        Pin::new(&mut self.connection).poll(cx).map(drop)
    }

    /// Whether nothing is open on it, so that it can have the next request.
    pub(super) fn is_free(&self) -> bool {
        self.sender.is_ready()
    }

    /// Whether bytes of the request wait for the upstream to take them.
    pub(super) fn is_blocked(&self) -> bool {
        self.blocked.load(Ordering::Relaxed)
    }

    /// Whether an idle one has been ended by the upstream.
    pub(super) fn is_over(&mut self) -> bool {
        self.poll(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    /// Ends an idle one: with TLS, the upstream is told.
    pub(super) fn close(self) {
        let Self { sender, mut connection, .. } = self;
        drop(sender);
        // What cannot be said at once is left unsaid.
        let _ = Pin::new(&mut connection).poll(&mut Context::from_waker(Waker::noop()));
    }

    /// Goes on in a task of its own until what is open is over, and ends then; an upgrade is passed on.
    pub(super) fn run_on(self) {
        // Without a runtime nothing can be waited for.
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(self.connection.with_upgrades());
        }
    }
}

/// Does what can be done now; lets go of a connection that is over.
pub(super) fn drive(link: &mut Option<Box<Link>>, cx: &mut Context<'_>) {
    if link.as_mut().is_some_and(|open| open.poll(cx).is_ready()) {
        *link = None;
    }
}

/// Sends a request; its answer's head, and the connection unless that is over.
pub(super) async fn exchange(
    mut link: Box<Link>,
    request: Request<Body>,
) -> Result<(Response<Incoming>, Option<Box<Link>>), TrySendError<Request<Body>>> {
    // Only the connection can complete it, so that it need not wake anybody; and must not be put off, since it would
    // then be nobody that is woken.
    let mut answer = pin!(unconstrained(link.sender.try_send_request(request)));
    let mut link = Some(link);
    let answer = std::future::poll_fn(|cx| {
        drive(&mut link, cx);
        match link {
            Some(_) => answer.as_mut().poll(&mut Context::from_waker(Waker::noop())),
            None => answer.as_mut().poll(cx),
        }
    });
    let answer = answer.await?;
    Ok((answer, link))
}

/// Sends a request that asks for an upgrade: the connection gets a task of its own.
pub(super) async fn exchange_apart(
    mut link: Box<Link>,
    request: Request<Body>,
) -> Result<Response<Incoming>, TrySendError<Request<Body>>> {
    let answer = link.sender.try_send_request(request);
    link.run_on();
    answer.await
}
