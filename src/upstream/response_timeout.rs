//! [`ResponseTimeout`]: until when a request is waited for.

use std::time::Duration;

use tokio::time::Instant;

use super::watch::Watch;

/// How long a request is waited for.
#[derive(Clone, Copy)]
pub(super) enum ResponseTimeout<'a> {
    /// Somebody else does, by what goes on with its body.
    Watched(&'a Watch),
    /// All of it is there: so long from `since` for a connection, and for the response.
    Since {
        since: Instant,
        connection: Option<Duration>,
        response: Option<Duration>,
        /// The response's time begins when the request has been sent.
        once_sent: bool,
    },
}

impl ResponseTimeout<'_> {
    /// When it began: for a request that is watched, about now.
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

    /// `used`: there was no wait for a connection.
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
