//! How much of a text is sent where the service's own cut is known: never less than it would read.

use super::shape::Cut;

/// What a model of Cohere's reads, in tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct ModelLimits {
    /// Query and document together.
    context: usize,
    /// The query is cut to this.
    query: usize,
}

/// The limits of a model; of an unknown one, such as a deployment with a name of its own, the largest known.
fn limits(model: &str) -> ModelLimits {
    let older = ["rerank-v3.5", "rerank-english-v3.0", "rerank-multilingual-v3.0", "cohere.rerank-v3-5:0"];
    if older.contains(&model) {
        ModelLimits { context: 4_096, query: 2_048 }
    } else {
        ModelLimits { context: 32_768, query: 16_384 }
    }
}

/// Cohere's own cut of a document in v2 if none is sent.
const DEFAULT_TOKENS_PER_DOC: usize = 4_096;

/// More than a token takes in any script on average: a cut too long is mended by the service, one too short is not.
const BYTES_PER_TOKEN: usize = 6;

/// The most bytes of a query and of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bytes {
    pub(super) query: usize,
    pub(super) document: usize,
}

/// What a token takes at least in most texts: for services that reject what is too long instead of cutting it.
const BYTES_PER_TOKEN_AT_LEAST: usize = 3;

/// The bytes of this many tokens, for a service that gets no such limit.
pub(super) fn of_tokens(tokens: u32) -> usize {
    (tokens as usize).saturating_mul(BYTES_PER_TOKEN_AT_LEAST)
}

/// The most bytes that make a difference.
pub(super) fn bytes(cut: Cut, model: &str, max_tokens_per_doc: Option<u32>) -> Bytes {
    let Cut::Cohere { chunks } = cut else { return Bytes { query: usize::MAX, document: usize::MAX } };
    let limits = limits(model);
    let wanted = max_tokens_per_doc.map_or(DEFAULT_TOKENS_PER_DOC, |tokens| tokens as usize);
    // More than one chunk is v1, which knows no cut but the context.
    let document = if chunks > 1 { limits.context * chunks } else { wanted.min(limits.context) };
    Bytes { query: limits.query * BYTES_PER_TOKEN, document: document.saturating_mul(BYTES_PER_TOKEN) }
}

/// The beginning of a text, on a character boundary.
pub(super) fn cut(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

#[cfg(test)]
mod tests {
    use super::*;

    const V2: Cut = Cut::Cohere { chunks: 1 };

    #[test]
    fn a_cut_is_on_a_character_boundary() {
        assert_eq!(cut("a€", 3), "a");
        assert_eq!(cut("a€", 4), "a€");
        assert_eq!(cut("€", 0), "");
    }

    #[test]
    fn no_cut_is_short_of_what_the_model_reads() {
        for (model, context) in [("rerank-v3.5", 4_096), ("rerank-v4.0-fast", 32_768), ("my-name", 32_768)] {
            let all = bytes(V2, model, Some(1_000_000));
            assert_eq!((all.query, all.document), (context / 2 * 6, context * 6), "{model}");
            assert_eq!(bytes(V2, model, None).document, 4_096 * 6, "{model}");
            assert_eq!(bytes(V2, model, Some(512)).document, 512 * 6, "{model}");
        }
        assert_eq!(bytes(Cut::Cohere { chunks: 10 }, "rerank-v3.5", None).document, 10 * 4_096 * 6);
        assert_eq!(bytes(Cut::Nothing, "any", None).document, usize::MAX);
    }
}
