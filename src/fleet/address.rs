//! Where Redis is: a URL, read once.

use std::fmt;

use percent_encoding::percent_decode_str;
use secrecy::{ExposeSecret, SecretString};

const REDIS_PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26379;

/// Where Redis is and how to log in. `Display` and `Debug` never show user name or password.
#[derive(Clone)]
pub struct Address {
    pub(super) tls: bool,
    pub(super) topology: Topology,
    /// At least one host and its port.
    pub(super) hosts: Vec<(String, u16)>,
    pub(super) database: i64,
    pub(super) username: Option<String>,
    pub(super) password: Option<SecretString>,
}

/// What the hosts are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Topology {
    /// One Redis.
    Single,
    /// Some nodes of a cluster.
    Cluster,
    /// Sentinels, which know the master of this name.
    Sentinel { master: String },
}

/// Why a URL cannot be used. Says what to write instead and never quotes the URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Not one of the known schemes.
    #[error(
        "the URL has to begin with redis:// or rediss:// (TLS), redis+cluster://, rediss+cluster://, \
         redis+sentinel:// or rediss+sentinel://."
    )]
    Scheme,
    /// No host, or one that is none.
    #[error("the URL's host or port is not valid; write host:port, IPv6 addresses in brackets.")]
    Host,
    /// Several hosts without a cluster or sentinels.
    #[error("several hosts are only for redis+cluster:// and redis+sentinel://.")]
    SeveralHosts,
    /// The path is not a database number.
    #[error("after the host comes the number of the database only, such as redis://host:6379/0.")]
    Database,
    /// A cluster with a database number.
    #[error("a cluster has only database 0; leave the number out.")]
    ClusterDatabase,
    /// Sentinels without a master.
    #[error(
        "the URL has to name the sentinels' master, such as redis+sentinel://host1:26379,host2:26379/mymaster."
    )]
    Master,
    /// A query string or fragment.
    #[error(
        "the URL must not have a query string or fragment; write a `?` or `#` in a password as %3F or %23."
    )]
    Query,
    /// User name or password cannot be decoded.
    #[error("user name or password in the URL is not valid UTF-8 after percent-decoding.")]
    Login,
}

impl Address {
    /// Reads `redis://user:password@host:port/database` and the forms for TLS, clusters and sentinels.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let (scheme, rest) = text.trim().split_once("://").ok_or(AddressError::Scheme)?;
        let scheme = scheme.to_ascii_lowercase();
        let (base, kind) = match scheme.split_once('+') {
            Some((base, kind)) => (base, Some(kind)),
            None => (scheme.as_str(), None),
        };
        let tls = match base {
            "redis" | "valkey" => false,
            "rediss" | "valkeys" => true,
            _ => return Err(AddressError::Scheme),
        };
        // A password may hold a slash or an at sign that nobody encoded: the last at sign counts.
        let (login, rest) = match rest.rsplit_once('@') {
            Some((login, rest)) => (Some(login), rest),
            None => (None, rest),
        };
        if rest.contains(['?', '#']) {
            return Err(AddressError::Query);
        }
        let (hosts, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (topology, database, port) = match kind {
            None => (Topology::Single, database(path)?, REDIS_PORT),
            Some("cluster") => (Topology::Cluster, database(path)?, REDIS_PORT),
            Some("sentinel") => {
                let (master, path) = path.split_once('/').unwrap_or((path, ""));
                if master.is_empty() {
                    return Err(AddressError::Master);
                }
                (Topology::Sentinel { master: decoded(master)? }, database(path)?, SENTINEL_PORT)
            }
            Some(_) => return Err(AddressError::Scheme),
        };
        let hosts = hosts.split(',').map(|host| host_and_port(host, port)).collect::<Result<Vec<_>, _>>()?;
        let (username, password) = self::login(login)?;
        let address = Self { tls, topology, hosts, database, username, password };
        address.checked()
    }

