//! The client's own search where the budget has no room for one: the proxy's own members are removed all the same,
//! since the database need not know them.

use std::sync::Arc;

use bytes::Bytes;
use http::request;

use super::{framing, handler::SearchHandler};
use crate::{
    bounds::{Budget, counted},
    dialect::{Endpoint, Framing, SearchRequest},
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
        endpoint: &Arc<dyn Endpoint>,
        caller: &CallerHeaders,
        parts: &request::Parts,
        raw: &Bytes,
    ) -> Option<Rewrite> {
        let packing = endpoint.framing();
        if raw.len() > SCRATCH || parts.headers.contains_key(framing::coding_header(packing)) {
            return None;
        }
        // Nothing is unpacked: it takes nothing.
        let message = framing::unpack(packing, &parts.headers, raw, SCRATCH, &Budget::new(0)).ok()?;
        let working = endpoint.working_bytes(&message);
        if working > SCRATCH {
            return None;
        }
        let request = endpoint.clone().read(message).ok()?;
        let intents = request.intents().ok()?;
        let held = request.held_bytes().saturating_add(pipeline::plan_bytes(&intents, caller));
        if working.saturating_add(held) > SCRATCH {
            return None;
        }
        let searches = self.pipeline.plan(intents, caller, request.body());
        let own: Vec<FetchPlan> = searches.iter().map(|search| search.as_asked().fetch).collect();
        let rewrite = rewrite(&**endpoint, &*request, &own)?;
        Some(match packing {
            Framing::Http => rewrite,
            Framing::Grpc => Rewrite { body: framing::pack(packing, &rewrite.body), ..rewrite },
        })
    }
}

/// What to send for searches that were planned; `None` if finding that out would take too much.
pub(super) fn own_searches(
    endpoint: &dyn Endpoint,
    request: &dyn SearchRequest,
    own: &[PlannedSearch],
) -> Option<Rewrite> {
    let plans: Vec<FetchPlan> = own.iter().map(|search| search.fetch.clone()).collect();
    rewrite(endpoint, request, &plans)
}

/// The new body, which is no longer than the old one, replaces it under the same permit.
fn rewrite(endpoint: &dyn Endpoint, request: &dyn SearchRequest, plans: &[FetchPlan]) -> Option<Rewrite> {
    let body = request.body();
    if endpoint.working_bytes(body).saturating_add(body.len()) > SCRATCH {
        return None;
    }
    let rewrite = request.rewrite(plans).ok()?;
    let body = counted(rewrite.body, body.clone());
    Some(Rewrite { body, ..rewrite })
}
