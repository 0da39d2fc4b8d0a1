//! The query of one search: whether its order may be changed, its text, its vector.

use super::{
    formula,
    numbers::{self, Numbers, POINTS, PREFETCH, QueryNumbers},
    object::{MAX_DEPTH, Object, TOO_DEEP},
};
use crate::{
    dialect::{
        DialectError,
        qdrant::{
            kind::Verb,
            order::{Order, VECTOR_HEAD},
        },
    },
    search::{KeepReason, NativeText},
    wire::proto::Field,
};

/// The variants of a query.
const NEAREST: u32 = 1;
const RECOMMEND: u32 = 2;
const DISCOVER: u32 = 3;
const CONTEXT: u32 = 4;
const ORDER_BY: u32 = 5;
const FUSION: u32 = 6;
const SAMPLE: u32 = 7;
const FORMULA: u32 = 8;
const NEAREST_WITH_MMR: u32 = 9;
const RRF: u32 = 10;
const RELEVANCE_FEEDBACK: u32 = 11;
/// A search of a text index (1.20).
const TEXT: u32 = 12;

/// The target of a discovery, of feedback and of a nearest query with MMR; the text of a text query and of a document.
const FIRST: u32 = 1;
/// How the examples of a recommendation are used; absent and 0 mean by their average.
const STRATEGY: u32 = 3;

/// The variants of what a query searches for, of which a document is one with text.
const DENSE: u32 = 2;
const DOCUMENT: u32 = 5;
const LAST_INPUT: u32 = 7;
/// The numbers of a dense vector, and of a vector in the form of before 1.10.
const DATA: u32 = 1;
/// What makes a vector of that form a sparse one, or several.
const OLD_OTHERS: [u32; 2] = [2, 3];
/// A dense vector in the newer form.
const NEW_DENSE: u32 = 101;
/// What the target of `Discover` is: an example, and of an example its vector.
const SINGLE: u32 = 1;
const EXAMPLE_VECTOR: u32 = 2;

/// How `search` ranks.
pub(super) fn order(verb: Verb, numbers: &Numbers, search: &Object<'_>) -> Result<Order, DialectError> {
    Ok(match verb {
        Verb::Search => Order::Plain,
        Verb::Discover if !search.has(numbers::TARGET) => Order::Kept(KeepReason::NotRanked),
        Verb::Discover => Order::Plain,
        Verb::Recommend => {
            let strategy = numbers.strategy.map_or(Ok(None), |strategy| search.count(strategy))?;
            Order::of_recommendation(strategy.unwrap_or(0) == 0, wants_vectors(numbers, search)?)
        }
        Verb::Query => of_query(search, POINTS, wants_vectors(numbers, search)?, 0)?,
    })
}

/// How a query or a prefetch ranks, with the prefetches that it is made of.
fn of_query(
    search: &Object<'_>,
    at: QueryNumbers,
    with_vectors: bool,
    depth: usize,
) -> Result<Order, DialectError> {
    if depth > MAX_DEPTH {
        return Err(TOO_DEEP);
    }
    let mut inner = Vec::new();
    for prefetch in search.messages(at.prefetch)? {
        inner.push(of_query(&prefetch, PREFETCH, false, depth + 1)?);
    }
    // Without a query a prefetch is rejected, and anything else is in the order of ids.
    let Some(query) = search.inner(at.query)? else { return Ok(Order::Kept(KeepReason::NotRanked)) };
    Ok(by(&query, with_vectors)?.over(&inner))
}

/// How a query ranks, its prefetches apart.
fn by(query: &Object<'_>, with_vectors: bool) -> Result<Order, DialectError> {
    let Some(variant) = query.variant(TEXT)? else { return Ok(Order::Kept(KeepReason::Unsupported)) };
    Ok(match variant.number {
        NEAREST | DISCOVER | RELEVANCE_FEEDBACK | TEXT => Order::Plain,
        RECOMMEND => {
            let strategy = Object::inside(&variant)?.count(STRATEGY)?;
            Order::of_recommendation(strategy.unwrap_or(0) == 0, with_vectors)
        }
        CONTEXT | ORDER_BY | SAMPLE | NEAREST_WITH_MMR => Order::Kept(KeepReason::NotRanked),
        FUSION | RRF => Order::Composed,
        FORMULA => match formula::ranks(&Object::inside(&variant)?)? {
            true => Order::Composed,
            false => Order::Kept(KeepReason::NotRanked),
        },
        _ => Order::Kept(KeepReason::Unsupported),
    })
}

