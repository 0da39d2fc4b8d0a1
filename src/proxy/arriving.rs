//! [`Arriving`]: the body of a response that comes over a connection without hyper, in as few pieces as there can be.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use http_body::{Frame, SizeHint};
use tokio::time::Instant;
use tokio_util::io::poll_read_buf;

use crate::body::{BoxError, Stalled};
use crate::bounds::{TimeoutKind, Timeouts};
use crate::upstream::{RawConnection, RawHome};

/// The most bytes that are held until somebody takes them.
pub(super) const LARGEST: usize = 128 << 10;
/// After this many reads that had something, others have their turn.
const READS_IN_A_ROW: usize = 8;

/// A body of known length. Complete, it returns its connection; dropped before, it closes it.
pub(super) struct Arriving {
    /// `None` once there is no more to come from it.
    connection: Option<(RawConnection, RawHome)>,
    came: BytesMut,
    /// How many bytes have not been taken, with those that came.
    left: u64,
    /// The upstream keeps the connection.
    keeps: bool,
    /// It is wanted as a whole: pieces are not taken before more has come.
    gather: bool,
    patience: Patience,
    /// When something came last.
    moved: Instant,
}

/// How long a body may stand still, and who counts where it does for too long.
pub(super) struct Patience {
    pub(super) limit: Option<Duration>,
    pub(super) waits: Timeouts,
}

impl Arriving {
    /// `length` bytes, of which these came with the head.
    pub(super) fn new(
        connection: (RawConnection, RawHome),
        came: BytesMut,
        (length, keeps): (u64, bool),
        gather: bool,
        patience: Patience,
    ) -> Self {
        let moved = Instant::now();
        let mut body =
            Self { connection: Some(connection), came, left: length, keeps, gather, patience, moved };
        if body.is_here() {
            body.complete();
        }
        body
    }

    fn is_here(&self) -> bool {
        self.came.len() as u64 >= self.left
    }

    /// All of it has come: others may have the connection.
    fn complete(&mut self) {
        let Ok(length) = usize::try_from(self.left) else { return };
        // Nobody has asked for more.
        self.keeps &= self.came.len() == length;
        self.came.truncate(length);
        if let Some((connection, home)) = self.connection.take().filter(|_| self.keeps) {
            home.free(connection, self.moved);
        }
    }

    /// What has come and was not taken.
    fn take(&mut self) -> Option<Result<Frame<Bytes>, BoxError>> {
        let came = std::mem::take(&mut self.came);
        self.left = self.left.saturating_sub(came.len() as u64);
        // A buffer that was made for much more is not held on to.
        let is_large = came.capacity() - came.len() > came.len() / 4;
        let bytes = if is_large { Bytes::copy_from_slice(&came) } else { came.freeze() };
        Some(Ok(Frame::data(bytes)))
    }

    /// Reads until something can be taken.
    fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        for _ in 0..READS_IN_A_ROW {
            if self.is_here() || self.came.len() >= LARGEST {
                return Poll::Ready(Ok(()));
            }
            let Some((connection, _)) = &mut self.connection else {
                return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
            };
            if self.came.len() == self.came.capacity() {
                let most = usize::try_from(self.left).unwrap_or(LARGEST).min(LARGEST);
                self.came.reserve(most.saturating_sub(self.came.len()));
            }
            match poll_read_buf(Pin::new(&mut *connection), cx, &mut self.came) {
                Poll::Ready(Ok(1..)) => self.moved = Instant::now(),
                Poll::Ready(ended) => {
                    self.connection = None;
                    let broken = ended.err().unwrap_or(io::ErrorKind::UnexpectedEof.into());
                    // First what has come is passed on.
                    return Poll::Ready(if self.came.has_remaining() { Ok(()) } else { Err(broken) });
                }
                Poll::Pending if self.came.has_remaining() && !self.gather => return Poll::Ready(Ok(())),
                Poll::Pending => {
                    let Some(limit) = self.patience.limit else { return Poll::Pending };
                    ready!(connection.poll_by(self.moved + limit, cx));
                    self.patience.waits.given_up(TimeoutKind::ResponseBody);
                    return Poll::Ready(Err(io::Error::other(Stalled)));
                }
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl http_body::Body for Arriving {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        if let Err(error) = ready!(self.poll_more(cx)) {
            self.connection = None;
            return Poll::Ready(Some(Err(error.into())));
        }
        if self.is_here() {
            self.complete();
        }
        Poll::Ready(self.take())
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
