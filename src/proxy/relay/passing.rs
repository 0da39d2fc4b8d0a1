//! [`Passing`]: the spans of a request that goes on from its own bytes.

use http::Version;

use super::exchange::Outcome;
use super::request::Request;
use super::{NO_HEADERS, Relay};
use crate::proxy::unranked::PassedOn;
use crate::proxy::{client_signature, traced};
use crate::traces::OpenSpan;
use crate::upstream::Begun;

/// Of the request, and of its one try.
pub(super) struct Passing {
    request: OpenSpan,
    attempt: OpenSpan,
}

/// How a request that is traced goes on.
pub(super) enum Traced {
    /// From its own bytes.
    Passing(Passing),
    /// By hyper, since the database is to be told of a span of ours.
    Begun(Begun),
}

impl Traced {
    /// Begins the spans of a request, if it is traced. `search`: what it is, if it is one.
    pub(super) fn begin(relay: &Relay, request: &Request<'_>, search: Option<&mut PassedOn>) -> Option<Self> {
        let (parent, state) = (request.value_of(b"traceparent"), request.value_of(b"tracestate"));
        let may_tell = || request.made().is_some_and(|made| !client_signature::is_there(&made));
        let span = relay.tracer.as_ref()?.begin_with(parent, state, may_tell)?;
        let head = request.seen(&NO_HEADERS);
        let span = traced::described(span, head.method, head.path, Version::HTTP_11);
        let parent = span.parent();
        if let Some(dialect) = relay.searches.as_ref().and_then(|(known, _)| known.speaking(&NO_HEADERS)) {
            parent.goes_to(dialect.name());
        }
        if parent.tells_upstream() {
            return Some(Self::Begun(Begun::nothing().traced(span)));
        }
        if let Some(search) = search {
            search.traced(parent.clone());
        }
        let attempt = parent.tries(head.method, relay.upstream().authority());
        Some(Self::Passing(Passing { request: span, attempt }))
    }
}

impl Passing {
    /// Ends the spans as the request came out, or gives them to whoever goes on with it.
    pub(super) fn ended(self, outcome: Outcome) -> Outcome {
        let Self { mut request, mut attempt } = self;
        match outcome {
            Outcome::Answered { closes, status } => {
                for mut span in [attempt, request] {
                    span.responded(status);
                    span.end();
                }
                Outcome::Answered { closes, status }
            }
            Outcome::Begun(begun) => {
                attempt.goes_on();
                Outcome::Begun(begun.traced(request))
            }
            other => {
                attempt.fail("broken_off");
                request.fail("broken_off");
                other
            }
        }
    }
}
