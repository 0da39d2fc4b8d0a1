//! The query of one search: whether its order may be changed, its text, its vector.

use super::{
    formula,
    numbers::{self, Numbers, POINTS, PREFETCH, QueryNumbers},
};
use crate::{
    dialect::{
        DialectError,
        grpc::Object,
        qdrant::{
            kind::Verb,
            order::{Order, VECTOR_HEAD},
        },
    },
    search::{KeepReason, NativeText},
    wire::proto::{Field, Message},
};

/// How deep prefetches may nest: far more than anybody writes, and less than a stack holds.
const MAX_DEPTH: usize = 16;

/// Deeper ones.
const TOO_DEEP: DialectError = DialectError::Unsupported("a prefetch nested this deep");

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

/// The message with the components of a dense vector, and their number in it.
pub(super) struct Vector<'a>(Message<'a>, u32);

impl Vector<'_> {
    /// The first `most` components; none where one of them is not finite.
    pub(super) fn components(&self, most: usize) -> Result<Vec<f32>, DialectError> {
        let floats = self.0.floats(self.1, most)?;
        Ok(if floats.iter().all(|number| number.is_finite()) { floats } else { Vec::new() })
    }
}

/// Takes a vector.
type See<'s> = &'s mut dyn FnMut(Vector<'_>) -> Result<(), DialectError>;

/// The first components of the dense vector that is searched for: the query's own, else the first one of the
/// prefetches, since a fusion has none itself.
pub(super) fn vector(verb: Verb, numbers: &Numbers, search: &Object<'_>) -> Result<Vec<f64>, DialectError> {
    let mut first = Vec::new();
    each_vector(verb, numbers, search, &mut |vector| {
        if first.is_empty() {
            first = vector.components(VECTOR_HEAD)?.into_iter().map(f64::from).collect();
        }
        Ok(())
    })?;
    Ok(first)
}

/// Gives `see` each dense vector that is searched for: in the query, then in its prefetches.
pub(super) fn each_vector(
    verb: Verb,
    numbers: &Numbers,
    search: &Object<'_>,
    see: See<'_>,
) -> Result<(), DialectError> {
    match verb {
        Verb::Query => of_queries(search, POINTS, 0, see),
        Verb::Search if numbers.sparse_indices.is_some_and(|indices| search.has(indices)) => Ok(()),
        Verb::Search => see(Vector(search.message(), numbers::VECTOR)),
        Verb::Discover => discovered(search, see),
        Verb::Recommend => recommended(numbers, search, see),
    }
}

fn of_queries(search: &Object<'_>, at: QueryNumbers, depth: usize, see: See<'_>) -> Result<(), DialectError> {
    if depth > MAX_DEPTH {
        return Err(TOO_DEEP);
    }
    if let Some(variant) = search.inner(at.query)?.map_or(Ok(None), |query| query.variant(TEXT))? {
        let input = if variant.number == RECOMMEND { only_example(variant)? } else { input(variant)? };
        if let Some(input) = input.filter(|input| input.number == DENSE) {
            see(Vector(Object::inside(&input)?.message(), DATA))?;
        }
    }
    let mut prefetches = search.messages(at.prefetch)?.into_iter();
    prefetches.try_for_each(|inner| of_queries(&inner, PREFETCH, depth + 1, see))
}

/// What a recommendation searches for that has one example: it is a search for that.
fn only_example(recommendation: Field<'_>) -> Result<Option<Field<'_>>, DialectError> {
    const NEGATIVE: u32 = 2;
    let examples = Object::inside(&recommendation)?;
    let mut positive = examples.all(FIRST);
    match (positive.next(), positive.next()) {
        (Some(only), None) if !examples.has(NEGATIVE) => Object::inside(only)?.variant(LAST_INPUT),
        _ => Ok(None),
    }
}

/// The same in the form of before 1.10, where stored points and vectors stand apart.
fn recommended(numbers: &Numbers, search: &Object<'_>, see: See<'_>) -> Result<(), DialectError> {
    let Some(examples) = numbers.examples else { return Ok(()) };
    if [examples.positive, examples.negative, examples.negative_vectors]
        .iter()
        .any(|&other| search.has(other))
    {
        return Ok(());
    }
    let mut vectors = search.all(examples.positive_vectors);
    match (vectors.next(), vectors.next()) {
        (Some(only), None) => of_old_form(&Object::inside(only)?, see),
        _ => Ok(()),
    }
}

/// That of the target of a discovery.
fn discovered(search: &Object<'_>, see: See<'_>) -> Result<(), DialectError> {
    let Some(target) = search.inner(numbers::TARGET)? else { return Ok(()) };
    let Some(example) = target.inner(SINGLE)? else { return Ok(()) };
    match example.inner(EXAMPLE_VECTOR)? {
        Some(vector) => of_old_form(&vector, see),
        None => Ok(()),
    }
}

/// A message that holds a vector of any kind.
fn of_old_form(vector: &Object<'_>, see: See<'_>) -> Result<(), DialectError> {
    if let Some(dense) = vector.inner(NEW_DENSE)? {
        return see(Vector(dense.message(), DATA));
    }
    if OLD_OTHERS.iter().any(|&other| vector.has(other)) {
        return Ok(());
    }
    see(Vector(vector.message(), DATA))
}
