//! Why the upstream gave no response.

use std::error::Error;
use std::io;

use super::http2::Failed;
use crate::body::{BoxError, Stalled};
use crate::tls::PemError;

/// A request that got no response from the upstream. Carries no text of the request.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// No connection could be made.
    #[error("cannot connect to the upstream")]
    Unreachable(#[source] BoxError),
    /// The connection ended before a response began.
    #[error("the upstream closed the connection before answering")]
    Broken(#[source] BoxError),
    /// What came back is not HTTP.
    #[error("the upstream's response is not valid HTTP")]
    Malformed(#[source] BoxError),
    /// The head of a response is too large.
    #[error("the head of the upstream's response is too large")]
    LargeHead,
    /// The client's body ended early or was malformed, so the request could not be completed.
    #[error("the request's body could not be read")]
    RequestBody(#[source] BoxError),
    /// The client's body did not go on in time.
    #[error("the request's body did not go on in time")]
    RequestStalled,
    /// The upstream accepted no more of a request, or the head of its response did not arrive in time.
    #[error("the upstream did not answer in time")]
    Silent,
    /// The request has to be signed, and there is nothing to sign it with.
    #[error("there are no AWS credentials to sign the request with")]
    NoCredentials,
    /// The request has no form that could be sent upstream (for example `CONNECT`).
    #[error("the request cannot be forwarded")]
    Unforwardable,
}

impl UpstreamError {
    /// Classifies why a call over HTTP/2 got no response.
    pub(super) fn from_http2(failed: Failed) -> Self {
        match failed {
            Failed::Connecting(error) => error,
            Failed::Body(error) => match error.is::<Stalled>() {
                true => Self::RequestStalled,
                false => Self::RequestBody(error),
            },
            Failed::Http2(error) => {
                let timed_out = error.get_io().is_some_and(|io| io.kind() == io::ErrorKind::TimedOut);
                match () {
                    _ if timed_out => Self::Silent,
                    _ if error.is_io() || error.is_remote() => Self::Broken(error.into()),
                    // What came breaks the rules.
                    _ if error.is_library() => Self::Malformed(error.into()),
                    // What was to be sent does.
                    _ => Self::Unforwardable,
                }
            }
        }
    }

    /// Classifies an error of an HTTP/1 connection.
    pub(super) fn from_connection(error: hyper::Error) -> Self {
        let causes =
            || std::iter::successors(Some(&error as &(dyn Error + 'static)), |&cause| cause.source());
        let class = Class::of(causes);
        class.error(error.into())
    }

    /// Why, in one word.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Unreachable(_) => "unreachable",
            Self::Broken(_) => "broken",
            Self::Malformed(_) => "malformed",
            Self::LargeHead => "large_head",
            Self::RequestBody(_) => "request_body",
            Self::RequestStalled => "request_stalled",
            Self::Silent => "timeout",
            Self::NoCredentials => "no_credentials",
            Self::Unforwardable => "unforwardable",
        }
    }

    /// Whether the connection was lost before any response, so that a request that may be repeated can be.
    pub fn is_broken(&self) -> bool {
        matches!(self, Self::Broken(_))
    }
}

/// Classifies an error by its causes.
enum Class {
    Stalled,
    TimedOut,
    RequestBody,
    Malformed,
    Broken,
}

impl Class {
    /// `causes`: from the error of hyper's to the last.
    fn of<'a, I: Iterator<Item = &'a (dyn Error + 'static)>>(causes: impl Fn() -> I) -> Self {
        if causes().any(|cause| cause.is::<Stalled>()) {
            return Self::Stalled;
        }
        let timed_out = |cause: &io::Error| cause.kind() == io::ErrorKind::TimedOut;
        if causes().any(|cause| cause.downcast_ref().is_some_and(timed_out)) {
            return Self::TimedOut;
        }
        match causes().next().and_then(|cause| cause.downcast_ref::<hyper::Error>()) {
            Some(cause) if cause.is_user() => Self::RequestBody,
            Some(cause) if cause.is_parse() => Self::Malformed,
            _ => Self::Broken,
        }
    }

    fn error(self, source: BoxError) -> UpstreamError {
        match self {
            Self::Stalled => UpstreamError::RequestStalled,
            Self::TimedOut => UpstreamError::Silent,
            Self::RequestBody => UpstreamError::RequestBody(source),
            Self::Malformed => UpstreamError::Malformed(source),
            Self::Broken => UpstreamError::Broken(source),
        }
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
