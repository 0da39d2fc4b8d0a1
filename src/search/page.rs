use std::ops::Range;

use bytes::Bytes;

/// A response and the byte ranges of its hits. Nothing inside a hit is copied.
#[derive(Clone, Debug)]
pub struct HitPage {
    /// The whole response.
    pub body: Bytes,
    /// The lists of hits, in body order. One for a plain search, one per search of a batch, one per group.
    pub lists: Vec<HitList>,
    /// The searches of the request that the database did not answer, or only in part.
    pub failed: Vec<Failure>,
}

/// A search of a request without a complete response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Which one, counted from 0.
    pub search: usize,
    /// What it got instead.
    pub got: Got,
}

/// What a search got instead of a whole response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Got {
    /// An error that has nothing to do with how much was requested: credentials or target.
    Denied,
    /// Any other error.
    Rejected,
    /// A response without a list of hits, as the client requested it.
    NoList,
    /// Hits, but not all of them.
    Part {
        /// How many shards and clusters failed.
        lost: u64,
        /// The search timed out before all had been looked at.
        timed_out: bool,
    },
}

impl HitPage {
    /// How many hits there are in all lists.
    pub fn hits(&self) -> usize {
        self.lists.iter().map(|list| list.hits.len()).sum()
    }

    /// Whether this search got an error, or hits but not of everything.
    pub fn has_failed(&self, search: usize) -> bool {
        self.failed.iter().any(|failure| failure.search == search && failure.got != Got::NoList)
    }

    /// How many searches it answers, with hits or without.
    pub fn responses(&self) -> usize {
        let searches = self.lists.iter().map(|list| list.search);
        searches.chain(self.failed.iter().map(|failure| failure.search)).max().map_or(0, |last| last + 1)
    }

    /// The memory of the hits' byte ranges, in bytes.
    pub fn place_bytes(&self) -> usize {
        let of_list = |list: &HitList| {
            let members = list.hits.iter().flat_map(|hit| [&hit.source, &hit.fields]).flatten();
            list.hits.capacity() * size_of::<Hit>() + members.map(Fields::place_bytes).sum::<usize>()
        };
        self.lists.iter().map(of_list).sum::<usize>()
            + self.lists.capacity() * size_of::<HitList>()
            + self.failed.capacity() * size_of::<Failure>()
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
    /// `max_score`'s number or `null`, where the response has one for this list.
    pub max_score: Option<Range<usize>>,
    /// `hits.total`, where there is one.
    pub total: Option<Total>,
    /// The hits have sort values, from which a client may continue: their order stays.
    pub sorted: bool,
}

/// `hits.total`: how many hits there are, as the database counts them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Total {
    /// Where the number stands.
    pub value: Range<usize>,
    /// The number; `None` for none that a count can be.
    pub count: Option<u64>,
    /// The text that says whether it is exact or a lower bound.
    pub relation: Option<Range<usize>>,
    /// How many shards were searched, where the response says so.
    pub shards: Option<u64>,
}

impl Total {
    /// Whether this count, made with `asked` at most from each shard, determines what it would be with `most` from
    /// each: it does where all shards together hold no more than `most`, and where each holds all that was requested.
    /// Between these cases some hold fewer than `most`, and the response does not say which.
    pub fn tells(&self, most: u64, asked: u64) -> bool {
        let Some(count) = self.count else { return true };
        let full = |shards: u64| shards <= 1 || count >= asked.saturating_mul(shards);
        count <= most || self.shards.is_some_and(full)
    }
}

/// Which hit it is, by the name that its database has for it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct HitId {
    /// Unique in its collection or index; a number as its digits. Empty where the hit has none.
    pub id: String,
    /// The index that it comes from, where the database says so (Elasticsearch: one search may cover several).
    pub index: Option<String>,
}

/// Why a hit keeps its place while the others are ranked around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Holds {
    /// Its index is excluded: its text is never read.
    Excluded,
    /// It is pinned, by the client or the database.
    Pinned,
}

impl Holds {
    /// Every cause.
    pub const ALL: [Holds; 2] = [Holds::Excluded, Holds::Pinned];

    /// The word for labels and records.
    pub fn as_str(self) -> &'static str {
        match self {
            Holds::Excluded => "excluded",
            Holds::Pinned => "pinned",
        }
    }
}

/// One hit.
#[derive(Clone, Debug, Default)]
pub struct Hit {
    /// The hit's object.
    pub span: Range<usize>,
    /// The number of its score member, or the `null` that stands there, if it has one.
    pub score: Option<Range<usize>>,
    /// The object that holds its fields (`payload`, `_source`), if there is one.
    pub source: Option<Fields>,
    /// A second object with fields, each an array of values (Elasticsearch's `fields`).
    pub fields: Option<Fields>,
    /// The number of its `_rank` member (Elasticsearch 8.8–8.15 RRF).
    pub rank: Option<Range<usize>>,
    /// The text of the member that names its index, without quotes (Elasticsearch).
    pub index: Option<Range<usize>>,
    /// Set once it is known that it keeps its place.
    pub holds: Option<Holds>,
}

/// An object with fields.
#[derive(Clone, Debug)]
pub struct Fields {
    /// The object.
    pub span: Range<usize>,
    /// Its members, in their order; `None` where they were not noted: they are many, or a name is written with
    /// escapes.
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
