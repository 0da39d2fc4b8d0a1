//! [`Link`]: an HTTP/1 connection without a task of its own. The task that has a request or a response on it polls it
//! along: nothing is handed from task to task, and no task is woken twice.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use futures_util::task::AtomicWaker;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::{Builder, Connection, Parts, SendRequest};
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::task::coop::unconstrained;
use tokio::time::{Instant, timeout_at};

use super::connect::{Io, into_tcp};
use super::request_line::RequestLine;
use super::socket::Ack;
use crate::body::Body;
use crate::bounds::DeadlineTimer;

/// The waker of the task that polls a connection, and of none while it is idle: hyper and the kernel keep the same
/// waker, while the task behind it changes.
#[derive(Default)]
struct Bell {
    rung: AtomicBool,
    driver: AtomicWaker,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.rung.store(true, Ordering::Release);
        self.driver.wake();
    }
}

/// A connection, and the handle that sends on it.
pub(super) struct Link {
    sender: SendRequest<Body>,
    connection: Connection<Io, Body>,
    /// The upstream did not accept all of what was written last.
    blocked: Arc<AtomicBool>,
    ack: Arc<Ack>,
    /// Its one request was sent before.
    begun: bool,
    /// Where a request is announced whose target hyper cannot write.
    line: Arc<RequestLine>,
    bell: Arc<Bell>,
    waker: Waker,
    alarm: DeadlineTimer,
}

impl Link {
    /// Over a socket that has just been connected.
    pub(super) async fn new(io: Io, http: &Builder) -> hyper::Result<Self> {
        let (blocked, line, ack, begun) = (io.blocked(), io.line(), io.ack(), io.is_begun());
        let (sender, connection) = http.handshake(io).await?;
        let bell = Arc::<Bell>::default();
        let waker = Waker::from(bell.clone());
        Ok(Self {
            sender,
            connection,
            blocked,
            ack,
            begun,
            line,
            bell,
            waker,
            alarm: DeadlineTimer::default(),
        })
    }

    /// Makes all progress possible now; ready when the connection is over. Not to be polled again then.
    fn poll(&mut self) -> Poll<()> {
        let mut cx = Context::from_waker(&self.waker);
        loop {
            // An error was returned to the request or its body, or says that an idle connection has ended.
            if Pin::new(&mut self.connection).poll(&mut cx).is_ready() {
                return Poll::Ready(());
            }
            // Once more where there is more of the response to come.
            if self.is_free() || !self.ack.ask() {
                return Poll::Pending;
            }
        }
    }

    /// The same for the task of `cx`, if there is anything to be done; that task is woken when there is more.
    fn poll_for(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.bell.driver.register(cx.waker());
        match self.bell.rung.swap(false, Ordering::AcqRel) {
            true => self.poll(),
            false => Poll::Pending,
        }
    }

    /// From now on no task is woken.
    pub(super) fn rest(&self) {
        self.ack.settle();
        drop(self.bell.driver.take());
    }

    /// Whether nothing is open on it, so that it can have the next request.
    pub(super) fn is_free(&self) -> bool {
        self.sender.is_ready()
    }

    /// Whether it had its only request before it was made.
    pub(super) fn is_begun(&self) -> bool {
        self.begun
    }

    /// Whether bytes of the request wait for the upstream to take them.
    pub(super) fn is_blocked(&self) -> bool {
        self.blocked.load(Ordering::Relaxed)
    }

    /// Whether the upstream has closed an idle one.
    pub(super) fn is_over(&mut self) -> bool {
        self.poll().is_ready()
    }

    /// Closes an idle one: with TLS, the upstream gets a close_notify.
    pub(super) fn close(self) {
        let Self { sender, mut connection, .. } = self;
        drop(sender);
        // What cannot be written at once is not sent.
        let _ = Pin::new(&mut connection).poll(&mut Context::from_waker(Waker::noop()));
    }

    /// The TCP connection of an idle one, if there is no TLS over it and nothing has come on it.
    pub(super) fn into_tcp(mut self) -> Option<TcpStream> {
        if self.is_over() || !self.is_free() {
            return None;
        }
        let Parts { io, read_buf, .. } = self.connection.into_parts();
        if read_buf.is_empty() { into_tcp(io) } else { None }
    }

    /// Polls it in a task of its own until what is open is over, and closes it then; an upgrade is passed on.
    pub(super) fn run_on(self) {
        // Without a runtime nothing can be polled.
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(self.connection.with_upgrades());
        }
    }
}

/// Makes all progress possible now; drops a connection that is over.
pub(super) fn drive(link: &mut Option<Box<Link>>, cx: &mut Context<'_>) {
    if link.as_mut().is_some_and(|open| open.poll_for(cx).is_ready()) {
        *link = None;
    }
}

/// Why there is no response.
pub(super) enum Failed {
    /// It did not come in time.
    Late,
    /// As hyper reports it; returns the request if no byte of it was written.
    Sending(Box<TrySendError<Request<Body>>>),
}