/// Whether the client requests the vectors of its hits.
fn wants_vectors(numbers: &Numbers, search: &Object<'_>) -> Result<bool, DialectError> {
    const ENABLE: u32 = 1;
    const INCLUDE: u32 = 2;
    const NAMES: u32 = 1;
    let Some(selector) = search.last(numbers.with_vectors) else { return Ok(false) };
    let selector = Object::inside(selector)?;
    Ok(match selector.variants(INCLUDE).next_back() {
        Some(field) if field.number == ENABLE => field.boolean()?,
        Some(field) => Object::inside(field)?.has(NAMES),
        None => true,
    })
}

/// The text of the query and its prefetches: what inference makes a vector of, or a text index ranks by.
pub(super) fn text(search: &Object<'_>) -> Result<NativeText, DialectError> {
    let mut texts = NativeText::None;
    collect_texts(search, POINTS, 0, &mut texts)?;
    Ok(texts)
}

fn collect_texts(
    search: &Object<'_>,
    at: QueryNumbers,
    depth: usize,
    texts: &mut NativeText,
) -> Result<(), DialectError> {
    if depth > MAX_DEPTH {
        return Err(TOO_DEEP);
    }
    if let Some(query) = search.inner(at.query)?
        && let Some(text) = query_text(&query)?.filter(|text| !text.is_empty())
    {
        texts.add(text.into());
    }
    let mut prefetches = search.messages(at.prefetch)?.into_iter();
    prefetches.try_for_each(|inner| collect_texts(&inner, PREFETCH, depth + 1, texts))
}

/// The text of a document that a query searches for, or that of a text query.
fn query_text<'a>(query: &Object<'a>) -> Result<Option<&'a str>, DialectError> {
    let Some(variant) = query.variant(TEXT)? else { return Ok(None) };
    if variant.number == TEXT {
        return Object::inside(&variant)?.text(FIRST).map(Some);
    }
    match input(variant)? {
        Some(input) if input.number == DOCUMENT => Object::inside(&input)?.text(FIRST).map(Some),
        _ => Ok(None),
    }
}

/// What a query searches for: a vector, a document, the id of a point. `None` where it is nothing single.
fn input(variant: Field<'_>) -> Result<Option<Field<'_>>, DialectError> {
    let target = match variant.number {
        NEAREST => Some(Object::inside(&variant)?),
        DISCOVER | NEAREST_WITH_MMR | RELEVANCE_FEEDBACK => Object::inside(&variant)?.inner(FIRST)?,
        _ => None,
    };
    target.map_or(Ok(None), |target| target.variant(LAST_INPUT))
}

/// The first components of the dense vector that is searched for.
pub(super) fn vector(verb: Verb, numbers: &Numbers, search: &Object<'_>) -> Result<Vec<f64>, DialectError> {
    Ok(match verb {
        Verb::Query => query_vector(search, POINTS, 0)?,
        Verb::Search if numbers.sparse_indices.is_some_and(|indices| search.has(indices)) => Vec::new(),
        Verb::Search => components(search, numbers::VECTOR)?,
        Verb::Discover => discovered(search)?,
        Verb::Recommend => Vec::new(),
    })
}

/// The query's own, else the first one of the prefetches: a fusion has none itself.
fn query_vector(search: &Object<'_>, at: QueryNumbers, depth: usize) -> Result<Vec<f64>, DialectError> {
    if depth > MAX_DEPTH {
        return Ok(Vec::new());
    }
    if let Some(variant) = search.inner(at.query)?.map_or(Ok(None), |query| query.variant(TEXT))? {
        let own = match input(variant)? {
            Some(input) if input.number == DENSE => components(&Object::inside(&input)?, DATA)?,
            _ => Vec::new(),
        };
        if !own.is_empty() {
            return Ok(own);
        }
    }
    for inner in search.messages(at.prefetch)? {
        let found = query_vector(&inner, PREFETCH, depth + 1)?;
        if !found.is_empty() {
            return Ok(found);
        }
    }
    Ok(Vec::new())
}

/// That of the target of a discovery.
fn discovered(search: &Object<'_>) -> Result<Vec<f64>, DialectError> {
    let Some(target) = search.inner(numbers::TARGET)? else { return Ok(Vec::new()) };
    let Some(example) = target.inner(SINGLE)? else { return Ok(Vec::new()) };
    let Some(vector) = example.inner(EXAMPLE_VECTOR)? else { return Ok(Vec::new()) };
    if let Some(dense) = vector.inner(NEW_DENSE)? {
        return components(&dense, DATA);
    }
    if OLD_OTHERS.iter().any(|&other| vector.has(other)) {
        return Ok(Vec::new());
    }
    components(&vector, DATA)
}

/// Empty where one of the numbers is not finite.
fn components(object: &Object<'_>, number: u32) -> Result<Vec<f64>, DialectError> {
    let floats = object.message().floats(number, VECTOR_HEAD)?;
    let finite = floats.iter().all(|number| number.is_finite());
    Ok(if finite { floats.into_iter().map(f64::from).collect() } else { Vec::new() })
}
