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
}

impl ProxyError {
    /// The status that says so to the client.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Upstream(UpstreamError::Silent) => StatusCode::GATEWAY_TIMEOUT,
            Self::Upstream(UpstreamError::RequestBody(_) | UpstreamError::Unforwardable)
            | Self::Unforwardable
            | Self::RequestBody => StatusCode::BAD_REQUEST,
            Self::RequestStalled | Self::Upstream(UpstreamError::RequestStalled) => {
                StatusCode::REQUEST_TIMEOUT
            }
            Self::LargeHead => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::UnaskedUpgrade
            | Self::Upstream(
                UpstreamError::Unreachable(_)
                | UpstreamError::Broken(_)
                | UpstreamError::Malformed(_)
                | UpstreamError::LargeHead,
            ) => StatusCode::BAD_GATEWAY,
        }
    }
}
