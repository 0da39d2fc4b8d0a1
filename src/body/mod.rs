//! One type for every body, and reading a body up to a limit without losing it.

mod arrived;
pub mod coding;
mod collected;

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use hyper::body::Incoming;

pub use arrived::{Arrived, arrived};
pub use collected::Collected;

use crate::bounds::Permit;

/// An error while a body is read or written.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The body of any request or response that passes through.
pub type Body = UnsyncBoxBody<Bytes, BoxError>;

/// No bytes.
pub fn empty() -> Body {
    Body::new(Empty::new().map_err(|never| match never {}))
}

/// These bytes.
pub fn full(bytes: impl Into<Bytes>) -> Body {
    Body::new(Full::new(bytes.into()).map_err(|never| match never {}))
}

/// These bytes after that prefix, if it is not empty, and trailers.
pub fn whole(prefix: Bytes, bytes: Bytes, trailers: Option<HeaderMap>) -> Body {
    if prefix.is_empty() && trailers.is_none() {
        return full(bytes);
    }
    let data = [prefix, bytes].into_iter().filter(|part| !part.is_empty()).map(Frame::data);
    let frames = data.chain(trailers.map(Frame::trailers)).map(Ok::<_, BoxError>);
    Body::new(StreamBody::new(futures_util::stream::iter(frames)))
}

/// Any other body, streamed.
pub fn boxed<B>(body: B) -> Body
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    Body::new(body.map_err(Into::into))
}

/// A body that has just arrived; no allocation if it is empty.
pub fn incoming(body: Incoming) -> Body {
    if body.is_end_stream() { empty() } else { boxed(body) }
}

/// What these headers take in a head of HTTP/1.
pub fn head_bytes(headers: &HeaderMap) -> usize {
    const AROUND: usize = ": \r\n".len();
    headers.iter().map(|(name, value)| name.as_str().len() + value.len() + AROUND).sum()
}

/// No byte of a body moved for too long.
#[derive(Debug, thiserror::Error)]
#[error("no byte moved for too long")]
pub struct Stalled;

/// The result of `read_up_to`.
pub enum BodyRead {
    /// All of it, with the trailers if there were any.
    Whole {
        /// The bytes of the body; they hold their permit.
        bytes: Bytes,
        /// The trailers that followed.
        trailers: Option<HeaderMap>,
    },
    /// There is more than the limit: a body that gives the read bytes again, then the rest.
    TooLarge(Body),
    /// The budget has no room for it: again a body that gives the read bytes, then the rest.
    NoRoom(Body),
}

/// Reads a body into memory if it has at most `limit` bytes and the budget of `permit` has room for it; otherwise
/// what was read is put back in front. Budget is taken as the bytes arrive, whatever length was declared: a peer that
/// declares much and sends little holds little.
///
/// Fails with [`Stalled`] if no byte comes for `max_wait`.
pub async fn read_up_to(
    mut body: Body,
    limit: usize,
    permit: Permit,
    max_wait: Option<Duration>,
) -> Result<BodyRead, BoxError> {
    let hint = body.size_hint();
    // A declared length saves reading anything.
    if hint.lower() > limit as u64 {
        return Ok(BodyRead::TooLarge(body));
    }
    let declared = hint.exact().and_then(|length| usize::try_from(length).ok());
    let mut collected = Collected::new(permit, declared, limit);
    let mut trailers: Option<HeaderMap> = None;
    while let Some(frame) = next_frame(&mut body, max_wait).await? {
        match frame.into_data() {
            Ok(data) if data.len() > limit - collected.len() => {
                return Ok(BodyRead::TooLarge(replayed(collected, data, body)));
            }
            Ok(data) => {
                if let Err(data) = collected.push(data) {
                    return Ok(BodyRead::NoRoom(replayed(collected, data, body)));
                }
            }
            Err(frame) => {
                if let Ok(found) = frame.into_trailers() {
                    trailers.get_or_insert_default().extend(found);
                }
            }
        }
    }
    Ok(BodyRead::Whole { bytes: collected.finish(), trailers })
}

/// The next frame; fails with [`Stalled`] if none comes for `max_wait`.
pub(super) async fn next_frame(
    body: &mut Body,
    max_wait: Option<Duration>,
) -> Result<Option<Frame<Bytes>>, BoxError> {
    let frame = match max_wait {
        None => body.frame().await,
        Some(limit) => tokio::time::timeout(limit, body.frame()).await.map_err(|_| Stalled)?,
    };
    frame.transpose()
}

/// Bytes that were read already, then the body they came from.
struct Replayed {
    before: VecDeque<Bytes>,
    rest: Body,
}

fn replayed(collected: Collected, data: Bytes, rest: Body) -> Body {
    Body::new(Replayed { before: VecDeque::from([collected.finish(), data]), rest })
}

impl http_body::Body for Replayed {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match self.before.pop_front() {
            Some(bytes) => Poll::Ready(Some(Ok(Frame::data(bytes)))),
            None => Pin::new(&mut self.rest).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.before.is_empty() && self.rest.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let before: u64 = self.before.iter().map(|bytes| bytes.len() as u64).sum();
        let rest = self.rest.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(before.saturating_add(rest.lower()));
        if let Some(upper) = rest.upper() {
            hint.set_upper(before.saturating_add(upper));
        }
        hint
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bounds::Budget;
    use http_body_util::StreamBody;

