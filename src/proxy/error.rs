//! Why a request could not be forwarded.

use http::StatusCode;

use crate::{
    trouble::{Trouble, is_reset},
    upstream::UpstreamError,
};

/// A failure for which the proxy itself must answer.
#[derive(Debug, thiserror::Error)]
pub enum ProxyError {
    /// The upstream gave no response.
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
    /// A gRPC call, and no address that takes it.
    #[error(
        "the database's gRPC address is not known: set upstream.grpc_url (RERANKD_UPSTREAM__GRPC_URL) where rerankd runs"
    )]
    NoGrpcAddress,
    /// A request without a signature for AWS, to a listener that lends its credentials only to signed ones.
    #[error(
        "requests to this listener have to be signed for AWS (AWS4-HMAC-SHA256): it lends its own credentials to nobody \
         else, unless upstream.sign.clients says so"
    )]
    Unsigned,
    /// A body that is larger than what may be held, and has to be for its signature.
    #[error(
        "the request's body is larger than limits.max_request_bytes, and has to be held whole here, since rerankd signs it"
    )]
    TooLargeToSign,
    /// A body that would have to be held for its signature, and no room for it.
    #[error("there is no room to hold the request's body, which rerankd signs")]
    NoRoomToSign,
    /// The request has passed through this process before.
    #[error("the upstream leads back to this rerankd")]
    Loop,
    /// The upstream switched protocols without being asked to.
    #[error("the upstream switched protocols unasked")]
    UnaskedUpgrade,
    /// The upstream's response is in a transfer coding that nobody asked for.
    #[error("the upstream's response has an unknown transfer coding")]
    UnaskedCoding,
}

/// Why the proxy itself had to answer: the closed list of a metric's label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// No connection to the upstream, or one that was cut.
    Connection(Trouble),
    /// The upstream closed the connection before it answered.
    Broken,
    /// The upstream did not answer in time.
    Silent,
    /// The upstream's response cannot be passed on.
    BadResponse,
    /// The request came back to this process.
    Loop,
    /// The client's body could not be read.
    RequestBody,
    /// The client's body did not go on in time.
    RequestStalled,
    /// The client's request has no form that could be forwarded.
    Unforwardable,
    /// The head of the client's request is over a limit.
    LargeHead,
    /// The client's request is not signed.
    Unsigned,
    /// The client's body is too large to be signed.
    TooLargeToSign,
    /// As much is buffered as may be.
    NoRoomToSign,
    /// There are no credentials to sign with.
    NoCredentials,
}

impl Cause {
    /// Every one.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        let of_signing = [Self::Unsigned, Self::TooLargeToSign, Self::NoRoomToSign, Self::NoCredentials];
        let others = [
            Self::Broken,
            Self::Silent,
            Self::BadResponse,
            Self::Loop,
            Self::RequestBody,
            Self::RequestStalled,
            Self::Unforwardable,
            Self::LargeHead,
        ];
        Trouble::ALL.into_iter().map(Self::Connection).chain(others).chain(of_signing)
    }

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Connection(trouble) => trouble.as_str(),
            Self::Broken => "broken",
            Self::Silent => "silent",
            Self::BadResponse => "bad_response",
            Self::Loop => "loop",
            Self::RequestBody => "request_body",
            Self::RequestStalled => "request_stalled",
            Self::Unforwardable => "unforwardable",
            Self::LargeHead => "large_head",
            Self::Unsigned => "unsigned",
            Self::TooLargeToSign => "too_large_to_sign",
            Self::NoRoomToSign => "no_room_to_sign",
            Self::NoCredentials => "no_credentials",
        }
    }

    /// Whether it can only be where requests are signed.
    pub(super) fn is_of_signing(self) -> bool {
        matches!(self, Self::Unsigned | Self::TooLargeToSign | Self::NoRoomToSign | Self::NoCredentials)
    }

    /// Whether it can only be where the database is behind TLS.
    pub(super) fn is_tls(self) -> bool {
        self.as_str().starts_with("tls")
    }

    /// What the operator can do; empty where it is the client's fault.
    fn remedy(self) -> &'static str {
        match self {
            Self::Connection(trouble) => trouble.remedy(),
            Self::Broken => {
                "the connection ended before a response: does it restart, does something between cut it, or does the \
                 port speak TLS (https://)?"
            }
            Self::Silent => {
                "no response in time: look at its load, or raise response_timeout or forward_timeout"
            }
            Self::BadResponse => {
                "what came is no HTTP that can be passed on: is it the right port, and does it speak TLS (https://)?"
            }
            Self::Loop => {
                "requests come back to this rerankd: write the database's own address as upstream.url"
            }
            Self::NoRoomToSign => {
                "as much is buffered as may be, and what is to be signed has to be: raise memory.max_buffered"
            }
            Self::NoCredentials => {
                "no AWS credentials: see the role or the variables of this process, and docs/aws.md"
            }
            Self::RequestBody
            | Self::RequestStalled
            | Self::Unforwardable
            | Self::LargeHead
            | Self::Unsigned
            | Self::TooLargeToSign => "",
        }
    }
}

