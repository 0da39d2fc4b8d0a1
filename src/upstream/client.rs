//! [`Client`]: sends requests over pooled connections.

use http::{Request, Response, Uri};
use hyper::client::conn::http1;

use super::begun::Begun;
use super::connect::Connector;
use super::http2::Http2;
use super::pool::Pool;
use super::raw::{Links, RawConnections};
use super::response_body::Came;
use super::response_timeout::ResponseTimeout;
use super::{FREE_HEADERS, UpstreamError, UpstreamSettings};
use crate::body::Body;

/// The read buffer: the response to a search of fifty hits or so arrives in one piece, which is not copied. Buffers
/// grow as they are filled.
const ONE_RESPONSE: usize = 128 << 10;

/// Connections to one upstream. Clones share them.
#[derive(Clone, Debug)]
pub(super) enum Client {
    /// HTTP/1: one request at a time on each connection.
    Http1(Pool),
    /// HTTP/2: many at a time on one connection.
    Http2(Http2),
}

impl Client {
    /// This many clients, each with connections of its own.
    pub(super) fn several(
        count: usize,
        settings: &UpstreamSettings,
        upstream: &Uri,
        connector: &Connector,
    ) -> Box<[Self]> {
        let one = || match settings.http2 {
            true => Self::Http2(Http2::new(connector.clone(), upstream.clone(), settings)),
            false => Self::Http1(Pool::new(connector.clone(), upstream.clone(), http1(settings), settings)),
        };
        (0..count).map(|_| one()).collect()
    }

    /// The idle connections of HTTP/1: hyper's, and the others.
    pub(super) fn idle(&self) -> Option<(Links, RawConnections)> {
        match self {
            Self::Http1(pool) => Some(pool.idle()),
            Self::Http2(_) => None,
        }
    }

    /// Sends a request, and waits for the head of its response. `upgrade`: the request asks for one.
    pub(super) async fn send(
        &self,
        mut request: Request<Body>,
        upgrade: bool,
        waiting: ResponseTimeout<'_>,
    ) -> Result<Response<Came>, UpstreamError> {
        match self {
            Self::Http1(pool) => pool.send(request, upgrade, waiting).await,
            Self::Http2(http2) => {
                // Begun over HTTP/1, before a reload: it is not sent again.
                if let Some(begun) = Begun::of(&mut request) {
                    return Err(begun.into_io().err().unwrap_or(UpstreamError::Silent));
                }
                http2.send(request, waiting).await
            }
        }
    }
}

fn http1(settings: &UpstreamSettings) -> http1::Builder {
    let mut http = http1::Builder::new();
    http.preserve_header_case(true).max_buf_size(settings.max_head_bytes.max(ONE_RESPONSE));
    if settings.max_headers != FREE_HEADERS {
        http.max_headers(settings.max_headers);
    }
    http
}
