//! `Expect: 100-continue` from end to end: the client is asked for its body when the upstream asks for it.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body::{Frame, SizeHint};
use tokio::sync::oneshot;

use super::guarded_body::Tied;
use crate::body::{Body, BoxError};

/// An upstream that never sends 100 gets the body after this (RFC 9110 §10.1.1 forbids waiting indefinitely).
const MAX_WAIT: Duration = Duration::from_secs(1);

/// Keeps the response and the withheld body together: when the response is over, a body that was never requested is
/// dropped, rather than left on the upstream's connection.
#[derive(Clone)]
pub(super) struct Held(#[allow(dead_code)] Arc<Mutex<Option<oneshot::Sender<()>>>>);

/// Withholds the body of a request whose client waits for 100 until the upstream sends it.
pub(super) fn hold(request: Request<Body>) -> (Request<Body>, Option<Held>) {
    let (open, opened) = oneshot::channel();
    let held = Held(Arc::new(Mutex::new(Some(open))));
    let gate = async move {
        tokio::select! {
            biased;
            asked = opened => asked.is_ok(),
            () = tokio::time::sleep(MAX_WAIT) => true,
        }
    };
    let mut request = request.map(|inner| Body::new(Withheld { inner, gate: Some(Box::pin(gate)) }));
    let opener = Arc::downgrade(&held.0);
    hyper::ext::on_informational(&mut request, move |response| {
        if response.status() != StatusCode::CONTINUE {
            return;
        }
        let Some(opener) = opener.upgrade() else { return };
        let sender = opener.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(sender) = sender {
            sender.send(()).ok();
        }
    });
    (request, Some(held))
}

/// A response's body that keeps `Held` alive as long as it is read.
pub(super) fn tie(body: Body, held: Option<Held>) -> Body {
    match held {
        Some(held) => Body::new(Tied::new(body, held)),
        None => body,
    }
}

type Gate = Pin<Box<dyn Future<Output = bool> + Send>>;

struct Withheld {
    inner: Body,
    gate: Option<Gate>,
}

impl http_body::Body for Withheld {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Some(gate) = &mut self.gate {
            let wanted = ready!(gate.as_mut().poll(cx));
            self.gate = None;
            if !wanted {
                return Poll::Ready(Some(Err("the upstream answered without asking for the body".into())));
            }
        }
        Pin::new(&mut self.inner).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
