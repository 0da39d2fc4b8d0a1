//! The hits of a response, each as the bytes it stands in.

use std::{cell::Cell, ops::Range};

use bytes::Bytes;

use crate::{
    dialect::DialectError,
    search::{Failure, Got, Total},
    wire::json::{
        Edits, HitArray, JsonPage, Kind, ObjectEdit, PageStyle, ScanResult, Scanner, TotalPlace, Value,
        hits::{Hit, array_of_hits, fields},
    },
};

static STYLE: PageStyle = PageStyle { without_lists: Some(without_lists) };

const MALFORMED: DialectError =
    DialectError::Malformed { member: "body", expected: "a search response with hits" };

/// Finds the hits, in one pass over the body: at the top level only, since aggregations and inner hits hold objects of
/// the same shape.
///
/// `filtered`: the response is less what a `filter_path` leaves out, and that may be a list without hits.
pub(super) fn page(
    batch: bool,
    body: Bytes,
    filtered: impl FnOnce() -> bool,
) -> Result<JsonPage, DialectError> {
    let responses = match batch {
        true => Scanner::whole(&body, responses).map_err(|_| MALFORMED)?,
        false => {
            let response = Scanner::whole(&body, respond).map_err(|_| MALFORMED)?;
            response.list.is_some().then_some(vec![response])
        }
    };
    let responses = match responses {
        Some(responses) => responses,
        None if filtered() => Vec::new(),
        None => return Err(MALFORMED),
    };
    let (mut lists, mut failed) = (Vec::new(), Vec::new());
    for (search, response) in responses.into_iter().enumerate() {
        failed.extend(response.got().map(|got| Failure { search, got }));
        lists.extend(response.list.map(|list| HitArray { search, ..list }));
    }
    Ok(JsonPage::new(body, lists, failed, &STYLE))
}

/// What is read of one search's response.
#[derive(Default)]
struct SearchResponse {
    list: Option<HitArray>,
    shards: Option<u64>,
    /// Some failed: an index may have a smaller `max_result_window` than the others.
    failed_shards: u64,
    /// The same of remote clusters.
    failed_clusters: u64,
    timed_out: bool,
    error: bool,
    status: Option<u64>,
}

impl SearchResponse {
    /// What it is instead of a complete response.
    fn got(&self) -> Option<Got> {
        if self.list.is_none() {
            return Some(match self.status {
                Some(401 | 403 | 404) => Got::Denied,
                Some(400..) => Got::Rejected,
                _ if self.error => Got::Rejected,
                _ => Got::NoList,
            });
        }
        let lost = self.failed_shards.saturating_add(self.failed_clusters);
        (lost > 0 || self.timed_out).then_some(Got::Part { lost, timed_out: self.timed_out })
    }
}

/// The responses of a batch; `None` where there are none.
fn responses(root: &mut Scanner<'_>) -> ScanResult<Option<Vec<SearchResponse>>> {
    let mut found = None;
    let root = root.members(|key, value| {
        if key.name == "responses" {
            let mut responses = Vec::new();
            let array = value.items(|item| {
                responses.push(respond(item)?);
                Ok(())
            })?;
            found = array.map(|_| responses);
        }
        Ok(())
    })?;
    Ok(root.and(found))
}

fn respond(value: &mut Scanner<'_>) -> ScanResult<SearchResponse> {
    let mut response = SearchResponse::default();
    let object = value.members(|key, value| {
        match &*key.name {
            "hits" => response.list = list(value)?,
            "_shards" => {
                let shards = value.skip()?;
                response.shards = whole(shards, "total");
                response.failed_shards = whole(shards, "failed").unwrap_or(0);
            }
            "_clusters" => {
                let clusters = value.skip()?;
                let lost = ["skipped", "failed", "partial"].map(|key| whole(clusters, key).unwrap_or(0));
                response.failed_clusters = lost.into_iter().fold(0, u64::saturating_add);
            }
            "error" => response.error = true,
            "timed_out" => response.timed_out = value.skip()?.as_bool() == Some(true),
            "status" => response.status = value.skip()?.as_u64(),
            _ => {}
        }
        Ok(())
    })?;
    let shards = response.shards;
    if let Some(total) = response.list.as_mut().and_then(|list| list.total.as_mut()) {
        total.total.shards = shards;
    }
    Ok(if object.is_some() { response } else { SearchResponse::default() })
}

/// The whole number that an object has under this name.
fn whole(object: Value<'_>, name: &str) -> Option<u64> {
    object.get(name).and_then(Value::as_u64)
}

fn list(envelope: &mut Scanner<'_>) -> ScanResult<Option<HitArray>> {
    let (mut found, mut max_score, mut total) = (None, None, None);
    let sorted = Cell::new(false);
    let envelope = envelope.members(|key, value| {
        match &*key.name {
            "hits" => found = array_of_hits(value, |value| hit(value, &sorted))?,
            "max_score" => max_score = score(value.skip()?),
            "total" => total = total_of(value.skip()?),
            _ => {}
        }
        Ok(())
    })?;
    let (Some((array, hits)), Some(_)) = (found, envelope) else { return Ok(None) };
    Ok(Some(HitArray { search: 0, hits, array, max_score, total, sorted: sorted.get() }))
}