    /// The same hosts as nodes of a cluster.
    pub fn as_cluster(mut self) -> Result<Self, AddressError> {
        if self.topology == Topology::Single {
            self.topology = Topology::Cluster;
        }
        self.checked()
    }

    /// Whether the connection is encrypted.
    pub fn is_tls(&self) -> bool {
        self.tls
    }

    /// Whether a password is part of it.
    pub fn has_password(&self) -> bool {
        self.password.is_some()
    }

    /// The URL with `***` where user name and password stand.
    pub fn masked(&self) -> String {
        let login = if self.username.is_some() || self.has_password() { "***@" } else { "" };
        self.written(login)
    }

    fn checked(self) -> Result<Self, AddressError> {
        match self.topology {
            Topology::Single if self.hosts.len() > 1 => Err(AddressError::SeveralHosts),
            Topology::Cluster if self.database != 0 => Err(AddressError::ClusterDatabase),
            _ => Ok(self),
        }
    }

    fn written(&self, login: &str) -> String {
        let scheme = if self.tls { "rediss" } else { "redis" };
        let hosts: Vec<String> = self
            .hosts
            .iter()
            .map(
                |(host, port)| {
                    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
                },
            )
            .collect();
        let hosts = hosts.join(",");
        match &self.topology {
            Topology::Single => format!("{scheme}://{login}{hosts}/{}", self.database),
            Topology::Cluster => format!("{scheme}+cluster://{login}{hosts}"),
            Topology::Sentinel { master } => {
                format!("{scheme}+sentinel://{login}{hosts}/{master}/{}", self.database)
            }
        }
    }
}

impl PartialEq for Address {
    fn eq(&self, other: &Self) -> bool {
        let password = |address: &Self| address.password.as_ref().map(|p| p.expose_secret().to_owned());
        self.written("") == other.written("")
            && self.username == other.username
            && password(self) == password(other)
    }
}

impl Eq for Address {}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written(""))
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({})", self.masked())
    }
}

fn database(path: &str) -> Result<i64, AddressError> {
    match path {
        "" => Ok(0),
        path => path.parse::<u16>().map(i64::from).map_err(|_| AddressError::Database),
    }
}

fn host_and_port(text: &str, default: u16) -> Result<(String, u16), AddressError> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']').ok_or(AddressError::Host)?;
            host.parse::<std::net::Ipv6Addr>().map_err(|_| AddressError::Host)?;
            (
                host,
                if port.is_empty() { None } else { Some(port.strip_prefix(':').ok_or(AddressError::Host)?) },
            )
        }
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    let port = match port {
        Some(port) => port.parse().ok().filter(|port| *port > 0).ok_or(AddressError::Host)?,
        None => default,
    };
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
    if host.is_empty() || !host.chars().all(good) {
        return Err(AddressError::Host);
    }
    Ok((host.to_owned(), port))
}

/// `user:password`, `:password` or `user`.
fn login(text: Option<&str>) -> Result<(Option<String>, Option<SecretString>), AddressError> {
    let Some(text) = text else { return Ok((None, None)) };
    let (username, password) = text.split_once(':').unwrap_or((text, ""));
    let filled = |text: &str| -> Result<Option<String>, AddressError> {
        let text = decoded(text)?;
        Ok(if text.is_empty() { None } else { Some(text) })
    };
    Ok((filled(username)?, filled(password)?.map(SecretString::from)))
}

