//! Making a connection to the upstream: TCP, then TLS where the URL says so, both within one time.

use std::time::Duration;

use http::Uri;
use http::uri::Scheme;
use hyper_rustls::{FixedServerNameResolver, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tower::{timeout::Timeout, util::BoxCloneSyncService};

use super::tls::{self, UpstreamTls};
use super::{UpstreamSetupError, body::BoxError};

pub(super) type Connector = BoxCloneSyncService<Uri, MaybeHttpsStream<TokioIo<TcpStream>>, BoxError>;

pub(super) fn connector(
    scheme: &Scheme,
    settings: &UpstreamTls,
    http2: bool,
    limit: Duration,
) -> Result<Connector, UpstreamSetupError> {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    // Also here: it is what makes the connector go on to the next of several addresses.
    tcp.set_connect_timeout(Some(limit));
    let mut https =
        HttpsConnectorBuilder::new().with_tls_config(tls::client_config(settings, scheme)?).https_or_http();
    if let Some(name) = &settings.server_name {
        https = https.with_server_name_resolver(FixedServerNameResolver::new(name.clone()));
    }
    Ok(match http2 {
        true => BoxCloneSyncService::new(Timeout::new(https.enable_http2().wrap_connector(tcp), limit)),
        false => BoxCloneSyncService::new(Timeout::new(https.enable_http1().wrap_connector(tcp), limit)),
    })
}
