//! [`ResponseTimeout`]: when a request times out.

use std::time::Duration;

use tokio::time::Instant;

use super::watch::Watch;

/// Which timeout applies to a request.
#[derive(Clone, Copy)]
pub(super) enum ResponseTimeout<'a> {
    /// None here: its body is watched, and times out there.
    Watched(&'a Watch),
    /// The request is complete: from `since`, this long for a connection, and for the response.
    Since {
        since: Instant,
        connection: Option<Duration>,
        response: Option<Duration>,
        /// The response timeout starts when the request has been sent.
        once_sent: bool,
    },
}

impl ResponseTimeout<'_> {
    /// When it started: for a watched request, about now.
    pub(super) fn since(self) -> Instant {
        match self {
            Self::Watched(_) => Instant::now(),
            Self::Since { since, .. } => since,
        }
    }

    pub(super) fn connected(self) -> Option<Instant> {
        match self {
            Self::Watched(_) => None,
            Self::Since { since, connection, .. } => Some(since + connection?),
        }
    }

    /// `used`: no connection had to be made.
    pub(super) fn answered(self, used: bool) -> Option<Instant> {
        match self {
            Self::Watched(_) => None,
            Self::Since { response, once_sent: true, .. } if !used => Some(Instant::now() + response?),
            Self::Since { since, response, .. } => Some(since + response?),
        }
    }

    pub(super) fn watch(&self) -> Option<&Watch> {
        match self {
            Self::Watched(watch) => Some(watch),
            Self::Since { .. } => None,
        }
    }

    /// Whether hyper has all of the request.
    pub(super) fn is_sent(self) -> bool {
        match self {
            Self::Watched(watch) => watch.is_sent(),
            Self::Since { .. } => true,
        }
    }
}
