//! A hit becomes the text that a reranker reads. Pure.
//!
//! One field is plain text; several are YAML lines in their order, since models cut the end. Nothing leaves
//! but the fields of the [`FieldSet`]; never JSON, vectors or chunk embeddings, never an empty document.

mod clean;
mod fields;
mod headline;
mod lazy;
mod likely;
mod material;
mod names;
mod passages;
mod written;
mod yaml;

use std::{
    borrow::Cow,
    collections::HashSet,
    sync::{Arc, LazyLock},
};

pub use headline::headline;
pub use lazy::documents;
pub use likely::{highlighted, with_words_of};
pub use names::is_text_field;
pub use passages::{best_passages, passages};
use yaml::Scalar;

use crate::{
    search::{FieldSet, Filled, HitAt, Template, WantedFields, is_blank},
    wire::{FieldObjects, Member, Page, Value},
};

/// The main text, by the names that frameworks and tutorials give it; the first with text in it wins.
pub const AUTO_FIELDS: [&str; 8] =
    ["page_content", "text", "content", "body", "document", "chunk", "passage", "doc_content"];

/// What stands before the main text, never alone; the first with text in it wins.
pub const AUTO_TITLES: [&str; 3] = ["title", "name", "heading"];

/// LlamaIndex's node: a string that holds JSON, with the text inside.
pub const NODE_CONTENT: &str = "_node_content";

/// The most key names in a log line, and the most bytes of one.
const LOGGED_KEYS: usize = 32;
const LOGGED_KEY_BYTES: usize = 64;

/// The most values of a field that is looked at for a boost.
const MOST_VALUES: usize = 32;

/// The fields to request upstream.
pub fn wanted_fields(set: &FieldSet) -> WantedFields {
    static AUTO: LazyLock<Arc<[String]>> = LazyLock::new(|| {
        let names = AUTO_TITLES.iter().chain(&AUTO_FIELDS).chain([&NODE_CONTENT]);
        names.map(|&name| name.to_owned()).collect()
    });
    match set {
        FieldSet::Auto => WantedFields::Named(AUTO.clone()),
        FieldSet::Named(paths) => wanted_paths(paths),
        FieldSet::Template(template) => wanted_paths(template.fields()),
        FieldSet::All => WantedFields::All,
    }
}

fn wanted_paths(paths: &[String]) -> WantedFields {
    let mut seen = HashSet::new();
    let of = |path| if fields::in_node_content(path) { NODE_CONTENT } else { path };
    let names = paths.iter().map(|path| of(path)).filter(|&name| seen.insert(name));
    WantedFields::Named(names.map(str::to_owned).collect())
}

/// The document of one hit of `page`, at most `max_bytes` long; `None` where there is no text. A text that can be read as
/// it stands in the response is not copied.
pub fn document<'a>(
    page: &'a dyn Page,
    at: HitAt,
    set: &'a FieldSet,
    max_bytes: usize,
) -> Option<Cow<'a, str>> {
    with_head(page, at, set, max_bytes).map(|(text, _)| text)
}

/// The same, and how much of it stands before its last field, in bytes.
fn with_head<'a>(
    page: &'a dyn Page,
    at: HitAt,
    set: &'a FieldSet,
    max_bytes: usize,
) -> Option<(Cow<'a, str>, usize)> {
    let FieldObjects { mut objects, last_is_flat } = page.fields(at);
    let (text, head) = match set {
        FieldSet::Auto => {
            let (key, text) = fields::main_text(&objects)?;
            match fields::title(&objects) {
                Some((title_key, title)) => owned(yaml::with_head(&[
                    (Cow::Borrowed(title_key), Scalar::Text(title)),
                    (Cow::Borrowed(key), Scalar::Text(text)),
                ])),
                None => (text, 0),
            }
        }
        FieldSet::Named(paths) => named(&objects, paths),
        FieldSet::Template(template) => owned(filled(&objects, template)),
        FieldSet::All => {
            if let (true, Some(last)) = (last_is_flat, objects.last_mut()) {
                fields::drop_multi_fields(last);
            }
            (Cow::Owned(yaml::render(&fields::all(&objects))), 0)
        }
    };
    let start = clean::cut(&text, max_bytes);
    if is_blank(start) {
        return None;
    }
    let length = start.len();
    let text = match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.get(..length).unwrap_or_default()),
        Cow::Owned(mut text) => {
            text.truncate(length);
            Cow::Owned(text)
        }
    };
    Some((text, head.min(length)))
}

fn owned((text, head): (String, usize)) -> (Cow<'static, str>, usize) {
    (Cow::Owned(text), head)
}

/// What a hit has in each of these fields, as text: no more than a few values of each.
pub fn values<'a>(page: &'a dyn Page, at: HitAt, paths: &[&str]) -> Vec<Vec<Cow<'a, str>>> {
    let objects = page.fields(at).objects;
    paths.iter().map(|path| fields::texts(&objects, path, MOST_VALUES)).collect()
}

/// The document of an object that is no hit: its fields at `paths`, in that order; `None` where there is no
/// text.
pub fn of_object<'a>(object: Value<'a>, paths: &'a [String]) -> Option<Cow<'a, str>> {
    let objects = [object.members()?];
    let (text, _) = named(&objects, paths);
    if text.is_empty() { None } else { Some(text) }
}

/// One field is its plain text, several are YAML.
fn named<'a>(objects: &[Vec<Member<'a>>], paths: &'a [String]) -> (Cow<'a, str>, usize) {
    let mut entries = fields::named(objects, paths);
    if paths.len() == 1 && entries.len() == 1 {
        (entries.remove(0).1.into_text(), 0)
    } else {
        owned(yaml::with_head(&entries))
    }
}

/// What a template makes of the fields: of an object what is in it, one after the other.
fn filled(objects: &[Vec<Member<'_>>], template: &Template) -> (String, usize) {
    let value = |path: &String| {
        let entries = fields::named(objects, std::slice::from_ref(path));
        let texts: Vec<Cow<'_, str>> = entries.into_iter().map(|(_, scalar)| scalar.into_text()).collect();
        match texts.len() {
            0 => None,
            1 => texts.into_iter().next().map(|text| Cow::Owned(text.into_owned())),
            _ => Some(Cow::Owned(texts.join(", "))),
        }
    };
    let values: Vec<Option<Cow<'_, str>>> = template.fields().iter().map(value).collect();
    let Filled { text, head } = template.fill(&values);
    (text, head)
}

/// The names of a hit's top-level keys (names only), for the log line that says why there was no text.
pub fn top_level_keys(page: &dyn Page, at: HitAt) -> Vec<String> {
    let mut keys: Vec<String> = Vec::new();
    for member in page.fields(at).objects.iter().flatten() {
        let key = clean::cut(&clean::line(&member.key), LOGGED_KEY_BYTES).to_owned();
        if keys.len() < LOGGED_KEYS && !keys.contains(&key) {
            keys.push(key);
        }
    }
    keys
}

#[cfg(test)]
mod proto_tests;
#[cfg(test)]
mod test_support;
#[cfg(test)]
mod tests;
