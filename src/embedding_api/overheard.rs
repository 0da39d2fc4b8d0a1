//! The bodies of an embedding call as they pass, with a bounded copy of each.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};

use super::{ending::Ending, lesson::Lesson};
use crate::body::{Body, BoxError, Collected};
use crate::bounds::Permit;

/// A copy of a body while it passes, or why there is none.
pub(super) struct Copy {
    collected: Result<Collected, Ending>,
    limit: usize,
}

impl Copy {
    /// Of a body that declares so much, and of which at most `limit` bytes are copied, within the budget of `permit`.
    fn new(permit: Permit, hint: &SizeHint, limit: usize) -> Self {
        let declared = hint.exact().and_then(|length| usize::try_from(length).ok());
        let fits = declared.is_none_or(|declared| declared <= limit);
        let collected = fits.then(|| Collected::new(permit, declared, limit)).ok_or(Ending::TooLarge);
        Self { collected, limit }
    }

    fn add(&mut self, data: &Bytes) {
        let Ok(collected) = &mut self.collected else { return };
        let lost = match data.len() > self.limit - collected.len() {
            true => Ending::TooLarge,
            false if collected.push(data.clone()).is_ok() => return,
            false => Ending::NoRoom,
        };
        // Whatever there is of it is of no use any more.
        self.collected = Err(lost);
    }

    /// What has come.
    pub(super) fn finish(self) -> Result<Bytes, Ending> {
        self.collected.map(Collected::finish)
    }
}

/// The copy of a request, for when the response is there.
#[derive(Clone)]
pub(super) struct RequestCopy(Arc<Mutex<Option<Copy>>>);

struct CopiedRequest {
    body: Body,
    copy: RequestCopy,
}

impl RequestCopy {
    /// A body that passes as it is, and what is copied of it.
    pub(super) fn of(body: Body, permit: Permit, limit: usize) -> (Body, Self) {
        let copy = Self(Arc::new(Mutex::new(Some(Copy::new(permit, &body.size_hint(), limit)))));
        (Body::new(CopiedRequest { body, copy: copy.clone() }), copy)
    }

    /// What has gone on to the service so far. Nothing more is copied.
    pub(super) fn take(&self) -> Result<Bytes, Ending> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take().map_or(Err(Ending::Failed), Copy::finish)
    }
}

impl http_body::Body for CopiedRequest {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if let Some(data) = frame.as_ref().and_then(|frame| frame.as_ref().ok()?.data_ref()) {
            let mut copy = self.copy.0.lock().unwrap_or_else(PoisonError::into_inner);
            copy.iter_mut().for_each(|copy| copy.add(data));
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The work that a response's last byte waits for.
type Learning = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What comes of polling a body.
type Next = Option<Result<Frame<Bytes>, BoxError>>;

/// The body of an embedding call's response. Its bytes pass at once, but for those that complete it, which wait until
/// the memory has its vectors.
pub(super) struct Overheard {
    body: Body,
    /// Until all of it has come.
    heard: Option<(Copy, Lesson)>,
    /// What is still to come, where the length is known.
    left: Option<u64>,
    learning: Option<Learning>,
    /// What waits for that.
    held: Option<Next>,
}

impl Overheard {
    /// At most `limit` bytes are copied, within the budget of `permit`.
    pub(super) fn new(body: Body, permit: Permit, limit: usize, lesson: Lesson) -> Self {
        let hint = body.size_hint();
        let copy = Copy::new(permit, &hint, limit);
        Self { body, heard: Some((copy, lesson)), left: hint.exact(), learning: None, held: None }
    }

    /// Copies what passes, and holds back what completes the body. `None` if it is held.
    fn hear(&mut self, next: Next) -> Option<Next> {
        let Some((copy, _)) = &mut self.heard else { return Some(next) };
        let is_last = match &next {
            Some(Ok(frame)) => match frame.data_ref() {
                Some(data) => {
                    copy.add(data);
                    self.left = self.left.map(|left| left.saturating_sub(data.len() as u64));
                    self.left == Some(0)
                }
                None => true,
            },
            Some(Err(_)) => {
                // Dropped, the call counts as broken.
                self.heard = None;
                false
            }
            None => true,
        };
        let (copy, lesson) = if is_last { self.heard.take()? } else { return Some(next) };
        self.learning = lesson.learn(copy.finish());
        match self.learning {
            None => Some(next),
            Some(_) => {
                self.held = Some(next);
                None
            }
        }
    }
}

impl http_body::Body for Overheard {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Next> {
        loop {
            if let Some(learning) = &mut self.learning {
                ready!(learning.as_mut().poll(cx));
                self.learning = None;
            }
            if let Some(held) = self.held.take() {
                return Poll::Ready(held);
            }
            let next = ready!(Pin::new(&mut self.body).poll_frame(cx));
            if let Some(next) = self.hear(next) {
                return Poll::Ready(next);
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.held.is_none() && self.heard.is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let hint = self.body.size_hint();
        match self.held.as_ref().and_then(|held| held.as_ref()?.as_ref().ok()?.data_ref()) {
            Some(data) => SizeHint::with_exact(data.len() as u64 + hint.exact().unwrap_or(0)),
            None => hint,
        }
    }
}
