//! Searches of which is known before they are read that they are not reranked: passed on as they came, their responses
//! streamed. The body is looked through for one word only, since the proxy's own members never reach the database.

use bytes::Bytes;
use http::request;
use tokio::time::Instant;

use super::{
    Forwarder, ProxyError, SearchHandler, exchange::ReportedResponse, framing, notes::Notes, report,
    search_request::send_own,
};
use crate::{
    dialect::{Endpoint, Framing},
    pipeline::{CallerHeaders, Report, Timings},
    search::{KeepReason, Unread},
};

impl SearchHandler {
    /// The search of a request that can be passed on unread; `None` where it has to be read first.
    pub(super) fn unranked<'a>(
        &self,
        endpoint: &'a dyn Endpoint,
        caller: &CallerHeaders,
        parts: &request::Parts,
        raw: &Bytes,
    ) -> Option<Unread<'a>> {
        let packing = endpoint.framing();
        if !self.pipeline.may_leave_alone(caller)
            || packing != Framing::Http
            || parts.headers.contains_key(framing::coding_header(packing))
        {
            return None;
        }
        endpoint.unread(raw).filter(|search| self.pipeline.leaves_alone(caller, *search))
    }
}

/// Sends it as it came.
pub(super) async fn pass_on(
    forwarder: &Forwarder,
    search: Unread<'_>,
    (parts, raw): (request::Parts, Bytes),
    (timings, notes): (&mut Timings, &mut Notes),
) -> Result<ReportedResponse, ProxyError> {
    notes.collections = report::names(search.collections.iter());
    let started = Instant::now();
    let response = send_own(forwarder, &parts, raw, None).await;
    timings.upstream += started.elapsed();
    Ok((response?, vec![Report::kept(KeepReason::Off)]))
}
