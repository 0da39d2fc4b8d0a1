//! [`Client`]: sends requests over pooled connections.

use http::uri::Scheme;
use http::{Request, Response, Uri};
use hyper::client::conn::http1;
use hyper_util::client::legacy;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::time::timeout_at;

use super::connect::{self, Connector};
use super::pool::Pool;
use super::response_body::Came;
use super::response_timeout::ResponseTimeout;
use super::{FREE_HEADERS, UpstreamError, UpstreamSettings, UpstreamSetupError};
use crate::body::{Body, boxed};

/// The read buffer: the response to a search of fifty hits or so arrives in one piece, which is not copied. Buffers
/// grow as they are filled.
const ONE_RESPONSE: usize = 128 << 10;
/// The HTTP/2 windows of one stream and of a connection: a stream that nobody reads stops at the first, long before
/// it affects the others through the second.
const STREAM_WINDOW: u32 = 512 << 10;
const CONNECTION_WINDOW: u32 = 32 << 20;

/// Connections to one upstream. Clones share them.
#[derive(Clone, Debug)]
pub(super) enum Client {
    /// HTTP/1: one request at a time on each connection.
    Http1(Pool),
    /// HTTP/2: many at a time on one connection.
    Http2(Box<legacy::Client<Connector, Body>>),
}

impl Client {
    /// This many clients, each with connections of its own.
    pub(super) fn several(
        count: usize,
        settings: &UpstreamSettings,
        scheme: &Scheme,
        upstream: &Uri,
    ) -> Result<Box<[Self]>, UpstreamSetupError> {
        // A little longer than the response timeout, which expires first.
        let write = settings.body_timeout.map(|limit| limit + limit / 8);
        let connector =
            connect::connector(scheme, &settings.tls, settings.http2, settings.connect_timeout, write)?;
        let one = || match settings.http2 {
            true => Self::Http2(Box::new(http2(settings, connector.clone()))),
            false => Self::Http1(Pool::new(
                connector.clone(),
                upstream.clone(),
                http1(settings),
                settings.idle_timeout,
            )),
        };
        Ok((0..count).map(|_| one()).collect())
    }

    /// Sends a request, and waits for the head of its response. `upgrade`: the request asks for one.
    pub(super) async fn send(
        &self,
        request: Request<Body>,
        upgrade: bool,
        waiting: ResponseTimeout<'_>,
    ) -> Result<Response<Came>, UpstreamError> {
        match self {
            Self::Http1(pool) => pool.send(request, upgrade, waiting).await,
            Self::Http2(client) => Box::pin(send_http2(client, request, waiting)).await,
        }
    }
}

async fn send_http2(
    client: &legacy::Client<Connector, Body>,
    request: Request<Body>,
    waiting: ResponseTimeout<'_>,
) -> Result<Response<Came>, UpstreamError> {
    let response = client.request(request);
    let response = match waiting.answered(true) {
        Some(until) => timeout_at(until, response).await.map_err(|_| UpstreamError::Silent)?,
        None => response.await,
    };
    Ok(response.map_err(UpstreamError::from_client)?.map(|body| Came::Streamed(boxed(body))))
}

fn http1(settings: &UpstreamSettings) -> http1::Builder {
    let mut http = http1::Builder::new();
    http.preserve_header_case(true).max_buf_size(settings.max_head_bytes.max(ONE_RESPONSE));
    if settings.max_headers != FREE_HEADERS {
        http.max_headers(settings.max_headers);
    }
    http
}

fn http2(settings: &UpstreamSettings, connector: Connector) -> legacy::Client<Connector, Body> {
    legacy::Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .timer(TokioTimer::new())
        .pool_idle_timeout(settings.idle_timeout)
        .http2_only(true)
        .http2_initial_stream_window_size(STREAM_WINDOW)
        .http2_initial_connection_window_size(CONNECTION_WINDOW)
        .http2_max_header_list_size(u32::try_from(settings.max_head_bytes).unwrap_or(u32::MAX))
        .set_host(false)
        .build(connector)
}
