//! The span of a request, where it is traced.

use http::{Method, Request, Response, Version};

use super::client_signature;
use crate::{
    body::Body,
    traces::{self, OpenSpan, TraceParent, Tracer},
};

/// Responds with what `respond` makes of a request, in a span where that is traced.
pub async fn respond<F: Future<Output = Response<Body>>>(
    tracer: Option<&Tracer>,
    mut request: Request<Body>,
    respond: impl FnOnce(Request<Body>) -> F,
) -> Response<Body> {
    match begin(tracer, &mut request, false) {
        None => respond(request).await,
        Some(span) => ending(span, respond(request)).await,
    }
}

/// The span of a request, if it is traced; the request says so to whoever gets it. `resigned`: a client's signature does
/// not go on.
pub(super) fn begin(
    tracer: Option<&Tracer>,
    request: &mut Request<Body>,
    resigned: bool,
) -> Option<OpenSpan> {
    let span = tracer?.begin(request.headers(), || resigned || !client_signature::is_there(request))?;
    let span = described(span, request.method(), request.uri().path(), request.version());
    request.extensions_mut().insert(span.parent());
    Some(span)
}

/// What is known of a request from its head. Of the target nothing is said but its form: ids, names and texts may stand
/// in it.
pub(super) fn described(mut span: OpenSpan, method: &Method, path: &str, version: Version) -> OpenSpan {
    let (method, route) = (traces::method(method), traces::route(path));
    span.name(format!("{method} {route}"));
    span.set("http.request.method", method);
    span.set("http.route", route);
    span.set("network.protocol.version", if version == Version::HTTP_2 { "2" } else { "1.1" });
    span
}

/// Ends the span with the response's body.
pub(super) async fn ending(span: OpenSpan, response: impl Future<Output = Response<Body>>) -> Response<Body> {
    traces::traced(response.await, span)
}

/// What a request's further spans hang on, if it is traced.
pub(super) fn parent(extensions: &http::Extensions) -> Option<TraceParent> {
    extensions.get().cloned()
}
