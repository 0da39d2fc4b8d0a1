//! A search that was read from its own bytes, and its response.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, Response};
use http_body::{Body as _, Frame};
use tokio::io::{AsyncRead, AsyncWrite};

use super::client::Client;
use super::exchange::Outcome;
use super::lines;
use super::{Asked, Relay};
use crate::body::{Body, BoxError};
use crate::proxy::connection::ConnectionHandle;
use crate::proxy::spelling::Spelling;

/// The next of a body, if there is more.
type Next = Option<Result<Frame<Bytes>, BoxError>>;

/// Answers a search of this length. `handle`: the client's connection, which may be to end with it.
pub(super) async fn run<S: AsyncRead + AsyncWrite + Unpin>(
    client: &mut Client<S>,
    relay: &Relay,
    (search, length): (Asked, usize),
    handle: &ConnectionHandle,
) -> Outcome {
    let mut responding = Box::pin(relay.respond(search));
    let response = poll_fn(|cx| match responding.as_mut().poll(cx) {
        Poll::Ready(response) => Poll::Ready(Some(response)),
        Poll::Pending => client.poll_gone(length, cx).map(|()| None),
    });
    let Some(response) = response.await else { return Outcome::Over };
    drop(responding);
    let closes = handle.closes();
    let mut head = std::mem::take(&mut client.head);
    head.clear();
    match write_head(&response, closes, &mut head) {
        None => Outcome::Other(response),
        Some(left) => {
            let status = response.status().as_u16();
            let written = body(client, length, (&mut head, left), response.into_body()).await;
            client.head = head;
            written.map_or(Outcome::Over, |()| Outcome::Answered { closes, status })
        }
    }
}

/// Writes the head of a response whose own was read here; how long its body is. `None` where it was hyper that has read it,
/// or that has to write it.
fn write_head(response: &Response<Body>, closes: bool, out: &mut Vec<u8>) -> Option<u64> {
    let spelling = response.extensions().get::<Spelling>()?;
    let left = response.body().size_hint().exact()?;
    let (status, headers) = (response.status(), response.headers());
    if length(headers) != Some(left) || headers.contains_key(CONNECTION) {
        return None;
    }
    let mut write = |pieces: &[&[u8]]| pieces.iter().for_each(|piece| out.extend_from_slice(piece));
    write(&[b"HTTP/1.1 ", status.as_str().as_bytes(), b" ", spelling.reason(), b"\r\n"]);
    let mut names = spelling.names();
    for (name, value) in headers {
        write(&[names.name(name), b": ", value.as_bytes(), b"\r\n"]);
    }
    if closes {
        write(&[names.name(&CONNECTION), b": close\r\n"]);
    }
    write(&[b"\r\n"]);
    Some(left)
}

/// The one length that a head says, if nothing else says where the body ends.
fn length(headers: &HeaderMap) -> Option<u64> {
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    let length = lengths.next().and_then(|value| lines::length(value.as_bytes()))?;
    (lengths.next().is_none() && !headers.contains_key(TRANSFER_ENCODING)).then_some(length)
}

/// Writes the head, and the body as it comes. `None` if the client has left, or the body breaks off.
async fn body<S: AsyncRead + AsyncWrite + Unpin>(
    client: &mut Client<S>,
    request: usize,
    (head, mut left): (&mut Vec<u8>, u64),
    mut body: Body,
) -> Option<()> {
    // What is there already goes out with the head.
    let mut now = poll_fn(|cx| Poll::Ready(Pin::new(&mut body).poll_frame(cx))).await;
    loop {
        let piece = match now {
            Poll::Ready(next) => data(next, left)?,
            Poll::Pending => Bytes::new(),
        };
        left -= piece.len() as u64;
        let mut done = 0;
        poll_fn(|cx| match client.poll_write_all(head, &piece, &mut done, cx) {
            Poll::Pending => client.poll_gone(request, cx).map(|()| None),
            written => written.map(Result::ok),
        })
        .await?;
        head.clear();
        if left == 0 {
            return Some(());
        }
        let next = poll_fn(|cx| match Pin::new(&mut body).poll_frame(cx) {
            Poll::Pending => client.poll_gone(request, cx).map(|()| None),
            next => next.map(Some),
        });
        now = Poll::Ready(next.await?);
    }
}

/// The bytes of a piece; `None` if it is none, or more than is left. Of a body with a known length nothing but bytes comes.
fn data(next: Next, left: u64) -> Option<Bytes> {
    let Some(next) = next else { return (left == 0).then(Bytes::new) };
    let bytes = next.ok()?.into_data().ok()?;
    (bytes.len() as u64 <= left).then_some(bytes)
}
