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

/// The first components of the dense vector that is searched for.
pub(super) fn vector(verb: Verb, search: &Object<'_>) -> Result<Vec<f64>, DialectError> {
    let named = |vector: Value<'_>| {
        let inside = if vector.kind() == Kind::Object { vector.get("vector") } else { Some(vector) };
        inside.map(dense).unwrap_or_default()
    };
    Ok(match verb {
        Verb::Query => query_vector(search, 0)?,
        Verb::Search => search.get("vector").map(named).unwrap_or_default(),
        Verb::Discover => search.get("target").map(dense).unwrap_or_default(),
        Verb::Recommend => Vec::new(),
    })
}

/// The query's own, else the first one of the prefetches: a fusion has none itself.
fn query_vector(search: &Object<'_>, depth: usize) -> Result<Vec<f64>, DialectError> {
    if depth > MAX_DEPTH {
        return Ok(Vec::new());
    }
    if let Some(query) = search.get("query") {
        let own = dense(target(query));
        if !own.is_empty() {
            return Ok(own);
        }
    }
    for inner in search.prefetches()? {
        let found = query_vector(&inner, depth + 1)?;
        if !found.is_empty() {
            return Ok(found);
        }
    }
    Ok(Vec::new())
}

/// Empty for anything but a list of numbers.
fn dense(value: Value<'_>) -> Vec<f64> {
    let items = value.first_items(VECTOR_HEAD).unwrap_or_default();
    items.into_iter().map(Value::as_f64).collect::<Option<_>>().unwrap_or_default()
}
