//! Where the hits stand in a response.

use bytes::Bytes;

use super::operation::Operation;
use crate::{
    dialect::{DialectError, qdrant::kind::Form},
    wire::proto::{FieldsAt, IdAt, Layout, Marked, ProtoPage, ScoreAt, kinds},
};

/// `result` of all responses; the groups of a `GroupsResult`.
const RESULT: u32 = 1;
const GROUPS: u32 = 1;

/// `QueryResponse`, `SearchResponse` and the like: `ScoredPoint`s side by side.
const SINGLE: Layout = Layout {
    around: &[],
    hits: RESULT,
    each_is_search: false,
    id: IdAt::Message(1),
    fields: FieldsAt { around: &[], entries: 2, kinds: &kinds::QDRANT },
    score: ScoreAt {
        inside: None,
        score: Marked { number: 3, present: None },
        distance: None,
        relevance: None,
    },
};
/// A `BatchResult` for each search.
const BATCH: Layout = Layout { around: &[RESULT], each_is_search: true, ..SINGLE };
/// A `GroupsResult` with its `PointGroup`s.
const GROUPED: Layout = Layout { around: &[RESULT, GROUPS], hits: 2, ..SINGLE };

/// Finds the lists of hits by the shape that the operation answers in.
pub(super) fn page(operation: Operation, body: Bytes) -> Result<ProtoPage, DialectError> {
    Ok(ProtoPage::read(body, layout(operation))?)
}

/// The most memory that this takes beside the body, in bytes.
pub(super) fn page_bytes(operation: Operation, body: &[u8]) -> usize {
    ProtoPage::reading_bytes(body, layout(operation))
}

fn layout(operation: Operation) -> &'static Layout {
    match operation.form {
        Form::Single => &SINGLE,
        Form::Batch => &BATCH,
        Form::Groups => &GROUPED,
    }
}
