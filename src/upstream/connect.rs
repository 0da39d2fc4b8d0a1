//! Making a connection to the upstream: TCP, then TLS where the URL says so, both within one timeout.

use std::time::Duration;

use http::Uri;
use http::uri::Scheme;
use hyper_rustls::{FixedServerNameResolver, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy::connect::{
    HttpConnector,
    dns::{GaiResolver, Name},
};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tower::{
    ServiceExt,
    timeout::Timeout,
    util::{BoxCloneSyncService, MapResponse},
};

use super::{UpstreamSettings, UpstreamSetupError, body::BoxError, socket::Socket, tls};
use crate::trouble::NameNotFound;

/// A connection, with TLS or without.
pub(super) type Io = Socket<Stream>;

/// What is under it.
type Stream = MaybeHttpsStream<TokioIo<TcpStream>>;

pub(super) type Connector = BoxCloneSyncService<Uri, Io, BoxError>;

/// What makes connections to an upstream.
pub(super) fn connector(
    scheme: &Scheme,
    settings: &UpstreamSettings,
) -> Result<Connector, UpstreamSetupError> {
    let write = write_timeout(settings);
    let UpstreamSettings { tls: settings, http2, connect_timeout: connect, .. } = settings;
    // The system's resolver, with an error whose type is known.
    let names = ServiceExt::<Name>::map_err(GaiResolver::new(), NameNotFound as fn(_) -> _);
    let mut tcp = HttpConnector::new_with_resolver(names);
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    // Also here: it is what makes the connector go on to the next of several addresses.
    tcp.set_connect_timeout(Some(*connect));
    let mut https =
        HttpsConnectorBuilder::new().with_tls_config(tls::client_config(settings, scheme)?).https_or_http();
    if let Some(name) = &settings.server_name {
        https = https.with_server_name_resolver(FixedServerNameResolver::new(name.clone()));
    }
    let https = match *http2 {
        true => https.enable_http2().wrap_connector(tcp),
        false => https.enable_http1().wrap_connector(tcp),
    };
    let timed = MapResponse::new(Timeout::new(https, *connect), move |stream| {
        Socket::new(stream, acknowledge, write)
    });
    Ok(BoxCloneSyncService::new(timed))
}

/// A connection over TCP that was made before.
pub(super) fn over_tcp(stream: TcpStream, write: Option<Duration>) -> Io {
    Socket::new(MaybeHttpsStream::Http(TokioIo::new(stream)), acknowledge, write)
}

/// How long an upstream may take no byte: a little longer than the response timeout, which expires first.
pub(super) fn write_timeout(settings: &UpstreamSettings) -> Option<Duration> {
    settings.body_timeout.map(|limit| limit + limit / 8)
}

/// Acknowledges at once what has come from the upstream.
pub(super) fn acknowledge(stream: &Stream) {
    acknowledge_tcp(match stream {
        MaybeHttpsStream::Http(stream) => stream.inner(),
        MaybeHttpsStream::Https(stream) => stream.inner().get_ref().0.inner().inner(),
    });
}

/// The same.
pub(super) fn acknowledge_tcp(stream: &TcpStream) {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    stream.set_quickack(true).ok();
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let _ = stream;
}

/// The TCP connection itself, if there is no TLS over it.
pub(super) fn into_tcp(io: Io) -> Option<TcpStream> {
    match io.into_inner() {
        MaybeHttpsStream::Http(stream) => Some(stream.into_inner()),
        MaybeHttpsStream::Https(_) => None,
    }
}
