//! The composition root: a configuration becomes running listeners, and a later one replaces it.

mod about;
mod active_config;
mod announce;
mod bind;
mod build;
mod credentials;
mod draining;
mod embeddings;
mod forgetting;
mod itself;
mod listener;
mod live;
mod look;
mod names;
mod offline;
mod pools;
mod reach;
mod reload;
mod retired;
mod series;
mod shutdown;
mod tenants;
#[cfg(test)]
mod test_support;

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use prometheus::Registry;
use tokio::{
    net::TcpListener,
    sync::Mutex,
    task::{JoinError, JoinHandle, spawn_blocking},
};
use tokio_util::sync::CancellationToken;

use crate::{
    admin::{Access, Admin, Inspector, Readiness, Scrape},
    bounds::{self, Bounds, Limits, Timeouts, Traffic},
    config::{Config, Fingerprint, Source, short_hash, to_yaml},
    embedding::{EmbeddingMetrics, Recall},
    embedding_api::CallMetrics,
    fleet::{FleetError, FleetMetrics},
    pipeline::{RecordRing, SearchMetrics, TenantMetrics},
    proxy::{KnownLists, ProxyMetrics, SearchLog, TlsError},
    rerank::{BuildError, Providers, RerankMetrics, ScoreStore, StackShared},
    rerank_api::ApiMetrics,
    signing::SigningMetrics,
    system::Resources,
    telemetry,
    traces::{ExportError, TraceMetrics, Tracer},
    upstream::{Mark, UpstreamSetupError},
    workers::Workers,
};
use active_config::ActiveConfig;
pub use bind::BindError;
use credentials::Keyring;
use draining::Draining;
use live::Live;
pub use look::{redis, upstream_certificate};
use names::KnownNames;
pub use offline::{Offline, OfflineService, offline};
use pools::Pools;
pub use reload::{Rejection, Reload, Reloader};
pub use retired::ended_services;
use tenants::Tenancy;

