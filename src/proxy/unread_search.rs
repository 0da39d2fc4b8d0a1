//! Searches that are passed on unread, and logged: below a path that no setting names, or signed by their clients.

use http::{Request, Response};
use tokio::time::Instant;

use super::{
    Forwarder, ProxyError, SearchHandler,
    log::{Aside, Searched},
    report, without_own_headers,
};
use crate::{
    body::Body,
    dialect::Routed,
    pipeline::{CallerHeaders, Ignored, Report, Timings},
    search::KeepReason,
};

impl SearchHandler {
    /// Passes it on: below an unknown prefix its index or collection cannot be determined, so none of its text may
    /// leave; a signature is over all of it, so nothing of it may change.
    pub(super) async fn pass_by(
        &self,
        forwarder: &Forwarder,
        found: Routed,
        request: Request<Body>,
        aside: Aside,
    ) -> Result<Response<Body>, ProxyError> {
        let ignored = Ignored::of(&CallerHeaders::read(request.headers()), &[]);
        let started = Instant::now();
        let mut response = forwarder.forward(without_own_headers(request)).await?;
        let timings = Timings { upstream: started.elapsed(), total: started.elapsed(), ..Timings::default() };
        let kept = Report::kept(KeepReason::Unsupported);
        self.metrics.search(found.dialect.name(), found.route.endpoint.kind().as_str(), &kept);
        self.metrics.request(kept.outcome, &timings);
        // Without the path: some have a key in it.
        let searched = Searched {
            dialect: found.dialect.name(),
            kind: found.route.endpoint.kind(),
            listener: &self.listener,
            collections: "",
            tenant: None,
            report: &kept,
            timings,
            aside: Some(aside),
        };
        self.log.ended(&searched, |_| None);
        if self.response_headers {
            report::write_headers(response.headers_mut(), &kept, &ignored, &timings);
        }
        Ok(response)
    }
}
