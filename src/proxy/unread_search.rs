//! What looks like a search below a path that no setting names: passed on unread, and told.

use std::sync::{Arc, atomic::Ordering};

use http::{Request, Response};
use tokio::time::Instant;

use super::{Forwarder, ProxyError, SearchHandler, report, without_own_headers};
use crate::{
    dialect::{Dialect, Found},
    pipeline::{CallerHeaders, Ignored, Report, Timings},
    search::KeepReason,
    upstream::body::Body,
};

impl SearchHandler {
    /// Passes it on. Which index or collection it is for cannot be told, so that none of its text may leave.
    pub(super) async fn pass_by(
        &self,
        forwarder: &Forwarder,
        found: Found<Arc<dyn Dialect>>,
        request: Request<Body>,
    ) -> Result<Response<Body>, ProxyError> {
        if !self.told_of_prefix.swap(true, Ordering::Relaxed) {
            // Without the path: some have a key in it.
            tracing::warn!(
                dialect = found.dialect.name(),
                operation = found.kind.as_str(),
                "paths look like searches below a prefix, which are forwarded as they are: \
                 set listeners[].path_prefix and listeners[].upstream.path_prefix \
                 (a type of Elasticsearch 7 in a path has to be left out)"
            );
        }
        let ignored = Ignored::of(&CallerHeaders::read(request.headers()), &[]);
        let started = Instant::now();
        let mut response = forwarder.forward(without_own_headers(request)).await?;
        let timings = Timings { upstream: started.elapsed(), total: started.elapsed(), ..Timings::default() };
        let kept = Report::kept(KeepReason::Unsupported);
        self.metrics.search(found.dialect.name(), found.kind.as_str(), &kept);
        self.metrics.request(kept.outcome, &timings);
        if self.response_headers {
            report::write_headers(response.headers_mut(), &kept, &ignored, &timings);
        }
        Ok(response)
    }
}
