//! The composition root: a configuration becomes running listeners.

mod build;

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use prometheus::Registry;
use tokio::{
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};
use tokio_util::sync::CancellationToken;

use crate::{
    admin::{Admin, Condition, Readiness},
    bounds::{self, Bounds, Traffic, Waits},
    config::Config,
    pipeline::SearchMetrics,
    proxy::{Listener, Proxy},
    rerank::{BuildError, RerankMetrics, ScoreStore},
    system::Resources,
    telemetry,
    upstream::{UpstreamSetupError, body},
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
    bound: Condition,
    admin_task: JoinHandle<()>,
}

/// How long open requests may take to finish after a signal.
const DRAIN: Duration = Duration::from_secs(25);

/// What all listeners share.
struct Shared {
    rerank_metrics: Arc<RerankMetrics>,
    search_metrics: SearchMetrics,
    cache: Option<Arc<ScoreStore>>,
    resources: Resources,
    bounds: Bounds,
    traffic: Traffic,
    waits: Waits,
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
            let listener = Listener::bind(address, build::listener(config, settings, &shared))
                .await
                .map_err(|source| StartError::Listen { address, source })?;
            listening.push(listener.local_addr().unwrap_or(address));
            let proxy = Arc::new(build::proxy(config, settings, &shared)?);
            tasks.spawn(serve(listener, proxy, shutdown.clone()));
        }
        let address = config.admin.listen;
        let socket =
            TcpListener::bind(address).await.map_err(|source| StartError::Listen { address, source })?;
        let admin_address = socket.local_addr().unwrap_or(address);
        let admin = Admin { registry, readiness: readiness.clone(), refresh: shared.refresh() };
        let admin = tokio::spawn(admin.serve(socket));
        let bound = readiness.condition("listener");
        bound.set(true);
        if config.admin.ready_needs_upstream {
            for listener in &config.listeners {
                let condition = readiness.condition("upstream");
                tasks.spawn(watch_upstream(listener.upstream.url.clone(), condition, shutdown.clone()));
            }
        }
        build::announce(config, &listening, admin_address, &shared);
        Ok(Self { listening, admin: admin_address, shutdown, tasks, bound, admin_task: admin })
    }

    /// Stops accepting, lets open requests finish, and returns when all is over.
    pub async fn stop(mut self) {
        self.bound.set(false);
        self.shutdown.cancel();
        while self.tasks.join_next().await.is_some() {}
        self.admin_task.abort();
    }
}

async fn serve(listener: Listener, proxy: Arc<Proxy>, shutdown: CancellationToken) {
    let service = move |request: http::Request<hyper::body::Incoming>| {
        let proxy = proxy.clone();
        async move { proxy.handle(request.map(body::boxed)).await }
    };
    listener.serve(service, shutdown).await;
}

/// Ready while the upstream takes connections; looked at every two seconds.
async fn watch_upstream(url: http::Uri, condition: Condition, shutdown: CancellationToken) {
    let port = url.port_u16().unwrap_or(if url.scheme_str() == Some("https") { 443 } else { 80 });
    let host = url.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    loop {
        let connect = tokio::time::timeout(Duration::from_secs(2), TcpStream::connect((host.as_str(), port)));
        condition.set(matches!(connect.await, Ok(Ok(_))));
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(Duration::from_secs(2)) => {}
        }
    }
}

impl Shared {
    fn new(config: &Config, registry: &Registry) -> Result<Self, StartError> {
        let rerank_metrics = Arc::new(RerankMetrics::register(registry)?);
        let search_metrics = SearchMetrics::register(registry)?;
        let cache = build::cache(config).map_err(StartError::Secret)?;
        let resources = Resources::detect();
        let (bytes, searches) = (config.memory.max_buffered, config.limits.max_searches_in_flight);
        let bounds = Bounds::suited(bytes, searches, &resources);
        let (traffic, waits) = (Traffic::default(), Waits::default());
        bounds::register(registry, &bounds, &traffic, &waits)?;
        Ok(Self { rerank_metrics, search_metrics, cache, resources, bounds, traffic, waits })
    }

    /// Brings the cache's gauges up to date.
    fn refresh(&self) -> Arc<dyn Fn() + Send + Sync> {
        let (metrics, cache) = (self.rerank_metrics.clone(), self.cache.clone());
        Arc::new(move || {
            if let Some(cache) = &cache {
                metrics.observe_cache(cache);
            }
        })
    }
}
