//! `with_payload`: asking for the fields of documents, and knowing how to take them out again.

use crate::{
    dialect::qdrant::object::Object,
    json::{Edits, Kind, ObjectEdit, Value},
    search::{Strip, StripPath},
};

/// The request's member, and the hit's.
const ASKED: &str = "with_payload";
const GIVEN: &str = "payload";

/// Asks for `fields` where the client's own search would not bring them. What the client excludes stays
/// excluded, and what is not understood is left for the server to refuse.
pub(super) fn ask(
    search: &Object<'_>,
    fields: &[String],
    edit: &mut ObjectEdit<'_>,
    edits: &mut Edits,
) -> Strip {
    let fields: Vec<Vec<&str>> = fields
        .iter()
        .map(|field| field.split('.').collect::<Vec<_>>())
        .filter(|path| expressible(path))
        .collect();
    if fields.is_empty() {
        return Strip::default();
    }
    let list = match search.get(ASKED) {
        None => return ask_anew(&fields, edit),
        Some(value) => match value.kind() {
            Kind::Bool if value.as_bool() == Some(false) => return ask_anew(&fields, edit),
            Kind::Array => Some(value),
            Kind::Object if value.get("exclude").is_none() => value.get("include"),
            _ => None,
        },
    };
    list.and_then(|list| ask_more(list, &fields, edits)).unwrap_or_default()
}

/// The client wants no payload at all: all of it goes again.
fn ask_anew(fields: &[Vec<&str>], edit: &mut ObjectEdit<'_>) -> Strip {
    let paths: Vec<String> = fields.iter().map(|path| written(path)).collect();
    edit.set(ASKED, format!("[{}]", paths.join(",")));
    strip(vec![StripPath { keys: vec![GIVEN.to_owned()], keep: 0 }])
}

/// The client wants some fields: the others are added at the end of its list.
fn ask_more(list: Value<'_>, fields: &[Vec<&str>], edits: &mut Edits) -> Option<Strip> {
    let items = list.items()?;
    let listed: Vec<Vec<String>> =
        items.iter().map(|item| components(&item.as_str()?)).collect::<Option<_>>()?;
    let mut added = String::new();
    let mut strips: Vec<StripPath> = Vec::new();
    for path in fields {
        let shared = listed.iter().map(|listed| shared(listed, path)).max().unwrap_or(0);
        let covered = listed.iter().any(|listed| shared_whole(listed, path));
        // A listed path below this one would be mixed up with it: nobody could tell the two apart again.
        if covered || shared == path.len() {
            continue;
        }
        if !(items.is_empty() && added.is_empty()) {
            added.push(',');
        }
        added.push_str(&written(path));
        // The server keeps a parent whose listed child is missing, and lists and scalars on the way. So all
        // goes that only this path has brought, and nothing that the client's own list would bring.
        let keys: Vec<String> =
            std::iter::once(GIVEN).chain(path[..=shared].iter().copied()).map(str::to_owned).collect();
        let strip = StripPath { keep: keys.len() - 1, keys };
        if !strips.contains(&strip) {
            strips.push(strip);
        }
    }
    if !added.is_empty() {
        let end = list.span().end - 1;
        edits.replace(end..end, added);
    }
    Some(strip(strips))
}

fn strip(paths: Vec<StripPath>) -> Strip {
    Strip { paths, total_at_most: None }
}

/// How many leading components two paths have in common.
fn shared(listed: &[String], path: &[&str]) -> usize {
    listed.iter().zip(path).take_while(|(a, b)| a == *b).count()
}

/// Whether what `listed` names holds all that `path` names.
fn shared_whole(listed: &[String], path: &[&str]) -> bool {
    shared(listed, path) == listed.len()
}

/// Whether the server's path syntax has a way to write this: quoted keys know no escapes.
fn expressible(path: &[&str]) -> bool {
    path.iter().all(|key| !key.is_empty() && !key.contains(['"', '\\']))
}

/// A path in the server's syntax, as JSON text. Keys of other than letters, digits, `_` and `-` are quoted.
fn written(path: &[&str]) -> String {
    let plain = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    let keys: Vec<String> = path
        .iter()
        .map(|key| if key.chars().all(plain) { (*key).to_owned() } else { format!("\"{key}\"") })
        .collect();
    serde_json::Value::from(keys.join(".")).to_string()
}

/// The keys of a path in the server's syntax; an index is a component of its own.
fn components(path: &str) -> Option<Vec<String>> {
    let mut components = Vec::new();
    let mut rest = path;
    loop {
        if let Some(quoted) = rest.strip_prefix('"') {
            let (key, after) = quoted.split_once('"')?;
            components.push(key.to_owned());
            rest = after;
        } else {
            let end = rest.find(['.', '[']).unwrap_or(rest.len());
            components.push(rest[..end].to_owned());
            rest = &rest[end..];
        }
        while rest.starts_with('[') {
            let end = rest.find(']')? + 1;
            components.push(rest[..end].to_owned());
            rest = &rest[end..];
        }
        if rest.is_empty() {
            return Some(components);
        }
        rest = rest.strip_prefix('.')?;
    }
}
