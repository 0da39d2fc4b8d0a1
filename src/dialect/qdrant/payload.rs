//! `with_payload`: asking for the fields of documents, and knowing how to take them out again.

use crate::{
    dialect::qdrant::object::Object,
    json::{Edits, Kind, ObjectEdit, Value},
    search::{PathStep, Selection, Strip, StripPath, WantedFields},
};

/// The request's member, and the hit's.
const ASKED: &str = "with_payload";
const GIVEN: &str = "payload";
/// Paths of more components than anybody writes are left to the server.
const DEEPEST_LISTED: usize = 64;

/// What the client's own search would bring.
enum Asked<'a> {
    /// No payload.
    Nothing,
    /// The fields of this list.
    Listed(Value<'a>),
    /// All of it, all but what is excluded, or nothing that is understood: left as it is.
    Settled,
}

impl<'a> Asked<'a> {
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

/// Asks for what is wanted where the client's own search would not bring it. What the client excludes stays
/// excluded, and what is not understood is left for the server to refuse.
pub(super) fn ask(
    search: &Object<'_>,
    wanted: &WantedFields,
    edit: &mut ObjectEdit<'_>,
    edits: &mut Edits,
) -> Strip {
    let strip = match (Asked::read(search), wanted) {
        (Asked::Settled, _) => None,
        (Asked::Nothing, WantedFields::All) => {
            edit.set(ASKED, "true");
            Some(all_of_it())
        }
        (Asked::Nothing, WantedFields::Named(fields)) => ask_anew(&paths(fields), edit),
        (Asked::Listed(list), WantedFields::All) => ask_all(list, edit),
        (Asked::Listed(list), WantedFields::Named(fields)) => ask_more(list, &paths(fields), edits),
    };
    strip.unwrap_or_default()
}

fn paths(fields: &[String]) -> Vec<Vec<&str>> {
    fields
        .iter()
        .map(|field| field.split('.').collect())
        .filter(|path: &Vec<&str>| expressible(path))
        .collect()
}

fn all_of_it() -> Strip {
    strip(vec![StripPath { keys: vec![GIVEN.to_owned()], keep: 0 }])
}

/// The client wants no payload at all: all of it goes again.
fn ask_anew(fields: &[Vec<&str>], edit: &mut ObjectEdit<'_>) -> Option<Strip> {
    if fields.is_empty() {
        return None;
    }
    let paths: Vec<String> = fields.iter().map(|path| written(path)).collect();
    edit.set(ASKED, format!("[{}]", paths.join(",")));
    Some(all_of_it())
}

/// The client wants some fields: all of them are asked for, and the others go again.
fn ask_all(list: Value<'_>, edit: &mut ObjectEdit<'_>) -> Option<Strip> {
    let paths = listed(list)?;
    if paths.iter().any(|path| path.len() > DEEPEST_LISTED) {
        return None;
    }
    edit.set(ASKED, "true");
    Some(Strip { selection: Some(Selection { member: GIVEN.to_owned(), paths }), ..Strip::default() })
}

/// The paths of the client's list; `None` where one of them is no path.
fn listed(list: Value<'_>) -> Option<Vec<Vec<PathStep>>> {
    list.items()?.iter().map(|item| steps(&item.as_str()?)).collect()
}

/// The client wants some fields: the others are added at the end of its list.
fn ask_more(list: Value<'_>, fields: &[Vec<&str>], edits: &mut Edits) -> Option<Strip> {
    let items = list.items()?;
    let listed = listed(list)?;
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
    Strip { paths, ..Strip::default() }
}

/// How many leading steps two paths have in common.
fn shared(listed: &[PathStep], path: &[&str]) -> usize {
    let same = |step: &PathStep, key: &str| matches!(step, PathStep::Key(name) if name == key);
    listed.iter().zip(path).take_while(|(step, key)| same(step, key)).count()
}

/// Whether what `listed` names holds all that `path` names.
fn shared_whole(listed: &[PathStep], path: &[&str]) -> bool {
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

/// The steps of a path in the server's syntax.
fn steps(path: &str) -> Option<Vec<PathStep>> {
    let mut steps = Vec::new();
    let mut rest = path;
    loop {
        if let Some(quoted) = rest.strip_prefix('"') {
            let (key, after) = quoted.split_once('"')?;
            steps.push(PathStep::Key(key.to_owned()));
            rest = after;
        } else {
            let (key, after) = rest.split_at(rest.find(['.', '[']).unwrap_or(rest.len()));
            steps.push(PathStep::Key(key.to_owned()));
            rest = after;
        }
        while let Some(index) = rest.strip_prefix('[') {
            let (index, after) = index.split_once(']')?;
            steps.push(if index.is_empty() { PathStep::Elements } else { PathStep::Element });
            rest = after;
        }
        if rest.is_empty() {
            return Some(steps);
        }
        rest = rest.strip_prefix('.')?;
    }
}
