//! `properties`: requesting the fields of documents, and how to remove them again.
//!
//! The server rejects a search that names a property which the collection does not have. So where a search names some, all are
//! requested, and all but its own are removed from the hits. What does not come with all others are blobs: a response
//! without one that the search has named is none to the search.

use super::numbers::{self, properties};
use crate::{
    dialect::{DialectError, grpc::Object},
    search::{HitAt, PathStep, Selection, Strip, StripPath, WantedFields},
    wire::{
        Page,
        proto::{Field, MessageEdit, write},
    },
};

/// The hit's member that holds its fields.
const MEMBER: &str = "properties";

/// Requests what is wanted where the client's own search would not return it. Where it names no properties, all come.
pub(super) fn ask<'a>(
    search: &Object<'a>,
    wanted: &WantedFields,
    edit: &mut MessageEdit<'a>,
) -> Result<Strip, DialectError> {
    let Some((field, theirs)) = added_to(search, wanted)? else { return Ok(Strip::default()) };
    let mut all = Vec::new();
    write::boolean(&mut all, properties::ALL, true);
    let mut inner = Object::inside(&field)?.edit();
    inner.append(all);
    edit.change(field, inner);
    if theirs.is_empty() {
        let path = StripPath { keys: vec![MEMBER.to_owned()], keep: 0 };
        return Ok(Strip { paths: vec![path], ..Strip::default() });
    }
    let paths = theirs.into_iter().map(|name| vec![PathStep::Key(name)]).collect();
    let selection = Selection { member: MEMBER.to_owned(), paths };
    Ok(Strip { selection: Some(selection), ..Strip::default() })
}

/// Whether a response to a request that was changed so has everything that the client's own search names.
pub(super) fn has_all(
    search: &Object<'_>,
    wanted: &WantedFields,
    page: &dyn Page,
) -> Result<bool, DialectError> {
    let Some((_, theirs)) = added_to(search, wanted)? else { return Ok(true) };
    let hits = page.lists().first().map_or(0, |list| list.hits);
    // Whether it rejects a name that it does not know, a response without hits does not say.
    if hits == 0 && !theirs.is_empty() {
        return Ok(false);
    }
    // The server writes a null where a hit has no value.
    let has_theirs = |hit: usize| {
        let all = page.fields(HitAt { list: 0, hit }).objects;
        theirs.iter().all(|name| all.iter().flatten().any(|member| member.key == *name))
    };
    Ok((0..hits).all(has_theirs))
}

/// The client's list of properties, where something is to be added to it, and the names in it.
fn added_to<'a>(
    search: &Object<'a>,
    wanted: &WantedFields,
) -> Result<Option<(Field<'a>, Vec<String>)>, DialectError> {
    let mut given = search.all(numbers::PROPERTIES);
    // Several would be merged: that is not worth reading.
    let (Some(field), None) = (given.next(), given.next()) else { return Ok(None) };
    let request = Object::inside(field)?;
    // A part of an object would come as all of it.
    if wanted.is_none()
        || request.count(properties::ALL)?.unwrap_or(0) != 0
        || request.has(properties::OBJECTS)
    {
        return Ok(None);
    }
    let mut theirs = Vec::new();
    for name in request.all(properties::NAMES) {
        theirs.push(as_written(name.text()?));
    }
    let comes_anyway = match wanted {
        WantedFields::Named(names) => names.iter().all(|name| theirs.contains(name)),
        WantedFields::All => false,
    };
    Ok((!comes_anyway).then_some((*field, theirs)))
}

/// The first letter of a property is a small one, however it is requested.
fn as_written(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map_or_else(String::new, |first| first.to_ascii_lowercase().to_string() + letters.as_str())
}
