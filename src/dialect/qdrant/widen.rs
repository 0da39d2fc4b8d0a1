//! The request again, asking for more hits and fields, without the proxy's own members.

use bytes::Bytes;

use crate::{
    dialect::{
        DialectError, Reading,
        qdrant::{
            object::{MAX_DEPTH, Object},
            operation::{Endpoint, Form},
            payload, query,
            request::{OWN, Request, page, prefetch_limit},
        },
    },
    json::Edits,
    search::{FetchPlan, Strip},
};

/// The body for `plans` and what each search's hits have to lose again.
pub(super) fn widen(
    endpoint: &Endpoint,
    reading: &Reading,
    plans: &[FetchPlan],
) -> Result<(Bytes, Vec<Strip>), DialectError> {
    let request = Request::read(endpoint.form, reading)?;
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
        .map(|(at, search)| one(endpoint, search, plans.get(at).unwrap_or(&as_asked), &mut edits))
        .collect::<Result<_, _>>()?;
    Ok((edits.apply(reading.body()), strips))
}

fn one(
    endpoint: &Endpoint,
    search: &Object<'_>,
    plan: &FetchPlan,
    edits: &mut Edits,
) -> Result<Strip, DialectError> {
    let mut edit = search.edit();
    edit.remove(OWN);
    if let Some(hits) = plan.hits.filter(|_| endpoint.form != Form::Groups) {
        let (limit, offset) = page(endpoint, search)?;
        if limit != hits {
            edit.set("limit", hits.to_string());
        }
        if offset != 0 {
            edit.set("offset", "0");
        }
        // A fusion of longer lists is another fusion: only where more is asked for than the client did.
        let more = hits > limit.saturating_add(offset);
        if more && query::order(endpoint.verb, search)? == query::Order::Composed {
            raise_prefetches(search, hits, 0, edits)?;
        }
    }
    let strip = payload::ask(search, &plan.fields, &mut edit, edits);
    edit.finish(edits);
    Ok(strip)
}

/// Gives every prefetch, inner ones too, a limit of at least `hits`.
fn raise_prefetches(of: &Object<'_>, hits: u64, depth: usize, edits: &mut Edits) -> Result<(), DialectError> {
    if depth > MAX_DEPTH {
        return Err(DialectError::Unsupported("a prefetch nested this deep"));
    }
    for prefetch in of.prefetches()? {
        if prefetch_limit(&prefetch)? < hits {
            let mut edit = prefetch.edit();
            edit.set("limit", hits.to_string());
            edit.finish(edits);
        }
        raise_prefetches(&prefetch, hits, depth + 1, edits)?;
    }
    Ok(())
}
