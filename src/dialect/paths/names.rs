//! Names of collections that are addressed by an id, learned from the calls that pass.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use super::definition::NamesAt;
use crate::{
    dialect::Told,
    wire::json::{Kind, Value},
};

/// The most that are known at a time; beyond them all are forgotten.
const MOST: usize = 10_000;

/// The names that are known, by id.
#[derive(Debug, Default)]
pub(super) struct Names(RwLock<HashMap<String, String>>);

impl Names {
    pub(super) fn of(&self, id: &str) -> Option<String> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    fn learn(&self, id: &str, name: &str) {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST && !known.contains_key(id) {
            known.clear();
        }
        known.insert(id.to_owned(), name.to_owned());
    }

    /// A collection has been renamed or removed.
    pub(super) fn forget(&self, id: &str) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(id);
    }
}

/// What a response tells of names.
pub(super) struct Listener {
    pub(super) names: Arc<Names>,
    pub(super) at: NamesAt,
}

impl Told for Listener {
    fn hear(&self, response: Option<&[u8]>) {
        let Some(root) = response.and_then(|response| Value::parse(response).ok()) else { return };
        let list = match root.kind() {
            Kind::Array => root.items().unwrap_or_default(),
            _ => vec![root],
        };
        for one in list {
            let text = |key: &str| one.get(key).and_then(Value::as_str);
            if let (Some(id), Some(name)) = (text(&self.at.id), text(&self.at.name)) {
                self.names.learn(&id, &name);
            }
        }
    }
}
