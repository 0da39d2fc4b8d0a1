//! [`Compiled`]: a definition, ready for use.

use std::sync::Arc;

use super::{
    definition::{Columns, Definition, Hits, Operation, Rows},
    names::Names,
    shape::Shape,
};
use crate::dialect::SearchKind;

/// A definition and the shapes of its responses.
#[derive(Debug)]
pub(super) struct Compiled {
    pub(super) definition: Definition,
    /// One per operation.
    shapes: Vec<Shape>,
    /// Their names, for metrics and logs.
    kinds: Vec<SearchKind>,
    pub(super) names: Arc<Names>,
}

impl Compiled {
    pub(super) fn new(definition: Definition, names: Arc<Names>) -> Self {
        let shapes = definition.operations.iter().map(|each| Shape::of(&each.response)).collect();
        let kinds = definition.operations.iter().map(|each| SearchKind::described(&each.name)).collect();
        Self { definition, shapes, kinds, names }
    }

    /// The operations, each by its name.
    pub(super) fn kinds(&self) -> &[SearchKind] {
        &self.kinds
    }

    /// The operation of this number.
    pub(super) fn operation(&self, number: usize) -> Option<(&Operation, &Shape)> {
        Some((self.definition.operations.get(number)?, self.shapes.get(number)?))
    }

    /// Where its hits stand, if they are objects.
    pub(super) fn rows(&self, number: usize) -> Option<&Rows> {
        match &self.definition.operations.get(number)?.response.hits {
            Hits::Rows(rows) => Some(rows),
            Hits::Columns(_) => None,
        }
    }

    /// Where they stand, if they are in columns.
    pub(super) fn columns(&self, number: usize) -> Option<&Columns> {
        match &self.definition.operations.get(number)?.response.hits {
            Hits::Rows(_) => None,
            Hits::Columns(columns) => Some(columns),
        }
    }
}
