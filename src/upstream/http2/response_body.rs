//! The body of a response that arrives on a stream.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::RecvStream;
use http::HeaderMap;
use http::header::CONTENT_LENGTH;
use http_body::{Frame, SizeHint};

use super::connection::Call;
use super::request_body::Pumping;

/// The body of a response. Dropped before its end, it resets the stream.
pub(super) struct ResponseBody {
    stream: RecvStream,
    /// As declared, less what has come.
    left: Option<u64>,
    has_data: bool,
    _pumping: Option<Pumping>,
    _call: Call,
}

impl ResponseBody {
    pub(super) fn new(headers: &HeaderMap, stream: RecvStream, call: Call, pumping: Option<Pumping>) -> Self {
        let declared = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        Self { stream, left: declared, has_data: true, _pumping: pumping, _call: call }
    }
}

impl http_body::Body for ResponseBody {
    type Data = Bytes;
    type Error = h2::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, h2::Error>>> {
        if self.has_data {
            match ready!(self.stream.poll_data(cx)) {
                Some(Ok(data)) => {
                    // It is the client's pace that the next one comes at: this is polled when there is room for it.
                    self.stream.flow_control().release_capacity(data.len()).ok();
                    self.left = self.left.map(|left| left.saturating_sub(data.len() as u64));
                    return Poll::Ready(Some(Ok(Frame::data(data))));
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => self.has_data = false,
            }
        }
        let trailers = ready!(self.stream.poll_trailers(cx));
        Poll::Ready(trailers.map(|trailers| trailers.map(Frame::trailers)).transpose())
    }

    fn is_end_stream(&self) -> bool {
        self.stream.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
