//! Which paths are searches, and of which indices.

use http::{HeaderValue, Method};
use percent_encoding::percent_decode_str;

use crate::{dialect::SearchKind, search::Head};

/// The header by which Kibana and its kin mark a request as their own.
const ORIGIN: &str = "x-elastic-product-origin";

/// A search path, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Operation<'a> {
    pub(super) kind: SearchKind,
    /// The raw index part, if there is one.
    pub(super) index: Option<&'a str>,
    /// It would be a search without the beginning of its path.
    pub(super) below_prefix: bool,
}

/// What a head asks for; `None` for whatever is no search.
pub(super) fn operation<'a>(head: &Head<'a>) -> Option<Operation<'a>> {
    if head.method != Method::GET && head.method != Method::POST {
        return None;
    }
    // Most requests are none.
    if !head.path.contains("_search") && !head.path.contains("_msearch") {
        return None;
    }
    let found = match read_path(head.path) {
        Some((kind, index)) => Operation { kind, index, below_prefix: false },
        None => Operation { kind: below_prefix(head.path)?, index: None, below_prefix: true },
    };
    let kibana = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"kibana");
    (!head.headers.get(ORIGIN).is_some_and(kibana)).then_some(found)
}

/// The search that a path would be without its beginning: `/es/docs/_search`, where `es` may be removed by an
/// ingress, or be an index and `docs` a type of Elasticsearch 7.
fn below_prefix(path: &str) -> Option<SearchKind> {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let (before, kind) = match parts.as_slice() {
        [before @ .., "_search"] => (before, SearchKind::Search),
        [before @ .., "_msearch"] => (before, SearchKind::Msearch),
        [before @ .., "_search", "template"] => (before, SearchKind::SearchTemplate),
        [before @ .., "_msearch", "template"] => (before, SearchKind::MsearchTemplate),
        _ => return None,
    };
    // What begins with `_` is an API of its own: from 8 on `/{index}/_doc/_search` is a document called `_search`.
    let (index, prefix) = before.split_last()?;
    let plain = !prefix.is_empty() && prefix.iter().all(|part| !decoded(part).starts_with('_'));
    (plain && is_index(index)).then_some(kind)
}

/// The kind of search, and the raw index part if there is one.
///
/// The raw path is split before anything is decoded: index names hold `%2F`, literals are never encoded.
fn read_path(path: &str) -> Option<(SearchKind, Option<&str>)> {
    let path = path.strip_prefix('/')?;
    let parts: Vec<&str> = path.strip_suffix('/').unwrap_or(path).split('/').collect();
    match parts[..] {
        ["_search"] => Some((SearchKind::Search, None)),
        ["_msearch"] => Some((SearchKind::Msearch, None)),
        ["_search", "template"] => Some((SearchKind::SearchTemplate, None)),
        ["_msearch", "template"] => Some((SearchKind::MsearchTemplate, None)),
        [index, "_search"] if is_index(index) => Some((SearchKind::Search, Some(index))),
        [index, "_msearch"] if is_index(index) => Some((SearchKind::Msearch, Some(index))),
        [index, "_search", "template"] if is_index(index) => Some((SearchKind::SearchTemplate, Some(index))),
        [index, "_msearch", "template"] if is_index(index) => {
            Some((SearchKind::MsearchTemplate, Some(index)))
        }
        _ => None,
    }
}

fn is_index(part: &str) -> bool {
    let name = decoded(part);
    !name.is_empty() && (!name.starts_with('_') || name == "_all" || name.starts_with("_all,"))
}

fn decoded(part: &str) -> String {
    percent_decode_str(part).decode_utf8_lossy().into_owned()
}

/// The index expressions of a path's index part.
pub(super) fn indices(part: Option<&str>) -> Vec<String> {
    split_indices(&part.map(decoded).unwrap_or_default())
}

/// The index expressions of a comma list.
pub(super) fn split_indices(list: &str) -> Vec<String> {
    let names: Vec<String> = list.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect();
    if names.is_empty() { vec!["_all".to_owned()] } else { names }
}
