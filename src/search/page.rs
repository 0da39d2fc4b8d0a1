//! What a page of hits says of itself, whatever its wire format.

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
    /// A list too short for the client's page, though more hits were requested than that has, of a database that may
    /// have capped the number silently.
    Short,
    /// Hits, but not all of them.
    Part {
        /// How many shards and clusters failed.
        lost: u64,
        /// The search timed out before all had been looked at.
        timed_out: bool,
    },
}

/// One list of hits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HitList {
    /// Which search of the request it answers, counted from 0.
    pub search: usize,
    /// How many hits it has, in the database's order.
    pub hits: usize,
    /// How many hits there are, as the database counts them, where it says so.
    pub total: Option<Total>,
    /// The hits have sort values, from which a client may continue: their order stays.
    pub sorted: bool,
}

/// Which hit of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HitAt {
    /// The number of its list, counted from 0.
    pub list: usize,
    /// Its place in the list, counted from 0.
    pub hit: usize,
}

/// How many hits there are, as the database counts them (Elasticsearch's `hits.total`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Total {
    /// The number; `None` for none that a count can be.
    pub count: Option<u64>,
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
