//! [`Document`]: a text to score, made when it is first read.

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use super::{document, material::Material};
use crate::{
    search::{FieldSet, HitAt},
    wire::Page,
};

/// A text to score. That of a hit is made when it is first read: where its score is cached, it never is.
#[derive(Clone)]
pub struct Document(Source);

#[derive(Clone)]
enum Source {
    Text(Arc<str>),
    /// The hit at this place among those of its list.
    Hit(Arc<Hits>, usize),
}

/// What the documents of a list are made of.
struct Hits {
    page: Arc<dyn Page>,
    set: FieldSet,
    max_bytes: usize,
    hits: Vec<(Material, OnceLock<Box<str>>)>,
}

impl Document {
    /// The text; never blank.
    pub fn text(&self) -> &str {
        match &self.0 {
            Source::Text(text) => text,
            Source::Hit(of, at) => of.hits.get(*at).map_or("", |(material, text)| {
                text.get_or_init(|| material.text(&*of.page, &of.set, of.max_bytes).into())
            }),
        }
    }

    /// The bytes that identify this document, piece by piece: its text, or what it is made of. No text is made for
    /// them, so that the same text has two cache keys if it is written in two ways.
    pub fn identity(&self, mut piece: impl FnMut(&[u8])) {
        match &self.0 {
            Source::Text(text) => piece(text.as_bytes()),
            Source::Hit(of, at) => {
                if let Some((material, _)) = of.hits.get(*at) {
                    material.identity(&*of.page, &of.set, of.max_bytes, piece);
                }
            }
        }
    }
}

impl From<Arc<str>> for Document {
    fn from(text: Arc<str>) -> Self {
        Self(Source::Text(text))
    }
}

impl From<&str> for Document {
    fn from(text: &str) -> Self {
        Self(Source::Text(text.into()))
    }
}

impl fmt::Debug for Document {
    /// Shows no text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Document(..)")
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
    let (mut places, mut found, mut materials) = (Vec::new(), Vec::new(), Vec::new());
    for hit in hits {
        let at = HitAt { list, hit };
        let material = Material::find(&**page, at, set).filter(|_| max_bytes > 0);
        found.push(match material {
            Some(material) => {
                materials.push((material, OnceLock::new()));
                Found::Material(materials.len() - 1)
            }
            None => match document(&**page, at, set, max_bytes) {
                Some(text) => Found::Text(Document(Source::Text(text.into()))),
                None => continue,
            },
        });
        places.push(hit);
    }
    let hits = Arc::new(Hits { page: page.clone(), set: set.clone(), max_bytes, hits: materials });
    let document = |found| match found {
        Found::Material(at) => Document(Source::Hit(hits.clone(), at)),
        Found::Text(document) => document,
    };
    (places, found.into_iter().map(document).collect())
}

#[cfg(test)]
#[path = "lazy_tests.rs"]
mod tests;
