//! [`ListenerTlsConfig`]: TLS on a listener.

use std::{path::PathBuf, time::Duration};

/// TLS on a listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenerTlsConfig {
    /// The certificate, then its chain (PEM).
    pub cert_file: PathBuf,
    /// Its private key (PEM).
    pub key_file: PathBuf,
    /// Let in only clients with a certificate of these authorities (PEM).
    pub client_ca_file: Option<PathBuf>,
    /// A handshake that takes longer is aborted.
    pub handshake_timeout: Duration,
}

impl ListenerTlsConfig {
    /// The defaults with this certificate and key.
    pub fn new(cert_file: PathBuf, key_file: PathBuf) -> Self {
        Self { cert_file, key_file, client_ca_file: None, handshake_timeout: Duration::from_secs(10) }
    }
}
