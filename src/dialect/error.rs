use crate::{json::is_deeper_than, search::KeepReason};

/// Why a dialect leaves a request or an answer alone.
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
}

/// Requests nested deeper are not read. Far above what queries need: Elasticsearch takes 30 levels of `bool`,
/// OpenSearch 3 parses 1,000 levels by default, Qdrant's parser (serde_json) 128.
const DEEPEST_REQUEST: usize = 1000;

impl DialectError {
    /// What to say of a body of this depth, whose reading would cost a pass over it per level.
    pub(super) fn check_depth(body: &[u8]) -> Result<(), DialectError> {
        let deep = is_deeper_than(body, DEEPEST_REQUEST);
        if deep { Err(DialectError::Unsupported("a body nested this deep")) } else { Ok(()) }
    }

    /// The reason to give for the database's order.
    pub fn reason(&self) -> KeepReason {
        match self {
            DialectError::Malformed { .. } => KeepReason::Malformed,
            DialectError::Unsupported(_) => KeepReason::Unsupported,
        }
    }
}
