//! [`KeptNames`]: what the documents of a list that is there again and again are called in the score cache.

use std::{fmt, sync::OnceLock};

use super::FieldSet;

/// A place for the name of each document of a list.
pub struct KeptNames {
    fields: FieldSet,
    max_bytes: usize,
    each: Box<[NameSlot]>,
}

/// A place for the name of one document under one query.
#[derive(Default)]
pub struct NameSlot(OnceLock<([u8; 16], u128)>);

impl KeptNames {
    /// No name yet of the documents that are made of these fields of so many hits, each at most `max_bytes` long.
    pub fn new(hits: usize, fields: &FieldSet, max_bytes: usize) -> Self {
        let each = (0..hits).map(|_| NameSlot::default()).collect();
        Self { fields: fields.clone(), max_bytes, each }
    }

    /// Whether they are those of documents that are made so.
    pub fn are_of(&self, fields: &FieldSet, max_bytes: usize) -> bool {
        self.max_bytes == max_bytes && self.fields == *fields
    }

    /// The place of the document of this hit.
    pub fn slot(&self, hit: usize) -> Option<&NameSlot> {
        self.each.get(hit)
    }

    /// What they hold in memory, in bytes.
    pub fn held_bytes(&self) -> usize {
        size_of::<Self>() + size_of_val(&*self.each) + self.fields.held_bytes()
    }
}

impl NameSlot {
    /// Whether a name is there: the document certainly has a text.
    pub fn is_taken(&self) -> bool {
        self.0.get().is_some()
    }

    /// The document's name under the query of this name, which is made if it is not there. The slot keeps that of one query:
    /// a list is known for one only.
    pub fn get_or_make(&self, query: [u8; 16], make: impl FnOnce() -> u128) -> u128 {
        match self.0.get() {
            Some((kept, name)) if *kept == query => *name,
            Some(_) => make(),
            None => {
                let name = make();
                // Whoever else has made one meanwhile has made the same, or keeps their own.
                _ = self.0.set((query, name));
                name
            }
        }
    }
}

impl fmt::Debug for KeptNames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeptNames({})", self.each.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_made_once_for_a_query() {
        let slot = NameSlot::default();
        assert_eq!(slot.get_or_make([1; 16], || 7), 7);
        assert_eq!(slot.get_or_make([1; 16], || unreachable!("it is there")), 7);
        assert_eq!(slot.get_or_make([2; 16], || 8), 8, "another query, another name");
        assert_eq!(slot.get_or_make([1; 16], || unreachable!("it is still there")), 7);
    }

    #[test]
    fn names_are_of_documents_that_are_made_alike() {
        let names = KeptNames::new(2, &FieldSet::Auto, 100);
        assert!(names.are_of(&FieldSet::Auto, 100));
        assert!(!names.are_of(&FieldSet::Auto, 99));
        assert!(!names.are_of(&FieldSet::Named(vec!["body".to_owned()]), 100));
        assert!(names.slot(1).is_some() && names.slot(2).is_none());
    }
}