impl From<TrySendError<Request<Body>>> for Failed {
    fn from(error: TrySendError<Request<Body>>) -> Self {
        Self::Sending(Box::new(error))
    }
}

/// Sends a request; its response's head, and the connection unless that is over.
pub(super) async fn exchange(
    mut link: Box<Link>,
    request: Request<Body>,
    until: Option<Instant>,
) -> Result<(Response<Incoming>, Option<Box<Link>>), Failed> {
    link.line.announce(&request);
    // Only the connection can complete it, so that it need not wake a task; and it must not yield, since no task
    // would then be woken.
    let mut response = pin!(unconstrained(link.sender.try_send_request(request)));
    link.bell.rung.store(true, Ordering::Release);
    let mut link = Some(link);
    let response = std::future::poll_fn(|cx| {
        drive(&mut link, cx);
        let Some(open) = &mut link else { return response.as_mut().poll(cx).map_err(Failed::from) };
        if let Poll::Ready(response) = response.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return Poll::Ready(response.map_err(Failed::from));
        }
        let Some(until) = until else { return Poll::Pending };
        open.alarm.poll_by(until, cx).map(|()| Err(Failed::Late))
    });
    let response = response.await?;
    Ok((response, link))
}

/// Sends a request that asks for an upgrade: the connection gets a task of its own.
pub(super) async fn exchange_apart(
    mut link: Box<Link>,
    request: Request<Body>,
    until: Option<Instant>,
) -> Result<Response<Incoming>, Failed> {
    link.line.announce(&request);
    let response = link.sender.try_send_request(request);
    link.run_on();
    let response = match until {
        Some(until) => timeout_at(until, response).await.map_err(|_| Failed::Late)?,
        None => response.await,
    };
    Ok(response?)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::time::Duration;

    use hyper_rustls::MaybeHttpsStream;
    use hyper_util::rt::TokioIo;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;
    use crate::body;
    use crate::upstream::{connect, socket::Socket};

    /// A connection to a peer that answers this many requests, and no more.
    async fn link(responses: usize) -> Box<Link> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (mut far, _) = listener.accept().await.unwrap();
        tokio::spawn(async move {
            let mut bytes = [0; 1024];
            for _ in 0..responses {
                assert!(far.read(&mut bytes).await.unwrap() > 0);
                far.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await.unwrap();
            }
            std::future::pending::<()>().await;
        });
        let io = Socket::new(MaybeHttpsStream::Http(TokioIo::new(near)), connect::acknowledge, None);
        Box::new(Link::new(io, &Builder::new()).await.unwrap())
    }

    async fn ask(link: Box<Link>, until: Option<Instant>) -> Result<Box<Link>, Failed> {
        let (response, link) = exchange(link, Request::new(body::empty()), until).await?;
        assert_eq!(response.status(), 200);
        let link = link.unwrap();
        assert!(link.is_free());
        link.rest();
        Ok(link)
    }

    /// Passes wakes on, and counts them.
    #[derive(Default)]
    struct Counted(AtomicUsize, AtomicWaker);

    impl Wake for Counted {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
            self.1.wake();
        }
    }

    impl Counted {
        async fn run<F: Future>(self: &Arc<Self>, future: F) -> F::Output {
            let mut future = pin!(future);
            let waker = Waker::from(self.clone());
            std::future::poll_fn(|cx| {
                self.1.register(cx.waker());
                future.as_mut().poll(&mut Context::from_waker(&waker))
            })
            .await
        }
    }

    #[tokio::test]
    async fn a_request_wakes_nobody_that_had_the_connection_before() {
        let link = link(2).await;
        let (one, two) = (Arc::<Counted>::default(), Arc::<Counted>::default());
        let link = one.run(ask(link, None)).await.ok().unwrap();
        let before = one.0.load(Ordering::Relaxed);
        assert!(two.run(ask(link, None)).await.is_ok());
        assert_eq!(one.0.load(Ordering::Relaxed), before);
        assert!(two.0.load(Ordering::Relaxed) > 0);
    }

    #[tokio::test]
    async fn every_response_has_its_own_time_whatever_that_of_the_one_before_was() {
        let at = |seconds| Some(Instant::now() + Duration::from_secs(seconds));
        for (first, second) in [(3600, 10), (10, 3600), (60, 60)] {
            let link = link(1).await;
            let link = ask(link, at(first)).await.ok().unwrap();
            tokio::time::pause();
            let start = Instant::now();
            assert!(matches!(ask(link, at(second)).await, Err(Failed::Late)));
            assert_eq!(start.elapsed().as_secs(), second);
            tokio::time::resume();
        }
    }

    #[tokio::test]
    async fn a_connection_that_its_peer_has_ended_gives_the_request_back() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        drop(listener.accept().await.unwrap());
        near.readable().await.unwrap();
        let io = Socket::new(MaybeHttpsStream::Http(TokioIo::new(near)), connect::acknowledge, None);
        let link = Box::new(Link::new(io, &Builder::new()).await.unwrap());
        let Err(Failed::Sending(mut error)) = ask(link, None).await else { panic!("nobody answers") };
        assert!(error.take_message().is_some());
    }
}
