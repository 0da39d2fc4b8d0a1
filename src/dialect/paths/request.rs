//! What a search asks for, as its definition says where it stands.

use super::{
    definition::{Number, Operation, Part},
    text::{bracketed, native},
    view::{At, Twice, View},
};
use crate::{
    dialect::{DialectError, own},
    search::{CallerOptions, KeepReason, NativeText, Pins, SearchIntent, Widening},
    wire::json::{self, Kind, Value},
};

/// How many components of a vector the intent shows.
const SHOWN: usize = 16;

const TWICE: DialectError = DialectError::Unsupported("a parameter that is given twice");

impl From<Twice> for DialectError {
    fn from(_: Twice) -> Self {
        TWICE
    }
}

/// Limit and offset, as the request gives them or the definition fills them in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PageOf {
    pub(super) limit: u64,
    pub(super) offset: u64,
    /// The number of the page, where pages are counted.
    pub(super) page: Option<u64>,
}

/// Which hits of all are requested.
pub(super) fn page_of(operation: &Operation, view: &View<'_>) -> Result<PageOf, DialectError> {
    let limit = number(&operation.limit, view, "limit")?;
    let limit = limit.ok_or(DialectError::Malformed { member: "limit", expected: "given" })?;
    let page = number(&operation.page, view, "page")?;
    let offset = number(&operation.offset, view, "offset")?;
    let below = DialectError::Malformed { member: "page", expected: "the first page or a later one" };
    let before = page.map(|page| page.checked_sub(operation.first_page).ok_or(below));
    let before = before.transpose()?.map(|pages| pages.saturating_mul(limit));
    // What is written goes before what is not.
    let offset = match (view.find(&operation.page.at)?, view.find(&operation.offset.at)?) {
        (Some(_), Some(_)) => return Err(DialectError::Unsupported("a page beside an offset")),
        (Some(_), None) => before,
        _ => offset.or(before),
    };
    Ok(PageOf { limit, offset: offset.unwrap_or(0), page })
}

/// The number, and its default where it is not written.
fn number(of: &Number, view: &View<'_>, member: &'static str) -> Result<Option<u64>, DialectError> {
    match view.find(&of.at)? {
        Some((_, at)) => match at.number() {
            Some(number) => Ok(Some(number)),
            None => Err(DialectError::Malformed { member, expected: "a whole number" }),
        },
        None => Ok(of.default),
    }
}

/// What a search asks for.
pub(super) fn intent(
    operation: &Operation,
    view: &View<'_>,
    collection: Option<&str>,
    query: Option<Value<'_>>,
) -> Result<SearchIntent, DialectError> {
    let page = page_of(operation, view)?;
    let own = own_member(operation, view);
    let options = own.map(|own| own::options(own, |_, _, _| Some(false)));
    let mut keep = kept(operation, view)?;
    if page.limit == 0 {
        keep = keep.or(Some(KeepReason::NotRanked));
    }
    let caller = match options {
        Some(None) => {
            keep = Some(KeepReason::Malformed);
            CallerOptions::default()
        }
        options => options.flatten().unwrap_or_default(),
    };
    let (collections, expression) = collections(operation, view, collection)?;
    Ok(SearchIntent {
        collections,
        expression,
        limit: page.limit,
        offset: page.offset,
        keep,
        native: text_of(operation, view)?,
        recalled: NativeText::None,
        caller,
        own_members: own.is_some(),
        own_ext: false,
        vector: first_components(operation, view, query)?,
        widening: widening(operation, view),
        max_hits: operation.limit.most.unwrap_or(u64::MAX),
        most_per_shard: None,
        grouped: false,
        timeout: None,
        pipeline: None,
        reranker: None,
        pins: Pins::default(),
    })
}

/// The proxy's own member: of the search, or of the batch that it is part of.
fn own_member<'a>(operation: &Operation, view: &View<'a>) -> Option<Value<'a>> {
    let key = operation.options.as_deref()?;
    view.body.and_then(|body| body.get(key)).or_else(|| view.top.and_then(|top| top.get(key)))
}

fn kept(operation: &Operation, view: &View<'_>) -> Result<Option<KeepReason>, DialectError> {
    if operation.leave_alone.iter().any(|condition| view.meets(condition)) {
        return Ok(Some(KeepReason::Unsupported));
    }
    let Some((_, sort)) = view.find(&operation.sort.at)? else { return Ok(None) };
    let sort = sort.text();
    let sort = sort.trim();
    if matches!(sort, "" | "[]") {
        return Ok(None);
    }
    let ranks = |order: &String| {
        let rest = sort.strip_prefix(order.as_str());
        rest.is_some_and(|rest| rest.is_empty() || rest.trim_start().starts_with(','))
    };
    Ok((!operation.sort.relevance.iter().any(ranks)).then_some(KeepReason::NotRanked))
}

