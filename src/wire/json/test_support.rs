//! The slow form of what is noted of a hit.

use std::borrow::Cow;

use super::{
    Kind, Member, Value,
    hits::{Field, Fields, MOST_NOTED},
};

/// The object of fields, its members noted one by one.
pub(crate) fn slow_fields(object: Value<'_>) -> Option<Fields> {
    let name = |member: &Member<'_>| match member.key {
        Cow::Borrowed(key) => Some(member.key_start + 1..member.key_start + 1 + key.len()),
        Cow::Owned(_) => None,
    };
    let note = |member: Member<'_>| Some(Field { name: name(&member)?, value: member.value.span() });
    let members = object.members().filter(|members| members.len() <= MOST_NOTED);
    let members = members.and_then(|members| members.into_iter().map(note).collect());
    (object.kind() == Kind::Object).then(|| Fields::new(object.span(), members))
}
