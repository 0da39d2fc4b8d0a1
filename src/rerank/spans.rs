//! The passages of a document that are relevant to the query, as Cohere's Rerank 5 returns them.

use std::sync::Arc;

use serde::Serialize;

/// Which passages are requested.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SpanRequest {
    /// The least score of a passage, 0 to 1; `None`: the service's default.
    pub threshold: Option<f32>,
    /// The most passages of a document; `None`: the service's default.
    pub max_spans: Option<u32>,
}

/// One passage.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Span {
    /// Where it begins, in code points of the document.
    pub start: u32,
    /// Its end (exclusive), in the same unit.
    pub end: u32,
    /// How relevant it is, 0 to 1.
    pub score: f32,
}

/// Those of one document, best first.
pub type Spans = Arc<[Span]>;

/// Whether a model of Cohere's returns them: Rerank 5 and newer.
pub fn given_by(model: &str) -> bool {
    let version = model.strip_prefix("rerank-v").unwrap_or_default();
    let digits = version.find(|c: char| !c.is_ascii_digit()).unwrap_or(version.len());
    version.get(..digits).and_then(|major| major.parse::<u32>().ok()).is_some_and(|major| major >= 5)
}

#[cfg(test)]
mod tests {
    use super::given_by;

    #[test]
    fn only_newer_models_of_coheres_tell_passages() {
        for model in ["rerank-v5.0-pro", "rerank-v5", "rerank-v5.0-fast", "rerank-v12.1"] {
            assert!(given_by(model), "{model}");
        }
        for model in ["rerank-v4.0-pro", "rerank-v3.5", "rerank-english-v3.0", "rerank-v", "v5", ""] {
            assert!(!given_by(model), "{model}");
        }
    }
}
