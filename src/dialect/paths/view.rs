//! [`View`]: one search of a request, and what stands at the places of its definition.

use std::borrow::Cow;

use super::{
    definition::{Condition, Part, Place, Test},
    parameters::Parameters,
};
use crate::wire::json::{Kind, Object, Value};

/// One search, wherever its parts stand.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    /// Its JSON.
    pub(super) body: Option<Value<'a>>,
    /// The JSON around the searches of a batch, read once for all of them; `None` where it is alone, and its own is meant.
    pub(super) top: Option<&'a Object<'a>>,
    pub(super) query: &'a Parameters,
    pub(super) form: Option<&'a Parameters>,
}

/// What stands at a place.
#[derive(Clone, Copy)]
pub(super) enum At<'a> {
    Json(Value<'a>),
    Text(&'a str),
}

/// A parameter is given twice: which counts is the database's affair.
#[derive(Debug)]
pub(super) struct Twice;

impl<'a> View<'a> {
    /// What stands at the first of these places that has something, with that place; `null` is nothing.
    pub(super) fn find<'p>(&self, places: &'p [Place]) -> Result<Option<(&'p Place, At<'a>)>, Twice> {
        for place in places {
            let found = match place.part {
                Part::Body | Part::Top => self.json(place),
                Part::Query => parameter(self.query, place)?,
                Part::Form => match self.form {
                    Some(form) => parameter(form, place)?,
                    None => None,
                },
            };
            if let Some(at) = found {
                return Ok(Some((place, at)));
            }
        }
        Ok(None)
    }

    fn json(&self, place: &Place) -> Option<At<'a>> {
        let value = match place.path.split_first() {
            Some((first, rest)) => {
                rest.iter().try_fold(self.first(place.part, first)?, |value, key| member(value, key))?
            }
            None => self.root(place.part)?,
        };
        (!value.is_null()).then_some(At::Json(value))
    }

    /// The JSON of a part.
    fn root(&self, part: Part) -> Option<Value<'a>> {
        match (part, self.top) {
            (Part::Top, Some(top)) => Some(top.value()),
            (Part::Body | Part::Top, _) => self.body,
            (Part::Query | Part::Form, _) => None,
        }
    }

    /// A member of that JSON.
    fn first(&self, part: Part, key: &str) -> Option<Value<'a>> {
        match (part, self.top) {
            (Part::Top, Some(top)) => top.get(key),
            _ => member(self.root(part)?, key),
        }
    }

    /// Whether `null` stands at one of these places, or on the way to it: it says something, and only the database
    /// knows what.
    pub(super) fn has_null(&self, places: &[Place]) -> bool {
        let is_null = |place: &Place| {
            let Some((first, rest)) = place.path.split_first() else { return false };
            let mut value = self.first(place.part, first);
            for key in rest {
                if value.is_some_and(Value::is_null) {
                    return true;
                }
                value = value.and_then(|value| member(value, key));
            }
            value.is_some_and(Value::is_null)
        };
        places.iter().any(is_null)
    }

    /// Whether this part is there, so that something can be added to it.
    fn has(&self, place: &Place) -> bool {
        match place.part {
            Part::Body | Part::Top => {
                let Some((_, parents)) = place.path.split_last() else { return false };
                let root = self.root(place.part);
                let parent = root.and_then(|root| parents.iter().try_fold(root, |value, key| value.get(key)));
                parent.is_some_and(|parent| parent.kind() == Kind::Object)
            }
            Part::Query => true,
            Part::Form => self.form.is_some(),
        }
    }

    /// The first of these places that something can be added to.
    pub(super) fn free_place<'p>(&self, places: &'p [Place]) -> Option<&'p Place> {
        places.iter().find(|place| self.has(place))
    }

    /// The value of a parameter, in whatever part it is given.
    pub(super) fn parameter(&self, name: &str) -> Option<String> {
        let of_body = self.body.and_then(|body| body.at(&["params", name])).and_then(Value::as_str);
        let of_form = || self.form.and_then(|form| form.values(name).next());
        of_body
            .map(Cow::into_owned)
            .or_else(|| self.query.values(name).next().or_else(of_form).map(|each| each.value.clone()))
    }

    /// Whether a condition is met.
    pub(super) fn meets(&self, condition: &Condition) -> bool {
        let found = match self.find(&condition.at) {
            Ok(found) => found.map(|(_, at)| at),
            Err(Twice) => return true,
        };
        let Some(at) = found else { return false };
        let text = at.text();
        let text = text.trim();
        match &condition.test {
            Test::Present => !matches!(text, "false" | "[]" | "{}"),
            Test::Is(words) => words.iter().any(|word| word == text),
            Test::Not(words) => !words.iter().any(|word| word == text),
            Test::Begins(starts) => starts.iter().any(|start| text.starts_with(start.as_str())),
            Test::Several => match at {
                At::Json(value) => value.first_items(2).is_some_and(|items| items.len() > 1),
                At::Text(_) => false,
            },
            Test::Contains(parts) => parts.iter().any(|part| text.contains(part.as_str())),
        }
    }
}

impl<'a> At<'a> {
    /// A text, or a number as it is written.
    pub(super) fn text(self) -> Cow<'a, str> {
        match self {
            Self::Text(text) => Cow::Borrowed(text),
            Self::Json(value) => value.as_str().unwrap_or(Cow::Borrowed(value.text())),
        }
    }

    /// A whole number, also in a text.
    pub(super) fn number(self) -> Option<u64> {
        self.text().trim().parse().ok()
    }
}

/// A member of an object, or an element of an array by its number.
fn member<'a>(value: Value<'a>, key: &str) -> Option<Value<'a>> {
    match value.kind() {
        Kind::Array => value.items()?.get(key.parse::<usize>().ok()?).copied(),
        _ => value.get(key),
    }
}

fn parameter<'a>(all: &'a Parameters, place: &Place) -> Result<Option<At<'a>>, Twice> {
    let Some(name) = place.path.first() else { return Ok(None) };
    let mut values = all.values(name);
    match (values.next(), values.next()) {
        (Some(_), Some(_)) => Err(Twice),
        (one, _) => Ok(one.map(|each| At::Text(each.value.as_str()))),
    }
}
