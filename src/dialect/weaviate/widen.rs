//! The request again, for more hits and fields.

use bytes::Bytes;

use super::{fields, numbers, request};
use crate::{
    dialect::{DialectError, grpc::Object},
    search::{FetchPlan, Strip},
    wire::proto::{MessageEdit, write},
};

/// The body for a plan, and what to strip from its hits.
pub(super) fn widen(body: &Bytes, plan: &FetchPlan) -> Result<(Bytes, Strip), DialectError> {
    let search = request::read(body)?;
    let mut edit = search.edit();
    if let Some(hits) = plan.hits {
        let (limit, offset) = request::page(&search)?;
        if limit != Some(hits) {
            set(&search, &mut edit, numbers::LIMIT, hits);
        }
        if offset != 0 {
            set(&search, &mut edit, numbers::OFFSET, 0);
        }
    }
    let strip = fields::ask(&search, &plan.fields, &mut edit)?;
    Ok((edit.apply(body), strip))
}

/// Gives a field a number, where it stands, or at the end.
fn set<'a>(search: &Object<'a>, edit: &mut MessageEdit<'a>, number: u32, value: u64) {
    let mut field = Vec::new();
    write::unsigned(&mut field, number, value);
    match search.last(number) {
        Some(there) => edit.replace(there, field),
        None => edit.append(field),
    }
}
