//! The request again, for more hits and fields, without the proxy's own members.

use bytes::Bytes;

use crate::{
    dialect::{
        DialectError,
        qdrant::{
            kind::Form,
            rest::{
                fields,
                object::Object,
                operation::Operation,
                request::{OWN, Request, limit_key, page},
            },
        },
        reading::Reading,
    },
    search::{FetchPlan, Strip},
    wire::json::Edits,
};

/// The body for `plans` and what to strip from each search's hits.
pub(super) fn widen(
    operation: &Operation,
    reading: &Reading,
    plans: &[FetchPlan],
) -> Result<(Bytes, Vec<Strip>), DialectError> {
    let request = Request::read(operation.form, reading)?;
    let mut edits = Edits::new();
    if let Some(mut edit) = request.batch.as_ref().map(Object::edit) {
        edit.remove(OWN);
        edit.finish(&mut edits);
    }
    let as_asked = FetchPlan::as_asked();
    let strips = request
        .searches
        .iter()
        .enumerate()
        .map(|(at, search)| one(operation, search, plans.get(at).unwrap_or(&as_asked), &mut edits))
        .collect::<Result<_, _>>()?;
    Ok((edits.apply(reading.body()), strips))
}

fn one(
    operation: &Operation,
    search: &Object<'_>,
    plan: &FetchPlan,
    edits: &mut Edits,
) -> Result<Strip, DialectError> {
    let mut edit = search.edit();
    edit.remove(OWN);
    // The limits of prefetches stay. They determine which hits can be found, and how many: with others, the pages of
    // one walk would not be of the same hits, and those behind the window, which are requested unchanged, of others
    // again.
    if let Some(hits) = plan.hits.filter(|_| operation.form != Form::Groups) {
        let (limit, offset) = page(operation, search)?;
        if limit != hits {
            edit.set(limit_key(operation, search)?, hits.to_string());
        }
        if offset != 0 {
            edit.set("offset", "0");
        }
    }
    let strip = fields::ask(search, &plan.fields, &mut edit, edits);
    edit.finish(edits);
    Ok(strip)
}
