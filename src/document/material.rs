//! What a document is made of, found without making it.

use std::{borrow::Cow, ops::Range};

use super::{AUTO_FIELDS, AUTO_TITLES, clean, fields, yaml, yaml::Scalar};
use crate::{
    search::{Field, FieldSet, Hit},
    wire::json::Value,
};

/// Longer names are looked at one by one.
const LONGEST_NAME: usize = 256;
/// No text begins with it, so that a material is never taken for a text.
const SIGN: u8 = 0xff;

/// The parts of one hit that its document is made of. Only where they certainly give a text; equal parts give equal
/// documents.
pub(super) struct Material {
    parts: Vec<Part>,
    plain: bool,
}

/// One field.
struct Part {
    /// Which of the set's names it has.
    name: usize,
    /// Where its value stands in the body.
    value: Range<usize>,
}

/// Whether it is present can only be determined from the whole hit.
struct Unsure;

impl Material {
    /// `None` where only making the document shows what is in it, or that nothing is.
    pub(super) fn find(body: &[u8], hit: &Hit, set: &FieldSet) -> Option<Self> {
        let mut objects: [&[Field]; 2] = [&[], &[]];
        for (object, noted) in objects.iter_mut().zip([&hit.source, &hit.fields]) {
            if let Some(noted) = noted {
                *object = noted.members.as_deref()?;
            }
        }
        let found = match set {
            FieldSet::Auto => auto(body, objects),
            FieldSet::Named(paths) => named(body, objects, paths),
            FieldSet::All => Err(Unsure),
        };
        found.ok()
    }

    /// The document, at most `max_bytes` long.
    pub(super) fn text(&self, body: &[u8], set: &FieldSet, max_bytes: usize) -> String {
        let entry = |part: &Part| {
            let value = Value::found(body, part.value.clone())?;
            let scalar = match set {
                FieldSet::Auto => fields::string(value).map(Scalar::Text),
                FieldSet::Named(_) | FieldSet::All => fields::joined(&[value], true),
            };
            Some((Cow::Borrowed(name(set, part.name)), scalar?))
        };
        let mut entries: Vec<_> = self.parts.iter().filter_map(entry).collect();
        let mut text = match entries.pop() {
            Some((_, scalar)) if self.plain => scalar.into_text().into_owned(),
            last => {
                entries.extend(last);
                yaml::render(&entries)
            }
        };
        text.truncate(clean::cut(&text, max_bytes).len());
        text
    }

    /// The bytes of the parts, and what is made of them: one after the other they are those of no other document.
    pub(super) fn identity(
        &self,
        body: &[u8],
        set: &FieldSet,
        max_bytes: usize,
        mut piece: impl FnMut(&[u8]),
    ) {
        let mut shape = Vec::with_capacity(64);
        shape.extend([SIGN, u8::from(self.plain), u8::from(*set == FieldSet::Auto)]);
        shape.extend(number(max_bytes));
        for part in &self.parts {
            let name = if self.plain { "" } else { name(set, part.name) };
            shape.extend(number(name.len()));
            shape.extend(name.as_bytes());
            shape.extend(number(part.value.len()));
        }
        piece(&shape);
        for part in &self.parts {
            piece(body.get(part.value.clone()).unwrap_or_default());
        }
    }
}

fn number(number: usize) -> [u8; 8] {
    (number as u64).to_le_bytes()
}

/// The name that a part has in the document.
fn name(set: &FieldSet, at: usize) -> &str {
    match set {
        FieldSet::Named(paths) => paths.get(at).map_or("", String::as_str),
        FieldSet::Auto | FieldSet::All => {
            AUTO_TITLES.iter().chain(&AUTO_FIELDS).nth(at).copied().unwrap_or_default()
        }
    }
}

/// Title and main text, as `fields::title` and `fields::main_text` have them.
fn auto(body: &[u8], objects: [&[Field]; 2]) -> Result<Material, Unsure> {
    let title = first(body, objects, &AUTO_TITLES)?;
    let main = first(body, objects, &AUTO_FIELDS)?.ok_or(Unsure)?;
    let main = Part { name: AUTO_TITLES.len() + main.name, ..main };
    Ok(Material { plain: title.is_none(), parts: title.into_iter().chain([main]).collect() })
}

/// The first of these names that there is.
fn first(body: &[u8], objects: [&[Field]; 2], names: &[&str]) -> Result<Option<Part>, Unsure> {
    for (at, name) in names.iter().enumerate() {
        for members in objects {
            if let Some(value) = last(body, members, name) {
                return certain(body, Part { name: at, value }).map(Some);
            }
        }
    }
    Ok(None)
}

/// As `fields::named` has them.
fn named(body: &[u8], objects: [&[Field]; 2], paths: &[String]) -> Result<Material, Unsure> {
    let mut parts: Vec<Part> = Vec::with_capacity(paths.len());
    for (at, path) in paths.iter().enumerate() {
        if !is_simple(path) || fields::in_node_content(path) {
            return Err(Unsure);
        }
        match objects.iter().find_map(|members| last(body, members, path)) {
            _ if paths.iter().take(at).any(|before| before == path) => {}
            Some(value) => parts.push(certain(body, Part { name: at, value })?),
            // It may be a way into an object.
            None if path.contains('.') => return Err(Unsure),
            None => {}
        }
    }
    match parts.len() {
        0 => Err(Unsure),
        _ => Ok(Material { plain: paths.len() == 1, parts }),
    }
}

/// Whether a document has a field's name as it is.
fn is_simple(name: &str) -> bool {
    (1..=LONGEST_NAME).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_graphic())
}

/// The value of the last member of that name.
fn last(body: &[u8], members: &[Field], name: &str) -> Option<Range<usize>> {
    let named = |field: &&Field| body.get(field.name.clone()) == Some(name.as_bytes());
    members.iter().rev().find(named).map(|field| field.value.clone())
}

/// A string, or an array that begins with one, whose first character can be seen.
fn certain(body: &[u8], part: Part) -> Result<Part, Unsure> {
    match body.get(part.value.clone()) {
        Some([b'"', first, ..] | [b'[', b'"', first, ..])
            if first.is_ascii_graphic() && !matches!(first, b'"' | b'\\') =>
        {
            Ok(part)
        }
        _ => Err(Unsure),
    }
}
