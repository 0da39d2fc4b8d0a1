//! The ids that databases give their hits.

use std::ops::Range;

use super::{Kind, Value, hits::Hit};
use crate::search::HitId;

/// The id of a hit of `body`; members that are neither text nor a number are none.
pub(super) fn hit_id(body: &[u8], hit: &Hit) -> HitId {
    let word = |span: Range<usize>| {
        let value = Value::found(body, span)?;
        match value.kind() {
            Kind::String => value.as_str().map(|text| text.into_owned()),
            // As it is written: 64 bits are more than a JavaScript number holds.
            Kind::Number => Some(value.text().to_owned()),
            _ => None,
        }
    };
    // With its quotes.
    let index = hit.index.clone().map(|inside| inside.start.saturating_sub(1)..inside.end + 1);
    HitId { id: hit.id.clone().and_then(word).unwrap_or_default(), index: index.and_then(word) }
}
