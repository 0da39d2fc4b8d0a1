//! [`Changes`]: what a request is to say instead, in whatever part of it.

use super::{
    definition::{Part, Place},
    parameters::NewValue,
};
use crate::wire::json::{Edits, ObjectEdit, Value};

/// New values of one search's places.
#[derive(Default)]
pub(super) struct Changes {
    /// In its JSON: the keys on the way and the new JSON text, or `None` where the member goes.
    body: Vec<(Vec<String>, Option<String>)>,
    top: Vec<(Vec<String>, Option<String>)>,
    pub(super) query: Vec<NewValue>,
    pub(super) form: Vec<NewValue>,
}

impl Changes {
    /// `value` at `place`: in JSON it is written as it is, elsewhere `text`.
    pub(super) fn set(&mut self, place: &Place, json: String, text: String) {
        match place.part {
            Part::Body => self.body.push((place.path.clone(), Some(json))),
            Part::Top => self.top.push((place.path.clone(), Some(json))),
            Part::Query => self.query.extend(named(place, text)),
            Part::Form => self.form.extend(named(place, text)),
        }
    }

    /// Takes a member of the search's own JSON out.
    pub(super) fn remove(&mut self, key: &str) {
        self.body.push((vec![key.to_owned()], None));
    }

    /// Writes what is to change in the search's JSON, and in that around it.
    pub(super) fn write(&self, body: Option<Value<'_>>, edits: &mut Edits) {
        if let Some(body) = body {
            apply(body, &borrowed(&self.body), edits);
        }
    }

    /// What is to change around the searches of a batch.
    pub(super) fn take_top(&mut self) -> Vec<(Vec<String>, Option<String>)> {
        std::mem::take(&mut self.top)
    }
}

/// A member to change, by the keys on the way.
type Member<'c> = (&'c [String], Option<&'c str>);

/// Changes members of an object.
pub(super) fn change(object: Value<'_>, changes: &[(Vec<String>, Option<String>)], edits: &mut Edits) {
    apply(object, &borrowed(changes), edits);
}

fn borrowed(changes: &[(Vec<String>, Option<String>)]) -> Vec<Member<'_>> {
    changes.iter().map(|(path, new)| (path.as_slice(), new.as_deref())).collect()
}

fn apply(object: Value<'_>, changes: &[Member<'_>], edits: &mut Edits) {
    if changes.is_empty() {
        return;
    }
    let Some(mut edit) = ObjectEdit::new(object) else { return };
    let mut inside: Vec<(&String, Vec<Member<'_>>)> = Vec::new();
    for &(path, new) in changes {
        match path {
            [] => {}
            [key] => match new {
                Some(new) => edit.set(key, new),
                None => {
                    edit.remove(key);
                }
            },
            [key, rest @ ..] => match inside.iter_mut().find(|(known, _)| *known == key) {
                Some((_, changes)) => changes.push((rest, new)),
                None => inside.push((key, vec![(rest, new)])),
            },
        }
    }
    for (key, changes) in inside {
        let value = edit.members().iter().rev().find(|member| member.key == *key).map(|member| member.value);
        if let Some(value) = value {
            apply(value, &changes, edits);
        }
    }
    edit.finish(edits);
}

fn named(place: &Place, value: String) -> Option<NewValue> {
    Some(NewValue { name: place.path.first()?.clone(), value })
}