/// Its names, and whether they may mean others than they spell.
fn collections(
    operation: &Operation,
    view: &View<'_>,
    of_path: Option<&str>,
) -> Result<(Vec<String>, bool), DialectError> {
    let listed = |text: &str| text.split(',').map(|name| name.trim().to_owned()).collect();
    match of_path {
        // What an id stands for is one name.
        Some(name) if operation.collection_by_id => return Ok((vec![name.to_owned()], false)),
        Some(names) => return Ok((listed(names), false)),
        None => {}
    }
    match view.find(&operation.collection)? {
        Some((_, at)) => Ok((listed(&at.text()), false)),
        // Which one it is cannot be seen: it is treated as any of them.
        None => Ok((vec!["_all".to_owned()], true)),
    }
}

fn text_of(operation: &Operation, view: &View<'_>) -> Result<NativeText, DialectError> {
    let Some((_, at)) = view.find(&operation.text.at)? else { return Ok(NativeText::None) };
    let text = match at {
        At::Text(text) => text.into(),
        At::Json(value) => match value.as_str() {
            Some(text) => text,
            // A list of one text is that one.
            None => match value.first_items(2).as_deref() {
                Some([one]) => one.as_str().unwrap_or_default(),
                _ => return Ok(NativeText::None),
            },
        },
    };
    let parameter = |name: &str| view.parameter(name);
    Ok(native(&operation.text, &text, &parameter))
}

fn widening(operation: &Operation, view: &View<'_>) -> Widening {
    let page_only = operation.page_only.iter().any(|condition| view.meets(condition));
    let found = view.find(&operation.limit.at).ok().flatten().map(|(place, _)| place);
    let place = found.or_else(|| view.free_place(&operation.limit.at));
    // What the searches of a batch share cannot be changed for one of them.
    let settable = place.is_some_and(|place| operation.searches.is_none() || place.part == Part::Body);
    let numbers = [&operation.limit, &operation.offset, &operation.page];
    let unknown = numbers.into_iter().any(|number| view.has_null(&number.at));
    match operation.limit_decides && !page_only && settable && !unknown {
        true => Widening::Neutral,
        false => Widening::Never,
    }
}

fn first_components(
    operation: &Operation,
    view: &View<'_>,
    query: Option<Value<'_>>,
) -> Result<Vec<f64>, DialectError> {
    let first = |value: Value<'_>| -> Vec<f64> {
        let items = value.first_items(SHOWN).unwrap_or_default();
        items.into_iter().map_while(Value::as_f64).collect()
    };
    if let Some(query) = query {
        return Ok(first(query));
    }
    Ok(match vector(operation, view)? {
        Some(Vector::Json(value)) => first(value),
        Some(Vector::Written(text)) => Value::parse(text.as_bytes()).map(first).unwrap_or_default(),
        None => Vec::new(),
    })
}

/// A vector in a request.
enum Vector<'a> {
    Json(Value<'a>),
    /// In a text.
    Written(String),
}

fn vector<'a>(operation: &Operation, view: &View<'a>) -> Result<Option<Vector<'a>>, DialectError> {
    let Some((_, at)) = view.find(&operation.vector)? else { return Ok(None) };
    let of_text = |text: &str| bracketed(text).map(|list| Vector::Written(list.to_owned()));
    Ok(match at {
        At::Text(text) => of_text(text),
        At::Json(value) if value.kind() == Kind::Array => {
            // A list of one vector is one.
            let first = value.first_items(2).unwrap_or_default();
            match first.as_slice() {
                [one] if one.kind() == Kind::Array => Some(Vector::Json(*one)),
                [several, ..] if several.kind() == Kind::Array => None,
                _ => Some(Vector::Json(value)),
            }
        }
        At::Json(value) => value.as_str().and_then(|text| of_text(&text)),
    })
}

/// Gives `each` the vector of a search.
pub(super) fn each_vector(
    operation: &Operation,
    view: &View<'_>,
    query: Option<Value<'_>>,
    components: &mut Vec<f32>,
    each: &mut dyn FnMut(&[f32]),
) -> Result<(), DialectError> {
    let found = match query {
        Some(query) => Some(Vector::Json(query)),
        None => vector(operation, view)?,
    };
    let read = match &found {
        Some(Vector::Json(value)) => json::floats(*value, components),
        Some(Vector::Written(text)) => {
            Value::parse(text.as_bytes()).is_ok_and(|value| json::floats(value, components))
        }
        None => false,
    };
    if read {
        each(components);
    }
    Ok(())
}
