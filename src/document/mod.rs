//! A hit becomes the text that a reranker reads. Pure.
//!
//! One field is plain text; several are YAML lines in their order, since models cut the end. Nothing leaves
//! but the fields of the [`FieldSet`]; never JSON, vectors or chunk embeddings, never an empty document.

mod clean;
mod fields;
mod yaml;

use crate::{
    json::{Member, Value},
    search::{FieldSet, Hit, WantedFields},
};

/// The main text, by the names that frameworks and tutorials give it; the first with text in it wins.
pub const AUTO_FIELDS: [&str; 7] =
    ["page_content", "text", "content", "body", "document", "chunk", "passage"];

/// What stands before the main text, never alone; the first with text in it wins.
pub const AUTO_TITLES: [&str; 3] = ["title", "name", "heading"];

/// LlamaIndex's node: a string that holds JSON, with the text inside.
pub const NODE_CONTENT: &str = "_node_content";

/// Part of the score cache's key: count it up when the same hit would render differently.
pub const RENDERING_VERSION: u32 = 2;

/// The most key names told for a log line, and the most bytes of one.
const LOGGED_KEYS: usize = 32;
const LOGGED_KEY_BYTES: usize = 64;

/// What to ask upstream for.
pub fn wanted_fields(set: &FieldSet) -> WantedFields {
    let mut wanted: Vec<String> = match set {
        FieldSet::Auto => AUTO_TITLES
            .iter()
            .chain(&AUTO_FIELDS)
            .chain([&NODE_CONTENT])
            .map(|&name| name.to_owned())
            .collect(),
        FieldSet::Named(paths) => paths
            .iter()
            .map(|path| if fields::in_node_content(path) { NODE_CONTENT.to_owned() } else { path.clone() })
            .collect(),
        FieldSet::All => return WantedFields::All,
    };
    let mut seen = std::collections::HashSet::new();
    wanted.retain(|path| seen.insert(path.clone()));
    WantedFields::Named(wanted)
}

/// The document of one hit of `body`, at most `max_bytes` long; `None` where there is no text.
pub fn document(body: &[u8], hit: &Hit, set: &FieldSet, max_bytes: usize) -> Option<String> {
    let mut objects = objects(body, hit);
    let text = match set {
        FieldSet::Auto => {
            let (key, text) = fields::main_text(&objects)?;
            match fields::title(&objects) {
                Some((title_key, title)) => {
                    yaml::render(&[(title_key.to_owned(), title.into()), (key.to_owned(), text.into())])
                }
                None => text,
            }
        }
        FieldSet::Named(paths) => named(&objects, paths),
        FieldSet::All => {
            if let (Some(_), Some(last)) = (&hit.fields, objects.last_mut()) {
                fields::drop_multi_fields(last);
            }
            yaml::render(&fields::all(&objects))
        }
    };
    let cut = clean::cut(&text, max_bytes);
    if cut.is_empty() { None } else { Some(cut.to_owned()) }
}

/// The document of a JSON object that is no hit: its fields at `paths`, in that order; `None` where there is no
/// text.
pub fn of_object(object: Value<'_>, paths: &[String]) -> Option<String> {
    let text = named(&[object.members()?], paths);
    if text.is_empty() { None } else { Some(text) }
}

/// One field is its plain text, several are YAML.
fn named(objects: &[Vec<Member<'_>>], paths: &[String]) -> String {
    let mut entries = fields::named(objects, paths);
    if paths.len() == 1 && entries.len() == 1 {
        entries.remove(0).1.into_text()
    } else {
        yaml::render(&entries)
    }
}

/// The names of a hit's top-level keys (names only), for the log line that says why there was no text.
pub fn top_level_keys(body: &[u8], hit: &Hit) -> Vec<String> {
    let mut keys: Vec<String> = Vec::new();
    for member in objects(body, hit).iter().flatten() {
        let key = clean::cut(&clean::line(&member.key), LOGGED_KEY_BYTES).to_owned();
        if keys.len() < LOGGED_KEYS && !keys.contains(&key) {
            keys.push(key);
        }
    }
    keys
}

/// The members of `source`, then those of `fields`, parsed once per hit.
fn objects<'a>(body: &'a [u8], hit: &Hit) -> Vec<Vec<Member<'a>>> {
    [&hit.source, &hit.fields]
        .into_iter()
        .flatten()
        .map(|span| {
            let value = body.get(span.clone()).and_then(|bytes| Value::parse(bytes).ok());
            value.and_then(Value::members).unwrap_or_default()
        })
        .collect()
}

#[cfg(test)]
mod tests;
