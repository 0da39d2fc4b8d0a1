use std::time::Duration;

use crate::{search::KeepReason, trouble::Trouble};

/// The classes of failure of a rerank call (the closed list of `x-rerank-status` reasons).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum FailureClass {
    InvalidRequest,
    TooLarge,
    Auth,
    Billing,
    NotFound,
    RateLimited,
    QuotaExhausted,
    ProviderUnavailable,
    Timeout,
    BadResponse,
    Deadline,
    Overloaded,
    CircuitOpen,
    Budget,
    NoProvider,
}

impl FailureClass {
    /// How a provider of a chain can fail a request.
    pub const OF_CHAIN: [FailureClass; 14] = [
        FailureClass::InvalidRequest,
        FailureClass::TooLarge,
        FailureClass::Auth,
        FailureClass::Billing,
        FailureClass::NotFound,
        FailureClass::RateLimited,
        FailureClass::QuotaExhausted,
        FailureClass::ProviderUnavailable,
        FailureClass::Timeout,
        FailureClass::BadResponse,
        FailureClass::Deadline,
        FailureClass::Overloaded,
        FailureClass::CircuitOpen,
        FailureClass::Budget,
    ];

    /// What a call that was made can end with.
    pub(super) const OF_PROVIDER: [FailureClass; 11] = [
        FailureClass::InvalidRequest,
        FailureClass::TooLarge,
        FailureClass::Auth,
        FailureClass::Billing,
        FailureClass::NotFound,
        FailureClass::RateLimited,
        FailureClass::QuotaExhausted,
        FailureClass::ProviderUnavailable,
        FailureClass::Timeout,
        FailureClass::BadResponse,
        FailureClass::Overloaded,
    ];

    /// Why a circuit can be open.
    pub(super) const OF_CIRCUIT: [FailureClass; 5] = [
        FailureClass::CircuitOpen,
        FailureClass::Auth,
        FailureClass::NotFound,
        FailureClass::Billing,
        FailureClass::QuotaExhausted,
    ];

    /// What can prevent a call before it is made.
    pub(super) const OF_LIMITS: [FailureClass; 8] = [
        FailureClass::RateLimited,
        FailureClass::Overloaded,
        FailureClass::Budget,
        FailureClass::CircuitOpen,
        FailureClass::Auth,
        FailureClass::NotFound,
        FailureClass::Billing,
        FailureClass::QuotaExhausted,
    ];

    /// The reason to give for the database's order.
    pub fn reason(self) -> KeepReason {
        match self {
            FailureClass::InvalidRequest => KeepReason::InvalidRequest,
            FailureClass::TooLarge => KeepReason::TooLarge,
            FailureClass::Auth => KeepReason::Auth,
            FailureClass::Billing => KeepReason::Billing,
            FailureClass::NotFound => KeepReason::NotFound,
            FailureClass::RateLimited => KeepReason::RateLimited,
            FailureClass::QuotaExhausted => KeepReason::QuotaExhausted,
            FailureClass::ProviderUnavailable => KeepReason::ProviderUnavailable,
            FailureClass::Timeout => KeepReason::Timeout,
            FailureClass::BadResponse => KeepReason::BadResponse,
            FailureClass::Deadline => KeepReason::Deadline,
            FailureClass::Overloaded => KeepReason::Overloaded,
            FailureClass::CircuitOpen => KeepReason::CircuitOpen,
            FailureClass::Budget => KeepReason::Budget,
            FailureClass::NoProvider => KeepReason::NoProvider,
        }
    }
}

/// The limits that a rejection of something too large states. Most state none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StatedLimits {
    /// The most documents of a call.
    pub documents: Option<usize>,
    /// The most tokens of a query with one document.
    pub tokens: Option<usize>,
    /// The tokens that were sent.
    pub had_tokens: Option<usize>,
    /// The most characters of one document.
    pub bytes: Option<usize>,
    /// The index among the call's documents of the one at fault.
    pub at: Option<usize>,
}

