//! What a document is made of, found without making it.

use std::{borrow::Cow, iter};

use super::{AUTO_FIELDS, AUTO_TITLES, clean, fields, written, yaml, yaml::Scalar};
use crate::{
    search::{FieldSet, Filled, HitAt},
    wire::{Found, Page, Place},
};

/// Longer names are looked at one by one.
const LONGEST_NAME: usize = 256;
/// No text begins with it, so that a material is never taken for a text.
const SIGN: u8 = 0xff;

/// The parts of one hit that its document is made of. Only where they certainly give a text; equal parts give equal
/// documents.
pub(super) struct Material {
    first: Part,
    /// Mostly there are none, and nothing is allocated for them.
    more: Vec<Part>,
    plain: bool,
}

/// One field.
struct Part {
    /// Which of the set's names it has.
    name: usize,
    /// Where its value stands.
    value: Place,
}

/// Whether it is present can only be determined from the whole hit.
struct Unsure;

impl Material {
    /// `None` where only making the document shows what is in it, or that nothing is.
    pub(super) fn find(page: &dyn Page, at: HitAt, set: &FieldSet) -> Option<Self> {
        let found = match set {
            FieldSet::Auto => auto(page, at),
            FieldSet::Named(paths) => named(page, at, paths),
            FieldSet::Template(template) => {
                named(page, at, template.fields()).map(|found| Self { plain: false, ..found })
            }
            FieldSet::All => Err(Unsure),
        };
        found.ok()
    }

    /// The document, at most `max_bytes` long.
    pub(super) fn text(&self, page: &dyn Page, set: &FieldSet, max_bytes: usize) -> String {
        self.filled(page, set, max_bytes).0
    }

    /// The document, and how much of it stands before its last field, in bytes.
    pub(super) fn filled(&self, page: &dyn Page, set: &FieldSet, max_bytes: usize) -> (String, usize) {
        let scalar = |part: &Part| {
            let value = page.value(&part.value)?;
            match set {
                FieldSet::Auto => fields::string(value).map(Scalar::Text),
                FieldSet::Named(_) | FieldSet::Template(_) | FieldSet::All => fields::joined(&[value], true),
            }
        };
        let (mut text, head) = match set {
            FieldSet::Template(template) => {
                let mut values = vec![None; template.fields().len()];
                for (part, scalar) in self.parts().filter_map(|part| Some((part, scalar(part)?))) {
                    if let Some(value) = values.get_mut(part.name) {
                        *value = Some(scalar.into_text());
                    }
                }
                let Filled { text, head } = template.fill(&values);
                (text, head)
            }
            _ => {
                let entry = |part: &Part| Some((Cow::Borrowed(name(set, part.name)), scalar(part)?));
                let mut entries: Vec<_> = self.parts().filter_map(entry).collect();
                match entries.pop() {
                    Some((_, scalar)) if self.plain => (scalar.into_text().into_owned(), 0),
                    last => {
                        entries.extend(last);
                        yaml::with_head(&entries)
                    }
                }
            }
        };
        text.truncate(clean::cut(&text, max_bytes).len());
        let head = head.min(text.len());
        (text, head)
    }

    /// About as many bytes as the document has, never fewer; `None` where only making it shows that.
    pub(super) fn size(&self, max_bytes: usize) -> Option<usize> {
        self.only().filter(|_| self.plain).map(|part| part.value.bytes().min(max_bytes))
    }

    /// Writes the document as a JSON string, if it is certain that it has no more than `most` bytes and what it is. Returns
    /// whether it has.
    pub(super) fn write_json(&self, page: &dyn Page, most: usize, out: &mut Vec<u8>) -> bool {
        let Some(part) = self.only().filter(|_| self.plain) else { return false };
        let quoted = page.json(&part.value);
        let inner = quoted.and_then(|quoted| quoted.strip_prefix(b"\"")?.strip_suffix(b"\""));
        inner.is_some_and(|inner| inner.len() <= most && written::write(inner, out))
    }

