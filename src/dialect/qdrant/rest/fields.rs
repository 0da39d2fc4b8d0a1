//! `with_payload`: requesting the fields of documents, and how to remove them again.

use crate::{
    dialect::qdrant::rest::object::Object,
    search::{NESTED_LISTS, PathStep, Selection, Strip, StripPath, WantedFields},
    wire::json::{Edits, Kind, ObjectEdit, Value},
};

type Path = Vec<PathStep>;

/// The request's member, and the hit's.
const ASKED: &str = "with_payload";
const GIVEN: &str = "payload";
/// Paths of more components than anybody writes are left to the server.
const DEEPEST_LISTED: usize = 64;
/// A name of this many parts has 16 spellings, of one more 64.
const MOST_SPELT_OUT: usize = 3;

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
    let strip = match (PayloadSelector::read(search), named(wanted)) {
        (PayloadSelector::Settled, _) => None,
        (PayloadSelector::Nothing, None) => {
            edit.set(ASKED, "true");
            Some(all_of_it())
        }
        (PayloadSelector::Nothing, Some(paths)) => ask_anew(&paths, edit),
        (PayloadSelector::Listed(list), None) => ask_all(list, edit),
        (PayloadSelector::Listed(list), Some(paths)) => ask_more(list, &paths, edits),
    };
    strip.unwrap_or_default()
}

/// The paths of what is wanted; `None` for all there is, also where a field cannot be named: quoted keys know no
/// escapes.
fn named(wanted: &WantedFields) -> Option<Vec<Path>> {
    let WantedFields::Named(fields) = wanted else { return None };
    if fields.iter().any(|field| field.contains(['"', '\\'])) {
        return None;
    }
    let mut paths: Vec<Path> = Vec::with_capacity(fields.len());
    for path in fields.iter().flat_map(|field| spellings(field)) {
        if !paths.contains(&path) {
            paths.push(path);
        }
    }
    Some(paths)
}

fn all_of_it() -> Strip {
    let path = StripPath { keys: vec![GIVEN.to_owned()], keep: 0 };
    Strip { paths: vec![path], ..Strip::default() }
}

/// All but what the client's own list would bring, which the server picks out just so. Scalars, lists and objects on
/// the way to what only our paths name go as well.
fn all_but(listed: Vec<Path>) -> Option<Strip> {
    if listed.iter().any(|path| path.len() > DEEPEST_LISTED) {
        return None;
    }
    let selection = Selection { member: GIVEN.to_owned(), paths: listed };
    Some(Strip { selection: Some(selection), ..Strip::default() })
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
    let comes_anyway = |path: &Path| theirs.iter().any(|listed| path.starts_with(listed));
    let missing: Vec<&Path> = fields.iter().filter(|path| !comes_anyway(path)).collect();
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

/// All paths under which the server may keep what a document reads at `field`: a dot may be part of a key, and a key
/// may hold a list of objects, or a list of lists of them. See [`WantedFields`].
fn spellings(field: &str) -> Vec<Path> {
    let parts: Vec<&str> = field.split('.').collect();
    if parts.len() > MOST_SPELT_OUT {
        // Too many to be named: whatever lies under one of the keys that the way may begin with.
        return (1..=parts.len()).filter_map(|first| Some(vec![key(parts.get(..first)?)])).collect();
    }
    ways(&parts)
}

fn ways(parts: &[&str]) -> Vec<Path> {
    let mut ways = vec![vec![key(parts)]];
    for first in (1..parts.len()).rev() {
        let (here, below) = parts.split_at(first);
        for way in self::ways(below) {
            for lists in 0..=NESTED_LISTS {
                let elements = std::iter::repeat_n(PathStep::Elements, lists);
                ways.push([key(here)].into_iter().chain(elements).chain(way.iter().cloned()).collect());
            }
        }
    }
    ways
}

fn key(parts: &[&str]) -> PathStep {
    PathStep::Key(parts.join("."))
}

fn all_written<'p>(paths: impl Iterator<Item = &'p Path>) -> String {
    paths.map(|path| written(path)).collect::<Vec<_>>().join(",")
}

/// A path in the server's syntax, as JSON text.
fn written(path: &[PathStep]) -> String {
    // Letters of other scripts pass there without quotes too; with them whatever counts as a letter.
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let mut text = String::new();
    for step in path {
        match step {
            PathStep::Key(key) => {
                if !text.is_empty() {
                    text.push('.');
                }
                match !key.is_empty() && key.chars().all(plain) {
                    true => text.push_str(key),
                    false => text.extend(["\"", key, "\""]),
                }
            }
            PathStep::Elements | PathStep::Element => text.push_str("[]"),
        }
    }
    serde_json::Value::from(text).to_string()
}

/// The steps of a path in the server's syntax.
fn steps(path: &str) -> Option<Path> {
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
