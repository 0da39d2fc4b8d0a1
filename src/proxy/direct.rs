//! Searches that are sent without hyper: their heads are written in the names that came, and a response that every reader
//! reads in the same way is read into one piece of memory.

use std::cell::Cell;
use std::future::poll_fn;
use std::io;
use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use http::header::HOST;
use http::request::Parts;
use http::{HeaderName, HeaderValue, Response, StatusCode};
use tokio::time::Instant;
use tokio_util::io::poll_read_buf;

use super::arriving::{Arriving, LARGEST, Patience};
use super::relay::response::{self as head, Framing, Limits, Reading};
use super::spelling::Spelling;
use super::target;
use crate::body::{self, Body};
use crate::traces::{OpenSpan, TraceParent};
use crate::upstream::{Begun, HOP, RawConnection, RawTarget, Turn, Upstream, UpstreamError, traced_try};

/// The first buffer of a worker for a response; the next ones have room for one as large as the last.
const FIRST: usize = 16 << 10;
/// Their sizes are multiples of this: what is larger than its response by a quarter is copied, so as not to be held.
const STEP: usize = 2 << 10;

thread_local! {
    static LAST: Cell<usize> = const { Cell::new(FIRST) };
}

/// Why there is no response yet.
enum Stopped {
    /// The connection broke before there was one.
    Broken(Begun),
    /// What has come is hyper's, or says that there is none.
    Begun(Begun),
}

/// A request, and how long it may wait.
struct Asked<'a> {
    upstream: &'a Upstream,
    bytes: &'a [u8],
    /// For the head of its response, once there is a connection.
    response: Option<Duration>,
    /// While no byte of a body moves, and for the connection.
    limit: Option<Duration>,
    gather: bool,
}

/// Sends a search whose body is in memory, and waits for the head of the response; once more, in the same spelling, if a
/// connection breaks before that. `gather`: its body is wanted as a whole.
pub(super) async fn send(
    upstream: &Upstream,
    mut parts: Parts,
    bytes: Bytes,
    turn: Turn,
    gather: bool,
) -> Result<Response<Body>, UpstreamError> {
    let Some(mut request) = written(upstream, &parts, &bytes) else {
        return Box::pin(upstream.send_search(parts, bytes, turn)).await;
    };
    let mut span = tried(upstream, &mut parts, &bytes, &mut request);
    let (response, limit) = upstream.raw_limits(Some(turn));
    let mut is_first = true;
    loop {
        let asked = Asked { upstream, bytes: &request, response, limit, gather };
        let begun = match asked.exchange().await {
            Ok(response) => match span {
                None => return Ok(response),
                Some(span) => return traced_try(Ok(response), span),
            },
            Err(Stopped::Broken(_)) if is_first => {
                is_first = false;
                if let Some(mut broken) = span.take() {
                    broken.fail("broken");
                    span = tried(upstream, &mut parts, &bytes, &mut request);
                }
                continue;
            }
            Err(Stopped::Broken(begun) | Stopped::Begun(begun)) => begun,
        };
        if let Some(span) = span.take() {
            span.goes_on();
        }
        let mut rest = parts.clone();
        rest.extensions.insert(begun);
        // Boxed: few come here, and the future of every search would be as large.
        match Box::pin(upstream.send_search_once(rest, bytes.clone(), turn)).await {
            // Again from here: hyper knows no spelling.
            Err(error) if is_first && error.is_broken() => {
                is_first = false;
                span = tried(upstream, &mut parts, &bytes, &mut request);
            }
            ended => return ended,
        }
    }
}

/// The span of a try, where the request is traced: the database is told of it, if that is wanted.
fn tried(upstream: &Upstream, parts: &mut Parts, body: &Bytes, request: &mut Vec<u8>) -> Option<OpenSpan> {
    let parent = parts.extensions.get::<TraceParent>()?;
    let span = parent.tries(&parts.method, upstream.authority());
    if parent.tells_upstream() {
        span.parent().tell(&mut parts.headers);
        *request = written(upstream, parts, body)?;
    }
    Some(span)
}