/// Why the program could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address cannot be bound.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why, and what to do.
        source: BindError,
    },
    /// An upstream cannot be set up.
    #[error("the upstream of the listener {listen}")]
    Upstream {
        /// The listener's address, as configured.
        listen: SocketAddr,
        /// Why not.
        source: UpstreamSetupError,
    },
    /// The connections to an embedding service cannot be set up.
    #[error("the embedding service {name}")]
    Service {
        /// Its name.
        name: String,
        /// Why not.
        source: UpstreamSetupError,
    },
    /// A listener's TLS cannot be set up.
    #[error("TLS of the listener {listen}")]
    Tls {
        /// The listener's address, as configured.
        listen: SocketAddr,
        /// Why not.
        source: TlsError,
    },
    /// The process connects to itself.
    #[error("{setting} leads to {own}, this process itself: requests would go round in a circle")]
    Itself {
        /// The setting with the URL.
        setting: String,
        /// The setting with the address, and the address.
        own: String,
    },
    /// A provider cannot be set up.
    #[error(transparent)]
    Provider(#[from] BuildError),
    /// Metrics cannot be registered.
    #[error(transparent)]
    Metrics(#[from] prometheus::Error),
    /// The cache's secret cannot be had.
    #[error("cache.secret_file cannot be read, or the system has no randomness")]
    Secret(#[source] io::Error),
    /// Redis cannot be used as configured.
    #[error(transparent)]
    Fleet(#[from] FleetError),
    /// Traces cannot be exported as configured.
    #[error(transparent)]
    Traces(#[from] ExportError),
    /// Setup was cancelled before it ended.
    #[error("setting up was not completed")]
    Ended(#[from] JoinError),
}

impl StartError {
    fn listen(config: &Config, address: SocketAddr, error: &io::Error) -> Self {
        Self::Listen { address, source: BindError::new(config, address, error) }
    }

    /// Whether another configuration could fix it.
    pub fn is_configuration(&self) -> bool {
        match self {
            Self::Upstream { .. }
            | Self::Service { .. }
            | Self::Tls { .. }
            | Self::Itself { .. }
            | Self::Provider(_)
            | Self::Secret(_)
            | Self::Fleet(_)
            | Self::Traces(_) => true,
            Self::Listen { .. } | Self::Metrics(_) | Self::Ended(_) => false,
        }
    }
}

/// The running program.
pub struct App {
    /// Where the admin listener listens.
    pub admin: SocketAddr,
    /// Where the listeners listened at start, in the configuration's order.
    pub listening: Vec<SocketAddr>,
    /// Their second addresses at start, for gRPC, in the same order.
    pub grpc_listening: Vec<Option<SocketAddr>>,
    /// Where the rerank API listened at start, if it did.
    pub rerank_api: Option<SocketAddr>,
    /// Where embedding services were served at start, if they were.
    pub embeddings: Option<SocketAddr>,
    running: Arc<Running>,
    draining: Draining,
    admin_task: JoinHandle<()>,
}

/// What a reload works on.
struct Running {
    live: Mutex<Live>,
    active_config: ActiveConfig,
    /// The active one, for readers.
    config: ArcSwap<Config>,
    /// Those active, for readers.
    pools: Arc<ArcSwap<Pools>>,
}

/// What all listeners share; all of it outlives a reload, but for the cache if its settings change.
#[derive(Clone)]
struct Shared {
    stack: StackShared,
    providers: Providers,
    search_metrics: SearchMetrics,
    tenancy: Tenancy,
    fleet_metrics: FleetMetrics,
    api_metrics: ApiMetrics,
    call_metrics: CallMetrics,
    embedding_metrics: EmbeddingMetrics,
    proxy_metrics: ProxyMetrics,
    signing_metrics: SigningMetrics,
    trace_metrics: TraceMetrics,
    /// Traces requests, where that is wanted.
    tracer: Option<Tracer>,
    /// What requests are signed with, where any are.
    keyring: Keyring,
    /// What is remembered of embedding calls, where any are served.
    recall: Option<Arc<Recall>>,
    /// Where hits stand in responses that come again.
    known: Arc<KnownLists>,
    search_log: SearchLog,
    resources: Resources,
    bounds: Bounds,
    traffic: Traffic,
    waits: Timeouts,
    records: Arc<RecordRing>,
    access: Arc<ArcSwap<Access>>,
    workers: Workers,
    /// Cancelled when clients are to go elsewhere.
    drain: CancellationToken,
    mark: Mark,
    names: KnownNames,
}

impl App {
    /// Binds every address and starts to serve, all of it on the runtime of the caller.
    pub async fn start(config: &Config) -> Result<Self, StartError> {
        Self::start_on(Workers::here(), config).await
    }

    /// Like [`App::start`], with clients served by `workers`.
    pub async fn start_on(workers: Workers, config: &Config) -> Result<Self, StartError> {
        Self::begin(workers, config, false).await
    }

    /// Like [`App::start_on`], with the plain proxy that replaces a bad configuration, and logs so.
    pub async fn passthrough(workers: Workers, config: &Config) -> Result<Self, StartError> {
        tracing::error!("BAD CONFIGURATION: serving as a plain proxy, nothing is reranked");
        Self::begin(workers, config, true).await
    }

    /// Builds everything that `config` asks for, and drops it; opens no socket. Blocks on the disk.
    pub fn check(config: &Config) -> Result<(), StartError> {
        live::check(config.clone())
    }

    async fn begin(workers: Workers, config: &Config, passthrough: bool) -> Result<Self, StartError> {
        let registry = telemetry::new_registry()?;
        let active_config = ActiveConfig::register(&registry)?;
        let readiness = Readiness::new();
        let shared = Shared::new(&registry, workers)?;
        let draining = Draining::register(&registry, &readiness, shared.drain.clone())?;
        let mut live = Live::new(shared, readiness.clone());
        let (wanted, before) = (config.clone(), live.before());
        let built = spawn_blocking(move || live::build(wanted, &before)).await??;
        let address = config.admin.listen;
        let socket =
            TcpListener::bind(address).await.map_err(|error| StartError::listen(config, address, &error))?;
        let admin_address = socket.local_addr().unwrap_or(address);
        let certificates = live.activate(built).await?;
        active_config.set(short_hash(config), passthrough, &certificates);
        let (listening, grpc_listening) = (live.listening(), live.grpc_listening());
        let (rerank_api, embeddings) = (live.rerank_api(), live.embeddings());
        let clients = (&*listening, &*grpc_listening);
        announce::announce(config, &live.shared().load(), clients, (rerank_api, embeddings), admin_address);

        let (shared, scrape) = (live.shared().load_full(), Scrape::new(registry, refresh(live.shared())));
        let (config, pools) = (ArcSwap::from_pointee(config.clone()), live.pools());
        let running = Arc::new(Running { live: Mutex::new(live), active_config, config, pools });
        let inspector = Arc::new(inspector(&shared, &running));
        let reported = running.clone();
        let about = Arc::new(move || reported.active_config.about());
        let admin = Admin { scrape, readiness, about, inspector };
        let admin_task = tokio::spawn(admin.serve(socket));
        draining.serves();
        Ok(Self {
            admin: admin_address,
            listening,
            grpc_listening,
            rerank_api,
            embeddings,
            running,
            draining,
            admin_task,
        })
    }

    /// What keeps the program in step with the files of `source`; `files` are those that it was started with.
    pub fn reloader(&self, source: Source, files: Fingerprint) -> Reloader {
        let good = !self.running.active_config.is_passthrough();
        Reloader::new(source, files, good, self.running.clone())
    }

    /// Where the listeners listen now, in the configuration's order.
    pub async fn listening_now(&self) -> Vec<SocketAddr> {
        self.running.live.lock().await.listening()
    }
}

impl Shared {
    /// Without a cache, as long as no configuration asks for one.
    fn new(registry: &Registry, workers: Workers) -> Result<Self, StartError> {
        let rerank_metrics = Arc::new(RerankMetrics::register(registry)?);
        let search_metrics = SearchMetrics::register(registry)?;
        let tenancy = Tenancy::new(TenantMetrics::register(registry)?);
        let fleet_metrics = FleetMetrics::register(registry)?;
        let api_metrics = ApiMetrics::register(registry)?;
        let call_metrics = CallMetrics::register(registry)?;
        let embedding_metrics = EmbeddingMetrics::register(registry)?;
        let proxy_metrics = ProxyMetrics::register(registry)?;
        let signing_metrics = SigningMetrics::register(registry)?;
        let trace_metrics = TraceMetrics::register(registry)?;
        let (records, access) = (Arc::new(RecordRing::new(Default::default())), Arc::default());
        let no_cache = ScoreStore::new(0, Duration::ZERO, [0; 32]);
        let stack = StackShared::new(Arc::new(no_cache), rerank_metrics).for_workers(workers.count());
        let providers = Providers::default();
        let resources = Resources::detect();
        let bounds = Bounds::new(Limits::suited(None, None, &resources));
        let (traffic, waits) = (Traffic::default(), Timeouts::default());
        bounds::register(registry, &bounds, &traffic, &waits)?;
        Ok(Self {
            stack,
            providers,
            search_metrics,
            tenancy,
            fleet_metrics,
            api_metrics,
            call_metrics,
            embedding_metrics,
            proxy_metrics,
            signing_metrics,
            trace_metrics,
            tracer: None,
            keyring: Keyring::default(),
            recall: None,
            known: Arc::default(),
            search_log: SearchLog::default(),
            resources,
            bounds,
            traffic,
            waits,
            records,
            access,
            workers,
            drain: CancellationToken::new(),
            mark: Mark::random(),
            names: KnownNames::default(),
        })
    }

    /// What all listeners together may hold by `config`.
    fn limits(&self, config: &Config) -> Limits {
        let (bytes, searches) = (config.memory.max_buffered, config.limits.max_searches_in_flight);
        Limits::suited(bytes, searches, &self.resources)
    }

    /// The same for the next configuration; other settings of the cache mean an empty one, and so with the memory of
    /// embeddings. Providers that are as they were keep their state.
    fn renewed(&self, before: Option<&Config>, config: &Config) -> Result<Self, StartError> {
        let mut next = self.clone();
        if before.is_none_or(|before| before.cache != config.cache) {
            let cache = build::cache(&config.cache, &self.fleet_metrics)?;
            next.stack = self.stack.with_store(cache);
            next.known = Arc::new(build::known_lists(&config.cache)?);
            next.providers = Providers::default();
        }
        next.providers = build::providers(config, &next.providers, &next.stack)?;
        if before.is_none_or(|before| before.telemetry != config.telemetry) {
            next.tracer = Tracer::new(&config.telemetry, &self.trace_metrics)?;
        }
        next.recall = embeddings::recall(before, config, &next)?;
        next.keyring = self.keyring.renewed(config, &self.signing_metrics);
        Ok(next)
    }
}

fn inspector(shared: &Shared, running: &Arc<Running>) -> Inspector {
    let (about, config) = (running.clone(), running.clone());
    let yaml = move || to_yaml(&config.config.load());
    Inspector::new(shared.records.clone(), shared.access.clone(), move || about.about(), yaml)
}

/// Brings the gauges of cache, budgets and circuits up to date.
fn refresh(shared: Arc<ArcSwap<Shared>>) -> impl Fn() + Send + Sync + 'static {
    move || {
        let shared = shared.load();
        shared.providers.observe(&shared.stack);
    }
}
