//! The query of one search: whether its order may be changed, its text, its vector.

use std::borrow::Cow;

use crate::{
    dialect::{
        DialectError,
        qdrant::{
            kind::Verb,
            order::{Order, VECTOR_HEAD},
            rest::{
                formula,
                object::{MAX_DEPTH, Object, TOO_DEEP},
            },
        },
    },
    search::{KeepReason, NativeText},
    wire::json::{Kind, Value},
};

/// How `search` ranks.
pub(super) fn order(verb: Verb, search: &Object<'_>) -> Result<Order, DialectError> {
    Ok(match verb {
        Verb::Search => Order::Plain,
        Verb::Discover if search.get("target").is_none() => Order::Kept(KeepReason::NotRanked),
        Verb::Discover => Order::Plain,
        Verb::Recommend => recommend(search.get("strategy"), wants_vectors(search)),
        Verb::Query => of_query(search, wants_vectors(search), 0)?,
    })
}

/// How a query or a prefetch ranks, with the prefetches that it is made of.
fn of_query(search: &Object<'_>, with_vectors: bool, depth: usize) -> Result<Order, DialectError> {
    if depth > MAX_DEPTH {
        return Err(TOO_DEEP);
    }
    let prefetches = search.prefetches()?;
    let mut inner = Vec::with_capacity(prefetches.len());
    for prefetch in &prefetches {
        // It shows no hits, whatever it says of their vectors.
        inner.push(of_query(prefetch, false, depth + 1)?);
    }
    // Without a query a prefetch is rejected, and anything else is in the order of ids.
    let Some(query) = search.get("query") else { return Ok(Order::Kept(KeepReason::NotRanked)) };
    Ok(by(query, with_vectors).over(&inner))
}

/// How a query with a `query` member ranks, its prefetches apart.
fn by(query: Value<'_>, with_vectors: bool) -> Order {
    if query.kind() != Kind::Object {
        return match query.kind() {
            Kind::Array | Kind::String | Kind::Number => Order::Plain,
            _ => Order::Kept(KeepReason::Malformed),
        };
    }
    let Some(members) = query.members() else { return Order::Kept(KeepReason::Malformed) };
    let get = |key: &str| {
        members.iter().rev().find(|m| m.key == key).map(|m| m.value).filter(|value| !value.is_null())
    };
    let has = |key: &str| get(key).is_some();
    if has("model") || has("indices") {
        // Document, image and other inputs of inference; a sparse vector.
        Order::Plain
    } else if has("nearest") {
        if has("mmr") { Order::Kept(KeepReason::NotRanked) } else { Order::Plain }
    } else if let Some(examples) = get("recommend") {
        recommend(examples.get("strategy").filter(|value| !value.is_null()), with_vectors)
    } else if has("discover") || has("relevance_feedback") || has("text") {
        Order::Plain
    } else if has("context") || has("order_by") || has("sample") {
        Order::Kept(KeepReason::NotRanked)
    } else if has("fusion") || has("rrf") {
        Order::Composed
    } else if let Some(formula) = get("formula") {
        if formula::ranks(formula) { Order::Composed } else { Order::Kept(KeepReason::NotRanked) }
    } else {
        Order::Kept(KeepReason::Unsupported)
    }
}

/// How examples rank that are used like this.
fn recommend(strategy: Option<Value<'_>>, with_vectors: bool) -> Order {
    let average = strategy.is_none_or(|strategy| strategy.as_str().as_deref() == Some("average_vector"));
    Order::of_recommendation(average, with_vectors)
}

/// Whether the client requests the vectors of its hits.
fn wants_vectors(search: &Object<'_>) -> bool {
    ["with_vector", "with_vectors"].iter().any(|key| {
        search.get(key).is_some_and(|value| match value.kind() {
            Kind::Bool => value.as_bool() == Some(true),
            Kind::Array => value.items().is_some_and(|names| !names.is_empty()),
            _ => true,
        })
    })
}

/// The text of the query and its prefetches: what inference makes a vector of, or a text index ranks by.
pub(super) fn text(search: &Object<'_>) -> Result<NativeText, DialectError> {
    let mut texts = NativeText::None;
    collect_texts(search, 0, &mut texts)?;
    Ok(texts)
}

