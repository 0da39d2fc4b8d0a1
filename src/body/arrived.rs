//! What of a body has arrived already: a small request mostly has, and is then one of known bytes.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use bytes::{Bytes, BytesMut};
use http_body::{Body as _, Frame, SizeHint};

use super::{Body, BoxError};

/// The result of [`arrived`].
pub enum Arrived {
    /// All of it, without trailers.
    Whole(Bytes),
    /// There is more to come, or there are trailers: a body that gives what was read again, then the rest.
    Rest(Body),
}

/// Takes what is there without waiting, up to about `limit` bytes.
pub fn arrived(mut body: Body, limit: usize) -> Arrived {
    let (mut taken, mut length) = (VecDeque::new(), 0);
    loop {
        if body.is_end_stream() {
            return Arrived::Whole(joined(taken));
        }
        let last = match Pin::new(&mut body).poll_frame(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(None) => return Arrived::Whole(joined(taken)),
            Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                Ok(data) => {
                    length += data.len();
                    taken.push_back(data);
                    if length <= limit {
                        continue;
                    }
                    None
                }
                Err(trailers) => Some(Ok(trailers)),
            },
            Poll::Ready(Some(Err(error))) => Some(Err(error)),
            Poll::Pending => None,
        };
        if taken.is_empty() && last.is_none() {
            return Arrived::Rest(body);
        }
        return Arrived::Rest(Body::new(Resumed { taken, last, rest: body }));
    }
}

/// A single piece is not copied.
fn joined(mut pieces: VecDeque<Bytes>) -> Bytes {
    if pieces.len() < 2 {
        return pieces.pop_front().unwrap_or_default();
    }
    let mut all = BytesMut::with_capacity(pieces.iter().map(Bytes::len).sum());
    pieces.iter().for_each(|piece| all.extend_from_slice(piece));
    all.freeze()
}

/// The pieces that were taken, the frame or error after them, then the body that they came from.
struct Resumed {
    taken: VecDeque<Bytes>,
    last: Option<Result<Frame<Bytes>, BoxError>>,
    rest: Body,
}

impl http_body::Body for Resumed {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Some(bytes) = self.taken.pop_front() {
            return Poll::Ready(Some(Ok(Frame::data(bytes))));
        }
        match self.last.take() {
            Some(last) => Poll::Ready(Some(last)),
            None => Pin::new(&mut self.rest).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.taken.is_empty() && self.last.is_none() && self.rest.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let taken: u64 = self.taken.iter().map(|bytes| bytes.len() as u64).sum();
        let rest = self.rest.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(taken.saturating_add(rest.lower()));
        if let Some(upper) = rest.upper() {
            hint.set_upper(taken.saturating_add(upper));
        }
        hint
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{StreamExt, stream};
    use http::HeaderMap;
    use http_body_util::{BodyExt, StreamBody};

    use super::*;

    type Frames = Vec<Result<Frame<Bytes>, BoxError>>;

    fn data(text: &'static str) -> Result<Frame<Bytes>, BoxError> {
        Ok(Frame::data(Bytes::from_static(text.as_bytes())))
    }

    /// A body of these frames, which ends or is still open.
    fn body(frames: Frames, ends: bool) -> Body {
        let rest = match ends {
            true => stream::empty().boxed(),
            false => stream::pending().boxed(),
        };
        Body::new(StreamBody::new(stream::iter(frames).chain(rest)))
    }

    #[test]
    fn a_body_that_is_there_is_taken_whole_in_however_many_pieces() {
        for frames in
            [vec![], vec![data("abc")], vec![data("a"), data(""), data("bc")], vec![data("abc"), data("")]]
        {
            let expected = if frames.is_empty() { "" } else { "abc" };
            let Arrived::Whole(bytes) = arrived(body(frames, true), 10) else { panic!("all is there") };
            assert_eq!(bytes, expected);
        }
    }

    #[tokio::test]
    async fn what_was_taken_of_an_unfinished_body_comes_again() {
        let many = || vec![data("ab"), data("cd"), data("ef")];
        let Arrived::Rest(rest) = arrived(body(many(), true), 3) else { panic!("over the limit") };
        assert_eq!(rest.collect().await.unwrap().to_bytes(), "abcdef");

        let Arrived::Rest(mut rest) = arrived(body(vec![data("ab")], false), 10) else { panic!("open") };
        assert_eq!(rest.frame().await.unwrap().unwrap().into_data().unwrap(), "ab");
        assert!(futures_util::poll!(rest.frame()).is_pending());

        let mut trailers = HeaderMap::new();
        trailers.insert("x-sum", "1".parse().unwrap());
        let frames = vec![data("ab"), Ok(Frame::trailers(trailers.clone()))];
        let Arrived::Rest(rest) = arrived(body(frames, true), 10) else { panic!("with trailers") };
        let all = rest.collect().await.unwrap();
        assert_eq!(all.trailers(), Some(&trailers));
        assert_eq!(all.to_bytes(), "ab");

        let Arrived::Rest(rest) = arrived(body(vec![data("ab"), Err("cut".into())], true), 10) else {
            panic!("broken")
        };
        assert!(rest.collect().await.is_err());
    }
}