/// Why a rerank call gave no scores. Layers use [`RerankError::class`]; none reads a message. `Clone`, because one
/// call in flight answers many callers. Carries no text of query, document or key.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum RerankError {
    /// The caller's deadline passed.
    #[error("no scores before the deadline")]
    Deadline,
    /// The provider answered with an error status.
    #[error("provider answered {status}")]
    Status {
        /// The HTTP status.
        status: u16,
        /// What it means.
        class: FailureClass,
        /// The provider's `Retry-After`, or its like.
        retry_after: Option<Duration>,
    },
    /// The provider rejected what was too large for it: too many documents, too much text in all, or in one of them.
    #[error("provider answered {status}: too large")]
    TooLarge {
        /// The HTTP status.
        status: u16,
        /// The limits that the response states.
        stated: StatedLimits,
    },
    /// No connection could be made: nothing was sent.
    #[error("no connection to the provider: {}", .0.as_str())]
    NotConnected(Trouble),
    /// The connection broke.
    #[error("provider could not be reached: {0}")]
    Unreachable(&'static str),
    /// One attempt timed out.
    #[error("provider did not answer in time")]
    Timeout,
    /// A 200 response that cannot be valid.
    #[error("provider's response is unusable: {0}")]
    BadResponse(&'static str),
    /// A request that this provider does not support.
    #[error("the request does not suit the provider: {0}")]
    Unsuited(&'static str),
    /// No call was made: a limit, a budget or the circuit prevented it.
    #[error("call not made: {}", class.reason().as_str())]
    Held {
        /// What prevented it.
        class: FailureClass,
    },
    /// Too many calls in flight.
    #[error("too many calls in flight")]
    Overloaded,
    /// The budget has no room for the provider's response.
    #[error("no room for the provider's response")]
    NoRoom,
    /// No provider is configured.
    #[error("no provider is configured")]
    NoProvider,
}

impl RerankError {
    /// The class on which layers decide.
    pub fn class(&self) -> FailureClass {
        match self {
            RerankError::Deadline => FailureClass::Deadline,
            RerankError::Status { class, .. } | RerankError::Held { class } => *class,
            RerankError::TooLarge { .. } => FailureClass::TooLarge,
            RerankError::NotConnected(_) | RerankError::Unreachable(_) => FailureClass::ProviderUnavailable,
            RerankError::Timeout => FailureClass::Timeout,
            RerankError::BadResponse(_) => FailureClass::BadResponse,
            RerankError::Unsuited(_) => FailureClass::InvalidRequest,
            RerankError::Overloaded | RerankError::NoRoom => FailureClass::Overloaded,
            RerankError::NoProvider => FailureClass::NoProvider,
        }
    }

    /// The word of metrics, log and `explain`: finer than the class where the provider is unavailable.
    pub fn cause(&self) -> &'static str {
        match self {
            RerankError::Status { class: FailureClass::ProviderUnavailable, .. } => "status",
            RerankError::NotConnected(trouble) => trouble.as_str(),
            RerankError::Unreachable(_) => "broken",
            other => other.class().reason().as_str(),
        }
    }

    /// The message with the word of metrics and log, unless that stands in it.
    pub fn with_cause(&self) -> String {
        let (message, cause) = (self.to_string(), self.cause());
        if message.contains(cause) { message } else { format!("{message} ({cause})") }
    }

    /// What the operator can do about it; `None` for what is no fault of the provider's.
    pub fn remedy(&self) -> Option<&'static str> {
        if let RerankError::NotConnected(trouble) = self {
            return Some(trouble.remedy());
        }
        Some(match self.class() {
            FailureClass::Auth => {
                "it rejects the API key, so searches are NOT reranked by it: check api_key_env or api_key_file, and base_url"
            }
            FailureClass::Billing | FailureClass::QuotaExhausted => {
                "its allowance is spent, so searches are NOT reranked by it: see its console"
            }
            FailureClass::NotFound => "it knows no such address or model: check base_url and model",
            FailureClass::InvalidRequest => "it rejects the request: check its kind and model",
            FailureClass::TooLarge => {
                "a text or a request was too large for it: raise its limit, or set max_bytes_per_doc"
            }
            FailureClass::BadResponse => "its response cannot be used: check its kind, model and activation",
            FailureClass::RateLimited => {
                "it asks for fewer calls: set requests_per_minute below the account's limit"
            }
            FailureClass::ProviderUnavailable => {
                "it fails, or the connection to it broke: see its status page, and what is between"
            }
            FailureClass::Timeout => {
                "it does not answer in time: see its status page, or raise its timeout and rerank.deadline"
            }
            FailureClass::Deadline
            | FailureClass::Overloaded
            | FailureClass::CircuitOpen
            | FailureClass::Budget
            | FailureClass::NoProvider => return None,
        })
    }

    /// Whether a byte may have reached the provider.
    pub(super) fn was_sent(&self) -> bool {
        !matches!(
            self,
            RerankError::Held { .. }
                | RerankError::Overloaded
                | RerankError::NoProvider
                | RerankError::NotConnected(_)
                | RerankError::Unsuited(_)
        )
    }

    /// Whether the provider may bill the call all the same: it had the request and its result is unknown.
    pub(super) fn may_be_billed(&self) -> bool {
        matches!(
            self,
            RerankError::Deadline
                | RerankError::Timeout
                | RerankError::Unreachable(_)
                | RerankError::BadResponse(_)
                | RerankError::NoRoom
        )
    }
}