    fn chunked(chunks: &'static [&'static str]) -> Body {
        let frames = chunks.iter().map(|c| Ok::<_, BoxError>(Frame::data(Bytes::from_static(c.as_bytes()))));
        Body::new(StreamBody::new(futures_util::stream::iter(frames)))
    }

    async fn read(body: Body, limit: usize, budget: &Budget) -> Result<BodyRead, BoxError> {
        read_up_to(body, limit, budget.nothing(), Some(Duration::from_secs(60))).await
    }

    #[tokio::test]
    async fn a_body_within_the_limit_is_read_whole() {
        let budget = Budget::new(1 << 20);
        for body in [chunked(&["ab", "", "c", "d"]), full("abcd"), chunked(&["abcd"])] {
            let Ok(BodyRead::Whole { bytes, trailers: None }) = read(body, 4, &budget).await else {
                panic!("four bytes fit into four")
            };
            assert_eq!(bytes, "abcd");
            assert_eq!(budget.used(), 4);
        }
        assert_eq!(budget.used(), 0, "what was read holds its permit no longer than it lives");
    }

    #[tokio::test]
    async fn a_body_over_the_limit_can_be_replayed_from_its_first_byte() {
        let budget = Budget::new(1 << 20);
        let Ok(BodyRead::TooLarge(body)) = read(chunked(&["ab", "cd", "ef"]), 5, &budget).await else {
            panic!("six bytes do not fit into five")
        };
        assert!(budget.used() >= 4, "what waits to be replayed is counted");
        assert_eq!(body.collect().await.unwrap().to_bytes(), "abcdef");
        assert_eq!(budget.used(), 0);
    }

    #[tokio::test]
    async fn a_declared_length_over_the_limit_is_not_read_at_all() {
        let Ok(BodyRead::TooLarge(body)) = read(full("abcdef"), 3, &Budget::new(1 << 20)).await else {
            panic!("six bytes do not fit into three")
        };
        assert_eq!(body.size_hint().exact(), Some(6));
    }

    #[tokio::test]
    async fn a_body_that_the_budget_has_no_room_for_can_be_replayed() {
        for (body, room) in
            [(full("abcdef"), 5), (chunked(&["abc", "def"]), 2), (chunked(&["abc", "def"]), 5)]
        {
            let budget = Budget::new(room);
            let Ok(BodyRead::NoRoom(body)) = read(body, 100, &budget).await else {
                panic!("{room} is too little")
            };
            assert_eq!(body.collect().await.unwrap().to_bytes(), "abcdef");
            assert_eq!(budget.used(), 0);
        }
    }

    #[tokio::test]
    async fn many_small_chunks_cost_little_more_than_their_bytes() {
        let chunks: &'static [&'static str] = vec!["x"; 200_000].leak();
        let budget = Budget::new(1 << 20);
        let Ok(BodyRead::Whole { bytes, .. }) = read(chunked(chunks), 300_000, &budget).await else {
            panic!("it fits")
        };
        assert_eq!(bytes.len(), 200_000);
        assert!((200_000..=400_000).contains(&budget.used()), "{budget:?}");
    }

    /// Declares a length; of its bytes so many come before it stops.
    struct Slow {
        declared: usize,
        sent: usize,
        most: usize,
    }

    impl http_body::Body for Slow {
        type Data = Bytes;
        type Error = BoxError;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
            let length = (self.most - self.sent).min(10_000);
            self.sent += length;
            match length {
                0 if self.sent == self.declared => Poll::Ready(None),
                0 => Poll::Pending,
                _ => Poll::Ready(Some(Ok(Frame::data(Bytes::from(vec![b'x'; length]))))),
            }
        }

        fn size_hint(&self) -> SizeHint {
            SizeHint::with_exact((self.declared - self.sent) as u64)
        }
    }

    #[tokio::test]
    async fn who_declares_much_holds_what_has_come_and_little_more() {
        for (most, held) in [(0, 0), (1, 1), (100, 100), (30_000, 64 << 10), (3 << 20, 9 << 19)] {
            let budget = Budget::new(64 << 20);
            let body = Body::new(Slow { declared: 8 << 20, sent: 0, most });
            let mut reading = Box::pin(read_up_to(body, 8 << 20, budget.nothing(), None));
            assert!(futures_util::poll!(&mut reading).is_pending());
            assert!((most..=held).contains(&budget.used()), "{most}: {budget:?}");
        }
    }

    #[tokio::test]
    async fn a_declared_body_that_comes_whole_has_a_buffer_of_its_length() {
        for length in [20_000, 64 << 10, 100_000, 3 << 20] {
            let budget = Budget::new(16 << 20);
            let body = Body::new(Slow { declared: length, sent: 0, most: length });
            let Ok(BodyRead::Whole { bytes, .. }) = read(body, 8 << 20, &budget).await else {
                panic!("it fits")
            };
            assert_eq!((bytes.len(), budget.used()), (length, length));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_of_which_no_byte_comes_is_given_up() {
        let never = StreamBody::new(futures_util::stream::pending::<Result<Frame<Bytes>, BoxError>>());
        let budget = Budget::new(100);
        let Err(error) = read(Body::new(never), 100, &budget).await else { panic!("nothing came") };
        assert!(error.is::<Stalled>());
        assert_eq!(budget.used(), 0);
    }
}
