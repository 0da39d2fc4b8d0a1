//! The part of an object that a client requested, cut out of all of it.

use super::{Edits, Kind, ObjectEdit, Value};
use crate::{
    search::PathStep,
    wire::steps::{after, holds_all},
};

/// Takes out of `value` all that lies on no path, neither on its way nor below its end. Scalars on the way
/// stay, and so do arrays and objects that this empties: the database that filters by itself keeps them too.
///
/// Goes as deep as the longest path. Source: Qdrant's `JsonPath::value_filter` and `check_include_pattern`.
pub(super) fn select(value: Value<'_>, paths: &[impl AsRef<[PathStep]>], edits: &mut Edits) {
    let paths: Vec<&[PathStep]> = paths.iter().map(AsRef::as_ref).collect();
    match value.kind() {
        Kind::Object => select_members(value, &paths, edits),
        Kind::Array => {
            let below = after(&paths, |step| *step == PathStep::Elements);
            if below.is_empty() {
                edits.replace(value.span(), "[]");
            } else if !holds_all(&below) {
                value.items().unwrap_or_default().into_iter().for_each(|item| select(item, &below, edits));
            }
        }
        _ => {}
    }
}

fn select_members(object: Value<'_>, paths: &[&[PathStep]], edits: &mut Edits) {
    let Some(mut edit) = ObjectEdit::new(object) else { return };
    let mut outside = Vec::new();
    for member in edit.members() {
        let below = after(paths, |step| matches!(step, PathStep::Key(key) if *key == member.key));
        if below.is_empty() {
            outside.push(member.key.to_string());
        } else if !holds_all(&below) {
            select(member.value, &below, edits);
        }
    }
    for key in outside {
        edit.remove(&key);
    }
    edit.finish(edits);
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn selected(body: &'static str, paths: &[&[PathStep]]) -> String {
        let body = Bytes::from_static(body.as_bytes());
        let mut edits = Edits::new();
        select(Value::parse(&body).unwrap(), paths, &mut edits);
        String::from_utf8(edits.apply(&body).to_vec()).unwrap()
    }

    #[test]
    fn what_lies_on_no_path_goes_and_the_way_stays() {
        let key = |key: &str| PathStep::Key(key.to_owned());
        let (a, b, c) = (key("a"), key("b"), key("c"));
        let body = r#"{"a": {"b":[{"c":1},{"c": 2,"x":0},{"d":{"e":3}},4] }, "f":3,"g":["g0"]}"#;
        for (paths, expected) in [
            (vec![vec![a.clone()]], r#"{"a": {"b":[{"c":1},{"c": 2,"x":0},{"d":{"e":3}},4] }}"#),
            (vec![vec![key("g"), PathStep::Elements]], r#"{"g":["g0"]}"#),
            (vec![vec![key("f"), a.clone()], vec![key("g"), PathStep::Element]], r#"{"f":3,"g":[]}"#),
            (
                vec![vec![a.clone(), b.clone(), PathStep::Elements, c.clone()]],
                r#"{"a": {"b":[{"c":1},{"c": 2},{},4] }}"#,
            ),
            (vec![vec![a.clone(), b.clone(), c.clone()]], r#"{"a": {"b":[] }}"#),
            (vec![vec![a.clone(), key("z")], vec![key("g")]], r#"{"a": { },"g":["g0"]}"#),
            (vec![], "{}"),
        ] {
            let paths: Vec<&[PathStep]> = paths.iter().map(Vec::as_slice).collect();
            assert_eq!(selected(body, &paths), expected, "{paths:?}");
        }
    }
}
