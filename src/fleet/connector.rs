//! Opens connections. Files are read anew each time, so that a renewed password or CA is used.

use std::{io, path::Path, time::Duration};

use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, RedisConnectionInfo,
    RedisResult, TlsCertificates, TlsMode,
    cluster::ClusterClientBuilder,
    io::tcp::{TcpSettings, socket2::TcpKeepalive},
    sentinel::{SentinelClientBuilder, SentinelServerType},
};
use rustls_pki_types::{CertificateDer, pem::PemObject};
use secrecy::{ExposeSecret, SecretString};

use super::{Connection, Failure, FleetError, Settings, address::Topology};

/// Timeout of a connection, TLS and login included. No search waits for it.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// The current contents of the files.
struct Secrets {
    password: Option<SecretString>,
    ca: Option<Vec<u8>>,
}

/// Opens connections with these settings.
pub(super) struct Connector {
    settings: Settings,
    /// The longest timeout of a command on this connection.
    max_wait: Duration,
}

impl Connector {
    pub(super) fn new(settings: Settings, max_wait: Duration) -> Self {
        Self { settings, max_wait }
    }

    /// Finds settings that can never work.
    pub(super) fn check(&self) -> Result<(), FleetError> {
        let Settings { address, ca_file, password_file, prefix, .. } = &self.settings;
        if !super::is_prefix(prefix) {
            return Err(FleetError::Prefix);
        }
        if password_file.is_some() && address.has_password() {
            return Err(FleetError::TwoPasswords);
        }
        if let Some(path) = password_file {
            let setting = "cache.redis.password_file";
            std::fs::read(path).map_err(|source| FleetError::File { setting, source })?;
        }
        if let Some(path) = ca_file {
            if !address.is_tls() {
                return Err(FleetError::CaWithoutTls);
            }
            let setting = "cache.redis.ca_file";
            let pem = std::fs::read(path).map_err(|source| FleetError::File { setting, source })?;
            if !CertificateDer::pem_slice_iter(&pem).any(|certificate| certificate.is_ok()) {
                return Err(FleetError::NoCertificates);
            }
        }
        Ok(())
    }

    /// A new connection, logged in.
    pub(super) async fn connect(&self) -> Result<Connection, Failure> {
        let secrets = self.secrets().await.map_err(|_| Failure::File)?;
        let opened = match &self.settings.address.topology {
            Topology::Single => self.single(&secrets).await,
            Topology::Cluster => self.cluster(&secrets).await,
            Topology::Sentinel { master } => self.master(master, &secrets).await,
        };
        opened.map_err(|error| Failure::of(&error))
    }

    async fn secrets(&self) -> io::Result<Secrets> {
        let password = match &self.settings.password_file {
            Some(path) => Some(SecretString::from(tokio::fs::read_to_string(path).await?.trim().to_owned())),
            None => self.settings.address.password.clone(),
        };
        let read = async |path: &Path| tokio::fs::read(path).await.map(Some);
        let ca = match &self.settings.ca_file {
            Some(path) => read(path).await?,
            None => None,
        };
        Ok(Secrets { password, ca })
    }

    async fn single(&self, secrets: &Secrets) -> RedisResult<Connection> {
        let infos = self.infos(secrets)?;
        let mut last = Err((redis::ErrorKind::InvalidClientConfig, "no host").into());
        for info in infos {
            let client = match &secrets.ca {
                Some(_) => Client::build_with_tls(info, certificates(secrets))?,
                None => Client::open(info)?,
            };
            last =
                client.get_multiplexed_async_connection_with_config(&config()).await.map(Connection::Single);
            if last.is_ok() {
                break;
            }
        }
        last
    }

    async fn cluster(&self, secrets: &Secrets) -> RedisResult<Connection> {
        // A node that moved a slot answers so, which costs a second round trip; the delays are for failures.
        let mut builder = ClusterClientBuilder::new(self.infos(secrets)?)
            .connection_timeout(CONNECT_TIMEOUT)
            .response_timeout(self.max_wait)
            .overall_response_timeout(None)
            .tcp_settings(tcp())
            .retries(2)
            .min_retry_wait(1)
            .max_retry_wait(5);
        if secrets.ca.is_some() {
            builder = builder.certs(certificates(secrets));
        }
        builder.build()?.get_async_connection().await.map(Connection::Cluster)
    }

    /// Sentinels are called without a login: theirs differs from the master's.
    async fn master(&self, name: &str, secrets: &Secrets) -> RedisResult<Connection> {
        let sentinels: Vec<ConnectionAddr> = self.addresses();
        let mut builder = SentinelClientBuilder::new(sentinels, name, SentinelServerType::Master)?
            .set_client_to_redis_db(self.settings.address.database)
            .set_client_to_redis_tcp_settings(tcp())
            .set_client_to_sentinel_tcp_settings(tcp());
        if let Some(username) = &self.settings.address.username {
            builder = builder.set_client_to_redis_username(username);
        }
        if let Some(password) = &secrets.password {
            builder = builder.set_client_to_redis_password(password.expose_secret());
        }
        if self.settings.address.tls {
            builder = builder.set_client_to_redis_tls_mode(TlsMode::Secure);
        }
        if secrets.ca.is_some() {
            builder = builder
                .set_client_to_redis_certificates(certificates(secrets))
                .set_client_to_sentinel_certificates(certificates(secrets));
        }
        let mut client = builder.build()?;
        client.get_async_connection_with_config(&config()).await.map(Connection::Single)
    }

    fn addresses(&self) -> Vec<ConnectionAddr> {
        let address = &self.settings.address;
        let each = |(host, port): &(String, u16)| match address.tls {
            true => {
                ConnectionAddr::TcpTls { host: host.clone(), port: *port, insecure: false, tls_params: None }
            }
            false => ConnectionAddr::Tcp(host.clone(), *port),
        };
        address.hosts.iter().map(each).collect()
    }

    fn infos(&self, secrets: &Secrets) -> RedisResult<Vec<ConnectionInfo>> {
        let address = &self.settings.address;
        let mut login = RedisConnectionInfo::default().set_db(address.database).set_skip_set_lib_name();
        if let Some(username) = &address.username {
            login = login.set_username(username);
        }
        if let Some(password) = &secrets.password {
            login = login.set_password(password.expose_secret());
        }
        let each = |address: ConnectionAddr| {
            let info = address.into_connection_info()?;
            Ok(info.set_redis_settings(login.clone()).set_tcp_settings(tcp()))
        };
        self.addresses().into_iter().map(each).collect()
    }
}

fn certificates(secrets: &Secrets) -> TlsCertificates {
    TlsCertificates { client_tls: None, root_cert: secrets.ca.clone() }
}

/// Every command has its own timeout.
fn config() -> AsyncConnectionConfig {
    AsyncConnectionConfig::new().set_response_timeout(None).set_connection_timeout(Some(CONNECT_TIMEOUT))
}

/// The client's default waits to fill packets, which costs up to 40 ms.
fn tcp() -> TcpSettings {
    let keepalive =
        TcpKeepalive::new().with_time(Duration::from_secs(30)).with_interval(Duration::from_secs(10));
    TcpSettings::default().set_nodelay(true).set_keepalive(keepalive)
}