/// How the head of a request was written that can be sent so: its target needs nobody's care.
fn spelling<'a>(upstream: &Upstream, parts: &'a Parts) -> Option<&'a Spelling> {
    let spelling = parts.extensions.get::<Spelling>()?;
    (upstream.is_raw() && parts.extensions.get::<RawTarget>().is_none()).then_some(spelling)
}

/// The request as it goes upstream, if it can be sent so.
fn written(upstream: &Upstream, parts: &Parts, body: &[u8]) -> Option<Vec<u8>> {
    let spelling = spelling(upstream, parts)?;
    let mut out = Vec::with_capacity(body.len() + FIRST / 8);
    let mut write = |pieces: &[&[u8]]| pieces.iter().for_each(|piece| out.extend_from_slice(piece));
    write(&[parts.method.as_str().as_bytes(), b" ", target::as_str(parts).as_bytes(), b" HTTP/1.1\r\n"]);
    let mut names = spelling.names();
    for (name, value) in &parts.headers {
        let host = upstream.raw_host().filter(|_| name == HOST);
        match host.unwrap_or(value.as_bytes()) {
            [] => write(&[names.name(name), b":\r\n"]),
            value => write(&[names.name(name), b": ", value, b"\r\n"]),
        }
    }
    if let Some(mark) = upstream.raw_sending() {
        write(&[HOP.as_bytes(), b": ", mark.as_bytes(), b"\r\n"]);
    }
    write(&[b"\r\n", body]);
    Some(out)
}

