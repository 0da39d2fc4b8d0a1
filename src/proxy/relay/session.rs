//! A client's requests, one after another, as long as they go on as they are.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Poll, ready};

use http::{Method, Response};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use super::answer;
use super::client::Client;
use super::exchange::{self, Outcome};
use super::lines::{self, End};
use super::passing::{Passing, Traced};
use super::request::{self, Reading};
use super::sending::Sent;
use super::{Asked, Relay, Taken};
use crate::body::Body;
use crate::bounds::{Budget, TimeoutKind};
use crate::proxy::connection::ConnectionHandle;
use crate::proxy::unranked::PassedOn;
use crate::tenant::Peer;
use crate::upstream::Begun;

/// Longer heads are read by hyper, which has limits for them.
const LONGEST_HEAD: usize = 64 << 10;

/// What happens next on a client's connection.
pub(in crate::proxy) enum Next {
    /// It ends well.
    End,
    /// It is over.
    Over,
    /// The message of this length is handled by hyper; it may have been sent already.
    Message(u64, Option<Begun>),
    /// So is the response to the message of this length.
    Response(u64, Box<Response<Body>>),
    /// So is all that comes.
    Rest,
}

/// What a request is.
enum Read {
    /// It goes on as it is, maybe a search, maybe in spans.
    Sent(Sent, Option<PassedOn>, Option<Passing>),
    /// A search of this length.
    Search(Asked, usize),
}

/// What a connection waits for.
enum Head {
    /// It has come, and is so long.
    Whole(usize),
    Next(Next),
}

/// Passes on requests until one comes that does not go on as it is. `relay` is asked for each.
pub(in crate::proxy) async fn run<S: AsyncRead + AsyncWrite + Unpin>(
    client: &mut Client<S>,
    relay: impl Fn() -> Option<Arc<Relay>>,
    (handle, requests): (&ConnectionHandle, &Budget),
) -> Next {
    loop {
        let head = match head(client, handle).await {
            Head::Whole(head) => head,
            Head::Next(next) => return next,
        };
        let Some(relay) = relay() else { return Next::Rest };
        let read = match read(client, &relay, head, handle.peer()) {
            Ok(read) => read,
            Err(next) => return next,
        };
        let exchange = handle.begin(requests.take(1));
        let (outcome, length) = match read {
            Read::Search(search, length) => {
                (Box::pin(answer::run(client, &relay, (search, length), handle)).await, length)
            }
            Read::Sent(sent, search, passing) => {
                let outcome = exchange::run(client, &relay, (&sent, search), handle).await;
                client.request = sent.bytes;
                let outcome = match passing {
                    Some(passing) => passing.ended(outcome),
                    None => outcome,
                };
                (outcome, sent.length)
            }
        };
        drop(exchange);
        match outcome {
            Outcome::Answered { closes: true, .. } => return Next::End,
            Outcome::Answered { closes: false, .. } => client.handled(length),
            Outcome::Over => return Next::Over,
            Outcome::Begun(begun) => return Next::Message(length as u64, Some(begun)),
            Outcome::Other(response) => return Next::Response(length as u64, Box::new(response)),
        }
    }
}

/// Waits for the whole head of a request.
async fn head<S: AsyncRead + AsyncWrite + Unpin>(client: &mut Client<S>, handle: &ConnectionHandle) -> Head {
    let (mut looked, mut since) = (0, None);
    poll_fn(|cx| {
        loop {
            match lines::end(&client.received, looked) {
                End::At(head) => return Poll::Ready(Head::Whole(head)),
                End::Odd => return Poll::Ready(Head::Next(Next::Rest)),
                End::None if client.received.len() > LONGEST_HEAD => {
                    return Poll::Ready(Head::Next(Next::Rest));
                }
                End::None => looked = client.received.len(),
            }
            if looked == 0 && handle.finishes() {
                return Poll::Ready(Head::Next(Next::End));
            }
            if looked > 0 {
                let now = Instant::now();
                handle.touch(now);
                since.get_or_insert(now);
            }
            match client.poll_receive(cx) {
                Poll::Ready(Ok(1..)) => {}
                Poll::Ready(Ok(0)) if looked == 0 => return Poll::Ready(Head::Next(Next::End)),
                Poll::Ready(_) => return Poll::Ready(Head::Next(Next::Over)),
                Poll::Pending => break,
            }
        }
        let (Some(since), Some(limit)) = (since, client.max_wait.head) else { return Poll::Pending };
        ready!(client.alarm.poll_by(since + limit, cx));
        client.given_up(TimeoutKind::RequestHead);
        Poll::Ready(Head::Next(Next::Over))
    })
    .await
}

/// The request that begins what has come; or what happens instead.
fn read<S>(client: &mut Client<S>, relay: &Relay, head: usize, peer: Option<&Peer>) -> Result<Read, Next> {
    let request = match request::read(client.received.get(..head).unwrap_or_default()) {
        Reading::Plain(request) => request,
        Reading::Message(length) => return Err(Next::Message(length, None)),
        Reading::Rest => return Err(Next::Rest),
    };
    let length = (head as u64).saturating_add(request.length);
    let whole = usize::try_from(length).ok().and_then(|length| client.received.get(head..length));
    let Some((body, taken)) = whole.and_then(|body| Some((body, relay.takes(&request, body, peer)?))) else {
        return Err(Next::Message(length, None));
    };
    let length = head + body.len();
    let mut search = match taken {
        Taken::Forward => None,
        Taken::PassedOn(search) => Some(search),
        Taken::Search(search) => return Ok(Read::Search(search, length)),
    };
    let passing = match relay.tracer.as_ref().and_then(|_| Traced::begin(relay, &request, search.as_mut())) {
        None => None,
        Some(Traced::Passing(passing)) => Some(passing),
        Some(Traced::Begun(begun)) => return Err(Next::Message(length as u64, Some(begun))),
    };
    let mut bytes = std::mem::take(&mut client.request);
    bytes.clear();
    let upstream = relay.upstream();
    let mark = upstream.raw_sending().map(http::HeaderValue::as_bytes);
    request.write(upstream.raw_host(), mark, &mut bytes);
    bytes.extend_from_slice(body);
    let bodiless = request.method == Method::HEAD;
    Ok(Read::Sent(Sent { length, bodiless, is_search: search.is_some(), bytes }, search, passing))
}
