use std::{borrow::Cow, ops::Range};

use bytes::Bytes;

use super::{
    Member, Value,
    json::{KnownList, ListKey},
};
use crate::search::{Failure, FieldSet, HitAt, HitId, HitList, KeptNames, Ranking, Strip};

/// A response with ranked hits, in the format of its database. Nothing inside a hit is copied.
///
/// One suite of laws holds every implementation to the same promises: an order that changes nothing gives the same
/// bytes, any order moves the bytes of the hits and no others, and what is stripped leaves what the client's own
/// request would have brought.
pub trait Page: Send + Sync + 'static {
    /// The whole response, without content codings.
    fn body(&self) -> &Bytes;
    /// The lists of hits, in the response's order: one for a plain search, one per search of a batch, one per group.
    fn lists(&self) -> &[HitList];
    /// The searches of the request that the database did not answer, or only in part.
    fn failed(&self) -> &[Failure];
    /// What it holds in memory beside the response, in bytes.
    fn held_bytes(&self) -> usize;
    /// How many bytes of the response a hit takes: no document made of it is longer.
    fn hit_bytes(&self, at: HitAt) -> usize;
    /// The hits that the response itself says are pinned to their places.
    fn pinned(&self) -> &[HitAt] {
        &[]
    }
    /// The database's id of a hit. Reads the hit again: for records, not for every response.
    fn id(&self, at: HitAt) -> HitId;
    /// The database's score of a hit, if it has one.
    fn score(&self, at: HitAt) -> Option<Score<'_>>;
    /// The name of the index that a hit comes from, as it is written, where the database says so.
    fn index(&self, at: HitAt) -> Option<&[u8]>;
    /// The first of these names that a hit has a field of, found without reading the hit again.
    fn field(&self, at: HitAt, names: &[&str]) -> Found;
    /// The value at a place that [`field`](Self::field) has found.
    fn value(&self, place: &Place) -> Option<Value<'_>>;
    /// The same as it is written: equal bytes are equal values.
    fn written(&self, place: &Place) -> &[u8];
    /// The same where that is JSON, and so certainly UTF-8.
    fn json(&self, _: &Place) -> Option<&[u8]> {
        None
    }
    /// The fields of a hit, read again.
    fn fields(&self, at: HitAt) -> FieldObjects<'_>;
    /// The fragments of a hit's text that the database has highlighted, as it has written them; most have none. Reads the
    /// hit again.
    fn highlights(&self, _: HitAt) -> Vec<String> {
        Vec::new()
    }
    /// Its list, to be known again where another response has the same one, and the fields and the most bytes that documents are
    /// made of. `None` where that is not possible, of little use, or known already.
    fn to_know(&self, _: &ListKey, _documents: (&FieldSet, usize)) -> Option<KnownList> {
        None
    }
    /// The names of the documents of a list whose bytes have been there before.
    fn kept_names(&self, _list: usize) -> Option<&KeptNames> {
        None
    }
    /// The response again with only the hits of each ranking, in that order, less what the strips name. One ranking
    /// per list, one strip per search; `None` as a ranking leaves the list as it is, strips apart.
    fn reordered(&self, strips: &[Strip], rankings: &[Option<Ranking>]) -> Bytes;
}

/// Where the value of a field stands in its page. Only the page that gave it can open it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place(Range<usize>);

impl Place {
    pub(crate) fn new(range: Range<usize>) -> Self {
        Self(range)
    }

    /// How many bytes the value takes, as it is written.
    #[inline]
    pub fn bytes(&self) -> usize {
        self.0.len()
    }

    #[inline]
    pub(crate) fn range(&self) -> Range<usize> {
        self.0.clone()
    }
}

/// What a look for a field came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// There is none of these names.
    Nothing,
    /// Only reading the hit again shows whether there is one, or whether there is text in it.
    Unsure,
    /// A field whose value certainly has text in it.
    Text {
        /// Which of the names it has.
        name: usize,
        /// Where its value stands.
        value: Place,
    },
}

/// A hit's objects with fields, as members in their order.
#[derive(Default)]
pub struct FieldObjects<'a> {
    /// Those that are looked through one after the other.
    pub objects: Vec<Vec<Member<'a>>>,
    /// The names of the last one are whole paths, of which some stand below others (Elasticsearch's `fields`).
    pub last_is_flat: bool,
}

/// A database's score of a hit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Score<'a> {
    /// As it is written; `null` where it is no number.
    Written(&'a str),
    /// As a number.
    Float(f32),
}

impl<'a> Score<'a> {
    /// The number, if it is one.
    pub fn number(self) -> Option<f64> {
        match self {
            Self::Written(text) => text.parse().ok(),
            Self::Float(number) => Some(f64::from(number)),
        }
    }

    /// The number as text, as it is written where it is; `None` for none.
    pub fn text(self) -> Option<Cow<'a, str>> {
        match self {
            Self::Written("null") => None,
            Self::Written(text) => Some(Cow::Borrowed(text)),
            Self::Float(number) => Some(Cow::Owned(number.to_string())),
        }
    }

    /// Whether it is above a limit that no usual score comes near.
    pub fn is_above(self, limit: f64) -> bool {
        match self {
            // Nearly every score is short.
            Self::Written(text) if text.len() <= 30 && !text.contains(['e', 'E']) => false,
            score => score.number().is_some_and(|number| number > limit),
        }
    }

    /// Whether it says the same as another one. Two that are not numbers do too: nothing says which comes first.
    pub fn ties_with(self, other: Option<Score<'_>>) -> bool {
        let Some(other) = other else { return false };
        self == other || self.number().is_some_and(|number| Some(number) == other.number())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_scores_tie_however_they_are_written() {
        let written = |text| Some(Score::Written(text));
        assert!(Score::Written("0.50").ties_with(written("5e-1")));
        assert!(Score::Written("null").ties_with(written("null")));
        assert!(!Score::Written("null").ties_with(written("0")));
        assert!(!Score::Written("1").ties_with(None));
        assert!(Score::Float(0.5).ties_with(Some(Score::Float(0.5))));
        assert!(!Score::Float(0.5).ties_with(Some(Score::Float(0.25))));
    }

    #[test]
    fn only_extraordinary_scores_are_above_the_limit() {
        assert!(Score::Written("1.7014122E38").is_above(1e30));
        assert!(!Score::Written("12.5").is_above(1e30));
        assert!(!Score::Written("null").is_above(1e30));
        assert!(Score::Float(2e38).is_above(1e30));
    }
}
