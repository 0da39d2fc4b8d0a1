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

use super::tls::{self, UpstreamTls};
use super::{UpstreamSetupError, body::BoxError, socket::Socket};
use crate::trouble::NameNotFound;

/// A connection, with TLS or without.
pub(super) type Io = Socket<MaybeHttpsStream<TokioIo<TcpStream>>>;

pub(super) type Connector = BoxCloneSyncService<Uri, Io, BoxError>;

/// `connect` is the timeout for a connection, `write` how long the upstream may accept no byte of what is written to
/// it.
pub(super) fn connector(
    scheme: &Scheme,
    settings: &UpstreamTls,
    http2: bool,
    connect: Duration,
    write: Option<Duration>,
) -> Result<Connector, UpstreamSetupError> {
    // The system's resolver, with an error whose type is known.
    let names = ServiceExt::<Name>::map_err(GaiResolver::new(), NameNotFound as fn(_) -> _);
    let mut tcp = HttpConnector::new_with_resolver(names);
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    // Also here: it is what makes the connector go on to the next of several addresses.
    tcp.set_connect_timeout(Some(connect));
    let mut https =
        HttpsConnectorBuilder::new().with_tls_config(tls::client_config(settings, scheme)?).https_or_http();
    if let Some(name) = &settings.server_name {
        https = https.with_server_name_resolver(FixedServerNameResolver::new(name.clone()));
    }
    let https = match http2 {
        true => https.enable_http2().wrap_connector(tcp),
        false => https.enable_http1().wrap_connector(tcp),
    };
    let timed = MapResponse::new(Timeout::new(https, connect), move |stream| Socket::new(stream, write));
    Ok(BoxCloneSyncService::new(timed))
}
