//! The request again, for more hits and fields.

use bytes::Bytes;

use super::{
    fields,
    numbers::{self, Numbers},
    operation::Operation,
    request::{Request, page},
};
use crate::{
    dialect::{DialectError, grpc::Object},
    search::{FetchPlan, Strip},
    wire::proto::{Field, MessageEdit, write},
};

/// The body for `plans` and what to strip from each search's hits.
pub(super) fn widen(
    operation: Operation,
    body: &Bytes,
    plans: &[FetchPlan],
) -> Result<(Bytes, Vec<Strip>), DialectError> {
    let request = Request::read(operation.form, body)?;
    let numbers = numbers::of(operation.verb, operation.form);
    let as_asked = FetchPlan::as_asked();
    let plan = |at: usize| plans.get(at).unwrap_or(&as_asked);
    let Some(searches) = &request.batch else {
        let (edit, strip) = one(operation, numbers, &request.root, plan(0))?;
        return Ok((edit.apply(body), vec![strip]));
    };
    let mut edit = request.root.edit();
    let mut strips = Vec::with_capacity(searches.len());
    for (at, (search, place)) in searches.iter().zip(request.root.all(numbers::SEARCHES)).enumerate() {
        let (inner, strip) = one(operation, numbers, search, plan(at))?;
        edit.change(*place, inner);
        strips.push(strip);
    }
    Ok((edit.apply(body), strips))
}

fn one<'a>(
    operation: Operation,
    numbers: &Numbers,
    search: &Object<'a>,
    plan: &FetchPlan,
) -> Result<(MessageEdit<'a>, Strip), DialectError> {
    let mut edit = search.edit();
    // The limits of prefetches stay. They determine which hits can be found, and how many: with others, the pages of
    // one walk would not be of the same hits, and those behind the window, which are requested unchanged, of others
    // again.
    if let (Some(hits), Some(offset_number)) = (plan.hits, numbers.offset) {
        let (limit, offset) = page(operation, numbers, search)?;
        if limit != hits {
            set(&mut edit, search.last(numbers.limit), numbers.limit, hits);
        }
        if offset != 0 {
            set(&mut edit, search.last(offset_number), offset_number, 0);
        }
    }
    let strip = fields::ask(search, numbers.with_payload, &plan.fields, &mut edit)?;
    Ok((edit, strip))
}

/// Gives a field a number, where it stands, or at the end.
fn set(edit: &mut MessageEdit<'_>, there: Option<&Field<'_>>, number: u32, value: u64) {
    let mut field = Vec::new();
    write::unsigned(&mut field, number, value);
    match there {
        Some(there) => edit.replace(there, field),
        None => edit.append(field),
    }
}
