//! One try of a request, in a span where the request is traced.

use std::time::Duration;

use http::{Request, Response};

use super::response_timeout::ResponseTimeout;
use super::{Upstream, UpstreamError};
use crate::body::Body;
use crate::traces::{self, OpenSpan, TraceParent};

impl Upstream {
    /// Sends it once; the database is told of the span, if that is wanted.
    pub(super) async fn send_once(
        &self,
        mut request: Request<Body>,
        upgrade: bool,
        waiting: ResponseTimeout<'_>,
    ) -> Result<Response<Body>, UpstreamError> {
        let Some(span) = self.tries(&mut request) else {
            return self.send_one(request, upgrade, waiting).await;
        };
        // Boxed: few requests are traced.
        traced_try(Box::pin(self.send_one(request, upgrade, waiting)).await, span)
    }

    /// The same with a body that is watched on its way. The span is around the watch, which ends what it watches.
    pub(super) async fn send_watched(
        &self,
        mut request: Request<Body>,
        upgrade: bool,
        response: Option<Duration>,
    ) -> Result<Response<Body>, UpstreamError> {
        let Some(span) = self.tries(&mut request) else {
            return self.watch_one(request, upgrade, response).await;
        };
        traced_try(Box::pin(self.watch_one(request, upgrade, response)).await, span)
    }

    fn tries(&self, request: &mut Request<Body>) -> Option<OpenSpan> {
        let parent = request.extensions_mut().remove::<TraceParent>()?;
        let span = parent.tries(request.method(), self.authority());
        span.parent().tell(request.headers_mut());
        Some(span)
    }
}

/// What came of one try, whose span ends with the response's body.
pub fn traced_try(
    sent: Result<Response<Body>, UpstreamError>,
    mut span: OpenSpan,
) -> Result<Response<Body>, UpstreamError> {
    match sent {
        Ok(response) => Ok(traces::traced(response, span)),
        Err(error) => {
            span.fail(error.word());
            Err(error)
        }
    }
}