    /// The bytes of the parts, and what is made of them: one after the other they are those of no other document.
    pub(super) fn identity(
        &self,
        page: &dyn Page,
        set: &FieldSet,
        max_bytes: usize,
        mut piece: impl FnMut(&[u8]),
    ) {
        let way = match set {
            FieldSet::Named(_) | FieldSet::All => 0,
            FieldSet::Auto => 1,
            FieldSet::Template(_) => 2,
        };
        let head = [SIGN, u8::from(self.plain), way];
        let named = |part: &Part| if self.plain { "" } else { name(set, part.name) };
        if let Some(part) = self.only().filter(|part| named(part).is_empty()) {
            // As most are: without an allocation.
            let [sign, plain, way] = head;
            let [a, b, c, d, e, f, g, h] = number(max_bytes);
            let [i, j, k, l, m, n, o, p] = number(part.value.bytes());
            piece(&[
                sign, plain, way, a, b, c, d, e, f, g, h, 0, 0, 0, 0, 0, 0, 0, 0, i, j, k, l, m, n, o, p,
            ]);
            return piece(page.written(&part.value));
        }
        let mut shape = Vec::with_capacity(64);
        shape.extend(head);
        shape.extend(number(max_bytes));
        if let FieldSet::Template(template) = set {
            shape.extend(number(template.text().len()));
            shape.extend(template.text().as_bytes());
        }
        for part in self.parts() {
            let name = named(part);
            shape.extend(number(name.len()));
            shape.extend(name.as_bytes());
            shape.extend(number(part.value.bytes()));
        }
        piece(&shape);
        for part in self.parts() {
            piece(page.written(&part.value));
        }
    }

    fn parts(&self) -> impl Iterator<Item = &Part> {
        iter::once(&self.first).chain(&self.more)
    }

    /// The part, if there is one only.
    fn only(&self) -> Option<&Part> {
        self.more.is_empty().then_some(&self.first)
    }
}

fn number(number: usize) -> [u8; 8] {
    (number as u64).to_le_bytes()
}

/// The name that a part has in the document.
fn name(set: &FieldSet, at: usize) -> &str {
    match set {
        FieldSet::Named(paths) => paths.get(at).map_or("", String::as_str),
        FieldSet::Template(template) => template.fields().get(at).map_or("", String::as_str),
        FieldSet::Auto | FieldSet::All => {
            AUTO_TITLES.iter().chain(&AUTO_FIELDS).nth(at).copied().unwrap_or_default()
        }
    }
}

/// Title and main text, as `fields::title` and `fields::main_text` have them.
fn auto(page: &dyn Page, at: HitAt) -> Result<Material, Unsure> {
    let title = part(page.field(at, &AUTO_TITLES), 0)?;
    let main = part(page.field(at, &AUTO_FIELDS), AUTO_TITLES.len())?.ok_or(Unsure)?;
    Ok(match title {
        Some(title) => Material { first: title, more: vec![main], plain: false },
        None => Material { first: main, more: Vec::new(), plain: true },
    })
}

/// The part that was found, its name counted from `first`.
fn part(found: Found, first: usize) -> Result<Option<Part>, Unsure> {
    match found {
        Found::Nothing => Ok(None),
        Found::Unsure => Err(Unsure),
        Found::Text { name, value } => Ok(Some(Part { name: first + name, value })),
    }
}

/// As `fields::named` has them.
fn named(page: &dyn Page, at: HitAt, paths: &[String]) -> Result<Material, Unsure> {
    let (mut first, mut more) = (None, Vec::new());
    for (nth, path) in paths.iter().enumerate() {
        if !is_simple(path) || fields::in_node_content(path) {
            return Err(Unsure);
        }
        match part(page.field(at, &[path]), nth)? {
            _ if paths.iter().take(nth).any(|before| before == path) => {}
            Some(part) if first.is_none() => first = Some(part),
            Some(part) => more.push(part),
            // It may be a way into an object.
            None if path.contains('.') => return Err(Unsure),
            None => {}
        }
    }
    first.map(|first| Material { first, more, plain: paths.len() == 1 }).ok_or(Unsure)
}

/// Whether a document has a field's name as it is.
fn is_simple(name: &str) -> bool {
    (1..=LONGEST_NAME).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_graphic())
}
