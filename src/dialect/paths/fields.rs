//! Which fields come back: what a request has to say so that documents can be made, and what then goes again.

use std::borrow::Cow;

use super::{
    change::Changes,
    definition::{Absent, Columns, FieldForm, Operation, Part, Rows},
    view::{At, View},
};
use crate::{
    dialect::DialectError,
    search::{Strip, StripPath, WantedFields},
    wire::json::Value,
};

/// Signs of what is more than a name: patterns, functions, renamings.
const NOT_A_NAME: [char; 8] = ['*', '?', '(', ')', ':', '[', '{', '!'];

/// Asks for the fields that documents are made of.
pub(super) fn ask(
    operation: &Operation,
    rows: &Rows,
    view: &View<'_>,
    wanted: &WantedFields,
    changes: &mut Changes,
) -> Result<Strip, DialectError> {
    let request = &operation.fields;
    if wanted.is_none() || request.at.is_empty() || view.has_null(&request.at) {
        return Ok(Strip::default());
    }
    let wanted: &[String] = match wanted {
        WantedFields::Named(names) => names,
        // Every field comes where a switch is on; a list of the client's own stays as it is.
        WantedFields::All if request.form == FieldForm::Switch => &[],
        WantedFields::All => return Ok(Strip::default()),
    };
    let Some((place, at)) = view.find(&request.at)? else {
        return absent(operation, rows, view, wanted, changes);
    };
    if operation.searches.is_some() && place.part != Part::Body {
        return Ok(Strip::default());
    }
    if request.form == FieldForm::Switch {
        if !is_off(at) {
            return Ok(Strip::default());
        }
        changes.set(place, "true".to_owned(), "true".to_owned());
        return Ok(stripped(vec![rows.fields.clone()]));
    }
    let there = match (request.form, at) {
        (FieldForm::List, At::Json(list)) => listed(list),
        (FieldForm::Commas, at) => written(at),
        _ => None,
    };
    // A list of another form may name any field, and so may an empty one.
    let known = |names: &Vec<String>| !names.is_empty() || request.empty_is_none;
    let Some(there) = there.filter(known) else { return Ok(Strip::default()) };
    let missing = missing(operation, rows, view, &there, wanted)?;
    if missing.is_empty() {
        return Ok(Strip::default());
    }
    let text = match there.is_empty() {
        true => missing.join(","),
        false => [at.text().into_owned(), missing.join(",")].join(","),
    };
    let json = match at {
        At::Json(list) if list.items().is_some() => with_names(list, &missing),
        _ => serde_json::Value::from(text.as_str()).to_string(),
    };
    changes.set(place, json, text);
    Ok(stripped(missing.iter().map(|name| path(rows, name)).collect()))
}

/// Where the request names none.
fn absent(
    operation: &Operation,
    rows: &Rows,
    view: &View<'_>,
    wanted: &[String],
    changes: &mut Changes,
) -> Result<Strip, DialectError> {
    let request = &operation.fields;
    let default: &[String] = match &request.absent {
        Absent::All => return Ok(Strip::default()),
        Absent::None => &[],
        Absent::Names(names) => names,
    };
    let Some(place) = view.free_place(&request.at) else { return Ok(Strip::default()) };
    if request.form == FieldForm::Switch {
        changes.set(place, "true".to_owned(), "true".to_owned());
        return Ok(stripped(vec![rows.fields.clone()]));
    }
    let missing = missing(operation, rows, view, default, wanted)?;
    if missing.is_empty() {
        return Ok(Strip::default());
    }
    let all: Vec<&str> = default.iter().chain(&missing).map(String::as_str).collect();
    let json = match request.form {
        FieldForm::List => serde_json::Value::from(all.clone()).to_string(),
        _ => serde_json::Value::from(all.join(",")).to_string(),
    };
    changes.set(place, json, all.join(","));
    Ok(stripped(missing.iter().map(|name| path(rows, name)).collect()))
}

/// Those of `wanted` that do not come anyway; none where that cannot be seen, and none that the client excludes.
fn missing(
    operation: &Operation,
    rows: &Rows,
    view: &View<'_>,
    there: &[String],
    wanted: &[String],
) -> Result<Vec<String>, DialectError> {
    let request = &operation.fields;
    if there.iter().any(|name| request.all.contains(name) || name.contains(NOT_A_NAME)) {
        return Ok(Vec::new());
    }
    let excluded = match view.find(&request.excluded)? {
        Some((_, at)) => match written(at).or_else(|| json(at).and_then(listed)) {
            Some(names) => names,
            None => return Ok(Vec::new()),
        },
        None => Vec::new(),
    };
    let within = |name: &str, of: &String| {
        name.strip_prefix(of.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    // A field may be named from its object on, or from the hit on.
    let below = |name: &str, of: &String| within(name, of) || within(&path(rows, name).join("."), of);
    let odd = |name: &String| name.contains(NOT_A_NAME) || name.contains([',', ' ', '"']);
    let is_missing = |name: &&String| {
        !there.iter().any(|of| below(name, of)) && !excluded.iter().any(|of| below(name, of)) && !odd(name)
    };
    Ok(wanted.iter().filter(is_missing).cloned().collect())
}

/// Whether a switch is written as one, and off.
fn is_off(at: At<'_>) -> bool {
    match at {
        At::Text(text) => text == "false",
        At::Json(value) => value.as_bool() == Some(false),
    }
}

/// The names in a text; `None` where it is none.
fn written(at: At<'_>) -> Option<Vec<String>> {
    match at {
        At::Text(text) => Some(names(text)),
        At::Json(value) => value.as_str().map(|text| names(&text)),
    }
}

fn json(at: At<'_>) -> Option<Value<'_>> {
    match at {
        At::Json(value) => Some(value),
        At::Text(_) => None,
    }
}

/// The names in an array of names; `None` where it is something else.
pub(super) fn listed(list: Value<'_>) -> Option<Vec<String>> {
    list.items()?.into_iter().map(|item| item.as_str().map(Cow::into_owned)).collect()
}

/// Names with commas or blanks between them.
fn names(text: &str) -> Vec<String> {
    text.split([',', ' ']).map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// A JSON array with more names.
pub(super) fn with_names(list: Value<'_>, names: &[String]) -> String {
    let inner = list.text().strip_suffix(']').unwrap_or_default().trim_end();
    let added: Vec<String> =
        names.iter().map(|name| serde_json::Value::from(name.as_str()).to_string()).collect();
    let comma = if inner.ends_with('[') { "" } else { "," };
    format!("{inner}{comma}{}]", added.join(","))
}

/// The member of a hit that a field is.
fn path(rows: &Rows, name: &str) -> Vec<String> {
    rows.fields.iter().cloned().chain(name.split('.').map(str::to_owned)).collect()
}

/// What takes these members out of every hit.
pub(super) fn stripped(paths: Vec<Vec<String>>) -> Strip {
    let paths = paths.into_iter().map(|keys| StripPath { keep: 0, keys }).collect();
    Strip { paths, ..Strip::default() }
}

/// The column that documents are made of.
pub(super) fn column<'c>(columns: &'c Columns, wanted: &WantedFields) -> Option<&'c str> {
    let named = |name: &str| match wanted {
        WantedFields::Named(names) => names.iter().any(|wanted| wanted == name),
        WantedFields::All => true,
    };
    let text = columns.texts.iter().find(|(field, _)| named(field));
    text.map(|(_, column)| column.as_str()).or(columns.fields.as_deref())
}
