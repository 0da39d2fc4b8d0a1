//! The searches of a request, and what each of them asks for.

use std::{num::NonZeroU64, time::Duration};

use super::{
    numbers::{self, Numbers},
    operation::Operation,
    query,
};
use crate::{
    dialect::{
        DialectError,
        grpc::{self, Object},
        qdrant::{
            kind::{Form, Verb},
            order::Order,
        },
    },
    search::{CallerOptions, KeepReason, NativeText, Pins, SearchIntent, Widening},
    wire::{MOST_COMPONENTS, proto::Message},
};

const DEFAULT_LIMIT: u64 = 10;
const DEFAULT_GROUP_SIZE: u64 = 3;

/// What is held for one search of a batch, but for the name of its collection.
const SEARCH_BYTES: usize = 700;
/// How deep messages stand in each other that are read: sixteen prefetches, and a formula of forty levels, which are two
/// messages each.
const DEEPEST: usize = 128;

/// A request's searches in their order.
pub(super) struct Request<'a> {
    /// The message itself: a search, or a batch of them.
    pub root: Object<'a>,
    /// The searches of a batch.
    pub batch: Option<Vec<Object<'a>>>,
}

impl<'a> Request<'a> {
    pub fn read(form: Form, body: &'a [u8]) -> Result<Self, DialectError> {
        let root = Object::read(Message::new(body))?;
        let batch = match form {
            Form::Batch => Some(root.messages(numbers::SEARCHES)?),
            Form::Single | Form::Groups => None,
        };
        Ok(Self { root, batch })
    }

    /// What each search asks for. The searches of a batch name a collection and a timeout of their own, which the
    /// server does not look at.
    pub fn intents(&self, operation: Operation) -> Result<Vec<SearchIntent>, DialectError> {
        let numbers = numbers::of(operation.verb, operation.form);
        let collection = self.root.text(numbers::COLLECTION)?;
        let timeout = match self.batch {
            Some(_) => numbers::BATCH_TIMEOUT,
            None => numbers.timeout,
        };
        let timeout = timeout_of(&self.root, timeout)?;
        let searches = self.searches();
        // The list has its size from the start: it is counted against the memory budget.
        let mut intents = Vec::with_capacity(searches.len());
        for search in searches {
            let intent = intent(operation, numbers, search, collection)?;
            intents.push(SearchIntent { timeout, ..intent });
        }
        Ok(intents)
    }
}

impl Request<'_> {
    fn searches(&self) -> &[Object<'_>] {
        self.batch.as_deref().unwrap_or(std::slice::from_ref(&self.root))
    }

    /// As [`crate::dialect::SearchRequest::vectors`].
    pub fn vectors(
        &self,
        operation: Operation,
        searches: &[usize],
        each: &mut dyn FnMut(usize, &[f32]),
    ) -> Result<(), DialectError> {
        let numbers = numbers::of(operation.verb, operation.form);
        let all = self.searches();
        for &at in searches {
            let Some(search) = all.get(at) else { continue };
            query::each_vector(operation.verb, numbers, search, &mut |vector| {
                // One more than can be, to tell a longer one.
                let components = vector.components(MOST_COMPONENTS + 1)?;
                if !components.is_empty() && components.len() <= MOST_COMPONENTS {
                    each(at, &components);
                }
                Ok(())
            })?;
        }
        Ok(())
    }
}

/// The most memory that reading a request takes at a time beside it, in bytes.
pub(super) fn reading_bytes(form: Form, request: &[u8]) -> usize {
    let message = Message::new(request);
    let fields = grpc::reading_bytes(message, DEEPEST);
    let searches = match form {
        Form::Batch => {
            message.fields().map_while(Result::ok).filter(|f| f.number == numbers::SEARCHES).count()
        }
        Form::Single | Form::Groups => 1,
    };
    let name = message.last(numbers::COLLECTION).ok().flatten().and_then(|field| field.bytes().ok());
    let name = name.map_or(0, <[u8]>::len);
    // The texts of queries are copied once.
    searches.saturating_mul(SEARCH_BYTES + name).saturating_add(fields).saturating_add(request.len())
}

/// Whole seconds from 1; the server rejects anything else.
fn timeout_of(root: &Object<'_>, number: u32) -> Result<Option<Duration>, DialectError> {
    let seconds = root.count(number)?.and_then(NonZeroU64::new);
    Ok(seconds.map(|seconds| Duration::from_secs(seconds.get())))
}

fn intent(
    operation: Operation,
    numbers: &Numbers,
    search: &Object<'_>,
    collection: &str,
) -> Result<SearchIntent, DialectError> {
    let (limit, offset) = page(operation, numbers, search)?;
    let order = query::order(operation.verb, numbers, search)?;
    let keep = match order {
        Order::Kept(reason) => Some(reason),
        _ if limit == 0 => Some(KeepReason::NotRanked),
        _ => None,
    };
    let native = match operation.verb {
        Verb::Query => query::text(search)?,
        Verb::Search | Verb::Recommend | Verb::Discover => NativeText::None,
    };
    let grouped = operation.form == Form::Groups;
    Ok(SearchIntent {
        collections: vec![collection.to_owned()],
        expression: false,
        limit,
        offset,
        keep,
        native,
        recalled: NativeText::None,
        caller: CallerOptions::default(),
        own_members: false,
        own_ext: false,
        vector: query::vector(operation.verb, numbers, search)?,
        widening: if grouped { Widening::Never } else { order.widening() },
        max_hits: u64::MAX,
        most_per_shard: None,
        grouped,
        timeout: None,
        pipeline: None,
        reranker: None,
        pins: Pins::default(),
    })
}

/// Limit and offset of a search; those of a group for groups, which have no offset. Where a number is not optional, an
/// absent one is 0, and rejected.
pub(super) fn page(
    operation: Operation,
    numbers: &Numbers,
    search: &Object<'_>,
) -> Result<(u64, u64), DialectError> {
    let is_query = operation.verb == Verb::Query;
    let default = |number: u64| if is_query { number } else { 0 };
    let limit = search.count(numbers.limit)?.unwrap_or(default(DEFAULT_LIMIT));
    if let Some(group_size) = numbers.group_size {
        let size = search.count(group_size)?.unwrap_or(default(DEFAULT_GROUP_SIZE));
        return Ok((if limit == 0 { 0 } else { size }, 0));
    }
    let offset = numbers.offset.map_or(Ok(None), |offset| search.count(offset))?;
    Ok((limit, offset.unwrap_or(0)))
}
