//! A request on its way to the database, from its own bytes.

use std::future::poll_fn;
use std::io;
use std::task::{Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use super::Relay;
use super::client::Client;
use crate::upstream::{RawConnection, UpstreamError};

/// A request as it goes upstream.
pub(super) struct Sent {
    /// Its length as it came.
    pub(super) length: usize,
    /// It is a HEAD.
    pub(super) bodiless: bool,
    /// It is a search.
    pub(super) is_search: bool,
    pub(super) bytes: Vec<u8>,
}

/// Makes a connection, or takes one that becomes free. Returns whether it was used before; no error where the client has left.
pub(super) async fn connect<S: AsyncRead + AsyncWrite + Unpin>(
    client: &mut Client<S>,
    relay: &Relay,
    request: &Sent,
    until: Option<Instant>,
) -> Result<(bool, RawConnection), Option<UpstreamError>> {
    let mut making = Box::pin(relay.upstream().raw_new(until));
    poll_fn(|cx| {
        if let Poll::Ready(made) = making.as_mut().poll(cx) {
            return Poll::Ready(made.map_err(Some));
        }
        client.poll_gone(request.length, cx).map(|()| Err(None))
    })
    .await
}

/// What came of sending a request.
pub(super) enum Sending {
    Done,
    /// After so many bytes.
    Broken(io::Error, usize),
    Late,
    Gone,
}

/// `limit`: how long the upstream may take no byte.
pub(super) async fn send<S: AsyncRead + AsyncWrite + Unpin>(
    client: &mut Client<S>,
    connection: &mut RawConnection,
    request: &Sent,
    limit: Option<Duration>,
) -> Sending {
    let (mut sent, mut since) = (0, None);
    poll_fn(|cx| {
        while let Some(rest) = request.bytes.get(sent..).filter(|rest| !rest.is_empty()) {
            match connection.poll_write(cx, rest) {
                Poll::Ready(Ok(0)) => {
                    return Poll::Ready(Sending::Broken(io::ErrorKind::WriteZero.into(), sent));
                }
                Poll::Ready(Ok(count)) => (sent, since) = (sent + count, None),
                Poll::Ready(Err(error)) => return Poll::Ready(Sending::Broken(error, sent)),
                Poll::Pending => {
                    if client.poll_gone(request.length, cx).is_ready() {
                        return Poll::Ready(Sending::Gone);
                    }
                    let Some(limit) = limit else { return Poll::Pending };
                    let since = *since.get_or_insert_with(Instant::now);
                    ready!(client.alarm.poll_by(since + limit, cx));
                    return Poll::Ready(Sending::Late);
                }
            }
        }
        Poll::Ready(Sending::Done)
    })
    .await
}