impl Asked<'_> {
    async fn exchange(&self) -> Result<Response<Body>, Stopped> {
        let now = Instant::now();
        let (used, mut connection) = self.sent(now).await?;
        let since = if used { now } else { Instant::now() };
        let until = self.response.map(|limit| since + limit);
        let mut came = BytesMut::with_capacity(LAST.get());
        let (lines, bytes) = self.upstream.raw_head_limits();
        let mut looked = 0;
        loop {
            match poll_fn(|cx| self.poll_head((&mut connection, until), &mut came, cx)).await {
                Some(Ok(1..)) => {}
                Some(ended) => {
                    let begun = Begun::sent(connection, came.to_vec(), ended.err());
                    return Err(Stopped::Broken(begun));
                }
                None => return Err(Stopped::Begun(Begun::failed(UpstreamError::Silent))),
            }
            let response = match head::read(&came, looked, false, Limits { lines, bytes }) {
                Reading::Partial => {
                    looked = came.len();
                    came.reserve(FIRST);
                    continue;
                }
                Reading::Plain(response) => Head::of(&response),
                Reading::Other => None,
            };
            return match response {
                Some(response) => Ok(self.response(response, connection, came)),
                None => Err(Stopped::Begun(Begun::sent(connection, came.to_vec(), None))),
            };
        }
    }

    /// A connection that has all of the request, and whether it was used before.
    async fn sent(&self, now: Instant) -> Result<(bool, RawConnection), Stopped> {
        let until = self.limit.or(self.response).map(|limit| now + limit);
        let mut kept = self.upstream.raw_kept(now);
        loop {
            let (used, mut connection) = match kept.take() {
                Some(connection) => (true, connection),
                None => {
                    let new = Box::pin(self.upstream.raw_new(until)).await;
                    new.map_err(|error| Stopped::Begun(Begun::failed(error)))?
                }
            };
            let (mut sent, mut moved) = (0, None);
            match poll_fn(|cx| self.poll_send(&mut connection, (&mut sent, &mut moved), cx)).await {
                Some(Ok(())) => return Ok((used, connection)),
                // It had been closed.
                Some(Err(_)) if used && sent == 0 => kept = self.upstream.raw_kept(now),
                Some(Err(error)) => {
                    return Err(Stopped::Broken(Begun::sent(connection, Vec::new(), Some(error))));
                }
                None => return Err(Stopped::Begun(Begun::failed(UpstreamError::Silent))),
            }
        }
    }

    /// Ready when the upstream has taken all; with nothing when it has taken nothing for too long.
    fn poll_send(
        &self,
        connection: &mut RawConnection,
        (sent, moved): (&mut usize, &mut Option<Instant>),
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<()>>> {
        while let Some(rest) = self.bytes.get(*sent..).filter(|rest| !rest.is_empty()) {
            match connection.poll_write(cx, rest) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Some(Err(io::ErrorKind::WriteZero.into()))),
                Poll::Ready(Ok(count)) => (*sent, *moved) = (*sent + count, None),
                Poll::Ready(Err(error)) => return Poll::Ready(Some(Err(error))),
                Poll::Pending => {
                    let Some(limit) = self.limit else { return Poll::Pending };
                    let since = *moved.get_or_insert_with(Instant::now);
                    return connection.poll_by(since + limit, cx).map(|()| None);
                }
            }
        }
        Poll::Ready(Some(Ok(())))
    }

    /// Ready when more has come; with nothing when it is too late.
    fn poll_head(
        &self,
        (connection, until): (&mut RawConnection, Option<Instant>),
        came: &mut BytesMut,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<usize>>> {
        match poll_read_buf(Pin::new(&mut *connection), cx, came) {
            Poll::Ready(read) => Poll::Ready(Some(read)),
            Poll::Pending => {
                let Some(until) = until else { return Poll::Pending };
                connection.poll_by(until, cx).map(|()| None)
            }
        }
    }

    fn response(&self, head: Head, connection: RawConnection, mut came: BytesMut) -> Response<Body> {
        self.upstream.raw_answered();
        let Head { mut response, bytes, length, keeps } = head;
        came.advance(bytes);
        let all = usize::try_from(length).unwrap_or(LARGEST).min(LARGEST);
        LAST.set((bytes + all + 1).next_multiple_of(STEP));
        if came.len() < all {
            // One step to its place, so that it stands in one piece.
            came.reserve(all - came.len());
        }
        let patience = Patience { limit: self.limit, waits: self.upstream.raw_waits().clone() };
        let connection = (connection, self.upstream.raw_home());
        let body = Arriving::new(connection, came, (length, keeps), self.gather, patience);
        *response.body_mut() = body::boxed(body);
        response
    }
}

/// The head of a response.
struct Head {
    response: Response<Body>,
    /// How long it is.
    bytes: usize,
    length: u64,
    keeps: bool,
}

impl Head {
    /// `None` where the response has no length, or no body whatever it says.
    fn of(read: &head::Response<'_>) -> Option<Self> {
        let Framing::Length(length) = read.framing else { return None };
        if matches!(read.status, 204 | 205 | 304) {
            return None;
        }
        let mut response = Response::new(body::empty());
        *response.status_mut() = StatusCode::from_u16(read.status).ok()?;
        let bytes = Bytes::copy_from_slice(read.head);
        let place = |part: &[u8]| -> Range<usize> {
            let start = (part.as_ptr() as usize).wrapping_sub(read.head.as_ptr() as usize);
            start..start.wrapping_add(part.len())
        };
        for line in read.lines() {
            let value = match line.value {
                [] => HeaderValue::from_static(""),
                value => HeaderValue::from_maybe_shared(bytes.slice(place(value))).ok()?,
            };
            response.headers_mut().append(HeaderName::from_bytes(line.name.as_bytes()).ok()?, value);
        }
        let reason = match read.reason {
            "" => 0..0,
            reason => place(reason.as_bytes()),
        };
        let names = read.lines().iter().map(|line| place(line.name.as_bytes()));
        response.extensions_mut().insert(Spelling::new(bytes, reason, names));
        Some(Self { response, bytes: read.head.len(), length, keeps: read.keeps })
    }
}
