//! `with_payload`: requesting the fields of documents, and how to remove them again.

use crate::{
    dialect::qdrant::{
        paths::{Path, all_but, all_of_it, missing, named, steps, written},
        rest::object::Object,
    },
    search::{Strip, WantedFields},
    wire::json::{Edits, Kind, ObjectEdit, Value},
};

/// The request's member.
const ASKED: &str = "with_payload";

/// What the client's own search would return.
enum PayloadSelector<'a> {
    /// No payload.
    Nothing,
    /// The fields of this list.
    Listed(Value<'a>),
    /// All of it, all but what is excluded, or nothing that is understood: left unchanged.
    Settled,
}

impl<'a> PayloadSelector<'a> {
    fn read(search: &Object<'a>) -> Self {
        let Some(value) = search.get(ASKED) else { return Self::Nothing };
        let list = match value.kind() {
            Kind::Bool if value.as_bool() == Some(false) => return Self::Nothing,
            Kind::Array => Some(value),
            Kind::Object if value.get("exclude").is_none() => value.get("include"),
            _ => None,
        };
        list.map_or(Self::Settled, Self::Listed)
    }
}

/// Requests what is wanted where the client's own search would not return it. What the client excludes stays
/// excluded, and what is not understood is left for the server to reject.
pub(super) fn ask(
    search: &Object<'_>,
    wanted: &WantedFields,
    edit: &mut ObjectEdit<'_>,
    edits: &mut Edits,
) -> Strip {
    let strip = match PayloadSelector::read(search) {
        PayloadSelector::Settled => None,
        PayloadSelector::Nothing => match named(wanted) {
            None => {
                edit.set(ASKED, "true");
                Some(all_of_it())
            }
            Some(paths) => ask_anew(&paths, edit),
        },
        PayloadSelector::Listed(list) => match named(wanted) {
            None => ask_all(list, edit),
            Some(paths) => ask_more(list, &paths, edits),
        },
    };
    strip.unwrap_or_default()
}

/// The client wants no payload at all: all of it is removed again.
fn ask_anew(fields: &[Path], edit: &mut ObjectEdit<'_>) -> Option<Strip> {
    if fields.is_empty() {
        return None;
    }
    edit.set(ASKED, format!("[{}]", all_written(fields.iter())));
    Some(all_of_it())
}

/// The client wants some fields: all of them are requested, and the others removed again.
fn ask_all(list: Value<'_>, edit: &mut ObjectEdit<'_>) -> Option<Strip> {
    let strip = all_but(listed(list)?)?;
    edit.set(ASKED, "true");
    Some(strip)
}

/// The client wants some fields: the others are added at the end of its list.
fn ask_more(list: Value<'_>, fields: &[Path], edits: &mut Edits) -> Option<Strip> {
    let items = list.items()?;
    let theirs = listed(list)?;
    let missing = missing(fields, &theirs);
    if missing.is_empty() {
        return None;
    }
    let strip = all_but(theirs)?;
    let comma = if items.is_empty() { "" } else { "," };
    let end = list.span().end - 1;
    edits.replace(end..end, format!("{comma}{}", all_written(missing.into_iter())));
    Some(strip)
}

/// The paths of the client's list; `None` where one of them is no path.
fn listed(list: Value<'_>) -> Option<Vec<Path>> {
    list.items()?.iter().map(|item| steps(&item.as_str()?)).collect()
}

/// As JSON texts, with commas between.
fn all_written<'p>(paths: impl Iterator<Item = &'p Path>) -> String {
    paths.map(|path| serde_json::Value::from(written(path)).to_string()).collect::<Vec<_>>().join(",")
}
