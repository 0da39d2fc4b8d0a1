use std::{io, path::PathBuf, time::Duration};

use super::{Address, AddressError};

/// How to use Redis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Where it is.
    pub address: Address,
    /// Timeout of a search's reads. Default 20 ms.
    pub timeout: Duration,
    /// Time to live of a score, give or take a tenth, so that scores written together do not expire together.
    pub ttl: Duration,
    /// What every key begins with. Default `rerankd`.
    pub prefix: String,
    /// PEM certificates to trust instead of the system's; read again for each connection.
    pub ca_file: Option<PathBuf>,
    /// Holds the password, which is then not in the URL; read again for each connection.
    pub password_file: Option<PathBuf>,
}

impl Settings {
    /// The defaults for one address.
    pub fn new(address: Address) -> Self {
        Self {
            address,
            timeout: Duration::from_millis(20),
            ttl: Duration::from_secs(24 * 60 * 60),
            prefix: "rerankd".to_owned(),
            ca_file: None,
            password_file: None,
        }
    }
}

/// Why Redis cannot be used as configured.
#[derive(Debug, thiserror::Error)]
pub enum FleetError {
    /// The URL is not one.
    #[error("cache.redis.url: {0}")]
    Address(#[from] AddressError),
    /// A CA file without TLS.
    #[error("cache.redis.ca_file is only used with TLS; begin the URL with rediss://")]
    CaWithoutTls,
    /// Two passwords.
    #[error("the password is in cache.redis.url and in cache.redis.password_file; write it once")]
    TwoPasswords,
    /// A prefix that cannot be one.
    #[error("cache.redis.prefix: use 1 to 64 letters, digits and . _ - : /")]
    Prefix,
    /// A file cannot be read.
    #[error("{setting} cannot be read; mount it or correct the path")]
    File {
        /// The setting that names it.
        setting: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// A CA file without certificates.
    #[error("cache.redis.ca_file holds no PEM certificates")]
    NoCertificates,
}
