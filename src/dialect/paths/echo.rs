//! What a response repeats of the request, as the client has sent it.

use std::ops::Range;

use super::{
    definition::{Echo, Echoed, Operation},
    request::page_of,
    view::View,
};
use crate::wire::json::{Edits, Kind, ObjectEdit, Value};

/// What the client has requested.
#[derive(Debug)]
pub(super) struct Requested {
    limit: u64,
    offset: u64,
    page: Option<u64>,
    fields: Option<String>,
    limit_given: bool,
    offset_given: bool,
    page_given: bool,
}

impl Requested {
    /// `None` where that cannot be read.
    pub(super) fn of(operation: &Operation, view: &View<'_>) -> Option<Self> {
        let page = page_of(operation, view).ok()?;
        let given = |places| view.find(places).is_ok_and(|found| found.is_some());
        Some(Self {
            limit: page.limit,
            offset: page.offset,
            page: page.page,
            fields: view.find(&operation.fields.at).ok().flatten().map(|(_, at)| at.text().into_owned()),
            limit_given: given(&operation.limit.at),
            offset_given: given(&operation.offset.at),
            page_given: given(&operation.page.at),
        })
    }

    /// What the response says where the client's own request is answered.
    fn said(&self, echo: &Echo) -> Said {
        let (value, given) = match echo.of {
            Echoed::Limit => (Some(self.limit.to_string()), self.limit_given),
            Echoed::Offset => (Some(self.offset.to_string()), self.offset_given),
            Echoed::Page => (self.page.map(|page| page.to_string()), self.page_given),
            Echoed::Fields => (self.fields.clone(), self.fields.is_some()),
        };
        match value {
            _ if echo.if_given && !given => Said::Nothing,
            Some(value) => Said::This(value),
            None => Said::Unknown,
        }
    }
}

/// What a response says at the place of an echo.
enum Said {
    This(String),
    /// The member is not there.
    Nothing,
    /// Only the database knows.
    Unknown,
}

/// What has to be written over the echoes of a result, so that it says what the client requested.
pub(super) fn restored(
    body: &[u8],
    echoes: &[Echo],
    seen: &[(usize, Range<usize>)],
    requested: &Requested,
) -> Vec<(Range<usize>, Vec<u8>)> {
    let mut changes = Vec::new();
    let mut gone = Vec::new();
    for (number, span) in seen {
        let (Some(echo), Some(value)) = (echoes.get(*number), Value::found(body, span.clone())) else {
            continue;
        };
        match requested.said(echo) {
            Said::This(said) => {
                let there = value.as_str().map_or_else(|| value.text().to_owned(), |text| text.into_owned());
                // A list is said in another way than it was requested in: it stays.
                let is_scalar = matches!(value.kind(), Kind::String | Kind::Number);
                if there != said && is_scalar {
                    let quoted = value.kind() == Kind::String;
                    let text = if quoted { serde_json::Value::from(said).to_string() } else { said };
                    changes.push((span.clone(), text.into_bytes()));
                }
            }
            Said::Nothing => gone.push(&echo.at),
            Said::Unknown => {}
        }
    }
    for path in gone {
        changes.extend(removed(body, path));
    }
    changes
}

/// Takes a member of the response out.
fn removed(body: &[u8], path: &[String]) -> Vec<(Range<usize>, Vec<u8>)> {
    let Some((key, parents)) = path.split_last() else { return Vec::new() };
    let parent = Value::parse(body).ok();
    let parent = parents.iter().fold(parent, |value, key| value?.get(key));
    let Some(mut edit) = parent.and_then(ObjectEdit::new) else { return Vec::new() };
    edit.remove(key);
    let mut edits = Edits::new();
    edit.finish(&mut edits);
    edits.into_changes()
}
