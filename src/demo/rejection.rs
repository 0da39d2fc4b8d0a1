//! Why the demonstration database does not answer, in the words of Qdrant, for REST and for gRPC.

use http::StatusCode;

use super::DIMENSIONS;

/// Why a request is not answered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Rejection {
    /// There is one collection, and it is another.
    #[error("Not found: Collection `{0}` doesn't exist!")]
    UnknownCollection(String),
    /// No point has this id.
    #[error("Not found: No point with id {0} found")]
    UnknownPoint(String),
    /// A vector of so many numbers.
    #[error("Wrong input: Vector dimension error: expected dim: {DIMENSIONS}, got {0}")]
    Dimension(usize),
    /// A vector with a name: there is only the one without.
    #[error("Wrong input: Not existing vector name error: {0}")]
    UnknownVector(String),
    /// A number that has to be 1 or more is 0.
    #[error("{0}: value 0 invalid, must be 1 or larger")]
    Zero(&'static str),
    /// What the demonstration cannot do is rejected rather than answered wrongly.
    #[error("Wrong input: the demonstration database does not support {0}")]
    Unsupported(&'static str),
    /// The query is a text, which the database would have to embed.
    #[error(
        "Inference error: Service internal error: InferenceService URL not configured - please provide valid address in config"
    )]
    Inference,
    /// Not JSON, or JSON of another form.
    #[error("Format error in JSON body: {0}")]
    Json(String),
    /// A body that was not received, or is too large.
    #[error("Payload error: the body is broken or over 1 MiB")]
    Body,
    /// Not a protobuf message, or not in a coding that is understood.
    #[error("failed to decode Protobuf message")]
    Protobuf,
    /// A selector of payloads that selects nothing and everything.
    #[error("No PayloadSelector")]
    NoSelector,
    /// A message in a coding other than gzip.
    #[error("Content is compressed with an encoding which isn't supported")]
    Coding,
    /// Not a method of this API; Qdrant has no words for it.
    #[error("")]
    NoSuchMethod,
    /// The response could not be written.
    #[error("Service internal error: the response cannot be written")]
    Write,
}

impl Rejection {
    /// The status over REST.
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::UnknownCollection(_) | Self::UnknownPoint(_) | Self::NoSuchMethod => StatusCode::NOT_FOUND,
            Self::Zero(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Write | Self::Inference => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::BAD_REQUEST,
        }
    }

    /// What is said over REST.
    pub(super) fn over_rest(&self) -> String {
        match self {
            Self::Zero(_) => format!("Validation error in JSON body: [internal.{self}]"),
            _ => self.to_string(),
        }
    }

    /// The status over gRPC, as its number in `grpc-status`.
    pub(super) fn grpc_status(&self) -> u8 {
        match self {
            Self::UnknownCollection(_) | Self::UnknownPoint(_) => 5,
            Self::NoSuchMethod | Self::Coding => 12,
            Self::Protobuf | Self::Inference | Self::Write => 13,
            _ => 3,
        }
    }

    /// What is said over gRPC.
    pub(super) fn over_grpc(&self) -> String {
        match self {
            Self::Zero(_) => format!("Validation error in body: [{self}]"),
            _ => self.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_of_zero_is_rejected_in_the_words_of_either_interface() {
        let zero = Rejection::Zero("limit");
        assert_eq!(
            (zero.status().as_u16(), zero.over_rest().as_str()),
            (422, "Validation error in JSON body: [internal.limit: value 0 invalid, must be 1 or larger]")
        );
        assert_eq!(
            (zero.grpc_status(), zero.over_grpc().as_str()),
            (3, "Validation error in body: [limit: value 0 invalid, must be 1 or larger]")
        );
    }
}
