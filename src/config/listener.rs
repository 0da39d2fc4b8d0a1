//! What is listened on, and the database behind it.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use http::Uri;
use rustls_pki_types::ServerName;

use super::listener_tls::ListenerTlsConfig;
use super::sign::SignConfig;
use super::words::DialectChoice;
use crate::{dialect::paths::Definition, search::PathPrefix, upstream::HostHeader};

/// One listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenerConfig {
    /// Where clients connect.
    pub listen: SocketAddr,
    /// Where they may connect as well, for a client that has another port for gRPC.
    pub grpc_listen: Option<SocketAddr>,
    /// TLS instead of cleartext.
    pub tls: Option<ListenerTlsConfig>,
    /// The database behind it.
    pub upstream: UpstreamConfig,
    /// The path below which clients find the database here; empty at the root.
    pub path_prefix: PathPrefix,
    /// How the database speaks.
    pub dialect: DialectChoice,
    /// The definition of a database that is described (`dialect: paths`).
    pub dialect_file: Option<PathBuf>,
    /// What the file, or the preset that `dialect` names, says.
    pub definition: Option<Arc<Definition>>,
    /// Accepting pauses at this many connections.
    pub max_connections: usize,
}

/// One search database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamConfig {
    /// Scheme and host; the path is always `/`.
    pub url: Uri,
    /// The path below which it is found there; empty at the root.
    pub path_prefix: PathPrefix,
    /// Which `Host` it sees.
    pub host: HostHeader,
    /// Speak HTTP/2, also without TLS.
    pub http2: bool,
    /// Where gRPC calls go; the path is always `/`. Not set, it follows from `url`.
    pub grpc_url: Option<Uri>,
    /// Trust this certificate authority instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// Our certificate, then its chain (PEM), for an upstream that requires one; never without the key.
    pub client_cert_file: Option<PathBuf>,
    /// Its private key (PEM).
    pub client_key_file: Option<PathBuf>,
    /// The name to send (SNI) and to expect in the certificate instead of the URL's host.
    pub server_name: Option<ServerName<'static>>,
    /// Requests are signed for Amazon OpenSearch.
    pub sign: Option<SignConfig>,
    /// For the connection, TLS included.
    pub connect_timeout: Duration,
    /// For the head of a search's response; `None` is unlimited.
    pub response_timeout: Option<Duration>,
    /// For the head of the response to any other request; `None` is unlimited.
    pub forward_timeout: Option<Duration>,
}

impl ListenerConfig {
    /// The default listener before an upstream.
    pub fn before(url: Uri) -> Self {
        Self {
            listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 6343),
            upstream: UpstreamConfig {
                url,
                path_prefix: PathPrefix::default(),
                host: HostHeader::Upstream,
                http2: false,
                grpc_url: None,
                ca_file: None,
                client_cert_file: None,
                client_key_file: None,
                server_name: None,
                sign: None,
                connect_timeout: Duration::from_secs(5),
                response_timeout: Some(Duration::from_secs(60)),
                forward_timeout: Some(Duration::from_secs(60 * 60)),
            },
            grpc_listen: None,
            tls: None,
            path_prefix: PathPrefix::default(),
            dialect: DialectChoice::Auto,
            dialect_file: None,
            definition: None,
            max_connections: 10_000,
        }
    }
}
