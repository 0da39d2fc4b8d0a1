//! Why a request could not be forwarded.

use http::StatusCode;

use crate::upstream::UpstreamError;

/// A failure for which the proxy itself must answer.
#[derive(Debug, thiserror::Error)]
pub enum ProxyError {
    /// The upstream gave no answer.
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
    /// The request's target or headers have no form that could be sent on.
    #[error("the request cannot be forwarded")]
    Unforwardable,
    /// The client's body ended early or is malformed.
    #[error("the request's body could not be read")]
    RequestBody,
    /// The client's body did not go on.
    #[error("the request's body did not go on in time")]
    RequestStalled,
    /// More or larger headers than a request may have.
    #[error("the request's head is too large")]
    LargeHead,
    /// The upstream switched protocols without having been asked to.
    #[error("the upstream switched protocols unasked")]
    UnaskedUpgrade,
    /// The upstream's answer is in a transfer coding that nobody asked for.
    #[error("the upstream's answer has an unknown transfer coding")]
    UnaskedCoding,
}

/// Why the proxy itself had to answer: the closed list of a metric's label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// No connection to the upstream.
    Unreachable,
    /// The upstream closed the connection before it answered.
    Broken,
    /// The upstream did not answer in time.
    Silent,
    /// The upstream's answer is none that could be passed on.
    BadAnswer,
    /// The client's body could not be read.
    RequestBody,
    /// The client's body did not go on in time.
    RequestStalled,
    /// The client's request has no form that could be sent on.
    Unforwardable,
    /// The head of the client's request is over a limit.
    LargeHead,
}

impl Cause {
    pub(super) const ALL: [Self; 8] = [
        Self::Unreachable,
        Self::Broken,
        Self::Silent,
        Self::BadAnswer,
        Self::RequestBody,
        Self::RequestStalled,
        Self::Unforwardable,
        Self::LargeHead,
    ];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Broken => "broken",
            Self::Silent => "silent",
            Self::BadAnswer => "bad_answer",
            Self::RequestBody => "request_body",
            Self::RequestStalled => "request_stalled",
            Self::Unforwardable => "unforwardable",
            Self::LargeHead => "large_head",
        }
    }
}

impl ProxyError {
    /// What it is counted as.
    pub(super) fn cause(&self) -> Cause {
        match self {
            Self::Upstream(UpstreamError::Unreachable(_)) => Cause::Unreachable,
            Self::Upstream(UpstreamError::Broken(_)) => Cause::Broken,
            Self::Upstream(UpstreamError::Silent) => Cause::Silent,
            Self::Upstream(UpstreamError::Malformed(_) | UpstreamError::LargeHead)
            | Self::UnaskedUpgrade
            | Self::UnaskedCoding => Cause::BadAnswer,
            Self::Upstream(UpstreamError::RequestBody(_)) | Self::RequestBody => Cause::RequestBody,
            Self::Upstream(UpstreamError::RequestStalled) | Self::RequestStalled => Cause::RequestStalled,
            Self::Upstream(UpstreamError::Unforwardable) | Self::Unforwardable => Cause::Unforwardable,
            Self::LargeHead => Cause::LargeHead,
        }
    }

    /// The status that says so to the client.
    pub fn status(&self) -> StatusCode {
        match self.cause() {
            Cause::Silent => StatusCode::GATEWAY_TIMEOUT,
            Cause::RequestBody | Cause::Unforwardable => StatusCode::BAD_REQUEST,
            Cause::RequestStalled => StatusCode::REQUEST_TIMEOUT,
            Cause::LargeHead => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Cause::Unreachable | Cause::Broken | Cause::BadAnswer => StatusCode::BAD_GATEWAY,
        }
    }
}
