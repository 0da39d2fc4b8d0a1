use std::{io, sync::Arc};

use redis::{ErrorKind, RedisError, ServerErrorKind};

/// Why Redis gave no good response. A closed list: a server's own words stay out of logs and metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// Timeout.
    Timeout,
    /// No connection, or it broke.
    Unreachable,
    /// The certificate is not valid, or the handshake failed.
    Tls,
    /// The response is not valid for this command.
    Garbage,
    /// The login is rejected.
    Login,
    /// The user lacks permission for the command.
    Forbidden,
    /// It is loading its data.
    Loading,
    /// It is a replica, or rejects writes for now.
    ReadOnly,
    /// Its memory is full.
    Full,
    /// The cluster has no node for a key.
    ClusterDown,
    /// No sentinel knows the master.
    NoMaster,
    /// A file of the configuration can no longer be read.
    File,
    /// It rejects the command for another reason.
    Rejected,
}

impl Failure {
    /// For logs.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Failure::Timeout => "no response in time",
            Failure::Unreachable => "no connection",
            Failure::Tls => "the TLS handshake fails",
            Failure::Garbage => "a response that is not Redis's",
            Failure::Login => "the login is rejected",
            Failure::Forbidden => "the user may not run the command",
            Failure::Loading => "it is loading its data",
            Failure::ReadOnly => "it takes no writes",
            Failure::Full => "its memory is full",
            Failure::ClusterDown => "the cluster is down",
            Failure::NoMaster => "no sentinel knows the master",
            Failure::File => "a file that cache.redis names cannot be read",
            Failure::Rejected => "it rejects the command",
        }
    }

    /// What to do about it.
    pub(super) fn remedy(self) -> &'static str {
        match self {
            Failure::Timeout | Failure::Unreachable => {
                "See that it runs, and that cache.redis.url is right and can be reached from here."
            }
            Failure::Tls => "See cache.redis.ca_file, and whether the port speaks TLS (rediss://).",
            Failure::Garbage => "See whether the port of cache.redis.url is Redis's or Valkey's.",
            Failure::Login => "See user and password: cache.redis.url or cache.redis.password_file.",
            Failure::Forbidden => {
                "Let its user run LRANGE, RPUSH, LTRIM, PEXPIRE, MULTI, EXEC, MGET, GET, SET, EVAL and PING on the \
                 keys of cache.redis.prefix."
            }
            Failure::Loading => "Wait until it has loaded its data.",
            Failure::ReadOnly => "Name the primary in cache.redis.url, or its sentinels.",
            Failure::Full => "Give it more memory, or a maxmemory-policy that evicts.",
            Failure::ClusterDown => "See the state of the cluster: some of its slots have no node.",
            Failure::NoMaster => "See the master's name in cache.redis.url.",
            Failure::File => "Mount the files that cache.redis names, or correct their paths.",
            Failure::Rejected => {
                "See its log, and whether it, or a proxy before it, has all of LRANGE, RPUSH, LTRIM, PEXPIRE, MULTI, EXEC, \
                 MGET, GET, SET and EVAL."
            }
        }
    }

    /// Whether the connection is of no more use.
    pub(super) fn ends_connection(self) -> bool {
        matches!(self, Failure::Unreachable | Failure::Garbage | Failure::Login)
    }

    pub(super) fn of(error: &RedisError) -> Self {
        match error.kind() {
            ErrorKind::Io if error.is_timeout() => Failure::Timeout,
            ErrorKind::Io if is_tls(error) => Failure::Tls,
            ErrorKind::Io | ErrorKind::ClusterConnectionNotFound => Failure::Unreachable,
            ErrorKind::Parse | ErrorKind::UnexpectedReturnType => Failure::Garbage,
            ErrorKind::AuthenticationFailed => Failure::Login,
            // The response to a long command before the login.
            _ if error.detail().is_some_and(|detail| detail.contains("unauthenticated")) => Failure::Login,
            ErrorKind::MasterNameNotFoundBySentinel | ErrorKind::EmptySentinelList => Failure::NoMaster,
            ErrorKind::Server(ServerErrorKind::ExecAbort) => of_aborted(error),
            ErrorKind::Server(kind) => of_server(kind),
            _ => of_code(error.code()),
        }
    }
}

/// Why a transaction was not run: what was said to the first command of it that was refused.
fn of_aborted(error: &RedisError) -> Failure {
    let errors = error.clone().into_server_errors();
    let Some((_, first)) = errors.as_deref().and_then(<[_]>::first) else { return Failure::Rejected };
    match first.kind() {
        // Its own words and no reason.
        Some(ServerErrorKind::ExecAbort) => Failure::Rejected,
        Some(kind) => of_server(kind),
        None => of_code(Some(first.code())),
    }
}

fn of_server(kind: ServerErrorKind) -> Failure {
    match kind {
        ServerErrorKind::BusyLoading => Failure::Loading,
        ServerErrorKind::ReadOnly => Failure::ReadOnly,
        ServerErrorKind::NoPerm => Failure::Forbidden,
        ServerErrorKind::ClusterDown
        | ServerErrorKind::MasterDown
        | ServerErrorKind::TryAgain
        | ServerErrorKind::Moved
        | ServerErrorKind::Ask => Failure::ClusterDown,
        _ => Failure::Rejected,
    }
}

/// Codes that the client knows no kind for.
fn of_code(code: Option<&str>) -> Failure {
    match code {
        Some("OOM") => Failure::Full,
        Some("MISCONF" | "NOREPLICAS") => Failure::ReadOnly,
        Some("NOAUTH" | "WRONGPASS") => Failure::Login,
        _ => Failure::Rejected,
    }
}

/// The client keeps its cause in an `Arc`, and an `io::Error` does not give the one inside it as its source.
fn is_tls(error: &RedisError) -> bool {
    std::error::Error::source(error)
        .and_then(|cause| cause.downcast_ref::<Arc<dyn std::error::Error + Send + Sync>>())
        .and_then(|cause| cause.downcast_ref::<io::Error>())
        .and_then(io::Error::get_ref)
        .is_some_and(|inner| inner.is::<rustls::Error>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_handshake_is_distinguished_from_a_broken_connection() {
        let tls = io::Error::new(io::ErrorKind::InvalidData, rustls::Error::HandshakeNotComplete);
        assert_eq!(Failure::of(&RedisError::from(tls)), Failure::Tls);
        assert_eq!(Failure::of(&RedisError::from(io::Error::other("x"))), Failure::Unreachable);
        assert_eq!(
            Failure::of(&RedisError::from(io::Error::from(io::ErrorKind::TimedOut))),
            Failure::Timeout
        );
    }
}
