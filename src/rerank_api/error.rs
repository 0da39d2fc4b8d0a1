//! Every way a request can end without scores, in Cohere's shape: `{"id": …, "message": …}`.

use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use serde::Serialize;
use uuid::Uuid;

use super::request::BadRequest;
use crate::rerank::{FailureClass, RerankError};

/// Why a request got no scores. The messages go to the caller: no text of query, document or key is in them.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub(super) enum ApiError {
    #[error("rerankd serves only POST /v1/rerank and POST /v2/rerank here")]
    NotServed,
    #[error("the base URL must not end in /v1 or /v2: the client adds the version itself")]
    VersionInBase,
    #[error(
        "rerankd serves POST /v1/rerank and POST /v2/rerank here, and passes Cohere's other calls below /v1 and /v2 on"
    )]
    NoneOfCohere,
    #[error(
        "this call is passed on to Cohere, and the key of this request is rerankd's own token, which Cohere is not to see: \
         use a key of Cohere's for it"
    )]
    OwnToken,
    #[error("only POST is allowed here")]
    MethodNotAllowed,
    #[error("no api key supplied")]
    NoToken,
    #[error("invalid api token")]
    WrongToken,
    #[error("the request's body is larger than {most} bytes")]
    TooLarge { most: usize },
    #[error("the request's body did not come in time")]
    BodyLate,
    #[error("the request's body broke off or does not match its content coding")]
    BodyBroken,
    #[error("the request's content coding is not known here")]
    UnknownCoding,
    #[error(transparent)]
    Bad(#[from] BadRequest),
    #[error(
        "model '{0}' not found, make sure the correct model ID was used and that you have access to the model."
    )]
    NoSuchModel(String),
    #[error("too many rerank requests in flight, please wait and try again later")]
    Overloaded,
    #[error("{}", tell(*class))]
    Failed {
        class: FailureClass,
        /// The provider's retry delay.
        reported: Option<Duration>,
    },
}

/// What an error means to the caller, and to the metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Meaning {
    pub(super) status: StatusCode,
    /// The metric label.
    pub(super) reason: &'static str,
    pub(super) fault: Fault,
    /// Whole seconds until a retry may succeed.
    pub(super) retry_after: Option<u64>,
}

/// Whose fault it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The caller's: the same request would be rejected again.
    Caller,
    /// Ours, or the providers'.
    Service,
}

/// The longest delay of the SDKs, whatever `Retry-After` says.
const LONGEST_WAIT: u64 = 60;

impl ApiError {
    /// The error for a failed call of the stack; `model` is what the caller had requested of a provider.
    pub(super) fn of(error: &RerankError, model: Option<&str>) -> Self {
        let reported = match error {
            RerankError::Status { retry_after, .. } => *retry_after,
            _ => None,
        };
        match (error.class(), model) {
            (FailureClass::NotFound, Some(model)) => ApiError::NoSuchModel(model.to_owned()),
            (class, _) => ApiError::Failed { class, reported },
        }
    }

    pub(super) fn meaning(&self) -> Meaning {
        match self {
            ApiError::NotServed | ApiError::NoneOfCohere | ApiError::VersionInBase => {
                rejected(404, "not_served")
            }
            ApiError::MethodNotAllowed => rejected(405, "method_not_allowed"),
            ApiError::NoToken | ApiError::WrongToken | ApiError::OwnToken => rejected(401, "unauthorized"),
            ApiError::TooLarge { .. } => rejected(413, "too_large"),
            ApiError::BodyLate => rejected(408, "body_timeout"),
            ApiError::BodyBroken => rejected(400, "malformed"),
            ApiError::UnknownCoding => rejected(415, "malformed"),
            ApiError::Bad(bad) => rejected(bad.status(), bad.reason()),
            ApiError::NoSuchModel(_) => rejected(404, "no_such_model"),
            ApiError::Overloaded => class(FailureClass::Overloaded),
            ApiError::Failed { class: failed, reported } => {
                let meaning = class(*failed);
                let reported = reported.map(|reported| reported.as_secs_f64().ceil() as u64);
                Meaning { retry_after: reported.or(meaning.retry_after).map(seconds), ..meaning }
            }
        }
    }

    /// The body of the response.
    pub(super) fn body(&self, id: Uuid) -> Bytes {
        #[derive(Serialize)]
        struct Body {
            id: Uuid,
            message: String,
        }
        // Strings always serialise.
        serde_json::to_vec(&Body { id, message: self.to_string() }).unwrap_or_default().into()
    }
}

/// The table of failures, and the only one: status and retry delay. `docs/rerank-api.md` repeats it.
///
/// A provider's 401 or 402 is about our key, not the caller's: it becomes a 502. 429 and 500 or more make the SDKs
/// retry twice; open-ended delays are kept short, since they sleep that long inside the call.
fn class(class: FailureClass) -> Meaning {
    use FailureClass::*;
    let (status, retry_after) = match class {
        InvalidRequest => (400, None),
        TooLarge => (413, None),
        RateLimited => (429, Some(1)),
        Budget => (429, Some(5)),
        Overloaded => (503, Some(1)),
        CircuitOpen => (503, Some(5)),
        ProviderUnavailable => (503, Some(1)),
        NoProvider => (503, None),
        Auth | Billing | QuotaExhausted | NotFound | BadResponse => (502, None),
        Timeout | Deadline => (504, Some(1)),
    };
    let fault = if matches!(class, InvalidRequest | TooLarge) { Fault::Caller } else { Fault::Service };
    Meaning { status: status_of(status), reason: class.reason().as_str(), fault, retry_after }
}

/// Every class of failure.
const EVERY: [FailureClass; 15] = {
    use FailureClass::*;
    [
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
    ]
};

/// What every class of failure means.
pub(super) fn failures() -> impl Iterator<Item = Meaning> {
    EVERY.into_iter().map(class)
}

/// The message for a failure.
fn tell(class: FailureClass) -> &'static str {
    use FailureClass::*;
    match class {
        InvalidRequest => "the rerank provider rejected the request as invalid",
        TooLarge => "the documents are more, or longer, than may be scored in one request",
        RateLimited => "the rerank provider's rate limit is reached, please wait and try again later",
        Budget => "the budget for rerank calls is spent, please wait and try again later",
        Overloaded => "too many rerank calls in flight, please wait and try again later",
        CircuitOpen => "the rerank provider fails and gets no calls for a while",
        ProviderUnavailable => "the rerank provider cannot be reached or fails",
        NoProvider => "no rerank provider is configured, or none has a key",
        Auth => "the rerank provider rejects the key that rerankd is configured with",
        Billing | QuotaExhausted => "the allowance of the key that rerankd is configured with is spent",
        NotFound => "the rerank provider does not know the model that rerankd is configured with",
        BadResponse => "the rerank provider's response was unusable",
        Timeout => "the rerank provider did not answer in time",
        Deadline => "no scores before the deadline",
    }
}

fn rejected(status: u16, reason: &'static str) -> Meaning {
    Meaning { status: status_of(status), reason, fault: Fault::Caller, retry_after: None }
}

/// Zero and fractions are ignored by the SDKs.
fn seconds(seconds: u64) -> u64 {
    seconds.clamp(1, LONGEST_WAIT)
}

fn status_of(status: u16) -> StatusCode {
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

#[cfg(test)]
#[path = "error_tests.rs"]
mod tests;