fn collect_texts(search: &Object<'_>, depth: usize, texts: &mut NativeText) -> Result<(), DialectError> {
    if depth > MAX_DEPTH {
        return Err(TOO_DEEP);
    }
    if let Some(query) = search.get("query")
        && let Some(text) = document(target(query)).or_else(|| text_query(query))
    {
        texts.add(text);
    }
    search.prefetches()?.iter().try_for_each(|inner| collect_texts(inner, depth + 1, texts))
}

/// What a query searches for: itself, or its member named after its kind.
fn target(query: Value<'_>) -> Value<'_> {
    let nearest = query.get("nearest");
    let of = |kind: &str| query.get(kind)?.get("target");
    nearest.or_else(|| of("relevance_feedback")).or_else(|| of("discover")).unwrap_or(query)
}

/// The text of `{"text": …, "model": …}`.
fn document(value: Value<'_>) -> Option<Cow<'_, str>> {
    value.get("model").filter(|model| model.kind() == Kind::String)?;
    value.get("text")?.as_str()
}

/// The text of `{"text": …}` or `{"text": {"query": …}}`, a search of a text index (1.20).
fn text_query(query: Value<'_>) -> Option<Cow<'_, str>> {
    if query.get("model").is_some() {
        return None;
    }
    let text = query.get("text")?;
    let text = if text.kind() == Kind::Object { text.get("query")? } else { text };
    text.as_str()
}

/// The first components of the dense vector that is searched for: the query's own, else the first one of the
/// prefetches, since a fusion has none itself.
pub(super) fn vector(verb: Verb, search: &Object<'_>) -> Result<Vec<f64>, DialectError> {
    let mut first = Vec::new();
    each_vector(verb, search, &mut |vector| {
        if first.is_empty() {
            first = head(vector);
        }
    })?;
    Ok(first)
}

/// Gives `see` what is searched for where a dense vector may stand: in the query, then in its prefetches.
pub(super) fn each_vector(
    verb: Verb,
    search: &Object<'_>,
    see: &mut dyn FnMut(Value<'_>),
) -> Result<(), DialectError> {
    match verb {
        Verb::Query => return of_queries(search, 0, see),
        Verb::Search => {
            let vector = search.get("vector");
            // With its name, or without.
            let inside = |vector: Value<'_>| vector.kind() == Kind::Object;
            vector.and_then(|it| if inside(it) { it.get("vector") } else { Some(it) }).map(see);
        }
        Verb::Discover => drop(search.get("target").map(see)),
        Verb::Recommend => {
            let examples = (search.get("positive"), search.get("negative"));
            only_example(examples.0, examples.1).map(see);
        }
    }
    Ok(())
}

fn of_queries(search: &Object<'_>, depth: usize, see: &mut dyn FnMut(Value<'_>)) -> Result<(), DialectError> {
    if depth > MAX_DEPTH {
        return Err(TOO_DEEP);
    }
    if let Some(query) = search.get("query") {
        match query.get("recommend") {
            Some(examples) => {
                only_example(examples.get("positive"), examples.get("negative")).map(&mut *see);
            }
            None => see(target(query)),
        }
    }
    search.prefetches()?.iter().try_for_each(|inner| of_queries(inner, depth + 1, see))
}

/// A recommendation by one example is a search for it: a list, or the example itself.
fn only_example<'a>(positive: Option<Value<'a>>, negative: Option<Value<'a>>) -> Option<Value<'a>> {
    let is_none = |examples: Value<'_>| {
        examples.is_null() || examples.first_items(1).is_some_and(|items| items.is_empty())
    };
    let examples = positive?.first_items(2)?;
    match examples[..] {
        [only] if negative.is_none_or(is_none) => Some(only),
        _ => None,
    }
}

/// Empty for anything but a list of numbers.
fn head(value: Value<'_>) -> Vec<f64> {
    let items = value.first_items(VECTOR_HEAD).unwrap_or_default();
    items.into_iter().map(Value::as_f64).collect::<Option<_>>().unwrap_or_default()
}
