//! What a response repeats of the request: as it was sent, and as the client has sent it.

use std::ops::Range;

use super::{
    definition::{Echo, Echoed, Operation},
    request::page_of,
    scan::Seen,
    view::View,
};
use crate::{
    dialect::DialectError,
    search::FetchPlan,
    wire::json::{Edits, Kind, ObjectEdit, Value},
};

const LEFT_ALONE: DialectError = DialectError::Unsupported("a response of this form");
const NOT_DONE: DialectError =
    DialectError::Unsupported("a response that repeats another limit, offset or page than was sent");

/// What the client has requested of a search, and what has been requested for it.
#[derive(Debug)]
pub(super) struct Requested {
    limit: u64,
    offset: u64,
    page: Option<u64>,
    fields: Option<String>,
    limit_given: bool,
    offset_given: bool,
    page_given: bool,
    more: Option<More>,
    adds_fields: bool,
}

/// More hits, from the first one on.
#[derive(Debug)]
struct More {
    limit: u64,
    /// The number of the page that was sent.
    page: Option<u64>,
    /// The definition knows the largest limit that the database follows.
    most_is_known: bool,
}

impl Requested {
    /// `None` where that cannot be read, or nothing else was requested than the client has.
    pub(super) fn of(operation: &Operation, view: &View<'_>, plan: &FetchPlan) -> Option<Self> {
        if plan.hits.is_none() && plan.fields.is_none() {
            return None;
        }
        let page = page_of(operation, view).ok()?;
        let given = |places| view.find(places).is_ok_and(|found| found.is_some());
        let (offset_given, page_given) = (given(&operation.offset.at), given(&operation.page.at));
        // Beside an offset, the number of a page that is not written is the database's affair.
        let known = page.page.filter(|_| page_given || !offset_given);
        let first = (page.offset != 0 && !offset_given).then_some(operation.first_page);
        let most_is_known = operation.limit.most.is_some();
        Some(Self {
            limit: page.limit,
            offset: page.offset,
            page: known,
            fields: view.find(&operation.fields.at).ok().flatten().map(|(_, at)| at.text().into_owned()),
            limit_given: given(&operation.limit.at),
            offset_given,
            page_given,
            more: plan.hits.map(|limit| More { limit, page: first.or(known), most_is_known }),
            adds_fields: !plan.fields.is_none(),
        })
    }

    /// Whether the list of a result may be shorter than it is for the client's own request: the database may have
    /// capped the limit without a word. `Err` where the result is not to be used.
    pub(super) fn may_be_capped(
        &self,
        body: &[u8],
        echoes: &[Echo],
        seen: &Seen,
        hits: usize,
    ) -> Result<bool, DialectError> {
        let Some(more) = &self.more else { return Ok(false) };
        // The end of a walk has come for this many hits, and perhaps not for as many as the client requested.
        if seen.leave_alone.is_some() {
            return Err(LEFT_ALONE);
        }
        let mut limit_is_followed = false;
        for (echo, value) in values(body, echoes, seen) {
            let sent = match echo.of {
                Echoed::Limit => Some(more.limit),
                Echoed::Offset => Some(0),
                Echoed::Page => more.page,
                Echoed::Fields => None,
            };
            match sent {
                Some(sent) if is(value, sent) => limit_is_followed |= echo.of == Echoed::Limit,
                Some(_) if !value.is_null() => return Err(NOT_DONE),
                _ => {}
            }
        }
        let hits = hits as u64;
        let is_short = hits < self.offset.saturating_add(self.limit).min(more.limit);
        // Where the first page is short, the client's own limit is capped alike.
        let is_later = self.offset > 0;
        let is_empty = hits <= self.offset;
        Ok(is_later && is_short && (is_empty || !(limit_is_followed || more.most_is_known)))
    }

