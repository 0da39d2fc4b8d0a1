//! The ids that databases give their hits.

use super::{Kind, Object, hits::Hit};
use crate::search::HitId;

/// Which members of a hit say which hit it is.
#[derive(Clone, Copy, Debug)]
pub struct IdKeys {
    /// That of its id.
    pub id: &'static str,
    /// That of the index it comes from, in databases that name one.
    pub index: Option<&'static str>,
}

/// The id of a hit of `body`; members that are neither text nor a number are none.
pub(super) fn hit_id(body: &[u8], hit: &Hit, keys: &IdKeys) -> HitId {
    let members = Object::within(body, hit.span.clone()).map(Object::into_members).unwrap_or_default();
    let word = |key: &str| {
        let value = members.iter().rev().find(|member| member.key == key)?.value;
        match value.kind() {
            Kind::String => value.as_str().map(|text| text.into_owned()),
            // As it is written: 64 bits are more than a JavaScript number holds.
            Kind::Number => Some(value.text().to_owned()),
            _ => None,
        }
    };
    HitId { id: word(keys.id).unwrap_or_default(), index: keys.index.and_then(word) }
}
