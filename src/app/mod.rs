//! The composition root: a configuration becomes running listeners.

mod build;

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use prometheus::Registry;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::{
    admin::{Admin, Readiness},
    config::Config,
    pipeline::SearchMetrics,
    proxy::{
        Proxy,
        body,
        listener::{Listener, ListenerSettings},
    },
    rerank::{BuildError, RerankMetrics, ScoreStore},
    telemetry,
    upstream::UpstreamSetupError,
};

/// Why the program could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address cannot be bound.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// An upstream cannot be set up.
    #[error(transparent)]
    Upstream(#[from] UpstreamSetupError),
    /// A provider cannot be set up.
    #[error(transparent)]
    Provider(#[from] BuildError),
    /// Metrics cannot be registered.
    #[error(transparent)]
    Metrics(#[from] prometheus::Error),
    /// The cache's secret cannot be had.
    #[error("cache.secret_file cannot be read, or the system has no randomness")]
    Secret(#[source] io::Error),
}

/// The running program.
pub struct App {
    /// Where the listeners listen, in the configuration's order.
    pub listening: Vec<SocketAddr>,
    /// Where the admin listener listens.
    pub admin: SocketAddr,
    shutdown: CancellationToken,
    tasks: JoinSet<()>,
}

/// How long open requests may take to finish after a signal.
const DRAIN: Duration = Duration::from_secs(25);

/// What all listeners share.
struct Shared {
    rerank_metrics: Arc<RerankMetrics>,
    search_metrics: SearchMetrics,
    cache: Option<Arc<ScoreStore>>,
}

impl App {
    /// Binds every address and starts to serve.
    pub async fn start(config: &Config) -> Result<Self, StartError> {
        let registry = telemetry::new_registry()?;
        let shared = Shared::new(config, &registry)?;
        let readiness = Readiness::new();
        let shutdown = CancellationToken::new();
        let mut tasks = JoinSet::new();
        let mut listening = Vec::new();
        for settings in &config.listeners {
            let address = settings.listen;
            let limits = ListenerSettings {
                max_connections: settings.max_connections,
                drain_timeout: DRAIN,
                ..ListenerSettings::default()
            };
            let listener = Listener::bind(address, limits)
                .await
                .map_err(|source| StartError::Listen { address, source })?;
            listening.push(listener.local_addr().unwrap_or(address));
            let proxy = Arc::new(build::proxy(config, settings, &shared)?);
            tasks.spawn(serve(listener, proxy, shutdown.clone()));
        }
        let address = config.admin.listen;
        let admin = Admin::bind(address, registry, readiness.clone())
            .await
            .map_err(|source| StartError::Listen { address, source })?;
        let admin_address = admin.local_addr().unwrap_or(address);
        tasks.spawn(admin.serve(shutdown.clone()));
        readiness.set_ready();
        build::announce(config, &listening, admin_address);
        Ok(Self { listening, admin: admin_address, shutdown, tasks })
    }

    /// Stops accepting, lets open requests finish, and returns when all is over.
    pub async fn stop(mut self) {
        self.shutdown.cancel();
        while self.tasks.join_next().await.is_some() {}
    }
}

async fn serve(listener: Listener, proxy: Arc<Proxy>, shutdown: CancellationToken) {
    let service = move |request: http::Request<hyper::body::Incoming>| {
        let proxy = proxy.clone();
        async move { proxy.handle(request.map(body::boxed)).await }
    };
    listener.serve(service, shutdown).await;
}

impl Shared {
    fn new(config: &Config, registry: &Registry) -> Result<Self, StartError> {
        let rerank_metrics = Arc::new(RerankMetrics::register(registry)?);
        let search_metrics = SearchMetrics::register(registry)?;
        let cache = build::cache(config).map_err(StartError::Secret)?;
        if let Some(cache) = &cache {
            rerank_metrics.observe_cache(cache);
        }
        Ok(Self { rerank_metrics, search_metrics, cache })
    }
}
