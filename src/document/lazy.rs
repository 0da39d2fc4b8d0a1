//! The documents of a page's hits, their texts made when they are first read.

use std::sync::{Arc, OnceLock};

use super::{material::Material, with_head};
use crate::{
    search::{Document, FieldSet, HitAt, Texts},
    wire::Page,
};

/// Lists are seldom longer.
const USUAL: usize = 64;

/// What the documents of a list are made of.
struct Hits {
    page: Arc<dyn Page>,
    set: FieldSet,
    max_bytes: usize,
    hits: Vec<(Material, OnceLock<Box<str>>)>,
}

impl Texts for Hits {
    fn text(&self, at: usize) -> &str {
        self.hits.get(at).map_or("", |(material, text)| {
            text.get_or_init(|| material.text(&*self.page, &self.set, self.max_bytes).into())
        })
    }

    fn size(&self, at: usize) -> usize {
        let size = self.hits.get(at).and_then(|(material, _)| material.size(self.max_bytes));
        size.unwrap_or_else(|| self.text(at).len())
    }

    fn write_json(&self, at: usize, most: usize, out: &mut Vec<u8>) -> bool {
        let most = most.min(self.max_bytes);
        self.hits.get(at).is_some_and(|(material, _)| material.write_json(&*self.page, most, out))
    }

    fn head(&self, at: usize) -> usize {
        let hit = self.hits.get(at);
        hit.map_or(0, |(material, _)| material.filled(&*self.page, &self.set, self.max_bytes).1)
    }

    fn identity(&self, at: usize, piece: &mut dyn FnMut(&[u8])) {
        if let Some((material, _)) = self.hits.get(at) {
            material.identity(&*self.page, &self.set, self.max_bytes, piece);
        }
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
    for hit in hits {
        let at = HitAt { list, hit };
        let material = Material::find(&**page, at, set).filter(|_| max_bytes > 0);
        found.push(match material {
            Some(material) => {
                materials.push((material, OnceLock::new()));
                Found::Material(materials.len() - 1)
            }
            None => match with_head(&**page, at, set, max_bytes) {
                Some((text, head)) => Found::Text(Document::headed(text.into(), head)),
                None => continue,
            },
        });
        places.push(hit);
    }
    let hits: Arc<dyn Texts> =
        Arc::new(Hits { page: page.clone(), set: set.clone(), max_bytes, hits: materials });
    let document = |found| match found {
        Found::Material(at) => Document::made(hits.clone(), at),
        Found::Text(document) => document,
    };
    (places, found.into_iter().map(document).collect())
}

#[cfg(test)]
#[path = "lazy_tests.rs"]
mod tests;
