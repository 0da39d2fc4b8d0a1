//! A configuration's proxies without sockets, for commands that search from inside the program.

use std::sync::Arc;

use super::{Shared, StartError, build, pools::Pools};
use crate::{
    config::{Config, ServiceConfig},
    proxy::{Forwarder, Proxy, TunnelSettings},
    rerank::ScoreStore,
    signing::{Keys, SignedClients},
    workers::Workers,
};

/// The same providers, cache and ranking as a server of this configuration has.
pub struct Offline {
    /// One for each listener, in the configuration's order.
    pub proxies: Vec<Proxy>,
    /// The score cache that they share.
    pub store: Arc<ScoreStore>,
    /// The embedding services that are served.
    pub services: Vec<OfflineService>,
    /// What requests are signed with, for each listener.
    pub keys: Vec<Option<Keys>>,
}

/// An embedding service that is served.
pub struct OfflineService {
    /// What is configured.
    pub config: ServiceConfig,
    /// Sends requests there.
    pub forwarder: Forwarder,
}

/// Builds it, and begins to connect to Redis, if that is configured. Blocks on the disk; needs a Tokio runtime.
pub fn offline(config: &Config) -> Result<Offline, StartError> {
    let shared = Shared::new(&prometheus::Registry::new(), Workers::here())?.renewed(None, config)?;
    let pools = Pools::default().renewed(config, &shared)?;
    let store = shared.stack.store.clone();
    store.connect();
    let listeners = config.listeners.iter().zip(pools.upstreams());
    let proxies = listeners.map(|(each, (upstream, grpc))| {
        let proxy = build::proxy(config, each, &shared, (upstream.clone(), grpc.cloned()))?;
        // Whoever runs a command of this configuration needs no signature besides.
        Ok(Proxy { lent_to: SignedClients::Any, tracer: None, ..proxy })
    });
    let sign = config.listeners.iter().map(|each| each.upstream.sign.as_ref());
    let keys = sign.map(|sign| shared.keyring.keys(&sign?.region)).collect();
    let services = pools.services().into_iter().map(|(config, upstream)| OfflineService {
        config,
        forwarder: Forwarder::new(upstream, TunnelSettings::default()),
    });
    let proxies = proxies.collect::<Result<_, StartError>>()?;
    Ok(Offline { proxies, store, services: services.collect(), keys })
}
