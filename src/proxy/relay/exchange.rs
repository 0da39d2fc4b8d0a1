//! One request that goes on as it is, and its response.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::HeaderMap;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::Relay;
use super::body::{After, Body};
use super::buffer;
use super::client::Client;
use super::response::{self, Limits, Reading, Response};
use super::sending::{Sending, Sent, connect, send};
use crate::bounds::TimeoutKind;
use crate::proxy::connection::ConnectionHandle;
use crate::proxy::unranked::PassedOn;
use crate::upstream::{Begun, RawConnection, Turn, UpstreamError};

/// A response is read this often before others have their turn.
const READS_IN_A_ROW: u32 = 8;

/// How it came out.
pub(super) enum Outcome {
    /// The client has its response, which said whether its connection ends with it, and had this status.
    Answered { closes: bool, status: u16 },
    /// It cannot have any, or no more of it.
    Over,
    /// The rest is hyper's.
    Begun(Begun),
    /// So is this response.
    Other(http::Response<crate::body::Body>),
}

/// A response on its way.
struct Streaming {
    status: u16,
    body: Body,
    keeps: bool,
    /// The client's connection ends with it.
    closes: bool,
    /// All of it has come.
    ended: bool,
    /// It breaks off.
    broken: bool,
    /// When something came last.
    moved: Instant,
}

/// What came of the beginning of a response.
enum Beginning {
    Streaming(Streaming),
    Begun { received: Vec<u8>, broken: Option<io::Error> },
    Late,
    Gone,
}

/// Sends a request, and passes its response on. `search`: what it is, if it is one; `handle`: the client's
/// connection, which may be to end with it.
pub(super) async fn run<S: AsyncRead + AsyncWrite + Unpin>(
    client: &mut Client<S>,
    relay: &Relay,
    (request, search): (&Sent, Option<PassedOn>),
    handle: &ConnectionHandle,
) -> Outcome {
    let upstream = relay.upstream();
    let now = Instant::now();
    let (response, body) = upstream.raw_limits(request.is_search.then_some(Turn::Last));
    let until = response.map(|limit| now + limit);
    let mut kept = upstream.raw_kept(now);
    let mut connection = loop {
        let (used, mut connection) = match kept.take() {
            Some(connection) => (true, connection),
            None => match connect(client, relay, request, until).await {
                Ok(connection) => connection,
                Err(Some(error)) => return Outcome::Begun(Begun::failed(error)),
                Err(None) => return Outcome::Over,
            },
        };
        match send(client, &mut connection, request, body).await {
            Sending::Done => break connection,
            Sending::Gone => return Outcome::Over,
            Sending::Late => return Outcome::Begun(Begun::failed(UpstreamError::Silent)),
            // Nothing of it was written on a connection that had been closed.
            Sending::Broken(_, 0) if used => kept = upstream.raw_kept(now),
            Sending::Broken(error, _) => {
                return Outcome::Begun(Begun::sent(connection, Vec::new(), Some(error)));
            }
        }
    };
    let came = Came::new(relay, request.bodiless, search);
    let mut streaming = match begin(client, came, &mut connection, (request, until, handle)).await {
        Beginning::Streaming(streaming) => streaming,
        Beginning::Begun { received, broken } => {
            return Outcome::Begun(Begun::sent(connection, received, broken));
        }
        Beginning::Late => return Outcome::Begun(Begun::failed(UpstreamError::Silent)),
        Beginning::Gone => return Outcome::Over,
    };
    let ended = poll_fn(|cx| streaming.poll(client, &mut connection, (request.length, body), cx)).await;
    if ended.is_err() {
        return Outcome::Over;
    }
    // Others may have the connection while the client takes the rest.
    match streaming.keeps {
        true => upstream.raw_free(connection, streaming.moved),
        false => drop(connection),
    }
    match poll_fn(|cx| poll_taken(client, request.length, cx)).await {
        Ok(()) => Outcome::Answered { closes: streaming.closes, status: streaming.status },
        Err(_) => Outcome::Over,
    }
}

/// Ready when the client has taken all of it, or has left.
fn poll_taken<S: AsyncRead + AsyncWrite + Unpin>(
    client: &mut Client<S>,
    request: usize,
    cx: &mut Context<'_>,
) -> Poll<io::Result<()>> {
    match client.poll_taken(cx) {
        Poll::Pending => client.poll_gone(request, cx).map(|()| Err(io::ErrorKind::ConnectionReset.into())),
        taken => taken,
    }
}

/// Waits for the head of the response, and passes it on with what has come after it.
async fn begin<S: AsyncRead + AsyncWrite + Unpin>(
    client: &mut Client<S>,
    mut came: Came<'_>,
    connection: &mut RawConnection,
    (request, until, handle): (&Sent, Option<Instant>, &ConnectionHandle),
) -> Beginning {
    poll_fn(|cx| {
        loop {
            let step = buffer::with(buffer::LARGEST, |space| {
                let mut into = ReadBuf::new(space);
                ready!(Pin::new(&mut *connection).poll_read(cx, &mut into))?;
                Poll::Ready(Ok(came.more(into.filled(), client, handle.closes(), cx)))
            });
            match step {
                Poll::Ready(Ok(None)) => {}
                Poll::Ready(Ok(Some(beginning))) => return Poll::Ready(beginning),
                Poll::Ready(Err(error)) => return Poll::Ready(came.given_over(&[], Some(error))),
                Poll::Pending => break,
            }
        }
        if client.poll_gone(request.length, cx).is_ready() {
            return Poll::Ready(Beginning::Gone);
        }
        let Some(until) = until else { return Poll::Pending };
        client.alarm.poll_by(until, cx).map(|()| Beginning::Late)
    })
    .await
}

