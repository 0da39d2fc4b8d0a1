//! TLS on a listener.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use rustls::server::{VerifierBuilderError, WebPkiClientVerifier};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::tls::{PemError, authorities, certificates, crypto, not_after, private_key};

/// What clients speak, HTTP/2 first (RFC 7301).
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// The files behind TLS on a listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsSettings {
    /// The certificate, then its chain (PEM).
    pub cert_file: PathBuf,
    /// Its private key (PEM).
    pub key_file: PathBuf,
    /// Let in only clients with a certificate of these authorities (PEM).
    pub client_ca_file: Option<PathBuf>,
    /// The timeout of a handshake.
    pub handshake_timeout: Duration,
}

/// Why TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A PEM file cannot be used.
    #[error(transparent)]
    Pem(#[from] PemError),
    /// Certificate and key do not belong together, or are of a kind that is not supported.
    #[error("the certificate and the key cannot be used together")]
    Identity(#[source] rustls::Error),
    /// The clients' authorities cannot be used.
    #[error("the clients' authorities cannot be used")]
    Clients(#[from] VerifierBuilderError),
    /// TLS could not be configured.
    #[error("TLS cannot be configured")]
    Tls(#[source] rustls::Error),
}

/// TLS, ready for handshakes. Cheap to clone.
#[derive(Clone)]
pub struct ServerTls {
    acceptor: TlsAcceptor,
    handshake_timeout: Duration,
    not_after: Option<u64>,
}

impl ServerTls {
    /// Reads the files. TLS 1.2 and 1.3.
    pub fn load(settings: &TlsSettings) -> Result<Self, TlsError> {
        let chain = certificates(&settings.cert_file)?;
        let not_after = chain.first().and_then(not_after);
        let crypto = crypto();
        let config = ServerConfig::builder_with_provider(crypto.clone())
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Tls)?;
        let config = match &settings.client_ca_file {
            None => config.with_no_client_auth(),
            Some(file) => config.with_client_cert_verifier(
                WebPkiClientVerifier::builder_with_provider(Arc::new(authorities(file)?), crypto).build()?,
            ),
        };
        let mut config =
            config.with_single_cert(chain, private_key(&settings.key_file)?).map_err(TlsError::Identity)?;
        config.alpn_protocols = PROTOCOLS.iter().map(|name| name.to_vec()).collect();
        Ok(Self {
            acceptor: TlsAcceptor::from(Arc::new(config)),
            handshake_timeout: settings.handshake_timeout,
            not_after,
        })
    }

    /// When the certificate expires, in seconds since 1970.
    pub fn not_after(&self) -> Option<u64> {
        self.not_after
    }

    /// Performs the handshake; `None` if it failed or timed out, which is counted as the client's fault.
    pub(super) async fn accept(&self, stream: TcpStream) -> Option<TlsStream<TcpStream>> {
        match tokio::time::timeout(self.handshake_timeout, self.acceptor.accept(stream)).await {
            Ok(Ok(stream)) => Some(stream),
            Ok(Err(error)) => {
                tracing::debug!(%error, "a TLS handshake was not completed");
                None
            }
            Err(_) => {
                tracing::debug!("a TLS handshake took too long");
                None
            }
        }
    }
}

impl fmt::Debug for ServerTls {
    /// Without certificate and key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerTls")
            .field("handshake_timeout", &self.handshake_timeout)
            .finish_non_exhaustive()
    }
}
