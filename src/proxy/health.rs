//! The database's gRPC address, asked from inside the program: whether it answers, and its version.

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Request};
use http_body_util::BodyExt;

use super::Proxy;
use crate::{
    body,
    dialect::{grpc, qdrant::grpc::health},
};

/// The database's response to a health check over gRPC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// It is there, with this version if it says one.
    Serving(Option<String>),
    /// It answers with this status of gRPC's.
    Status(u16),
    /// What answers there does not speak gRPC; the status of HTTP's.
    NoGrpc(u16),
}

impl Proxy {
    /// Makes the health check of this path, or returns why there is no response and what to do. `None` where no address
    /// is known.
    pub async fn health(&self, path: &'static str) -> Option<Result<Health, String>> {
        let forwarder = self.grpc.forwarder()?;
        let mut request = Request::new(body::full(grpc::health::REQUEST));
        *request.method_mut() = http::Method::POST;
        *request.uri_mut() = http::Uri::from_static(path);
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        let response = match forwarder.forward(request).await {
            Ok(response) => response,
            Err(error) => return Some(Err(error.explained())),
        };
        let (head, status) = (response.headers().clone(), response.status().as_u16());
        let Ok(all) = response.into_body().collect().await else { return Some(Ok(Health::NoGrpc(status))) };
        let code = |of: &HeaderMap| of.get("grpc-status")?.to_str().ok()?.parse().ok();
        Some(Ok(match all.trailers().and_then(code).or_else(|| code(&head)) {
            Some(0) => Health::Serving(health::version(&all.to_bytes())),
            Some(status) => Health::Status(status),
            None => Health::NoGrpc(status),
        }))
    }
}
