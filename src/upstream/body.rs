//! One type for every body, and reading a body up to a limit without losing it.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full};

/// An error while a body is read or written.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The body of any request or answer that passes through.
pub type Body = UnsyncBoxBody<Bytes, BoxError>;

/// No bytes.
pub fn empty() -> Body {
    Body::new(Empty::new().map_err(|never| match never {}))
}

/// These bytes.
pub fn full(bytes: impl Into<Bytes>) -> Body {
    Body::new(Full::new(bytes.into()).map_err(|never| match never {}))
}

/// Any other body, streamed.
pub fn boxed<B>(body: B) -> Body
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    Body::new(body.map_err(Into::into))
}

/// What `read_up_to` has read.
pub enum Read {
    /// All of it, with the trailers if there were any.
    Whole {
        /// The bytes of the body.
        bytes: Bytes,
        /// The trailers that followed.
        trailers: Option<HeaderMap>,
    },
    /// There is more than the limit: a body that gives the read bytes again, then the rest.
    TooLarge(Body),
}

/// Reads a body into memory if it has at most `limit` bytes; otherwise what was read is put back in front.
pub async fn read_up_to(mut body: Body, limit: usize) -> Result<Read, BoxError> {
    // A declared length saves reading anything.
    if body.size_hint().lower() > limit as u64 {
        return Ok(Read::TooLarge(body));
    }
    let mut parts: Vec<Bytes> = Vec::new();
    let mut length = 0usize;
    let mut trailers: Option<HeaderMap> = None;
    while let Some(frame) = body.frame().await {
        match frame?.into_data() {
            Ok(data) => {
                length = length.saturating_add(data.len());
                parts.push(data);
                if length > limit {
                    return Ok(Read::TooLarge(Body::new(Replayed { before: parts.into(), rest: body })));
                }
            }
            Err(frame) => {
                if let Ok(found) = frame.into_trailers() {
                    trailers.get_or_insert_default().extend(found);
                }
            }
        }
    }
    let bytes = match <[Bytes; 1]>::try_from(parts) {
        Ok([only]) => only,
        Err(parts) => {
            let mut whole = BytesMut::with_capacity(length);
            parts.iter().for_each(|part| whole.extend_from_slice(part));
            whole.freeze()
        }
    };
    Ok(Read::Whole { bytes, trailers })
}

/// Bytes that were read already, then the body they came from.
struct Replayed {
    before: VecDeque<Bytes>,
    rest: Body,
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
    use http_body_util::StreamBody;

    fn chunked(chunks: &'static [&'static str]) -> Body {
        let frames = chunks.iter().map(|c| Ok::<_, BoxError>(Frame::data(Bytes::from_static(c.as_bytes()))));
        Body::new(StreamBody::new(futures_util::stream::iter(frames)))
    }

    #[tokio::test]
    async fn a_body_within_the_limit_is_read_whole() {
        let Ok(Read::Whole { bytes, trailers: None }) = read_up_to(chunked(&["ab", "cd"]), 4).await else {
            panic!("four bytes fit into four")
        };
        assert_eq!(bytes, "abcd");
    }

    #[tokio::test]
    async fn a_body_over_the_limit_can_be_replayed_from_its_first_byte() {
        let Ok(Read::TooLarge(body)) = read_up_to(chunked(&["ab", "cd", "ef"]), 3).await else {
            panic!("six bytes do not fit into three")
        };
        assert_eq!(body.collect().await.unwrap().to_bytes(), "abcdef");
    }

    #[tokio::test]
    async fn a_declared_length_over_the_limit_is_not_read_at_all() {
        let Ok(Read::TooLarge(body)) = read_up_to(full("abcdef"), 3).await else {
            panic!("six bytes do not fit into three")
        };
        assert_eq!(body.size_hint().exact(), Some(6));
    }
}
