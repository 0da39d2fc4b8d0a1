//! What a search asks for.

use super::{
    numbers,
    query::{self, Order},
};
use crate::{
    dialect::{
        DialectError,
        grpc::{self, Object},
    },
    search::{CallerOptions, NativeText, Pins, SearchIntent, Widening},
    wire::proto::Message,
};

/// The most hits that a server with the usual settings gives (`QUERY_MAXIMUM_RESULTS`), those before the page included.
const MOST_HITS: u64 = 10_000;

/// How many components distinguish one vector from others.
const VECTOR_HEAD: usize = 16;

/// What is held for a search beside its texts.
const SEARCH_BYTES: usize = 700;
/// How deep messages stand in each other that are read.
const DEEPEST: usize = 6;

pub(super) fn read(message: &[u8]) -> Result<Object<'_>, DialectError> {
    Object::read(Message::new(message))
}

/// The most memory that reading a request takes at a time beside it, in bytes.
pub(super) fn reading_bytes(request: &[u8]) -> usize {
    let fields = grpc::reading_bytes(Message::new(request), DEEPEST);
    // The texts are copied once, and one vector at a time is.
    SEARCH_BYTES.saturating_add(fields).saturating_add(request.len().saturating_mul(2))
}

pub(super) fn intent(search: &Object<'_>) -> Result<SearchIntent, DialectError> {
    let (limit, offset) = page(search)?;
    let order = query::order(search)?;
    let keep = match order {
        Order::Kept(reason) => Some(reason),
        _ => None,
    };
    let mut vector: Vec<f64> = Vec::new();
    query::each_vector(search, &mut |components| {
        if vector.is_empty() {
            vector = components.iter().take(VECTOR_HEAD).copied().map(f64::from).collect();
        }
    })?;
    Ok(SearchIntent {
        collections: vec![search.text(numbers::COLLECTION)?.to_owned()],
        expression: false,
        limit: limit.unwrap_or(u64::from(u32::MAX)),
        offset,
        keep,
        native: query::text(search)?,
        recalled: NativeText::None,
        caller: CallerOptions::default(),
        own_members: false,
        own_ext: false,
        vector,
        // How many hits the server gives of its own accord is not known.
        widening: if limit.is_none() { Widening::Never } else { order.widening() },
        max_hits: MOST_HITS,
        most_per_shard: None,
        grouped: false,
        timeout: None,
        pipeline: None,
        reranker: None,
        pins: Pins::default(),
    })
}

/// The limit, if there is one, and the offset.
pub(super) fn page(search: &Object<'_>) -> Result<(Option<u64>, u64), DialectError> {
    let limit = search.count(numbers::LIMIT)?.filter(|limit| *limit > 0);
    Ok((limit, search.count(numbers::OFFSET)?.unwrap_or(0)))
}
