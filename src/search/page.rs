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
        let of_list = |list: &HitList| {
            let members = list.hits.iter().flat_map(|hit| [&hit.source, &hit.fields]).flatten();
            list.hits.capacity() * size_of::<Hit>() + members.map(Fields::place_bytes).sum::<usize>()
        };
        self.lists.iter().map(of_list).sum::<usize>()
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
    pub source: Option<Fields>,
    /// A second object with fields, each an array of values (Elasticsearch's `fields`).
    pub fields: Option<Fields>,
    /// The number of its `_rank` member (Elasticsearch 8.8–8.15 RRF).
    pub rank: Option<Range<usize>>,
}

/// An object with fields.
#[derive(Clone, Debug)]
pub struct Fields {
    /// The object.
    pub span: Range<usize>,
    /// Its members, in their order; `None` where nobody noted them: they are many, or a name is written with escapes.
    pub members: Option<Vec<Field>>,
}

/// A member of an object: where its name and its value stand.
#[derive(Clone, Debug)]
pub struct Field {
    /// The name, without quotes; there are no escapes in it.
    pub name: Range<usize>,
    /// The value.
    pub value: Range<usize>,
}

impl Fields {
    /// An object whose members were not noted.
    pub fn unread(span: Range<usize>) -> Self {
        Self { span, members: None }
    }

    fn place_bytes(&self) -> usize {
        self.members.as_ref().map_or(0, |members| members.capacity() * size_of::<Field>())
    }
}
