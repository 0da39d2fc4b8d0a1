//! `_msearch`: lines of header and body by turns.

use super::operation::split_indices;
use super::request::object;
use crate::{
    dialect::DialectError,
    json::{Kind, Object},
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
}

/// The pairs of a request. One that does not parse spoils the whole, as it does upstream.
pub(super) fn pairs(body: &[u8]) -> Result<Vec<Pair<'_>>, DialectError> {
    let malformed = |expected| DialectError::Malformed { member: "body", expected };
    if body.last() != Some(&b'\n') {
        return Err(malformed("lines that all end with a newline"));
    }
    let lines: Vec<&[u8]> = body.split_inclusive(|&byte| byte == b'\n').collect();
    let (couples, rest) = lines.as_chunks::<2>();
    if couples.is_empty() || !rest.is_empty() {
        return Err(malformed("pairs of header and body lines"));
    }
    couples
        .iter()
        .map(|&[header_line, body_line]| {
            Ok(Pair { header_line, body_line, body: object(body_line)?, indices: indices(header_line)? })
        })
        .collect()
}

fn indices(header: &[u8]) -> Result<Option<Vec<String>>, DialectError> {
    if header.trim_ascii().is_empty() {
        return Ok(None);
    }
    let header = object(header)?;
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
