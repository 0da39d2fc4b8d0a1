//! [`Index`]: where the long objects and arrays of a text end.

use std::ops::Range;

use fearless_simd::{Level, dispatch};

use super::{
    Malformed,
    walk::{Notes, Walk},
};

/// Shorter objects and arrays are read again: it takes no longer than to look them up.
const SHORTEST: usize = 96;

/// What one pass over a JSON text has found: that it is well-formed, and where its long objects and arrays end. A
/// [`Value`](super::Value) that has it skips them, however often its parts are read.
#[derive(Debug, Default)]
pub struct Index {
    /// How long the text is.
    length: usize,
    /// Where its one value stands.
    root: Range<usize>,
    /// Start and end, by start.
    spans: Vec<(usize, usize)>,
}

/// Why a text has no index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoIndex {
    /// It is not one JSON value.
    Malformed,
    /// It nests deeper than allowed.
    TooDeep,
}

impl Index {
    /// Reads all of `text`, where objects and arrays may stand `levels` deep in each other.
    pub fn of(text: &[u8], levels: usize) -> Result<Self, NoIndex> {
        let text = simdutf8::basic::from_utf8(text).map_err(|_| NoIndex::Malformed)?.as_bytes();
        let mut open = Open { levels, spans: Vec::new(), open: Vec::new() };
        let mut walk = Walk { text, at: 0 };
        walk.space();
        let start = walk.at;
        let notes = &mut open;
        let end = dispatch!(Level::new(), simd => {
            let mut walk = walk;
            walk.value(simd, notes).map(|_| walk.at)
        });
        let too_deep = open.open.len() > levels;
        walk.at = end.map_err(|_| if too_deep { NoIndex::TooDeep } else { NoIndex::Malformed })?;
        let root = start..walk.at;
        walk.space();
        if walk.at != text.len() {
            return Err(NoIndex::Malformed);
        }
        open.spans.shrink_to_fit();
        Ok(Self { length: text.len(), root, spans: open.spans })
    }

    /// For a body of which these objects and arrays are known already.
    pub fn known(spans: impl IntoIterator<Item = Range<usize>>) -> Self {
        let mut spans: Vec<_> = spans.into_iter().map(|span| (span.start, span.end)).collect();
        spans.sort_unstable();
        Self { spans, ..Self::default() }
    }

    /// The memory that it holds beside itself, in bytes.
    pub fn held_bytes(&self) -> usize {
        self.spans.capacity() * size_of::<(usize, usize)>()
    }

    /// The one value of the text; `None` for a text that cannot be the one that was read.
    pub(super) fn root<'t>(&self, text: &'t str) -> Option<&'t str> {
        if text.len() == self.length { text.get(self.root.clone()) } else { None }
    }

    pub(super) fn start(&self) -> usize {
        self.root.start
    }

    /// Where the object or array ends that begins at `start`; `None` for a short one.
    pub(super) fn end(&self, start: usize) -> Option<usize> {
        let at = self.spans.binary_search_by_key(&start, |span| span.0).ok()?;
        self.spans.get(at).map(|span| span.1)
    }
}

/// An index while it is built.
struct Open {
    levels: usize,
    spans: Vec<(usize, usize)>,
    /// The places in `spans` of those that have not ended, from the outside in.
    open: Vec<usize>,
}

impl Notes for Open {
    #[inline]
    fn open(&mut self, at: usize) -> Result<(), Malformed> {
        self.open.push(self.spans.len());
        self.spans.push((at, at));
        if self.open.len() > self.levels { Err(Malformed) } else { Ok(()) }
    }

    #[inline]
    fn close(&mut self, at: usize) {
        let Some(place) = self.open.pop() else { return };
        let Some(span) = self.spans.get_mut(place) else { return };
        span.1 = at;
        if at - span.0 < SHORTEST {
            // What is inside is shorter still, and gone.
            self.spans.truncate(place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::json::Value;

    #[test]
    fn depth_is_that_of_brackets_outside_of_strings() {
        for (body, depth) in
            [("7", 0), ("[]", 1), (r#"{"a":[{"b":1}],"c":{}}"#, 3), (r#"["[[[", "\\\"[{", "\\\\"]"#, 1)]
        {
            assert!(Index::of(body.as_bytes(), depth).is_ok(), "{body}");
            let less = depth.checked_sub(1).map(|less| Index::of(body.as_bytes(), less).unwrap_err());
            assert_eq!(less, (depth > 0).then_some(NoIndex::TooDeep), "{body}");
        }
        assert_eq!(Index::of(b"[[[", 2).unwrap_err(), NoIndex::TooDeep);
        assert_eq!(Index::of(b"[[", 2).unwrap_err(), NoIndex::Malformed);
        assert_eq!(Index::of(b"[] []", 2).unwrap_err(), NoIndex::Malformed);
        assert_eq!(Index::of(b"[\"\xff\"]", 2).unwrap_err(), NoIndex::Malformed);
    }

    #[test]
    fn a_value_with_an_index_is_read_as_one_without() {
        let long = format!("[{}1]", "0.25, ".repeat(100));
        let text = format!(
            r#" {{"a":{long},"b":{{"c":{long},"d":[{long},{{"e":{{}}}},"x"],"f":"y"}},"a":[[{long}]]}} "#
        );
        let index = Index::of(text.as_bytes(), 5).unwrap();
        assert_eq!(index.spans.len(), 9);
        let (with, without) =
            (Value::indexed(text.as_bytes(), &index), Value::parse(text.as_bytes()).unwrap());
        same(with.unwrap(), without);
        assert!(Value::indexed(&text.as_bytes()[1..], &index).is_err(), "of another text");
    }

    fn same(with: Value<'_>, without: Value<'_>) {
        assert_eq!(with, without);
        let (ours, theirs) = (with.members(), without.members());
        assert_eq!(ours.is_some(), theirs.is_some());
        for (ours, theirs) in ours.unwrap_or_default().into_iter().zip(theirs.unwrap_or_default()) {
            assert_eq!((&ours.key, ours.key_start), (&theirs.key, theirs.key_start));
            assert_eq!(with.get(&ours.key), without.get(&ours.key));
            same(ours.value, theirs.value);
        }
        let (ours, theirs) = (with.items(), without.items());
        assert_eq!(ours.as_ref().map(Vec::len), theirs.as_ref().map(Vec::len));
        for (ours, theirs) in ours.unwrap_or_default().into_iter().zip(theirs.unwrap_or_default()) {
            same(ours, theirs);
        }
    }
}
