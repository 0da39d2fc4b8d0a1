//! Parts that the requests have in common.

use super::Outcome;
use crate::{
    demo::{
        filter::{Condition, Filter},
        points::{Payload, Selection},
        rejection::Rejection,
    },
    wire::proto::{Malformed, Message},
};

impl From<Malformed> for Rejection {
    fn from(_: Malformed) -> Self {
        Self::Protobuf
    }
}

/// A message inside of another. Where it stands there several times its parts add up, as protobuf has it: `None` where
/// it does not stand there.
pub(super) fn merged(message: Message<'_>, number: u32) -> Outcome<Option<Vec<u8>>> {
    let parts = message.all(number)?;
    if parts.is_empty() {
        return Ok(None);
    }
    let mut whole = Vec::new();
    for part in parts {
        whole.extend_from_slice(part.bytes()?);
    }
    Ok(Some(whole))
}

/// A text; empty where there is none.
pub(super) fn text(message: Message<'_>, number: u32) -> Outcome<String> {
    let text = message.last(number)?.map(|field| field.text().map(str::to_owned)).transpose()?;
    Ok(text.unwrap_or_default())
}

/// A whole number.
pub(super) fn number(message: Message<'_>, number: u32) -> Outcome<Option<u64>> {
    Ok(message.last(number)?.map(|field| field.unsigned()).transpose()?)
}

/// A `PointId`; `None` for a UUID, which no point here has.
pub(super) fn id(message: Message<'_>) -> Outcome<Option<u64>> {
    number(message, 1)
}

/// What is shown of each point; `default`: whether payloads are, where nothing is said of them.
pub(super) fn selection(
    message: Message<'_>,
    with_payload: u32,
    with_vectors: u32,
    default: bool,
) -> Outcome<Selection> {
    let payload = match merged(message, with_payload)? {
        Some(selector) => payload(Message::new(&selector))?,
        None if default => Payload::All,
        None => Payload::None,
    };
    // The vector has no name by which it could be included.
    let vectors = merged(message, with_vectors)?.unwrap_or_default();
    let vector = number(Message::new(&vectors), 1)? == Some(1);
    Ok(Selection::of(payload, vector))
}

/// `WithPayloadSelector`. Lists of one kind add up; anything else replaces what stood before.
fn payload(selector: Message<'_>) -> Outcome<Payload> {
    let mut found = None;
    for field in selector.fields() {
        let field = field?;
        let names = || -> Outcome<Vec<String>> {
            let list = field.message()?.all(1)?;
            Ok(list.iter().map(|name| name.text().map(str::to_owned)).collect::<Result<_, _>>()?)
        };
        found = match (field.number, found) {
            (1, _) if field.boolean()? => Some(Payload::All),
            (1, _) => Some(Payload::None),
            (2, Some(Payload::Include(before))) => Some(Payload::Include([before, names()?].concat())),
            (2, _) => Some(Payload::Include(names()?)),
            (3, Some(Payload::Exclude(before))) => Some(Payload::Exclude([before, names()?].concat())),
            (3, _) => Some(Payload::Exclude(names()?)),
            (_, before) => before,
        };
    }
    found.ok_or(Rejection::NoSelector)
}

/// A filter; one that is not there accepts everything.
pub(super) fn filter(message: Message<'_>, number: u32) -> Outcome<Filter> {
    let filter = merged(message, number)?.unwrap_or_default();
    conditions(Message::new(&filter), NESTED)
}

const FILTERS: Rejection = Rejection::Unsupported("this filter");
/// How deep filters may stand in each other.
const NESTED: u32 = 16;

fn conditions(filter: Message<'_>, depth: u32) -> Outcome<Filter> {
    let depth = depth.checked_sub(1).ok_or(FILTERS)?;
    let mut read = Filter::default();
    for field in filter.fields() {
        let field = field?;
        let list = match field.number {
            1 => &mut read.should,
            2 => &mut read.must,
            3 => &mut read.must_not,
            4 => return Err(FILTERS),
            _ => continue,
        };
        list.push(condition(field.message()?, depth)?);
    }
    Ok(read)
}

fn condition(condition: Message<'_>, depth: u32) -> Outcome<Condition> {
    let Some(variant) = condition.fields().last().transpose()? else { return Err(FILTERS) };
    match variant.number {
        1 => of_a_field(variant.message()?),
        3 => {
            let ids = variant.message()?.all(1)?;
            let ids = ids.iter().map(|id| self::id(id.message()?)).collect::<Outcome<Vec<_>>>()?;
            Ok(Condition::Ids(ids.into_iter().flatten().collect()))
        }
        4 => conditions(variant.message()?, depth).map(Condition::Filter),
        _ => Err(FILTERS),
    }
}

/// `FieldCondition`: here always a match of a keyword, of one of some, or of none of them.
fn of_a_field(condition: Message<'_>) -> Outcome<Condition> {
    const MATCH: u32 = 2;
    let mut others = condition.fields().filter(|field| !matches!(field, Ok(f) if f.number <= MATCH));
    let (Some(rule), None) = (condition.last(MATCH)?, others.next()) else { return Err(FILTERS) };
    let Some(variant) = rule.message()?.fields().last().transpose()? else { return Err(FILTERS) };
    let texts = || -> Outcome<Vec<String>> {
        let list = variant.message()?.all(1)?;
        Ok(list.iter().map(|word| word.text().map(str::to_owned)).collect::<Result<_, _>>()?)
    };
    let (values, wanted) = match variant.number {
        1 => (vec![variant.text()?.to_owned()], true),
        5 => (texts()?, true),
        8 => (texts()?, false),
        _ => return Err(FILTERS),
    };
    Ok(Condition::Field { key: text(condition, 1)?, values, wanted })
}
