//! Timeouts of one exchange with the upstream. They run only while no byte moves, so that a stream has no limit on
//! its total time; and a slow client is not counted as the upstream's fault.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, Wake, Waker, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_util::task::AtomicWaker;
use http_body::{Frame, SizeHint};
use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::body::{BoxError, Stalled};
use crate::bounds::{TimeoutKind, Timeouts};

/// When bytes of an exchange last moved, and which side it waits for. Shared by its two bodies and the wait between.
#[derive(Debug, Clone)]
pub(super) struct Watch(Arc<Progress>);

#[derive(Debug)]
struct Progress {
    start: Instant,
    /// Milliseconds from `start` to the last progress, twice; odd while the client is waited for.
    moved: AtomicU64,
    /// The whole request has been handed over.
    sent: AtomicBool,
    /// The response's head has come.
    answered: AtomicBool,
}

/// The timeouts until the head of a response.
#[derive(Debug, Clone, Copy)]
pub(super) struct SilenceLimits {
    /// While the upstream accepts no byte of the request's body.
    pub(super) body: Option<Duration>,
    /// Once it has all of the request.
    pub(super) response: Option<Duration>,
}

impl Watch {
    pub(super) fn new() -> Self {
        let (moved, sent, answered) = (AtomicU64::new(0), AtomicBool::new(true), AtomicBool::new(false));
        Self(Arc::new(Progress { start: Instant::now(), moved, sent, answered }))
    }

    fn mark(&self, waiting_for_client: bool) {
        let now = u64::try_from(self.0.start.elapsed().as_millis()).unwrap_or(u64::MAX >> 1);
        self.0.moved.store((now << 1) | u64::from(waiting_for_client), Ordering::Relaxed);
    }

    /// Whether the whole request has been handed over.
    pub(super) fn is_sent(&self) -> bool {
        self.0.sent.load(Ordering::Relaxed)
    }

    /// When there was progress last; `None` while the client is waited for.
    fn quiet_since(&self) -> Option<Instant> {
        let moved = self.0.moved.load(Ordering::Relaxed);
        (moved & 1 == 0).then(|| self.0.start + Duration::from_millis(moved >> 1))
    }

    fn last_moved(&self) -> Instant {
        self.0.start + Duration::from_millis(self.0.moved.load(Ordering::Relaxed) >> 1)
    }

    /// Ends when the upstream itself has been silent for longer than `max_wait`.
    pub(super) async fn silence(&self, max_wait: SilenceLimits) {
        let SilenceLimits { body, response } = max_wait;
        loop {
            let now = Instant::now();
            let sent = self.is_sent();
            let Some(limit) = (if sent { response } else { body.or(response) }) else {
                return std::future::pending().await;
            };
            let until = self.quiet_since().unwrap_or(now) + limit;
            if until <= now {
                return;
            }
            // Which limit applies may have changed by the time the other one would be over.
            let shorter = response.filter(|_| !sent).map_or(until, |other| until.min(now + other));
            sleep_until(shorter).await;
        }
    }

    /// The request's body on its way to the upstream; fails if the client sends nothing for `limit`.
    pub(super) fn request<B>(&self, inner: B, limit: Option<Duration>, waits: Timeouts) -> Watched<B> {
        self.0.sent.store(false, Ordering::Relaxed);
        self.watched(inner, Side::Request, limit, waits)
    }

    /// The response's body on its way to the client; fails if nothing moves either way for `limit`.
    pub(super) fn respond<B>(&self, inner: B, limit: Option<Duration>, waits: Timeouts) -> Watched<B> {
        self.0.answered.store(true, Ordering::Relaxed);
        self.mark(false);
        self.watched(inner, Side::ResponseBody, limit, waits)
    }

    fn watched<B>(&self, inner: B, side: Side, limit: Option<Duration>, waits: Timeouts) -> Watched<B> {
        Watched { inner, watch: self.clone(), side, limit, waits, alarm: None, waiting: false, arrival: None }
    }
}

/// Wakes the task that sends a request's body when the client has sent more of it. From then on the upstream is
/// waited for: where it accepts nothing, what has arrived is never read.
struct Arrival {
    watch: Watch,
    task: AtomicWaker,
}

impl Wake for Arrival {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.watch.mark(false);
        self.task.wake();
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Request,
    ResponseBody,
}

