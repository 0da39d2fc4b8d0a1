//! `_msearch`: header and body lines, alternating.

use std::borrow::Cow;

use super::changes::Changes;
use super::operation::split_indices;
use super::request::{BODY, object};
use crate::{
    dialect::{DialectError, reading},
    search::Strip,
    wire::json::{Index, Kind, Object, Value},
};

/// One sub-search.
pub(super) struct Pair<'a> {
    /// The header line with its end.
    pub(super) header_line: &'a [u8],
    /// The body line with its end.
    pub(super) body_line: &'a [u8],
    /// The body's object; its spans count from the start of `body_line`.
    pub(super) body: Object<'a>,
    /// The header's indices, if it names some.
    pub(super) indices: Option<Vec<String>>,
    /// The search pipeline that the header names.
    pub(super) pipeline: Option<String>,
}

impl Pair<'_> {
    /// Adds the two lines to `out`, with these changes; what has to be stripped of the response.
    pub(super) fn write(&self, changes: Changes, out: &mut Vec<u8>) -> Strip {
        out.extend_from_slice(self.header_line);
        out.extend_from_slice(&changes.body.apply_to(self.body_line));
        changes.strip
    }
}

/// The indexes of the body lines. One that does not parse spoils the whole, as it does upstream.
pub(super) fn indexes(body: &[u8]) -> Result<Vec<Index>, DialectError> {
    couples(body)?.iter().map(|[_, body_line]| reading::index(body_line, BODY)).collect()
}

/// The pairs of a request whose body lines have these indexes.
pub(super) fn pairs<'a>(body: &'a [u8], indexes: &'a [Index]) -> Result<Vec<Pair<'a>>, DialectError> {
    let pair = |(&[header_line, body_line], index): (&[&'a [u8]; 2], &'a Index)| {
        let body = object(body_line, index)?;
        let (indices, pipeline) = header(header_line)?;
        Ok(Pair { header_line, body_line, body, indices, pipeline })
    };
    couples(body)?.iter().zip(indexes).map(pair).collect()
}

/// The lines two by two.
fn couples(body: &[u8]) -> Result<Vec<[&[u8]; 2]>, DialectError> {
    let malformed = |expected| DialectError::Malformed { member: "body", expected };
    if body.last() != Some(&b'\n') {
        return Err(malformed("lines that all end with a newline"));
    }
    let lines: Vec<&[u8]> = body.split_inclusive(|&byte| byte == b'\n').collect();
    let (couples, rest) = lines.as_chunks::<2>();
    if couples.is_empty() || !rest.is_empty() {
        return Err(malformed("pairs of header and body lines"));
    }
    Ok(couples.to_vec())
}

/// The indices and the search pipeline that a header names.
fn header(line: &[u8]) -> Result<(Option<Vec<String>>, Option<String>), DialectError> {
    if line.trim_ascii().is_empty() {
        return Ok((None, None));
    }
    let index = reading::index(line, BODY)?;
    let header = object(line, &index)?;
    let pipeline = header.get("search_pipeline").and_then(Value::as_str).filter(|name| name != "_none");
    Ok((indices(&header)?, pipeline.map(Cow::into_owned)))
}

fn indices(header: &Object<'_>) -> Result<Option<Vec<String>>, DialectError> {
    let Some(index) = header.get("index").or_else(|| header.get("indices")).filter(|index| !index.is_null())
    else {
        return Ok(None);
    };
    let malformed = DialectError::Malformed { member: "index", expected: "a name or a list of names" };
    match index.kind() {
        Kind::String => Ok(index.as_str().map(|list| split_indices(&list))),
        Kind::Array => {
            let names: Option<Vec<String>> = index
                .items()
                .unwrap_or_default()
                .iter()
                .map(|i| i.as_str().map(|n| n.into_owned()))
                .collect();
            let names = names.ok_or(malformed)?;
            Ok((!names.is_empty()).then_some(names))
        }
        _ => Err(malformed),
    }
}