fn decoded(text: &str) -> Result<String, AddressError> {
    percent_decode_str(text).decode_utf8().map(|text| text.into_owned()).map_err(|_| AddressError::Login)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> Result<String, AddressError> {
        Address::parse(text).map(|address| address.to_string())
    }

    #[test]
    fn every_form_is_read_and_written_without_the_login() {
        for (text, expected) in [
            ("redis://cache", "redis://cache:6379/0"),
            (" REDIS://cache:7000/3 ", "redis://cache:7000/3"),
            ("rediss://app:s3cret@cache.internal/2", "rediss://cache.internal:6379/2"),
            ("redis://:s3cret@[::1]:6380", "redis://[::1]:6380/0"),
            ("valkeys://10.0.0.1", "rediss://10.0.0.1:6379/0"),
            ("redis+cluster://a:7000,b:7001,c", "redis+cluster://a:7000,b:7001,c:6379"),
            ("rediss+cluster://app:s3cret@a:7000", "rediss+cluster://a:7000"),
            ("redis+sentinel://a,b:26380/main/1", "redis+sentinel://a:26379,b:26380/main/1"),
            ("redis+sentinel://:s3cret@a/main", "redis+sentinel://a:26379/main/0"),
        ] {
            assert_eq!(written(text).as_deref(), Ok(expected), "{text}");
            assert!(!format!("{:?}", Address::parse(text)).contains("s3cret"));
        }
    }

    #[test]
    fn a_login_is_decoded_and_shown_as_stars() {
        let address = Address::parse("redis://us%65r:p%40ss/w@rd@cache").unwrap();
        assert_eq!(address.username.as_deref(), Some("user"));
        assert_eq!(address.password.as_ref().unwrap().expose_secret(), "p@ss/w@rd");
        assert_eq!(address.masked(), "redis://***@cache:6379/0");
        assert_eq!(format!("{address:?}"), "Address(redis://***@cache:6379/0)");
        assert_eq!(Address::parse("redis://cache").unwrap().masked(), "redis://cache:6379/0");
        assert!(Address::parse("redis://app@cache").unwrap().password.is_none());
    }

    #[test]
    fn addresses_are_equal_if_everything_is() {
        let all = [
            "redis://a",
            "rediss://a",
            "redis://a:1",
            "redis://a/1",
            "redis://u@a",
            "redis://u:p@a",
            "redis://u:q@a",
        ];
        for (at, one) in all.iter().enumerate() {
            for (place, other) in all.iter().enumerate() {
                let equal = Address::parse(one) == Address::parse(other);
                assert_eq!(equal, at == place, "{one} {other}");
            }
        }
    }

    #[test]
    fn what_is_no_address_is_reported_and_never_quoted() {
        for (text, expected) in [
            ("s3cret", AddressError::Scheme),
            ("http://s3cret", AddressError::Scheme),
            ("redis+unix://s3cret", AddressError::Scheme),
            ("redis://", AddressError::Host),
            ("redis://s3cret:0", AddressError::Host),
            ("redis://s3cret:99999", AddressError::Host),
            ("redis://a b", AddressError::Host),
            ("redis://[s3cret]", AddressError::Host),
            ("redis://[::1", AddressError::Host),
            ("redis://a,s3cret", AddressError::SeveralHosts),
            ("redis://a/s3cret", AddressError::Database),
            ("redis://a/-1", AddressError::Database),
            ("redis://a?s3cret", AddressError::Query),
            ("redis+cluster://a/1", AddressError::ClusterDatabase),
            ("redis+sentinel://a", AddressError::Master),
            ("redis://%ff:s3cret@a", AddressError::Login),
        ] {
            let error = Address::parse(text).unwrap_err();
            assert_eq!(error, expected, "{text}");
            assert!(!error.to_string().contains("s3cret"));
        }
    }

    #[test]
    fn a_single_address_can_be_that_of_a_cluster() {
        let cluster = |text| Address::parse(text).unwrap().as_cluster().map(|address| address.to_string());
        assert_eq!(cluster("redis://a:7000").as_deref(), Ok("redis+cluster://a:7000"));
        assert_eq!(cluster("redis://a/1"), Err(AddressError::ClusterDatabase));
        assert_eq!(cluster("redis+sentinel://a/main").as_deref(), Ok("redis+sentinel://a:26379/main/0"));
    }
}