impl ProxyError {
    /// The word that it is counted under.
    pub(super) fn cause(&self) -> Cause {
        match self {
            Self::Upstream(UpstreamError::Unreachable(error)) => Cause::Connection(Trouble::of(&**error)),
            Self::Upstream(UpstreamError::Broken(error)) => match Trouble::of_tls_in(&**error) {
                Some(trouble) => Cause::Connection(trouble),
                None if is_reset(&**error) => Cause::Connection(Trouble::Reset),
                None => Cause::Broken,
            },
            Self::Upstream(UpstreamError::Silent) => Cause::Silent,
            Self::Upstream(UpstreamError::Malformed(_) | UpstreamError::LargeHead)
            | Self::UnaskedUpgrade
            | Self::UnaskedCoding => Cause::BadResponse,
            Self::Loop => Cause::Loop,
            Self::Upstream(UpstreamError::RequestBody(_)) | Self::RequestBody => Cause::RequestBody,
            Self::Upstream(UpstreamError::RequestStalled) | Self::RequestStalled => Cause::RequestStalled,
            Self::Upstream(UpstreamError::Unforwardable) | Self::Unforwardable | Self::NoGrpcAddress => {
                Cause::Unforwardable
            }
            Self::LargeHead => Cause::LargeHead,
            Self::Unsigned => Cause::Unsigned,
            Self::TooLargeToSign => Cause::TooLargeToSign,
            Self::NoRoomToSign => Cause::NoRoomToSign,
            Self::Upstream(UpstreamError::NoCredentials) => Cause::NoCredentials,
        }
    }

    /// The status sent to the client.
    pub fn status(&self) -> StatusCode {
        if let Self::NoGrpcAddress = self {
            return StatusCode::NOT_IMPLEMENTED;
        }
        match self.cause() {
            Cause::Silent => StatusCode::GATEWAY_TIMEOUT,
            Cause::RequestBody | Cause::Unforwardable => StatusCode::BAD_REQUEST,
            Cause::RequestStalled => StatusCode::REQUEST_TIMEOUT,
            Cause::LargeHead => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Cause::Loop => StatusCode::LOOP_DETECTED,
            Cause::Unsigned => StatusCode::FORBIDDEN,
            Cause::TooLargeToSign => StatusCode::PAYLOAD_TOO_LARGE,
            Cause::NoRoomToSign | Cause::NoCredentials => StatusCode::SERVICE_UNAVAILABLE,
            Cause::Connection(_) | Cause::Broken | Cause::BadResponse => StatusCode::BAD_GATEWAY,
        }
    }

    /// The message for the client: with the word of metric and log, where it is not the client's own fault.
    pub fn said(&self) -> String {
        match self.remedy() {
            None => self.to_string(),
            Some(_) => format!("{self} ({})", self.cause().as_str()),
        }
    }

    /// The same for the operator, with the remedy.
    pub fn explained(&self) -> String {
        match self.remedy() {
            None => self.to_string(),
            Some(remedy) => format!("{}: {remedy}", self.said()),
        }
    }

    /// The remedy for the operator, where it is not the client's own fault.
    pub(super) fn remedy(&self) -> Option<&'static str> {
        if let Self::Upstream(UpstreamError::LargeHead) = self {
            return Some(
                "the head of its response is over limits.max_headers or limits.max_head_bytes: raise them",
            );
        }
        Some(self.cause().remedy()).filter(|remedy| !remedy.is_empty())
    }
}
