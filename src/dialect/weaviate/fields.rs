//! `properties`: requesting the fields of documents, and how to remove them again.

use super::numbers::{self, properties};
use crate::{
    dialect::{DialectError, grpc::Object},
    search::{Strip, StripPath, WantedFields},
    wire::proto::{MessageEdit, write},
};

/// The hit's member that holds its fields.
const MEMBER: &str = "properties";
/// The server knows no longer name.
const LONGEST_NAME: usize = 231;

/// Requests what is wanted where the client's own search would not return it. Where it names no properties, all come.
pub(super) fn ask<'a>(
    search: &Object<'a>,
    wanted: &WantedFields,
    edit: &mut MessageEdit<'a>,
) -> Result<Strip, DialectError> {
    let mut given = search.all(numbers::PROPERTIES);
    // Several would be merged: that is not worth reading.
    let (Some(field), None) = (given.next(), given.next()) else { return Ok(Strip::default()) };
    let request = Object::inside(field)?;
    if request.count(properties::ALL)?.unwrap_or(0) != 0 {
        return Ok(Strip::default());
    }
    let theirs = theirs(&request)?;
    let mut inner = request.edit();
    let strip = match wanted {
        // An explicit list may have properties that do not come with all others.
        WantedFields::All if !theirs.is_empty() => return Ok(Strip::default()),
        WantedFields::All => {
            let mut all = Vec::new();
            write::boolean(&mut all, properties::ALL, true);
            inner.append(all);
            stripped([vec![MEMBER.to_owned()]])
        }
        WantedFields::Named(names) => {
            let missing: Vec<&String> =
                names.iter().filter(|name| is_name(name) && !theirs.contains(name)).collect();
            let mut added = Vec::new();
            missing.iter().for_each(|name| write::bytes(&mut added, properties::NAMES, name.as_bytes()));
            inner.append(added);
            stripped(missing.into_iter().map(|name| vec![MEMBER.to_owned(), name.clone()]))
        }
    };
    edit.change(*field, inner);
    Ok(strip)
}

/// The properties that the client has named, as the server writes them.
fn theirs(request: &Object<'_>) -> Result<Vec<String>, DialectError> {
    let mut names = Vec::new();
    for name in request.all(properties::NAMES) {
        names.push(as_written(name.text()?));
    }
    for object in request.messages(properties::OBJECTS)? {
        names.push(as_written(object.text(properties::OBJECT_NAME)?));
    }
    Ok(names)
}

/// The first letter of a property is a small one, however it is requested.
fn as_written(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map_or_else(String::new, |first| first.to_ascii_lowercase().to_string() + letters.as_str())
}

/// Whether a property can have this name; those inside others are requested otherwise.
fn is_name(name: &str) -> bool {
    let letters = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let first = name.bytes().next().is_some_and(|byte| byte == b'_' || byte.is_ascii_lowercase());
    first && letters && name.len() <= LONGEST_NAME
}

fn stripped(paths: impl IntoIterator<Item = Vec<String>>) -> Strip {
    let paths = paths.into_iter().map(|keys| StripPath { keys, keep: 0 }).collect();
    Strip { paths, ..Strip::default() }
}