    /// What the response says where the client's own request is answered.
    fn said(&self, echo: &Echo) -> Said {
        let (value, given, changed) = match echo.of {
            Echoed::Limit => (Some(self.limit.to_string()), self.limit_given, self.more.is_some()),
            Echoed::Offset => (Some(self.offset.to_string()), self.offset_given, self.more.is_some()),
            Echoed::Page => (self.page.map(|page| page.to_string()), self.page_given, self.more.is_some()),
            Echoed::Fields => (self.fields.clone(), self.fields.is_some(), self.adds_fields),
        };
        match value {
            _ if !changed => Said::AsItIs,
            _ if echo.if_given && !given => Said::Nothing,
            Some(value) => Said::This(value),
            None => Said::AsItIs,
        }
    }

    /// What has to be written over the echoes of a result, so that it says what the client requested.
    pub(super) fn restored(&self, body: &[u8], echoes: &[Echo], seen: &Seen) -> Vec<(Range<usize>, Vec<u8>)> {
        let mut changes = Vec::new();
        let mut gone = Vec::new();
        for (echo, value) in values(body, echoes, seen) {
            match self.said(echo) {
                Said::This(said) => changes.extend(written(value, said)),
                Said::Nothing => gone.push(echo.at.as_slice()),
                Said::AsItIs => {}
            }
        }
        changes.extend(removed(body, &gone));
        changes
    }
}

/// What a response says at the place of an echo.
enum Said {
    This(String),
    /// The member is not there.
    Nothing,
    /// Only the database knows, or nothing has changed.
    AsItIs,
}

/// The echoes of a result that are there.
fn values<'a>(
    body: &'a [u8],
    echoes: &'a [Echo],
    seen: &'a Seen,
) -> impl Iterator<Item = (&'a Echo, Value<'a>)> {
    let value = |(number, span): &(usize, Range<usize>)| {
        Some((echoes.get(*number)?, Value::found(body, span.clone())?))
    };
    seen.echoes.iter().filter_map(value)
}

/// Whether a value is this number, also in a text.
fn is(value: Value<'_>, number: u64) -> bool {
    let text = value.as_str().unwrap_or_else(|| value.text().into());
    let text = text.trim();
    text.parse() == Ok(number) || text.parse::<f64>().is_ok_and(|other| other == number as f64)
}

/// `said` in place of a value; `None` where it says so already.
fn written(value: Value<'_>, said: String) -> Option<(Range<usize>, Vec<u8>)> {
    let there = value.as_str().map_or_else(|| value.text().to_owned(), |text| text.into_owned());
    let is_said = there == said || said.parse().is_ok_and(|said| is(value, said));
    // A list is said in another way than it was requested in: it stays.
    let is_scalar = matches!(value.kind(), Kind::String | Kind::Number);
    if is_said || !is_scalar {
        return None;
    }
    let quoted = value.kind() == Kind::String;
    let text = if quoted { serde_json::Value::from(said).to_string() } else { said };
    Some((value.span(), text.into_bytes()))
}

/// Takes members of the response out, those of one object in one edit: neighbours share a comma.
fn removed(body: &[u8], paths: &[&[String]]) -> Vec<(Range<usize>, Vec<u8>)> {
    let mut objects: Vec<(&[String], Vec<&String>)> = Vec::new();
    for (key, parents) in paths.iter().filter_map(|path| path.split_last()) {
        match objects.iter_mut().find(|(known, _)| *known == parents) {
            Some((_, keys)) => keys.push(key),
            None => objects.push((parents, vec![key])),
        }
    }
    let root = if objects.is_empty() { None } else { Value::parse(body).ok() };
    let mut edits = Edits::new();
    for (parents, keys) in objects {
        let object = parents.iter().fold(root, |value, key| value?.get(key));
        let Some(mut edit) = object.and_then(ObjectEdit::new) else { continue };
        for key in keys {
            edit.remove(key);
        }
        edit.finish(&mut edits);
    }
    edits.into_changes()
}
