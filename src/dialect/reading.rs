//! [`Reading`]: a request's body that has been read through once.

use bytes::Bytes;

use super::DialectError;
use crate::wire::json::{Index, NoIndex};

/// Requests nested deeper are not read. Far above what queries need: Elasticsearch takes 30 levels of `bool`,
/// OpenSearch 3 parses 1,000 levels by default, Qdrant's parser (serde_json) 128.
const DEEPEST: usize = 1000;

/// The body of a request, without content codings, and what the one pass over all of it has found: later readers skip
/// what is long.
#[derive(Debug)]
pub(super) struct Reading {
    body: Bytes,
    /// One for each JSON text with a search, or with a batch of them, in their order.
    texts: Vec<Index>,
}

impl Reading {
    /// What a body holds whose texts these are.
    pub(super) fn new(body: Bytes, texts: Vec<Index>) -> Self {
        Self { body, texts }
    }

    /// The body that was read.
    pub(super) fn body(&self) -> &Bytes {
        &self.body
    }

    pub(super) fn texts(&self) -> &[Index] {
        &self.texts
    }

    /// What it holds in memory beside the body, in bytes.
    pub(super) fn held_bytes(&self) -> usize {
        let each = self.texts.iter().map(Index::held_bytes).sum::<usize>();
        self.texts.capacity() * size_of::<Index>() + each
    }
}

/// The index of one JSON text of a request; `malformed` where it is none.
pub(super) fn index(text: &[u8], malformed: DialectError) -> Result<Index, DialectError> {
    Index::of(text, DEEPEST).map_err(|none| match none {
        NoIndex::Malformed => malformed,
        NoIndex::TooDeep => DialectError::Unsupported("a body nested this deep"),
    })
}