fn total_of(value: Value<'_>) -> Option<TotalPlace> {
    let (counted, relation) = match value.kind() {
        Kind::Object => (value.get("value")?, value.get("relation")),
        _ => (value, None),
    };
    let relation = relation.filter(|relation| relation.kind() == Kind::String).map(Value::span);
    let total = Total { count: counted.as_u64(), shards: None };
    Some(TotalPlace { total, value: number(counted)?, relation })
}

/// `sorted` becomes true where the hit has values that it is sorted by.
fn hit(value: &mut Scanner<'_>, sorted: &Cell<bool>) -> ScanResult<Option<Hit>> {
    let mut hit = Hit::default();
    let whole = value.members(|key, value| {
        match &*key.name {
            "_id" => hit.id = Some(value.pass()?),
            "_score" => hit.score = score(value.skip()?),
            "_rank" => hit.rank = number(value.skip()?),
            "_index" => hit.index = text(value.skip()?),
            "_source" => hit.source = fields(value)?,
            "fields" => hit.fields = fields(value)?,
            "sort" => sorted.set(sorted.get() || !value.skip()?.is_null()),
            _ => {}
        }
        Ok(())
    })?;
    Ok(whole.map(|whole| Hit { span: whole.span(), ..hit }))
}

/// Where the text of a string stands, quotes apart.
fn text(value: Value<'_>) -> Option<Range<usize>> {
    let span = value.span();
    (value.kind() == Kind::String).then(|| span.start + 1..span.end - 1)
}

/// A score; `null` where there is none, as under a sort.
fn score(value: Value<'_>) -> Option<Range<usize>> {
    if value.is_null() { Some(value.span()) } else { number(value) }
}

fn number(value: Value<'_>) -> Option<Range<usize>> {
    (value.kind() == Kind::Number).then(|| value.span())
}

/// The response to a batch with others in it: each the number of its search, and its place in `other`.
pub(super) fn with_responses(body: &Bytes, other: &Bytes, places: &[(usize, usize)]) -> Option<Bytes> {
    let (mine, theirs) = (searches_of(body)?, searches_of(other)?);
    let mut edits = Edits::new();
    for &(search, place) in places {
        edits.replace(mine.get(search)?.span(), theirs.get(place)?.text());
    }
    Some(edits.apply(body))
}

fn searches_of(body: &Bytes) -> Option<Vec<Value<'_>>> {
    Value::parse(body).ok()?.get("responses")?.items()
}

/// The response again without the lists of these searches, which have lost all their hits, and without what this
/// empties: as Elasticsearch writes it under a `filter_path`.
fn without_lists(body: &Bytes, searches: &[usize]) -> Option<Bytes> {
    let root = Value::parse(body).ok()?;
    let responses = match root.get("responses") {
        Some(responses) => responses,
        None => {
            let text = without_list(root).map(|text| [text.as_bytes(), end_of(body)].concat());
            return Some(text.map_or_else(|| nothing(body), Bytes::from));
        }
    };
    let mut left = Vec::new();
    for (search, response) in responses.items()?.into_iter().enumerate() {
        match searches.contains(&search) {
            true => left.extend(without_list(response)),
            false => left.push(response.text().to_owned()),
        }
    }
    let mut edit = ObjectEdit::new(root)?;
    match left.is_empty() {
        true => drop(edit.remove("responses")),
        false => edit.set("responses", format!("[{}]", left.join(","))),
    }
    if edit.leaves_nothing() {
        return Some(nothing(body));
    }
    let mut edits = Edits::new();
    edit.finish(&mut edits);
    Some(edits.apply(body))
}

/// One search's response without its list; `None` if nothing is left of it.
fn without_list(response: Value<'_>) -> Option<String> {
    let text = response.text();
    let response = Value::parse(text.as_bytes()).ok()?;
    let mut edits = Edits::new();
    let mut root = ObjectEdit::new(response)?;
    if let Some(mut envelope) = response.get("hits").and_then(ObjectEdit::new) {
        envelope.remove("hits");
        match envelope.leaves_nothing() {
            true => drop(root.remove("hits")),
            false => envelope.finish(&mut edits),
        }
    }
    if root.leaves_nothing() {
        return None;
    }
    root.finish(&mut edits);
    String::from_utf8(edits.apply_to(text.as_bytes())).ok()
}

/// An empty object, printed as `body` is.
fn nothing(body: &[u8]) -> Bytes {
    let pretty = body.starts_with(b"{\n");
    let text: &[u8] = if pretty { b"{ }" } else { b"{}" };
    Bytes::from([text, end_of(body)].concat())
}

/// The end of the last line, where there is one.
fn end_of(body: &[u8]) -> &[u8] {
    if body.ends_with(b"\n") { b"\n" } else { b"" }
}

#[cfg(test)]
#[path = "response_tests.rs"]
mod tests;
