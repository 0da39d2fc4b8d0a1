//! The client's own search where the budget has no room for one: the proxy's own members are removed all the same,
//! since the database need not know them.

use bytes::Bytes;
use http::{header::CONTENT_ENCODING, request};

use super::{search::SearchHandler, target::head};
use crate::{
    bounds::counted,
    dialect::{Dialect, Reading, working_bytes},
    pipeline::{self, CallerHeaders, PlannedSearch},
    search::{FetchPlan, Rewrite},
};

/// Bytes that a thread may use beside the budget, as long as it does not wait: enough for a search of usual size.
const SCRATCH: usize = 1 << 20;

impl SearchHandler {
    /// What to send for a request for which nothing could be planned; `None` if finding that out would take too much,
    /// or the request is not understood.
    pub(super) fn own_request(
        &self,
        dialect: &dyn Dialect,
        caller: &CallerHeaders,
        parts: &request::Parts,
        raw: &Bytes,
    ) -> Option<Rewrite> {
        let working = working_bytes(parts.uri.path(), raw);
        if working > SCRATCH || parts.headers.contains_key(CONTENT_ENCODING) {
            return None;
        }
        let reading = dialect.read(&head(parts), raw.clone()).ok()?;
        let intents = dialect.parse(&head(parts), &reading).ok()?;
        let held = reading.held_bytes().saturating_add(pipeline::plan_bytes(&intents, caller));
        if working.saturating_add(held) > SCRATCH {
            return None;
        }
        let searches = self.pipeline.plan(intents, caller, raw);
        let own: Vec<FetchPlan> = searches.iter().map(|search| search.as_asked().fetch).collect();
        rewrite(dialect, parts, &reading, &own)
    }
}

/// What to send for searches that were planned; `None` if finding that out would take too much.
pub(super) fn own_searches(
    dialect: &dyn Dialect,
    parts: &request::Parts,
    reading: &Reading,
    own: &[PlannedSearch],
) -> Option<Rewrite> {
    let plans: Vec<FetchPlan> = own.iter().map(|search| search.fetch.clone()).collect();
    rewrite(dialect, parts, reading, &plans)
}

/// The new body, which is no longer than the old one, replaces it under the same permit.
fn rewrite(
    dialect: &dyn Dialect,
    parts: &request::Parts,
    reading: &Reading,
    plans: &[FetchPlan],
) -> Option<Rewrite> {
    let body = reading.body();
    if working_bytes(parts.uri.path(), body).saturating_add(body.len()) > SCRATCH {
        return None;
    }
    let rewrite = dialect.widen(&head(parts), reading, plans).ok()?;
    let body = counted(rewrite.body, body.clone());
    Some(Rewrite { body, ..rewrite })
}
