//! Where the hits stand in a response.

use bytes::Bytes;

use crate::{
    dialect::DialectError,
    wire::proto::{FieldsAt, IdAt, Layout, Marked, ProtoPage, ScoreAt, kinds},
};

/// `SearchReply`: `SearchResult`s, each with a `PropertiesResult` (1), in which its `Properties` stand (11), and a
/// `MetadataResult` (2).
static REPLY: Layout = Layout {
    around: &[],
    hits: 2,
    each_is_search: false,
    id: IdAt::Uuid { inside: 2, text: 1, bytes: 20 },
    fields: FieldsAt { around: &[1, 11], entries: 1, kinds: &kinds::WEAVIATE },
    score: ScoreAt {
        inside: Some(2),
        score: Marked { number: 11, present: Some(12) },
        distance: Some(Marked { number: 7, present: Some(8) }),
        relevance: Some(Marked { number: 21, present: Some(22) }),
    },
};

pub(super) fn page(body: Bytes) -> Result<ProtoPage, DialectError> {
    Ok(ProtoPage::read(body, &REPLY)?)
}

/// The most memory that this takes beside the body, in bytes.
pub(super) fn page_bytes(body: &[u8]) -> usize {
    ProtoPage::reading_bytes(body, &REPLY)
}
