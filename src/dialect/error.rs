use crate::search::KeepReason;

/// Why a dialect leaves a request or a response unchanged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DialectError {
    /// Not what the dialect expects at all: not JSON, or a member of the wrong type.
    #[error("{member} is not {expected}")]
    Malformed {
        /// Which member; `body` for the whole.
        member: &'static str,
        /// What was expected there.
        expected: &'static str,
    },
    /// Well-formed, but something the proxy does not rerank.
    #[error("{0} is not supported")]
    Unsupported(&'static str),
    /// A response to a request with more fields that lacks what the client's own request names.
    #[error("it lacks what comes only where it is named")]
    LacksNamed,
}

impl DialectError {
    /// The reason to give for the database's order.
    pub fn reason(&self) -> KeepReason {
        match self {
            DialectError::Malformed { .. } => KeepReason::Malformed,
            DialectError::Unsupported(_) | DialectError::LacksNamed => KeepReason::Unsupported,
        }
    }
}
