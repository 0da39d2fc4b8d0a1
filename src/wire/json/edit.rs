//! [`Edits`] and [`ObjectEdit`]: change some bytes of a JSON body, keep all others.

use std::ops::Range;

use bytes::Bytes;

use super::{Member, Object, Pieces, Value};

/// Replacements in one body. Ranges must not overlap; an insertion is an empty range. Every other byte is kept: with
/// `replace(1..2, "7")`, the body `[1, 2]` becomes `[7, 2]`.
#[derive(Debug, Default)]
pub struct Edits {
    changes: Vec<(Range<usize>, Vec<u8>)>,
}

impl Edits {
    /// No edit yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether nothing would change.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// The changes themselves.
    pub fn into_changes(self) -> Vec<(Range<usize>, Vec<u8>)> {
        self.changes
    }

    /// Puts `new` where `range` is now. Changes at the same place keep the order in which they were made.
    pub fn replace(&mut self, range: Range<usize>, new: impl Into<Vec<u8>>) {
        self.changes.push((range, new.into()));
    }

    /// Adds the edits of `other`, which must be of the same body.
    pub fn append(&mut self, other: Edits) {
        self.changes.extend(other.changes);
    }

    /// The body with all changes made.
    pub fn apply(self, body: &Bytes) -> Bytes {
        if self.changes.is_empty() {
            return body.clone();
        }
        Bytes::from(self.apply_to(body))
    }

    /// As [`apply`](Self::apply), for bytes that are part of something larger.
    pub fn apply_to(mut self, body: &[u8]) -> Vec<u8> {
        self.changes.sort_by_key(|(range, _)| (range.start, range.end));
        let added: usize = self.changes.iter().map(|(_, new)| new.len()).sum();
        let mut out = Vec::with_capacity(body.len() + added);
        let mut done = 0;
        for (range, new) in self.changes {
            let start = range.start.max(done);
            out.extend_from_slice(&body[done..start]);
            out.extend_from_slice(&new);
            done = range.end.max(start);
        }
        out.extend_from_slice(&body[done..]);
        out
    }

    /// Adds the part `within` of the body to `out`, with all changes made, which have to be inside it.
    pub fn write(mut self, within: Range<usize>, out: &mut Pieces<'_>) {
        self.changes.sort_by_key(|(range, _)| (range.start, range.end));
        let mut done = within.start;
        for (range, new) in self.changes {
            let start = range.start.max(done);
            out.keep(done..start);
            out.put(new);
            done = range.end.max(start);
        }
        out.keep(done..within.end);
    }
}

/// Members to set in and to remove from one object; the other members keep their bytes and order.
pub struct ObjectEdit<'a> {
    object: Value<'a>,
    members: Vec<Member<'a>>,
    removed: Vec<bool>,
    added: Vec<(String, Vec<u8>)>,
    replaced: Vec<(usize, Vec<u8>)>,
}

impl<'a> ObjectEdit<'a> {
    /// `None` if `object` is not an object.
    pub fn new(object: Value<'a>) -> Option<Self> {
        Object::new(object).map(Self::of)
    }

    /// For an object that has been read already.
    pub fn of(object: Object<'a>) -> Self {
        let removed = vec![false; object.members().len()];
        let (object, members) = (object.value(), object.into_members());
        Self { object, members, removed, added: Vec::new(), replaced: Vec::new() }
    }

    /// The object's members as they are now.
    pub fn members(&self) -> &[Member<'a>] {
        &self.members
    }

    /// Removes every member called `key`; says whether there was one.
    pub fn remove(&mut self, key: &str) -> bool {
        let mut found = false;
        for (member, removed) in self.members.iter().zip(&mut self.removed) {
            if member.key == key {
                *removed = true;
                found = true;
            }
        }
        found
    }

    /// Gives the last member called `key` the value `raw` (JSON text), or adds such a member at the end.
    pub fn set(&mut self, key: &str, raw: impl Into<Vec<u8>>) {
        match self.members.iter().rposition(|member| member.key == key) {
            Some(at) => self.replaced.push((at, raw.into())),
            None => self.added.push((key.to_owned(), raw.into())),
        }
    }

