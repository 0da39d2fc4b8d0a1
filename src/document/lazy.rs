//! The documents of a page's hits, their texts made when they are first read.

use std::sync::{Arc, OnceLock};

use super::{material::Material, with_head};
use crate::{
    search::{Document, FieldSet, HitAt, NameSlot, Texts},
    wire::Page,
};

/// Lists are seldom longer.
const USUAL: usize = 64;

/// What the documents of a list are made of.
struct Hits {
    page: Arc<dyn Page>,
    list: usize,
    set: FieldSet,
    max_bytes: usize,
    hits: Vec<HitText>,
    /// Their names are kept.
    has_names: bool,
}

/// One hit that certainly has a text.
struct HitText {
    hit: usize,
    material: OnceLock<Option<Material>>,
    text: OnceLock<Box<str>>,
}

impl HitText {
    fn new(hit: usize, material: OnceLock<Option<Material>>) -> Self {
        Self { hit, material, text: OnceLock::new() }
    }
}

impl Hits {
    fn material(&self, at: usize) -> Option<&Material> {
        let HitText { hit, material, .. } = self.hits.get(at)?;
        let at = HitAt { list: self.list, hit: *hit };
        material.get_or_init(|| Material::find(&*self.page, at, &self.set)).as_ref()
    }
}

impl Texts for Hits {
    fn text(&self, at: usize) -> &str {
        let make = |material: &Material| material.text(&*self.page, &self.set, self.max_bytes).into();
        let Some(hit) = self.hits.get(at) else { return "" };
        hit.text.get_or_init(|| self.material(at).map(make).unwrap_or_default())
    }

    fn size(&self, at: usize) -> usize {
        let size = self.material(at).and_then(|material| material.size(self.max_bytes));
        size.unwrap_or_else(|| self.text(at).len())
    }

    fn write_json(&self, at: usize, most: usize, out: &mut Vec<u8>) -> bool {
        let most = most.min(self.max_bytes);
        self.material(at).is_some_and(|material| material.write_json(&*self.page, most, out))
    }

    fn head(&self, at: usize) -> usize {
        self.material(at).map_or(0, |material| material.filled(&*self.page, &self.set, self.max_bytes).1)
    }

    fn identity(&self, at: usize, piece: &mut dyn FnMut(&[u8])) {
        if let Some(material) = self.material(at) {
            material.identity(&*self.page, &self.set, self.max_bytes, piece);
        }
    }

    fn kept_name(&self, at: usize) -> Option<&NameSlot> {
        let hit = self.hits.get(at).filter(|_| self.has_names)?.hit;
        self.page.kept_names(self.list)?.slot(hit)
    }
}

/// The documents of these hits of a list of `page`, each at most `max_bytes` long, and the places in the list of those
/// that have one: without text there is none.
pub fn documents(
    page: &Arc<dyn Page>,
    list: usize,
    hits: impl Iterator<Item = usize>,
    set: &FieldSet,
    max_bytes: usize,
) -> (Vec<usize>, Vec<Document>) {
    enum Found {
        Material(usize),
        Text(Document),
    }
    let most = hits.size_hint().1.unwrap_or_default().min(USUAL);
    let (mut places, mut found) = (Vec::with_capacity(most), Vec::with_capacity(most));
    let mut materials = Vec::with_capacity(most);
    let names = page.kept_names(list).filter(|names| names.are_of(set, max_bytes) && max_bytes > 0);
    for hit in hits {
        let at = HitAt { list, hit };
        // One that has a name has a material, which is looked for where it is needed.
        let is_named = names.and_then(|names| names.slot(hit)).is_some_and(NameSlot::is_taken);
        let material = match is_named {
            true => Some(OnceLock::new()),
            false => Material::find(&**page, at, set).filter(|_| max_bytes > 0).map(|one| Some(one).into()),
        };
        found.push(match material {
            Some(material) => {
                materials.push(HitText::new(hit, material));
                Found::Material(materials.len() - 1)
            }
            None => match with_head(&**page, at, set, max_bytes) {
                Some((text, head)) => Found::Text(Document::headed(text.into(), head)),
                None => continue,
            },
        });
        places.push(hit);
    }
    let has_names = names.is_some();
    let hits: Arc<dyn Texts> =
        Arc::new(Hits { page: page.clone(), list, set: set.clone(), max_bytes, hits: materials, has_names });
    let document = |found| match found {
        Found::Material(at) => Document::made(hits.clone(), at),
        Found::Text(document) => document,
    };
    (places, found.into_iter().map(document).collect())
}

#[cfg(test)]
#[path = "lazy_tests.rs"]
mod tests;
