//! The searches of a request, and what each of them asks for.

use std::{num::NonZeroU64, time::Duration};

use percent_encoding::percent_decode_str;

use crate::{
    dialect::{
        DialectError, own,
        qdrant::{
            kind::{Form, Verb},
            order::Order,
            rest::{object::Object, operation::Operation, query},
        },
        reading::Reading,
    },
    search::{CallerOptions, KeepReason, SearchIntent},
    wire::json::{self, Value},
};

/// The proxy's own member.
pub(super) const OWN: &str = "rerank";

pub(super) const BODY: DialectError =
    DialectError::Malformed { member: "body", expected: "a well-formed JSON object" };

const DEFAULT_LIMIT: u64 = 10;
const DEFAULT_GROUP_SIZE: u64 = 3;

/// A request's searches in their order.
pub(super) struct Request<'a> {
    /// The object around the searches of a batch.
    pub batch: Option<Object<'a>>,
    pub searches: Vec<Object<'a>>,
}

impl<'a> Request<'a> {
    pub fn read(form: Form, reading: &'a Reading) -> Result<Self, DialectError> {
        let index = reading.texts().first().ok_or(BODY)?;
        let root = Value::indexed(reading.body(), index).ok().and_then(json::Object::new);
        let root = Object::of(root.ok_or(BODY)?)?;
        if form != Form::Batch {
            return Ok(Self { batch: None, searches: vec![root] });
        }
        let list = root.get("searches").and_then(Value::items);
        let list = list.ok_or(DialectError::Malformed { member: "searches", expected: "an array" })?;
        let searches = all(list, |one| Object::new(one, "search"))?;
        Ok(Self { batch: Some(root), searches })
    }

    /// What each search asks for; all have the request's `timeout`.
    pub fn intents(
        &self,
        operation: &Operation,
        timeout: Option<Duration>,
    ) -> Result<Vec<SearchIntent>, DialectError> {
        let shared = self.batch.as_ref().and_then(|batch| batch.member(OWN));
        let intent = |search| Ok(SearchIntent { timeout, ..intent(operation, search, shared)? });
        all(&self.searches, intent)
    }
}

impl Request<'_> {
    /// As [`crate::dialect::SearchRequest::vectors`].
    pub fn vectors(
        &self,
        verb: Verb,
        searches: &[usize],
        each: &mut dyn FnMut(usize, &[f32]),
    ) -> Result<(), DialectError> {
        let mut components = Vec::new();
        for &at in searches {
            let Some(search) = self.searches.get(at) else { continue };
            query::each_vector(verb, search, &mut |vector| {
                if json::floats(vector, &mut components) {
                    each(at, &components);
                }
            })?;
        }
        Ok(())
    }
}

/// What `read` makes of each item. The list has its size from the start: collecting results would have it grow, and for
/// a moment there twice.
fn all<I: IntoIterator<IntoIter: ExactSizeIterator>, T>(
    items: I,
    read: impl Fn(I::Item) -> Result<T, DialectError>,
) -> Result<Vec<T>, DialectError> {
    let items = items.into_iter();
    let mut all = Vec::with_capacity(items.len());
    for item in items {
        all.push(read(item)?);
    }
    Ok(all)
}

/// The query string's `timeout`, in whole seconds from 1; the server rejects anything else.
pub(super) fn timeout(query: Option<&str>) -> Option<Duration> {
    let value = query?.split('&').rev().find_map(|part| {
        let (name, value) = part.split_once('=')?;
        (percent_decode_str(name).decode_utf8().ok()? == "timeout").then_some(value)
    })?;
    let seconds: NonZeroU64 = percent_decode_str(value).decode_utf8().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds.get()))
}

fn intent(
    operation: &Operation,
    search: &Object<'_>,
    shared: Option<Value<'_>>,
) -> Result<SearchIntent, DialectError> {
    let (limit, offset) = page(operation, search)?;
    let order = query::order(operation.verb, search)?;
    let mut keep = match order {
        Order::Kept(reason) => Some(reason),
        _ if limit == 0 => Some(KeepReason::NotRanked),
        _ => None,
    };
    let own = search.member(OWN).or(shared);
    let caller = match own.map(|own| own::options(own, |_, _, _| Some(false))) {
        Some(Some(options)) => options,
        Some(None) => {
            keep = Some(KeepReason::Malformed);
            CallerOptions::default()
        }
        None => CallerOptions::default(),
    };
    let grouped = operation.form == Form::Groups;
    let native = match operation.verb {
        Verb::Query => query::text(search)?,
        Verb::Search | Verb::Recommend | Verb::Discover => crate::search::NativeText::None,
    };
    Ok(SearchIntent {
        collections: vec![operation.collection.clone()],
        expression: false,
        limit,
        offset,
        keep,
        native,
        recalled: crate::search::NativeText::None,
        caller,
        own_members: own.is_some() || shared.is_some(),
        own_ext: false,
        vector: query::vector(operation.verb, search)?,
        widening: if grouped { crate::search::Widening::Never } else { order.widening() },
        max_hits: u64::MAX,
        most_per_shard: None,
        grouped,
        timeout: None,
        pipeline: None,
        reranker: None,
        pins: crate::search::Pins::default(),
    })
}

/// Limit and offset of a search; those of a group for groups, which have no offset.
pub(super) fn page(operation: &Operation, search: &Object<'_>) -> Result<(u64, u64), DialectError> {
    let limit = search.count(limit_key(operation, search)?)?;
    if operation.form == Form::Groups {
        let size = search.count("group_size")?.unwrap_or(DEFAULT_GROUP_SIZE);
        return Ok((if limit == Some(0) { 0 } else { size }, 0));
    }
    let limit = match (limit, operation.verb) {
        (Some(limit), _) => limit,
        (None, Verb::Query) => DEFAULT_LIMIT,
        (None, _) => return Err(DialectError::Malformed { member: "limit", expected: "given" }),
    };
    Ok((limit, search.count("offset")?.unwrap_or(0)))
}

/// The name under which this search gives its limit: the older calls, but for groups, take `top` as well.
pub(super) fn limit_key(operation: &Operation, search: &Object<'_>) -> Result<&'static str, DialectError> {
    let (own, other) = ("limit", "top");
    if operation.verb == Verb::Query || operation.form == Form::Groups || search.member(other).is_none() {
        return Ok(own);
    }
    match search.member(own) {
        None => Ok(other),
        Some(_) => Err(DialectError::Malformed { member: own, expected: "given once" }),
    }
}
