//! [`Pools`]: the connections to the databases and embedding services, kept over a reload where nothing about them changed.

use std::{path::PathBuf, time::Duration};

use http::Uri;

use super::{Shared, StartError, build, embeddings, listener};
use crate::{
    config::{Config, Fingerprint, LimitsConfig, ServiceConfig, UpstreamConfig},
    upstream::Upstream,
};

/// One pool for each listener, in the configuration's order, where equal upstreams share one; and one for each service.
#[derive(Clone, Default)]
pub(super) struct Pools {
    databases: Vec<Pool>,
    services: Vec<ServicePool>,
}

#[derive(Clone)]
struct ServicePool {
    limits: LimitsConfig,
    /// Of the certificates; they may change while their paths do not.
    files: Fingerprint,
    service: (ServiceConfig, Upstream),
}

#[derive(Clone)]
struct Pool {
    settings: UpstreamConfig,
    limits: PoolLimits,
    /// Of the certificates and keys; they may change while their paths do not.
    files: Fingerprint,
    upstream: Upstream,
    /// For gRPC calls, and where they go.
    grpc: Option<Upstream>,
    grpc_url: Option<Uri>,
}

/// The limits that connections to a database have.
#[derive(Clone, Copy, PartialEq, Eq)]
struct PoolLimits {
    body_timeout: Option<Duration>,
    max_headers: usize,
    max_head_bytes: usize,
    suspect_after: u32,
}

/// So many responses are owed at a time without a circle of requests being suspected.
const MANY_OWED: usize = 32;

impl PoolLimits {
    fn of(config: &Config, shared: &Shared) -> Self {
        let LimitsConfig { body_timeout, max_headers, max_head_bytes, .. } = config.limits;
        // A circle has to be seen before it has taken all connections of a listener.
        let caps = config.listeners.iter().map(|each| listener::max_connections(config, each, shared));
        let half = caps.min().unwrap_or(usize::MAX) / 2;
        let suspect_after = u32::try_from(half.clamp(1, MANY_OWED)).unwrap_or(u32::MAX);
        Self { body_timeout, max_headers, max_head_bytes, suspect_after }
    }
}

impl Pools {
    /// The pools for the listeners of `config`, taken from these where settings, limits and files are the same. Blocks
    /// on the disk.
    pub(super) fn renewed(&self, config: &Config, shared: &Shared) -> Result<Self, StartError> {
        let mut pools = Self::default();
        let limits = PoolLimits::of(config, shared);
        for listener in &config.listeners {
            let settings = &listener.upstream;
            // Before they are read: a change in between is then seen by the next reload.
            let files = Fingerprint::of(&files(settings));
            let grpc_url = listener.grpc_url();
            let same = |pool: &&Pool| {
                pool.settings == *settings
                    && pool.grpc_url == grpc_url
                    && pool.files == files
                    && pool.limits == limits
            };
            let pool = match self.databases.iter().chain(&pools.databases).find(same) {
                Some(pool) => pool.clone(),
                None => {
                    let failed = |source| StartError::Upstream { listen: listener.listen, source };
                    let suspect = limits.suspect_after;
                    let upstream =
                        build::upstream(settings, &config.limits, shared, suspect).map_err(failed)?;
                    let calls = |url| build::grpc_upstream(url, settings, &config.limits, shared, suspect);
                    let grpc = grpc_url.clone().map(calls).transpose().map_err(failed)?;
                    Pool { settings: settings.clone(), limits, files, upstream, grpc, grpc_url }
                }
            };
            pools.databases.push(pool);
        }
        for service in config.served_services() {
            pools.services.push(self.service(service, config, shared)?);
        }
        Ok(pools)
    }

    fn service(
        &self,
        service: ServiceConfig,
        config: &Config,
        shared: &Shared,
    ) -> Result<ServicePool, StartError> {
        let limits = &config.limits;
        let files = Fingerprint::of(&service.ca_file.iter().cloned().collect::<Vec<_>>());
        let same = |pool: &&ServicePool| {
            pool.service.0.reached_as(&service) && pool.files == files && pool.limits == *limits
        };
        let upstream = match self.services.iter().find(same) {
            Some(pool) => pool.service.1.clone(),
            None => embeddings::upstream(&service, limits, shared)
                .map_err(|source| StartError::Service { name: service.name.clone(), source })?,
        };
        Ok(ServicePool { limits: limits.clone(), files, service: (service, upstream) })
    }

    /// The embedding services, each with its pool.
    pub(super) fn services(&self) -> Vec<(ServiceConfig, Upstream)> {
        self.services.iter().map(|pool| pool.service.clone()).collect()
    }

    /// In the order of the listeners, each with the one for gRPC calls.
    pub(super) fn upstreams(&self) -> impl Iterator<Item = (&Upstream, Option<&Upstream>)> {
        self.databases.iter().map(|pool| (&pool.upstream, pool.grpc.as_ref()))
    }
}

fn files(settings: &UpstreamConfig) -> Vec<PathBuf> {
    [&settings.ca_file, &settings.client_cert_file, &settings.client_key_file]
        .into_iter()
        .flatten()
        .cloned()
        .collect()
}
