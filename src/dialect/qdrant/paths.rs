//! Paths into a payload, in the server's syntax: which ones bring the fields of documents, and how what they bring is
//! removed again.

use crate::search::{NESTED_LISTS, PathStep, Selection, Strip, StripPath, WantedFields};

pub(super) type Path = Vec<PathStep>;

/// The hit's member that holds its payload.
pub(super) const PAYLOAD: &str = "payload";
/// Paths of more components than anybody writes are left to the server.
const DEEPEST_LISTED: usize = 64;
/// A name of this many parts has 16 spellings, of one more 64.
const MOST_SPELT_OUT: usize = 3;

/// The paths of what is wanted; `None` for all there is, also where a field cannot be named: quoted keys know no
/// escapes.
pub(super) fn named(wanted: &WantedFields) -> Option<Vec<Path>> {
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

/// Those of `fields` that the client's own list does not bring anyway.
pub(super) fn missing<'p>(fields: &'p [Path], theirs: &[Path]) -> Vec<&'p Path> {
    let comes_anyway = |path: &Path| theirs.iter().any(|listed| path.starts_with(listed));
    fields.iter().filter(|path| !comes_anyway(path)).collect()
}

/// Removes the payload as a whole.
pub(super) fn all_of_it() -> Strip {
    let path = StripPath { keys: vec![PAYLOAD.to_owned()], keep: 0 };
    Strip { paths: vec![path], ..Strip::default() }
}

/// All but what the client's own list would bring, which the server picks out just so. Scalars, lists and objects on
/// the way to what only our paths name go as well.
pub(super) fn all_but(listed: Vec<Path>) -> Option<Strip> {
    if listed.iter().any(|path| path.len() > DEEPEST_LISTED) {
        return None;
    }
    let selection = Selection { member: PAYLOAD.to_owned(), paths: listed };
    Some(Strip { selection: Some(selection), ..Strip::default() })
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

/// A path in the server's syntax.
pub(super) fn written(path: &[PathStep]) -> String {
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
    text
}

/// The steps of a path in the server's syntax.
pub(super) fn steps(path: &str) -> Option<Path> {
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
