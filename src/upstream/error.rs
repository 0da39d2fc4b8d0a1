//! Why the upstream gave no answer.

use std::error::Error as _;
use std::io;

use super::body::Stalled;
use crate::tls::PemError;

/// A request that got no answer from the upstream. Carries no text of the request.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// No connection could be made.
    #[error("cannot connect to the upstream")]
    Unreachable(#[source] hyper_util::client::legacy::Error),
    /// The connection ended before an answer began.
    #[error("the upstream closed the connection before answering")]
    Broken(#[source] hyper_util::client::legacy::Error),
    /// What came back is not HTTP.
    #[error("the upstream's answer is not valid HTTP")]
    Malformed(#[source] hyper_util::client::legacy::Error),
    /// The head of an answer is too large.
    #[error("the head of the upstream's answer is too large")]
    LargeHead,
    /// The client's body ended early or was malformed, so the request could not be completed.
    #[error("the request's body could not be read")]
    RequestBody(#[source] hyper_util::client::legacy::Error),
    /// The client's body did not go on for too long.
    #[error("the request's body did not go on in time")]
    RequestStalled,
    /// The upstream took no more of a request, or the head of its answer did not come in time.
    #[error("the upstream did not answer in time")]
    Silent,
    /// The request has no form that could be sent upstream (for example `CONNECT`).
    #[error("the request cannot be forwarded")]
    Unforwardable,
}

impl UpstreamError {
    pub(super) fn from_client(error: hyper_util::client::legacy::Error) -> Self {
        if error.is_connect() {
            return Self::Unreachable(error);
        }
        let causes = || std::iter::successors(error.source(), |&cause| cause.source());
        if causes().any(|cause| cause.is::<Stalled>()) {
            return Self::RequestStalled;
        }
        let timed_out = |cause: &io::Error| cause.kind() == io::ErrorKind::TimedOut;
        if causes().any(|cause| cause.downcast_ref().is_some_and(timed_out)) {
            return Self::Silent;
        }
        let cause = causes().next().and_then(|e| e.downcast_ref::<hyper::Error>());
        match cause {
            Some(e) if e.is_user() => Self::RequestBody(error),
            Some(e) if e.is_parse() => Self::Malformed(error),
            _ => Self::Broken(error),
        }
    }

    /// Whether the connection was lost before any answer, so that a request that may be repeated can be.
    pub fn is_broken(&self) -> bool {
        matches!(self, Self::Broken(_))
    }
}

/// Why an upstream cannot be set up from its settings.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamSetupError {
    /// The URL is not `http://` or `https://` with a host.
    #[error("the upstream's URL must be http://host[:port] or https://host[:port]")]
    Url,
    /// The URL has a path, query or user; only scheme, host and port mean something here.
    #[error("the upstream's URL must have no path, query or user")]
    UrlExtras,
    /// A PEM file cannot be used.
    #[error(transparent)]
    Pem(#[from] PemError),
    /// TLS could not be configured.
    #[error("cannot configure TLS")]
    Tls(#[from] rustls::Error),
}
