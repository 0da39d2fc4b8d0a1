//! gRPC calls: which requests are, where they go, and how they end where the database does not end them.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, Version};
use http_body::{Body as _, Frame, SizeHint};

use super::{Forwarder, ProxyError};
use crate::body::{self, Body, BoxError, Stalled};
use crate::bounds::Budget;
use crate::dialect::grpc::{failure, health, is_grpc};
use crate::dialect::qdrant;

/// Of the request of a call that is not forwarded.
const MOST_DRAINED: usize = 64 << 10;
const DRAIN_TIMEOUT: Duration = Duration::from_millis(100);

/// Where the gRPC calls of a listener go.
#[derive(Clone)]
pub enum GrpcRoute {
    /// With all other requests: the listener is before no database that has gRPC beside its other interface.
    AsOthers,
    /// Nowhere: the database's address for them is not known.
    Nowhere,
    /// To that address.
    To(Box<Forwarder>),
}

impl GrpcRoute {
    /// Whether a request is a call that does not go with all others.
    pub(super) fn is_call<B>(&self, request: &Request<B>) -> bool {
        !matches!(self, Self::AsOthers) && is_call(request)
    }

    /// Who forwards a call.
    pub(super) fn forwarder(&self) -> Option<&Forwarder> {
        match self {
            Self::To(forwarder) => Some(forwarder),
            Self::AsOthers | Self::Nowhere => None,
        }
    }
}

/// Whether this is gRPC as it is (gRPC-Web, which browsers speak, is not).
pub(super) fn is_call<B>(request: &Request<B>) -> bool {
    if request.version() != Version::HTTP_2 || *request.method() != Method::POST {
        return false;
    }
    is_grpc(request.headers())
}

/// Whether a call asks whether the database is there: some clients wait for its response for a minute or without an end.
pub(super) fn is_health_check(path: &str) -> bool {
    matches!(path, health::PATH | qdrant::grpc::health::PATH)
}

/// Reads what a call that is not forwarded sends, if that is soon and little: a response before the end of its request
/// resets the stream, which some clients take for a failure of the connection.
pub(super) async fn drain(body: Body) {
    let room = Budget::new(MOST_DRAINED).nothing();
    let all = body::read_up_to(body, MOST_DRAINED, room, None);
    // Whatever comes of it.
    drop(tokio::time::timeout(DRAIN_TIMEOUT, all).await);
}

/// The response to a call that could not be forwarded.
pub(super) fn failed(error: &ProxyError) -> Response<Body> {
    failure::failure(error.status(), &format!("rerankd: {}", error.said())).map(|()| body::empty())
}

/// A response that ends with a status of gRPC's also where the connection to the database is lost within it.
pub(super) fn ending(response: Response<Body>) -> Response<Body> {
    match response.body().is_end_stream() || !is_grpc(response.headers()) {
        true => response,
        false => response.map(|body| Body::new(Ending { body, over: false })),
    }
}

struct Ending {
    body: Body,
    over: bool,
}

impl http_body::Body for Ending {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if self.over {
            return Poll::Ready(None);
        }
        Poll::Ready(match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
            // A reset of the database's own is passed on as one.
            Some(Err(error)) if !is_reset(&error) => {
                self.over = true;
                Some(Ok(Frame::trailers(broken(&error))))
            }
            frame => frame,
        })
    }

    fn is_end_stream(&self) -> bool {
        self.over || self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

fn is_reset(error: &BoxError) -> bool {
    error.downcast_ref::<h2::Error>().is_some_and(|error| error.is_reset() && error.is_remote())
}

fn broken(error: &BoxError) -> HeaderMap {
    let (status, message) = match error.is::<Stalled>() {
        true => (StatusCode::GATEWAY_TIMEOUT, "rerankd: the upstream's response did not go on in time"),
        false => (StatusCode::BAD_GATEWAY, "rerankd: the upstream's response broke off"),
    };
    failure::trailers(status, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grpc_over_http2_is_a_call_and_grpc_web_is_none() {
        let is = |method: &str, version, kind: &str| {
            let request = Request::builder().method(method).version(version).uri("http://h/a.B/C");
            is_call(&request.header("content-type", kind).body(()).unwrap())
        };
        for kind in
            ["application/grpc", "application/grpc+proto", "Application/gRPC;x=y", "application/grpc+json"]
        {
            assert!(is("POST", Version::HTTP_2, kind), "{kind}");
            assert!(!is("POST", Version::HTTP_11, kind) && !is("GET", Version::HTTP_2, kind), "{kind}");
        }
        for kind in [
            "application/grpc-web",
            "application/grpc-web+proto",
            "application/grpc-web-text",
            "application/json",
            "",
        ] {
            assert!(!is("POST", Version::HTTP_2, kind), "{kind}");
        }
        assert!(!is_call(&Request::post("http://h/a").version(Version::HTTP_2).body(()).unwrap()));
    }
}
