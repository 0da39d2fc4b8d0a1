//! [`Admin`]: one match on method and path.

use std::sync::Arc;

use http::{HeaderValue, Method, Request, Response, StatusCode, header};

use super::{
    Ends, Inspector, Readiness, Scrape, gzip,
    responses::{Body, text},
};

/// What the admin listener serves.
#[derive(Clone)]
pub struct Admin {
    /// All metrics.
    pub scrape: Scrape,
    /// For `/readyz`.
    pub readiness: Readiness,
    /// What `/readyz` says after its first line, in whole lines: which configuration is active.
    pub about: Arc<dyn Fn() -> String + Send + Sync>,
    /// All else, for requests that may see it.
    pub inspector: Arc<Inspector>,
}

impl Admin {
    /// The response to one request; hyper leaves the body out for HEAD.
    pub async fn respond<B>(&self, ends: Ends, request: &Request<B>) -> Response<Body> {
        gzip::suited(request.headers(), self.plain(ends, request).await).await
    }

    async fn plain<B>(&self, ends: Ends, request: &Request<B>) -> Response<Body> {
        match (request.method(), request.uri().path()) {
            (&Method::GET | &Method::HEAD, "/livez") => text(StatusCode::OK, "live\n"),
            (&Method::GET | &Method::HEAD, "/readyz") => self.readyz(),
            (&Method::GET | &Method::HEAD, "/metrics") => self.metrics().await,
            (&Method::GET | &Method::HEAD, _) => self.inspect(ends, request),
            _ => {
                let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n");
                response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
                response
            }
        }
    }

    fn readyz(&self) -> Response<Body> {
        let about = (self.about)();
        match self.readiness.missing().as_slice() {
            [] => text(StatusCode::OK, format!("ready\n{about}")),
            missing => {
                let missing = missing.join(", ");
                text(StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {missing}\n{about}"))
            }
        }
    }

    async fn metrics(&self) -> Response<Body> {
        let Some(body) = self.scrape.text().await else {
            return text(StatusCode::INTERNAL_SERVER_ERROR, "the metrics could not be written\n");
        };
        let mut response = text(StatusCode::OK, body);
        let kind = HeaderValue::from_static(prometheus::TEXT_FORMAT);
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        response
    }
}