pin_project! {
    /// A body that marks its progress, and fails when there has been none for too long.
    pub(super) struct Watched<B> {
        #[pin]
        inner: B,
        watch: Watch,
        side: Side,
        limit: Option<Duration>,
        waits: Timeouts,
        // Set at the first wait, checked when it expires, never moved in between.
        #[pin]
        alarm: Option<Sleep>,
        waiting: bool,
        // Made at the first wait of a request.
        arrival: Option<Arc<Arrival>>,
    }

    impl<B> PinnedDrop for Watched<B> {
        fn drop(this: Pin<&mut Self>) {
            // A body with a known length is dropped without being polled to its end.
            if this.side == Side::Request {
                this.watch.mark(false);
                this.watch.0.sent.store(true, Ordering::Relaxed);
            }
        }
    }
}

impl<B: http_body::Body> Watched<B> {
    /// The next frame; a request that has to wait for one is woken through its `Arrival`.
    #[expect(clippy::type_complexity, reason = "it is that of the body's own function")]
    fn poll_inner(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let mut this = self.project();
        if this.arrival.is_none() {
            let polled = this.inner.as_mut().poll_frame(cx);
            if polled.is_ready() || *this.side == Side::ResponseBody {
                return polled;
            }
        }
        let new = || Arc::new(Arrival { watch: this.watch.clone(), task: AtomicWaker::new() });
        let arrival = this.arrival.get_or_insert_with(new).clone();
        arrival.task.register(cx.waker());
        this.inner.poll_frame(&mut Context::from_waker(&Waker::from(arrival)))
    }

    /// Ready when nothing has moved for the limit.
    fn poll_stalled(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        loop {
            let Some(limit) = *this.limit else { return Poll::Pending };
            let until = this.watch.last_moved() + limit;
            match this.alarm.as_mut().as_pin_mut() {
                None => this.alarm.set(Some(sleep_until(until))),
                Some(mut alarm) => {
                    ready!(alarm.as_mut().poll(cx));
                    if *this.side == Side::Request && this.watch.0.answered.load(Ordering::Relaxed) {
                        // The response is on its way: whether anything moves is for its side to decide.
                        *this.limit = None;
                    } else if until <= Instant::now() {
                        return Poll::Ready(());
                    } else {
                        alarm.reset(until);
                    }
                }
            }
        }
    }
}

