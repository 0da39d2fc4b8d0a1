//! [`Layout`]: at which field numbers a search has what it asks for.

use super::{
    Outcome,
    read::{self, merged, number, text},
};
use crate::{
    demo::{
        hits::{GROUP_SIZE, GROUPS, LIMIT, Query, Search},
        rejection::Rejection,
    },
    wire::proto::Message,
};

/// The fields of a search. Those that a search of its kind has not are 0, which is no field's number.
pub(super) struct Layout {
    prefetch: u32,
    /// The message `Query`.
    query: u32,
    /// The vector itself, in the older methods.
    vector: u32,
    vector_name: u32,
    filter: u32,
    score_threshold: u32,
    limit: u32,
    offset: u32,
    pub(super) with_payload: u32,
    pub(super) with_vectors: u32,
    group_by: u32,
    group_size: u32,
    /// Where there is none, and how many hits a group has. In the older methods that is 0, which is rejected.
    default_limit: u64,
    default_size: u64,
}

/// `QueryPoints`.
pub(super) const QUERY: Layout = Layout {
    prefetch: 2,
    query: 3,
    vector: 0,
    vector_name: 4,
    filter: 5,
    score_threshold: 7,
    limit: 8,
    offset: 9,
    with_payload: 11,
    with_vectors: 10,
    group_by: 0,
    group_size: 0,
    default_limit: LIMIT,
    default_size: 0,
};

/// `QueryPointGroups`.
pub(super) const QUERY_GROUPS: Layout = Layout {
    limit: 11,
    offset: 0,
    with_payload: 8,
    with_vectors: 9,
    group_by: 13,
    group_size: 12,
    default_limit: GROUPS,
    default_size: GROUP_SIZE,
    ..QUERY
};

/// `SearchPoints`.
pub(super) const SEARCH: Layout = Layout {
    prefetch: 0,
    query: 0,
    vector: 2,
    vector_name: 10,
    filter: 3,
    score_threshold: 8,
    limit: 4,
    offset: 9,
    with_payload: 6,
    with_vectors: 11,
    group_by: 0,
    group_size: 0,
    default_limit: 0,
    default_size: 0,
};

/// `SearchPointGroups`.
pub(super) const SEARCH_GROUPS: Layout = Layout {
    vector_name: 8,
    score_threshold: 7,
    offset: 0,
    with_payload: 5,
    with_vectors: 9,
    group_by: 10,
    group_size: 11,
    ..SEARCH
};

/// More numbers than a vector of the collection has, so that one that is too long is seen to be.
const LONGEST: usize = 1 << 16;

impl Layout {
    pub(super) fn limit(&self, message: Message<'_>) -> Outcome<u64> {
        Ok(number(message, self.limit)?.unwrap_or(self.default_limit))
    }

    pub(super) fn offset(&self, message: Message<'_>) -> Outcome<u64> {
        Ok(number(message, self.offset)?.unwrap_or(0))
    }

    /// The field that makes the groups, and how many hits one may have.
    pub(super) fn grouping(&self, message: Message<'_>) -> Outcome<(String, u64)> {
        let size = number(message, self.group_size)?.unwrap_or(self.default_size);
        Ok((text(message, self.group_by)?, size))
    }

    /// Which points are searched for.
    pub(super) fn search(&self, message: Message<'_>) -> Outcome<Search> {
        let name = text(message, self.vector_name)?;
        if !name.is_empty() {
            return Err(Rejection::UnknownVector(name));
        }
        if message.last(self.prefetch)?.is_some() {
            return Err(Rejection::Unsupported("prefetches"));
        }
        let query = match merged(message, self.query)? {
            Some(query) => self::query(Message::new(&query))?,
            None if self.vector == 0 => Query::None,
            None => Query::Vector(message.floats(self.vector, LONGEST)?),
        };
        let score_threshold = message.last(self.score_threshold)?.map(|field| field.float()).transpose()?;
        Ok(Search { query, filter: read::filter(message, self.filter)?, score_threshold })
    }
}

/// `Query.nearest`: a vector, or a point's id.
fn query(query: Message<'_>) -> Outcome<Query> {
    const UNKNOWN: Rejection = Rejection::Unsupported("this query");
    const NEAREST: u32 = 1;
    let nearest = merged(query, NEAREST)?.ok_or(UNKNOWN)?;
    let nearest = Message::new(&nearest);
    let Some(variant) = nearest.fields().last().transpose()? else { return Err(UNKNOWN) };
    match variant.number {
        1 => match read::id(variant.message()?)? {
            Some(id) => Ok(Query::Point(id)),
            // Its ids are numbers.
            None => Err(Rejection::UnknownPoint(text(variant.message()?, 2)?)),
        },
        2 => {
            let dense = merged(nearest, 2)?.unwrap_or_default();
            Ok(Query::Vector(Message::new(&dense).floats(1, LONGEST)?))
        }
        5..=7 => Err(Rejection::Inference),
        _ => Err(UNKNOWN),
    }
}