/// What has come of a head in several pieces.
struct Came<'a> {
    relay: &'a Relay,
    search: Option<PassedOn>,
    received: Vec<u8>,
    bodiless: bool,
    limits: Limits,
}

impl<'a> Came<'a> {
    fn new(relay: &'a Relay, bodiless: bool, search: Option<PassedOn>) -> Self {
        let (lines, bytes) = relay.upstream().raw_head_limits();
        Self { relay, search, received: Vec::new(), bodiless, limits: Limits { lines, bytes } }
    }

    /// Takes a piece; `None` if more has to come.
    fn more<S: AsyncWrite + Unpin>(
        &mut self,
        piece: &[u8],
        client: &mut Client<S>,
        closes: bool,
        cx: &mut Context<'_>,
    ) -> Option<Beginning> {
        if piece.is_empty() {
            return Some(self.given_over(&[], None));
        }
        let before = self.received.len();
        if before > 0 {
            self.received.extend_from_slice(piece);
        }
        let all = if before > 0 { &self.received[..] } else { piece };
        match response::read(all, before, self.bodiless, self.limits) {
            Reading::Partial => {
                if before == 0 {
                    self.received.extend_from_slice(piece);
                }
                None
            }
            Reading::Plain(response) if !(response.has_own && self.search.is_some()) => {
                let added = self.relay.answered(response.status, self.search.take());
                let body = all.get(response.head.len()..).unwrap_or_default();
                Some(pass_on((&response, &added), body, client, closes, cx))
            }
            // What stands there is ours to replace.
            Reading::Plain(_) | Reading::Other if before > 0 => Some(self.given_over(&[], None)),
            Reading::Plain(_) | Reading::Other => Some(self.given_over(piece, None)),
        }
    }

    /// What hyper goes on with.
    fn given_over(&mut self, piece: &[u8], broken: Option<io::Error>) -> Beginning {
        let mut received = std::mem::take(&mut self.received);
        received.extend_from_slice(piece);
        Beginning::Begun { received, broken }
    }
}

/// Writes a head and the beginning of its body.
fn pass_on<S: AsyncWrite + Unpin>(
    (response, added): (&Response<'_>, &HeaderMap),
    piece: &[u8],
    client: &mut Client<S>,
    closes: bool,
    cx: &mut Context<'_>,
) -> Beginning {
    let mut head = std::mem::take(&mut client.head);
    head.clear();
    response.write(added, closes, &mut head);
    let mut streaming = Streaming {
        status: response.status,
        body: Body::new(response.framing),
        keeps: response.keeps,
        closes,
        ended: false,
        broken: false,
        moved: Instant::now(),
    };
    let mut anew = Vec::new();
    let body = streaming.take(piece, &mut anew);
    let written = client.write(&mut head, body, cx);
    client.head = head;
    match written {
        Ok(()) => Beginning::Streaming(streaming),
        Err(_) => Beginning::Gone,
    }
}

impl Streaming {
    /// What of a piece goes on.
    fn take<'a>(&mut self, piece: &'a [u8], anew: &'a mut Vec<u8>) -> &'a [u8] {
        let taken = self.body.take(piece, anew);
        self.ended = taken.after == After::End;
        self.broken = taken.after == After::Broken;
        // Nobody has asked for more.
        self.keeps &= taken.used == piece.len();
        taken.bytes
    }

    /// Passes on what comes; ready when all of it is written, of which the client may not have taken the end.
    fn poll<S: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        client: &mut Client<S>,
        connection: &mut RawConnection,
        (request, limit): (usize, Option<Duration>),
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        for _ in 0..READS_IN_A_ROW {
            if self.ended {
                return Poll::Ready(Ok(()));
            }
            ready!(poll_taken(client, request, cx))?;
            if self.broken {
                return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
            }
            let read = buffer::with(buffer::LARGEST, |space| {
                let mut into = ReadBuf::new(space);
                let read = ready!(Pin::new(&mut *connection).poll_read(cx, &mut into));
                Poll::Ready(self.came(read.is_ok().then(|| into.filled()), client, cx))
            });
            match read {
                Poll::Ready(written) => written?,
                Poll::Pending => return self.poll_stalled(client, (request, limit), cx),
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Writes what has come; `None` if the connection broke.
    fn came<S: AsyncWrite + Unpin>(
        &mut self,
        piece: Option<&[u8]>,
        client: &mut Client<S>,
        cx: &mut Context<'_>,
    ) -> io::Result<()> {
        let mut anew = Vec::new();
        let bytes = match piece {
            Some(piece @ [_, ..]) => {
                self.moved = Instant::now();
                self.take(piece, &mut anew)
            }
            Some([]) => {
                self.keeps = false;
                match self.body.end() {
                    Some(last) => {
                        self.ended = true;
                        last
                    }
                    None => {
                        self.broken = true;
                        &[]
                    }
                }
            }
            None => {
                self.broken = true;
                &[]
            }
        };
        client.write_parts(bytes, &[], cx)
    }

    /// Ready when the client has left, or nothing comes for too long.
    fn poll_stalled<S: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        client: &mut Client<S>,
        (request, limit): (usize, Option<Duration>),
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        if client.poll_gone(request, cx).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        let Some(limit) = limit else { return Poll::Pending };
        ready!(client.alarm.poll_by(self.moved + limit, cx));
        client.given_up(TimeoutKind::ResponseBody);
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}