impl<B> http_body::Body for Watched<B>
where
    B: http_body::Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let polled = self.as_mut().poll_inner(cx);
        let this = self.as_mut().project();
        match (*this.side, polled.is_pending()) {
            (_, false) => this.watch.mark(false),
            (Side::Request, true) if this.watch.quiet_since().is_some() => this.watch.mark(true),
            (Side::ResponseBody, true) if !*this.waiting => this.watch.mark(false),
            _ => {}
        }
        *this.waiting = polled.is_pending();
        if let Poll::Ready(frame) = polled {
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        let (side, waits) = (*this.side, this.waits.clone());
        ready!(self.poll_stalled(cx));
        waits.given_up(if side == Side::Request {
            TimeoutKind::RequestBody
        } else {
            TimeoutKind::ResponseBody
        });
        Poll::Ready(Some(Err(Stalled.into())))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::{StreamExt, stream};
    use http_body_util::{BodyExt, StreamBody};

    const MINUTE: Duration = Duration::from_secs(60);
    const BOTH: SilenceLimits = SilenceLimits { body: Some(MINUTE), response: Some(MINUTE) };

    /// A body whose bytes come one by one, each after so many seconds.
    fn trickle(
        seconds: &'static [u64],
    ) -> impl http_body::Body<Data = Bytes, Error = BoxError> + Unpin + Send + 'static {
        let bytes = stream::iter(seconds).then(|seconds| async move {
            tokio::time::sleep(Duration::from_secs(*seconds)).await;
            Ok::<_, BoxError>(Frame::data(Bytes::from_static(b"x")))
        });
        StreamBody::new(bytes.boxed())
    }

    #[tokio::test(start_paused = true)]
    async fn an_upstream_that_says_nothing_is_given_up_after_the_limit() {
        let start = Instant::now();
        Watch::new().silence(BOTH).await;
        assert_eq!(start.elapsed(), MINUTE);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_its_time_is_not_blamed_on_the_upstream() {
        let watch = Watch::new();
        let body = watch.request(trickle(&[300]), None, Timeouts::default());
        let start = Instant::now();
        let sent = async {
            body.collect().await.map(drop).ok();
            std::future::pending::<()>().await;
        };
        tokio::select! { () = sent => {}, () = watch.silence(BOTH) => {} }
        assert_eq!(start.elapsed().as_secs(), 360);
    }

    #[tokio::test(start_paused = true)]
    async fn an_upstream_that_takes_no_byte_is_given_up_sooner_than_one_that_thinks() {
        let max_wait = SilenceLimits { body: Some(MINUTE), response: Some(60 * MINUTE) };
        for (handed_over, minutes) in [(false, 1), (true, 61)] {
            let watch = Watch::new();
            let mut body = Box::pin(watch.request(trickle(&[30, 30]), None, Timeouts::default()));
            let start = Instant::now();
            body.frame().await;
            body.frame().await;
            let kept = (!handed_over).then_some(body);
            watch.silence(max_wait).await;
            drop(kept);
            assert_eq!(start.elapsed().as_secs(), 60 + 60 * (minutes - u64::from(handed_over)));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_shorter_limit_counts_from_the_moment_the_request_is_handed_over() {
        let max_wait = SilenceLimits { body: Some(MINUTE), response: Some(Duration::from_secs(1)) };
        let watch = Watch::new();
        let body = watch.request(trickle(&[5]), None, Timeouts::default());
        tokio::spawn(body.collect());
        let start = Instant::now();
        watch.silence(max_wait).await;
        assert_eq!(start.elapsed().as_secs(), 6);
    }

    #[tokio::test(start_paused = true)]
    async fn bytes_that_have_come_and_are_not_fetched_are_the_upstreams_fault() {
        let watch = Watch::new();
        let mut body = Box::pin(watch.request(trickle(&[10]), Some(MINUTE), Timeouts::default()));
        let start = Instant::now();
        // Sent on while there is room, and then no more: what the client sends after 10 s stays where it is.
        assert!(futures_util::poll!(body.frame()).is_pending());
        watch.silence(BOTH).await;
        assert_eq!(start.elapsed().as_secs(), 70);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_fails_when_no_byte_moves_and_never_while_some_do() {
        let waits = Timeouts::default();
        for (seconds, whole) in [(&[59, 59, 59, 59][..], true), (&[1, 61], false)] {
            let body = Watch::new().request(trickle(seconds), Some(MINUTE), waits.clone());
            assert_eq!(body.collect().await.is_ok(), whole, "{seconds:?}");
            let body = Watch::new().respond(trickle(seconds), Some(MINUTE), waits.clone());
            assert_eq!(body.collect().await.is_ok(), whole, "{seconds:?}");
            let body = Watch::new().respond(trickle(seconds), None, waits.clone());
            assert!(body.collect().await.is_ok(), "without a limit nothing is cut");
        }
        assert_eq!((waits.count(TimeoutKind::RequestBody), waits.count(TimeoutKind::ResponseBody)), (1, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn time_that_nobody_asks_for_bytes_is_no_stall() {
        let mut body = Box::pin(Watch::new().respond(trickle(&[1, 30]), Some(MINUTE), Timeouts::default()));
        assert!(body.frame().await.unwrap().is_ok());
        tokio::time::sleep(10 * MINUTE).await;
        assert!(body.frame().await.unwrap().is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn once_the_response_flows_bytes_either_way_keep_both_sides_open() {
        let watch = Watch::new();
        let request = watch.request(trickle(&[30, 30, 30, 30, 30]), Some(MINUTE), Timeouts::default());
        let response = watch.respond(trickle(&[140, 1, 70]), Some(MINUTE), Timeouts::default());
        let (request, response) = tokio::join!(request.collect(), response.collect());
        assert!(request.is_ok() && response.is_err(), "only the last 70 s are quiet both ways");

        let watch = Watch::new();
        let request = watch.request(trickle(&[150]), Some(MINUTE), Timeouts::default());
        let response = watch.respond(trickle(&[50, 50, 50]), Some(MINUTE), Timeouts::default());
        let (request, response) = tokio::join!(request.collect(), response.collect());
        assert!(request.is_ok() && response.is_ok());
    }
}
