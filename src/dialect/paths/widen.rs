//! The request again, for more hits and fields.

use super::{
    change::Changes,
    definition::{Columns, Hits, Number, Operation},
    fields,
    request::page_of,
    view::{At, View},
};
use crate::{
    dialect::DialectError,
    search::{FetchPlan, Strip},
    wire::json::Kind,
};

/// What `plan` changes of a search, and what has to be taken out of its hits again.
pub(super) fn changes(
    operation: &Operation,
    view: &View<'_>,
    plan: &FetchPlan,
) -> Result<(Changes, Strip), DialectError> {
    let mut changes = Changes::default();
    if let Some(own) =
        operation.options.as_deref().filter(|own| view.body.is_some_and(|body| body.get(own).is_some()))
    {
        changes.remove(own);
    }
    if let Some(hits) = plan.hits {
        more(operation, view, hits, &mut changes)?;
    }
    let strip = match &operation.response.hits {
        Hits::Rows(rows) => fields::ask(operation, rows, view, &plan.fields, &mut changes)?,
        Hits::Columns(columns) => column(operation, columns, view, plan, &mut changes)?,
    };
    Ok((changes, strip))
}

/// This many hits, from the first one on.
fn more(
    operation: &Operation,
    view: &View<'_>,
    hits: u64,
    changes: &mut Changes,
) -> Result<(), DialectError> {
    let page = page_of(operation, view)?;
    if page.limit != hits {
        put(&operation.limit, view, hits, changes)?;
    }
    if page.offset != 0 {
        let counts_pages = view.find(&operation.offset.at)?.is_none();
        match counts_pages {
            true => put(&operation.page, view, operation.first_page, changes)?,
            false => put(&operation.offset, view, 0, changes)?,
        }
    }
    Ok(())
}

/// Writes a number where it stands, as it is written there; else where it can stand.
fn put(of: &Number, view: &View<'_>, value: u64, changes: &mut Changes) -> Result<(), DialectError> {
    let value = value.to_string();
    let found = view.find(&of.at)?;
    let place = found.map(|(place, _)| place).or_else(|| view.free_place(&of.at));
    let place = place.ok_or(DialectError::Unsupported("a request with no place for a limit"))?;
    let quoted = match found {
        Some((_, At::Json(value))) => value.kind() == Kind::String,
        _ => of.as_text,
    };
    let json = if quoted { format!("\"{value}\"") } else { value.clone() };
    changes.set(place, json, value);
    Ok(())
}

/// Asks for the column that documents are made of.
fn column(
    operation: &Operation,
    columns: &Columns,
    view: &View<'_>,
    plan: &FetchPlan,
    changes: &mut Changes,
) -> Result<Strip, DialectError> {
    let request = &operation.fields;
    if plan.fields.is_none() || request.at.is_empty() {
        return Ok(Strip::default());
    }
    let Some(wanted) = fields::column(columns, &plan.fields) else { return Ok(Strip::default()) };
    let found = view.find(&request.at)?;
    let Some((place, At::Json(list))) = found else {
        // By default the column comes, or nothing says how to ask for it.
        return Ok(Strip::default());
    };
    let names = fields::listed(list).filter(|names| !names.is_empty() || request.empty_is_none);
    let Some(names) = names else { return Ok(Strip::default()) };
    if names.iter().any(|name| name == wanted) {
        return Ok(Strip::default());
    }
    changes.set(place, fields::with_names(list, &[wanted.to_owned()]), String::new());
    Ok(fields::stripped(vec![vec![wanted.to_owned()]]))
}
