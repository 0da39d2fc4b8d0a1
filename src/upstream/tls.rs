//! TLS to an `https://` upstream: which certificates it may have, and ours.

use std::{path::PathBuf, sync::Arc};

use http::{Uri, uri::Scheme};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::UpstreamSetupError;
use crate::tls::{authorities, certificates, crypto, private_key};

/// TLS to the upstream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UpstreamTls {
    /// Trust these certificates (PEM) instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// Our certificate with its chain, and its private key (PEM), for an upstream that requires client certificates.
    pub client: Option<ClientIdentity>,
    /// Sent as server name (SNI) and expected in the certificate, instead of the URL's host. An IP address is
    /// expected but not sent (RFC 6066 §3).
    pub server_name: Option<ServerName<'static>>,
}

/// The files of a client's certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientIdentity {
    /// The certificate, then its chain.
    pub cert_file: PathBuf,
    /// Its private key.
    pub key_file: PathBuf,
}

/// TLS with the system's roots, or only those of the CA file. ALPN is the connector's.
pub(super) fn client_config(tls: &UpstreamTls, scheme: &Scheme) -> Result<ClientConfig, UpstreamSetupError> {
    let roots = match &tls.ca_file {
        Some(path) => authorities(path)?,
        None if *scheme == Scheme::HTTP => RootCertStore::empty(),
        // A system without roots is no error by itself: the handshake will say so.
        None => {
            let mut roots = RootCertStore::empty();
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            roots
        }
    };
    let config = ClientConfig::builder_with_provider(crypto())
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots);
    Ok(match &tls.client {
        Some(us) => config.with_client_auth_cert(certificates(&us.cert_file)?, private_key(&us.key_file)?)?,
        None => config.with_no_client_auth(),
    })
}

/// The certificate that an `https://` upstream shows, by a handshake of its own; `None` where there is none that is good.
pub async fn certificate(url: &Uri, tls: &UpstreamTls) -> Option<CertificateDer<'static>> {
    if url.scheme() != Some(&Scheme::HTTPS) {
        return None;
    }
    let host = url.host()?.trim_matches(['[', ']']);
    let config = client_config(tls, &Scheme::HTTPS).ok()?;
    let name = match &tls.server_name {
        Some(name) => name.clone(),
        None => ServerName::try_from(host.to_owned()).ok()?,
    };
    let tcp = TcpStream::connect((host, url.port_u16().unwrap_or(443))).await.ok()?;
    let stream = TlsConnector::from(Arc::new(config)).connect(name, tcp).await.ok()?;
    let (_, session) = stream.get_ref();
    session.peer_certificates()?.first().cloned()
}
