//! One try of a request, in a span where the request is traced.

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
        let Some(parent) = request.extensions_mut().remove::<TraceParent>() else {
            return self.send_one(request, upgrade, waiting).await;
        };
        let span = parent.tries(request.method(), self.authority());
        span.parent().tell(request.headers_mut());
        // Boxed: few requests are traced.
        traced_try(Box::pin(self.send_one(request, upgrade, waiting)).await, span)
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
