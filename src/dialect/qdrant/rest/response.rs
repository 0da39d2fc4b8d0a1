//! Where the hits stand in a response.

use bytes::Bytes;

use crate::{
    dialect::{
        DialectError,
        qdrant::{
            kind::{Form, Verb},
            rest::operation::Operation,
        },
    },
    wire::json::{
        HitArray, JsonPage, Kind, PageStyle, ScanResult, Scanner,
        hits::{Hit, array_of_hits, fields},
    },
};

static STYLE: PageStyle = PageStyle { without_lists: None };

const BODY: DialectError = DialectError::Malformed { member: "body", expected: "JSON" };
const RESULT: DialectError =
    DialectError::Malformed { member: "result", expected: "what this path responses" };
const HITS: DialectError = DialectError::Malformed { member: "hits", expected: "an array of objects" };

/// What a value of some shape holds, or that it has another one; the value has been read all the same.
type Shaped<T> = Result<T, DialectError>;

/// Finds the lists of hits by the shape that the operation answers in, in one pass over the body.
pub(super) fn page(operation: &Operation, body: Bytes) -> Result<JsonPage, DialectError> {
    let lists = Scanner::whole(&body, |root| member(root, "result", RESULT, |value| lists(operation, value)));
    let lists = lists.map_err(|_| BODY)??;
    Ok(JsonPage::new(body, lists, Vec::new(), &STYLE))
}

fn lists(operation: &Operation, result: &mut Scanner<'_>) -> ScanResult<Shaped<Vec<HitArray>>> {
    let verb = operation.verb;
    match operation.form {
        Form::Single => Ok(hits_of(verb, 0, result)?.map(|list| vec![list])),
        Form::Batch => items(result, RESULT, |search, one| hits_of(verb, search, one)),
        Form::Groups => member(result, "groups", RESULT, |groups| {
            items(groups, RESULT, |_, group| member(group, "hits", HITS, |array| list(0, array)))
        }),
    }
}

/// `query` wraps its hits in an object, the older endpoints do not.
fn hits_of(verb: Verb, search: usize, result: &mut Scanner<'_>) -> ScanResult<Shaped<HitArray>> {
    match verb {
        Verb::Query => member(result, "points", HITS, |array| list(search, array)),
        Verb::Search | Verb::Recommend | Verb::Discover => list(search, result),
    }
}

fn list(search: usize, array: &mut Scanner<'_>) -> ScanResult<Shaped<HitArray>> {
    let found = array_of_hits(array, hit)?;
    let list = found.map(|(array, hits)| HitArray { search, hits, array, ..HitArray::default() });
    Ok(list.ok_or(HITS))
}

fn hit(object: &mut Scanner<'_>) -> ScanResult<Option<Hit>> {
    let (mut id, mut score, mut source) = (None, None, None);
    let object = object.members(|key, value| {
        match &*key.name {
            "id" => id = Some(value.pass()?),
            // One that is not finite is printed as `null`.
            "score" => {
                score = matches!(value.kind(), Kind::Number | Kind::Null).then(|| value.pass()).transpose()?
            }
            "payload" => source = fields(value)?,
            _ => {}
        }
        Ok(())
    })?;
    Ok(object.map(|object| Hit { span: object.span(), id, score, source, ..Hit::default() }))
}

/// Takes an object, and reads the last member of this name; `missing` without one.
fn member<'a, T>(
    object: &mut Scanner<'a>,
    name: &str,
    missing: DialectError,
    mut read: impl FnMut(&mut Scanner<'a>) -> ScanResult<Shaped<T>>,
) -> ScanResult<Shaped<T>> {
    let mut found = Err(missing.clone());
    let object = object.members(|key, value| {
        if key.name == name {
            found = read(value)?;
        }
        Ok(())
    })?;
    Ok(if object.is_some() { found } else { Err(missing) })
}

/// Takes an array, and reads every element.
fn items<'a, T>(
    array: &mut Scanner<'a>,
    missing: DialectError,
    mut read: impl FnMut(usize, &mut Scanner<'a>) -> ScanResult<Shaped<T>>,
) -> ScanResult<Shaped<Vec<T>>> {
    let mut found = Vec::new();
    let array = array.items(|item| {
        found.push(read(found.len(), item)?);
        Ok(())
    })?;
    Ok(if array.is_some() { found.into_iter().collect() } else { Err(missing) })
}

#[cfg(test)]
#[path = "response_tests.rs"]
mod tests;