    /// Whether every member is removed and none is added.
    pub fn leaves_nothing(&self) -> bool {
        self.added.is_empty() && self.removed.iter().all(|&removed| removed)
    }

    /// Writes the changes into `edits`.
    pub fn finish(self, edits: &mut Edits) {
        let end_of = |at: usize| self.members[at].value.span().end;
        let last_kept = self.removed.iter().rposition(|&removed| !removed);
        if !self.added.is_empty() {
            let at = last_kept.map_or(self.object.span().start + 1, end_of);
            edits.replace(at..at, added_text(&self.added, last_kept.is_some()));
        }
        for (at, raw) in self.replaced {
            if !self.removed[at] {
                edits.replace(self.members[at].value.span(), raw);
            }
        }
        let mut at = 0;
        while at < self.members.len() {
            if !self.removed[at] {
                at += 1;
                continue;
            }
            let first = at;
            while at < self.members.len() && self.removed[at] {
                at += 1;
            }
            let range = match first {
                0 if at < self.members.len() => self.members[0].key_start..self.members[at].key_start,
                0 => self.members[0].key_start..end_of(at - 1),
                _ => end_of(first - 1)..end_of(at - 1),
            };
            edits.replace(range, Vec::new());
        }
    }
}

fn added_text(added: &[(String, Vec<u8>)], after_another: bool) -> Vec<u8> {
    let mut text = Vec::new();
    for (index, (key, raw)) in added.iter().enumerate() {
        if after_another || index > 0 {
            text.push(b',');
        }
        text.extend_from_slice(serde_json::Value::from(key.as_str()).to_string().as_bytes());
        text.push(b':');
        text.extend_from_slice(raw);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edited(body: &'static str, change: impl FnOnce(&mut ObjectEdit<'_>)) -> String {
        let body = Bytes::from_static(body.as_bytes());
        let mut edit = ObjectEdit::new(Value::parse(&body).unwrap()).unwrap();
        change(&mut edit);
        let mut edits = Edits::new();
        edit.finish(&mut edits);
        String::from_utf8(edits.apply(&body).to_vec()).unwrap()
    }

    #[test]
    fn removed_members_take_their_comma_along() {
        let body = r#"{ "a" : 1 , "b":[2], "c":3 }"#;
        assert_eq!(
            edited(body, |e| {
                e.remove("a");
            }),
            r#"{ "b":[2], "c":3 }"#
        );
        assert_eq!(
            edited(body, |e| {
                e.remove("b");
            }),
            r#"{ "a" : 1, "c":3 }"#
        );
        assert_eq!(
            edited(body, |e| {
                e.remove("c");
            }),
            r#"{ "a" : 1 , "b":[2] }"#
        );
        assert_eq!(
            edited(body, |e| {
                e.remove("a");
                e.remove("b");
            }),
            r#"{ "c":3 }"#
        );
        assert_eq!(
            edited(body, |e| {
                e.remove("b");
                e.remove("c");
            }),
            r#"{ "a" : 1 }"#
        );
        assert_eq!(
            edited(body, |e| {
                for k in ["a", "b", "c"] {
                    e.remove(k);
                }
            }),
            r#"{  }"#
        );
    }

    #[test]
    fn set_members_replace_or_follow_the_last() {
        assert_eq!(edited("{}", |e| e.set("n", "1")), r#"{"n":1}"#);
        assert_eq!(edited(r#"{"a":1 }"#, |e| e.set("n", "1")), r#"{"a":1,"n":1 }"#);
        assert_eq!(edited(r#"{"a":1,"n":null}"#, |e| e.set("n", "[2]")), r#"{"a":1,"n":[2]}"#);
        assert_eq!(
            edited(r#"{"a":1}"#, |e| {
                e.remove("a");
                e.set("n", "1");
            }),
            r#"{"n":1}"#
        );
        assert_eq!(
            edited(r#"{"a":1,"b":2}"#, |e| {
                e.remove("b");
                e.set("n", "1");
            }),
            r#"{"a":1,"n":1}"#
        );
    }

    #[test]
    fn a_body_without_changes_is_the_same_bytes() {
        let body = Bytes::from_static(b" [1 ,2] ");
        assert_eq!(Edits::new().apply(&body).as_ptr(), body.as_ptr());
    }
}
