//! One request and its response.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use bytes::Bytes;
use h2::client::ResponseFuture;
use h2::{Reason, RecvStream, SendStream};
use http::{Request, Response};

use super::Http2;
use super::connection::Call;
use super::request_body::{Pump, Pumping};
use super::response_body::ResponseBody;
use crate::body::{self, Arrived, Body};
use crate::upstream::response_body::Came;
use crate::upstream::{SMALL, UpstreamError};

/// Connections that turn out to be over before a call could begin on them, before the call is given up.
const MOST_TRIES: usize = 4;

/// A call that has begun.
type Begun = (ResponseFuture, SendStream<Bytes>, Call);

/// Sends a request, and waits for the head of its response.
pub(super) async fn exchange(http2: &Http2, request: Request<Body>) -> Result<Response<Came>, UpstreamError> {
    let (parts, body) = request.into_parts();
    let mut head = Request::new(());
    (*head.method_mut(), *head.uri_mut(), *head.headers_mut()) = (parts.method, parts.uri, parts.headers);
    match body::arrived(body, SMALL) {
        Arrived::Whole(bytes) => match whole(http2, head.clone(), bytes.clone()).await {
            Err(error) if is_unprocessed(&error) => whole(http2, head, bytes).await,
            response => response,
        },
        Arrived::Rest(body) => streamed(http2, head, body).await,
    }
    .map_err(UpstreamError::from_http2)
}

/// Why a call got no response.
#[derive(Debug)]
pub(in crate::upstream) enum Failed {
    /// No connection could be made.
    Connecting(UpstreamError),
    /// By the rules of HTTP/2.
    Http2(h2::Error),
    /// The client's body ended early or stalled.
    Body(crate::body::BoxError),
}

async fn whole(http2: &Http2, head: Request<()>, bytes: Bytes) -> Result<Response<Came>, Failed> {
    let (response, mut sending, call) = begin(http2, head, bytes.is_empty()).await?;
    if !bytes.is_empty() {
        sending.send_data(bytes, true).map_err(Failed::Http2)?;
    }
    let response = response.await.map_err(Failed::Http2)?;
    Ok(came(response, call, None))
}

/// The head goes out; nothing has been sent if this fails.
async fn begin(http2: &Http2, head: Request<()>, last: bool) -> Result<Begun, Failed> {
    let mut tries = 0;
    loop {
        let (mut sender, call) = http2.begin().await.map_err(Failed::Connecting)?;
        // A connection may be over without its task having said so.
        match poll_fn(|cx| sender.poll_ready(cx)).await {
            Ok(()) => {
                let (response, sending) = sender.send_request(head, last).map_err(Failed::Http2)?;
                return Ok((response, sending, call));
            }
            Err(error) => {
                call.retire();
                tries += 1;
                if tries >= MOST_TRIES {
                    return Err(Failed::Http2(error));
                }
            }
        }
    }
}

/// The body is sent beside the wait for the response, and goes on after its head where the client has not ended it.
async fn streamed(http2: &Http2, head: Request<()>, body: Body) -> Result<Response<Came>, Failed> {
    let (mut response, sending, call) = begin(http2, head, false).await?;
    let mut pump = Some(Pump::new(body, sending));
    let head = poll_fn(|cx| {
        if let Poll::Ready(response) = Pin::new(&mut response).poll(cx) {
            return Poll::Ready(response.map_err(Failed::Http2));
        }
        if let Some(Poll::Ready(sent)) = pump.as_mut().map(|pump| pump.poll(cx)) {
            pump = None;
            if let Err(error) = sent {
                return Poll::Ready(Err(Failed::Body(error)));
            }
        }
        Poll::Pending
    });
    let head = head.await?;
    Ok(came(head, call, pump.map(Pumping::start)))
}

fn came(response: Response<RecvStream>, call: Call, pumping: Option<Pumping>) -> Response<Came> {
    let (parts, stream) = response.into_parts();
    let came = match stream.is_end_stream() && pumping.is_none() {
        true => Came::Whole(body::empty()),
        false => Came::Streamed(body::boxed(ResponseBody::new(&parts.headers, stream, call, pumping))),
    };
    Response::from_parts(parts, came)
}

/// Whether the upstream says that it has not looked at the request (RFC 9113 §8.7): it has refused the stream, or ended
/// the connection at an earlier one.
fn is_unprocessed(error: &Failed) -> bool {
    let Failed::Http2(error) = error else { return false };
    error.is_remote()
        && (error.is_go_away() || error.is_reset() && error.reason() == Some(Reason::REFUSED_STREAM))
}
