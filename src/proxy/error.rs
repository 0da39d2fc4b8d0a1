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
    /// The upstream switched protocols without having been asked to.
    #[error("the upstream switched protocols unasked")]
    UnaskedUpgrade,
    /// The upstream's answer is in a transfer coding that nobody asked for.
    #[error("the upstream's answer has an unknown transfer coding")]
    UnaskedCoding,
}

impl ProxyError {
    /// The status that says so to the client.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Upstream(UpstreamError::Silent) => StatusCode::GATEWAY_TIMEOUT,
            Self::Upstream(UpstreamError::RequestBody(_) | UpstreamError::Unforwardable)
            | Self::Unforwardable
            | Self::RequestBody => StatusCode::BAD_REQUEST,
            Self::UnaskedUpgrade
            | Self::UnaskedCoding
            | Self::Upstream(
                UpstreamError::Unreachable(_) | UpstreamError::Broken(_) | UpstreamError::Malformed(_),
            ) => StatusCode::BAD_GATEWAY,
        }
    }
}
