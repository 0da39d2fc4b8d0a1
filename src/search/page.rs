use std::ops::Range;

use bytes::Bytes;

/// An answer and where its hits stand in it. Nothing inside a hit is copied.
#[derive(Clone, Debug)]
pub struct HitPage {
    /// The whole answer.
    pub body: Bytes,
    /// The lists of hits, in body order. One for a plain search, one per search of a batch, one per group.
    pub lists: Vec<HitList>,
    /// The searches of the request, counted from 0, that the database answered not at all or in part, and that asking
    /// for more may have done that to.
    pub failed: Vec<usize>,
}

impl HitPage {
    /// How many hits there are in all lists.
    pub fn hits(&self) -> usize {
        self.lists.iter().map(|list| list.hits.len()).sum()
    }

    /// The memory that the places of the hits take, in bytes.
    pub fn place_bytes(&self) -> usize {
        let hits: usize = self.lists.iter().map(|list| list.hits.capacity()).sum();
        hits * size_of::<Hit>()
            + self.lists.capacity() * size_of::<HitList>()
            + self.failed.capacity() * size_of::<usize>()
    }
}

/// One array of hits.
#[derive(Clone, Debug)]
pub struct HitList {
    /// Which search of the request it answers, counted from 0.
    pub search: usize,
    /// The hits, in the database's order.
    pub hits: Vec<Hit>,
    /// The array's range in the body, brackets included.
    pub array: Range<usize>,
    /// `max_score`'s number, where the answer has one for this list.
    pub max_score: Option<Range<usize>>,
    /// `hits.total`'s number, where there is one.
    pub total: Option<Range<usize>>,
}

/// Which hit it is, by the name that its database has for it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct HitId {
    /// Unique in its collection or index; a number as its digits. Empty where the hit has none.
    pub id: String,
    /// The index that it is from, where the database says so (Elasticsearch: one search may ask several).
    pub index: Option<String>,
}

/// One hit.
#[derive(Clone, Debug)]
pub struct Hit {
    /// The hit's object.
    pub span: Range<usize>,
    /// The number of its score member, if it has one.
    pub score: Option<Range<usize>>,
    /// The object that holds its fields (`payload`, `_source`), if there.
    pub source: Option<Range<usize>>,
    /// A second object with fields, each an array of values (Elasticsearch's `fields`).
    pub fields: Option<Range<usize>>,
    /// The number of its `_rank` member (Elasticsearch 8.8–8.15 RRF).
    pub rank: Option<Range<usize>>,
}
