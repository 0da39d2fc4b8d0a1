//! The settings of listeners: their own, and the limits that all have.

use std::net::SocketAddr;

use super::{Shared, StartError};
use crate::{
    config::{Config, ListenerConfig, ListenerTlsConfig},
    proxy::{ListenerSettings, ServerTls, TlsSettings},
    system::Resources,
};

/// The cap on connections of the rerank API, and of embedding services, which is not configured.
const API_CONNECTIONS: usize = 10_000;

/// The settings of a listener before a database. Blocks on the disk.
pub(super) fn of_searches(
    config: &Config,
    listener: &ListenerConfig,
    shared: &Shared,
) -> Result<ListenerSettings, StartError> {
    Ok(ListenerSettings {
        tls: tls(listener.listen, listener.tls.as_ref())?,
        ..every(config, listener.max_connections, shared)
    })
}

/// The settings of the rerank API's listener. Blocks on the disk.
pub(super) fn of_rerank_api(
    config: &Config,
    listen: SocketAddr,
    shared: &Shared,
) -> Result<ListenerSettings, StartError> {
    let tls = tls(listen, config.rerank_api.tls.as_ref())?;
    Ok(ListenerSettings { tls, ..every(config, API_CONNECTIONS, shared) })
}

/// Where embedding services are served, if they are, and the settings of that listener. Blocks on the disk.
pub(super) fn of_embeddings(
    config: &Config,
    shared: &Shared,
) -> Result<Option<(SocketAddr, ListenerSettings)>, StartError> {
    let Some(listen) = config.embeddings.listen else { return Ok(None) };
    let tls = tls(listen, config.embeddings.tls.as_ref())?;
    Ok(Some((listen, ListenerSettings { tls, ..every(config, API_CONNECTIONS, shared) })))
}

/// What a listener shows its clients. Blocks on the disk.
fn tls(listen: SocketAddr, tls: Option<&ListenerTlsConfig>) -> Result<Option<ServerTls>, StartError> {
    let loaded = tls.map(|tls| {
        ServerTls::load(&TlsSettings {
            cert_file: tls.cert_file.clone(),
            key_file: tls.key_file.clone(),
            client_ca_file: tls.client_ca_file.clone(),
            handshake_timeout: tls.handshake_timeout,
        })
    });
    loaded.transpose().map_err(|source| StartError::Tls { listen, source })
}

/// The most connections of a listener.
pub(super) fn max_connections(config: &Config, listener: &ListenerConfig, shared: &Shared) -> usize {
    every(config, listener.max_connections, shared).max_connections
}

/// What every listener has, at most `max_connections` of it.
fn every(config: &Config, max_connections: usize, shared: &Shared) -> ListenerSettings {
    let limits = &config.limits;
    // Those that nobody has asked for have few connections, with many calls on each: they take nothing from the others.
    let seconds = config.grpc_listens().into_iter().flatten().filter(|second| !second.is_default).count();
    let apis = [config.rerank_api.listen, config.embeddings.listen].into_iter().flatten().count();
    let listeners = config.listeners.len() + seconds + apis;
    ListenerSettings {
        max_connections: connections(max_connections, listeners, &shared.resources),
        max_headers: limits.max_headers,
        max_head_bytes: limits.max_head_bytes,
        head_timeout: limits.head_timeout,
        idle_timeout: limits.idle_timeout,
        write_timeout: limits.body_timeout,
        drain: shared.drain.clone(),
        drain_timeout: config.shutdown.grace,
        tls: None,
        tells_peers: !config.tenants.each.is_empty(),
        traffic: shared.traffic.clone(),
        waits: shared.waits.clone(),
        relays: config.relays,
        workers: shared.workers.clone(),
    }
}

/// Sockets and files for other than clients and their databases.
const OTHER_FILES: u64 = 128;
/// A low limit of open files is no reason to serve nobody.
const LEAST_CONNECTIONS: usize = 16;

/// As configured, but no more than the process may have open beside one connection to the database for each: a
/// connection that waits to be accepted is better off than one without an upstream.
fn connections(configured: usize, listeners: usize, resources: &Resources) -> usize {
    let Some(files) = resources.open_files else { return configured };
    let pairs = files.saturating_sub(OTHER_FILES) / 2;
    let share = usize::try_from(pairs).unwrap_or(usize::MAX) / listeners.max(1);
    configured.min(share.max(LEAST_CONNECTIONS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_connections_are_taken_than_files_may_be_open() {
        let with = |open_files| Resources { memory: None, cpus: 1, open_files };
        assert_eq!(connections(10_000, 1, &with(None)), 10_000);
        assert_eq!(connections(10_000, 1, &with(Some(1 << 20))), 10_000);
        assert_eq!(connections(10_000, 1, &with(Some(1024))), 448);
        assert_eq!(connections(10_000, 2, &with(Some(1024))), 224);
        assert_eq!(connections(10_000, 1, &with(Some(10))), 16);
        assert_eq!(connections(5, 1, &with(Some(1024))), 5);
    }
}
