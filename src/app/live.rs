//! [`Live`]: what runs and can be replaced. A configuration is built whole, then activated whole.

use std::{net::SocketAddr, sync::Arc};

use arc_swap::ArcSwap;
use tokio::{sync::watch, task::JoinSet};
use tokio_util::sync::CancellationToken;

use super::{
    Shared, StartError, active_config::Expiry, announce, build, credentials::Granted, embeddings,
    forgetting::Forgetting, itself, listener, pools::Pools, reach::Reach, series,
};
use crate::{
    admin::{Access, Readiness},
    body::{self, Body},
    config::{Config, ListenerConfig},
    embedding_api::EmbeddingApi,
    proxy::{Listener, ListenerSettings, Proxy, Relay, ServerTls, respond_traced},
    rerank_api::RerankApi,
    tls,
    traces::Tracer,
    workers::Workers,
};

/// A configuration that has been built, before any of it is active.
pub(super) struct Built {
    config: Config,
    shared: Shared,
    pools: Pools,
    /// In the configuration's order.
    listeners: Vec<BuiltListener>,
    /// The expiry of our own certificates.
    certificates: Vec<Expiry>,
}

/// Whose socket a listener is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    /// That of the listener with this number.
    First(usize),
    /// Its second one.
    Grpc(usize),
    RerankApi,
    Embeddings,
}

/// One listener that is wanted.
struct BuiltListener {
    role: Role,
    /// Where its address cannot be had, it is left out.
    is_default: bool,
    /// As configured, where port 0 means any.
    listen: SocketAddr,
    service: ListenerService,
    settings: ListenerSettings,
}

/// How a listener handles requests.
enum ListenerService {
    /// With whoever passes on what goes on as it is.
    Proxy(Box<Proxy>, Option<Arc<Relay>>),
    RerankApi(RerankApi, Option<Tracer>),
    Embeddings(EmbeddingApi, Option<Tracer>),
}

/// Everything that a reload may replace.
pub(super) struct Live {
    pub(super) config: Config,
    /// Requests go on with the service that they began with.
    listeners: Vec<LiveListener>,
    shared: Arc<ArcSwap<Shared>>,
    pools: Arc<ArcSwap<Pools>>,
    reach: Vec<Reach>,
    granted: Option<Granted>,
    forgetting: Option<Forgetting>,
    readiness: Readiness,
    /// Ends every listener.
    pub(super) stop: CancellationToken,
    /// The listeners that run, and those that are draining.
    pub(super) tasks: JoinSet<()>,
}

/// A socket that stays, and its current handler.
struct LiveListener {
    role: Role,
    /// As configured, where port 0 means any.
    listen: SocketAddr,
    bound: SocketAddr,
    service: Arc<ArcSwap<ListenerService>>,
    settings: watch::Sender<ListenerSettings>,
    stop: CancellationToken,
}

enum Place {
    /// The handler at this index.
    Kept(usize),
    New(Listener),
    None,
}

/// What [`build()`] reuses from the configuration before.
#[derive(Clone)]
pub(super) struct Before {
    pub(super) config: Option<Config>,
    pub(super) shared: Shared,
    pub(super) pools: Pools,
}

/// Builds everything that `config` asks for; opens no socket. Blocks on the disk, and on a lookup of names.
pub(super) fn build(config: Config, before: &Before) -> Result<Built, StartError> {
    itself::check(&config)?;
    let shared = before.shared.renewed(before.config.as_ref(), &config)?;
    let pools = before.pools.renewed(&config, &shared)?;
    let mut listeners = Vec::new();
    let mut certificates = Vec::new();
    let seconds = config.grpc_listens();
    for (at, ((each, (upstream, grpc)), second)) in
        config.listeners.iter().zip(pools.upstreams()).zip(seconds).enumerate()
    {
        let proxy = build::proxy(&config, each, &shared, (upstream.clone(), grpc.cloned()))?;
        let settings = listener::of_searches(&config, each, &shared)?;
        certificates.extend(expiries(each, settings.tls.as_ref()));
        let relay = proxy.relay().map(Arc::new);
        let service = || ListenerService::Proxy(Box::new(proxy.clone()), relay.clone());
        let built = |role, listen, is_default| BuiltListener {
            role,
            is_default,
            listen,
            service: service(),
            settings: settings.clone(),
        };
        listeners.push(built(Role::First(at), each.listen, false));
        listeners.extend(second.map(|second| built(Role::Grpc(at), second.listen, second.is_default)));
    }
    let (embeddings, pass_on) = embeddings::services(&config, &shared, &pools.services());
    let apis = [
        build::rerank_api(&config, &shared, pass_on)?.map(|(listen, api, settings)| {
            (Role::RerankApi, listen, ListenerService::RerankApi(api, shared.tracer.clone()), settings)
        }),
        listener::of_embeddings(&config, &shared)?.map(|(listen, settings)| {
            (
                Role::Embeddings,
                listen,
                ListenerService::Embeddings(embeddings, shared.tracer.clone()),
                settings,
            )
        }),
    ];
    for (role, listen, service, settings) in apis.into_iter().flatten() {
        certificates.extend(expiry(listen, settings.tls.as_ref()));
        listeners.push(BuiltListener { role, is_default: false, listen, service, settings });
    }
    Ok(Built { config, shared, pools, listeners, certificates })
}

/// Whether everything that `config` asks for could be built.
pub(super) fn check(config: Config) -> Result<(), StartError> {
    let shared = Shared::new(&prometheus::Registry::new(), Workers::here())?;
    let before = Before { config: None, shared, pools: Pools::default() };
    build(config, &before).map(drop)
}

fn expiries(listener: &ListenerConfig, own: Option<&ServerTls>) -> impl Iterator<Item = Expiry> {
    let client = listener.upstream.client_cert_file.as_deref();
    let client = client
        .and_then(|file| tls::certificates(file).ok())
        .and_then(|chain| chain.first().and_then(tls::not_after));
    let listen = listener.listen;
    let client = client.map(|not_after| Expiry { used_as: "upstream_client", listen, not_after });
    expiry(listen, own).into_iter().chain(client)
}

/// The expiry of a listener's certificate.
fn expiry(listen: SocketAddr, own: Option<&ServerTls>) -> Option<Expiry> {
    Some(Expiry { used_as: "listener", listen, not_after: own.and_then(ServerTls::not_after)? })
}

impl Live {
    /// Nothing runs yet.
    pub(super) fn new(shared: Shared, readiness: Readiness) -> Self {
        Self {
            config: Config { listeners: Vec::new(), ..Config::default() },
            listeners: Vec::new(),
            shared: Arc::new(ArcSwap::from_pointee(shared)),
            pools: Arc::default(),
            reach: Vec::new(),
            granted: None,
            forgetting: None,
            readiness,
            stop: CancellationToken::new(),
            tasks: JoinSet::new(),
        }
    }

    /// Where the listeners listen, in the configuration's order.
    pub(super) fn listening(&self) -> Vec<SocketAddr> {
        (0..self.config.listeners.len()).filter_map(|at| self.bound(Role::First(at))).collect()
    }

    /// Their second addresses, in the same order.
    pub(super) fn grpc_listening(&self) -> Vec<Option<SocketAddr>> {
        (0..self.config.listeners.len()).map(|at| self.bound(Role::Grpc(at))).collect()
    }

    /// Where the rerank API listens.
    pub(super) fn rerank_api(&self) -> Option<SocketAddr> {
        self.bound(Role::RerankApi)
    }

    /// Where embedding services are served.
    pub(super) fn embeddings(&self) -> Option<SocketAddr> {
        self.bound(Role::Embeddings)
    }

    fn bound(&self, role: Role) -> Option<SocketAddr> {
        self.listeners.iter().find(|listener| listener.role == role).map(|listener| listener.bound)
    }

    /// What all listeners share now, and will share after every reload.
    pub(super) fn shared(&self) -> Arc<ArcSwap<Shared>> {
        self.shared.clone()
    }

    /// The connections to the databases now, and after every reload.
    pub(super) fn pools(&self) -> Arc<ArcSwap<Pools>> {
        self.pools.clone()
    }

    /// What a new configuration is built on.
    pub(super) fn before(&self) -> Before {
        let config = (!self.listeners.is_empty()).then(|| self.config.clone());
        Before { config, shared: Shared::clone(&self.shared.load()), pools: Pools::clone(&self.pools.load()) }
    }

    /// Makes `built` active; returns when its certificates expire. If an address cannot be bound nothing has changed.
    pub(super) async fn activate(&mut self, built: Built) -> Result<Vec<Expiry>, StartError> {
        let places = self.places(&built).await?;
        // From here on nothing fails and nothing waits.
        series::declare(&built.config, &built.shared, &self.shared.load());
        let mut old: Vec<Option<LiveListener>> = self.listeners.drain(..).map(Some).collect();
        for (each, place) in built.listeners.into_iter().zip(places) {
            let listener = match place {
                Place::New(socket) => self.start(each, socket),
                Place::Kept(at) => match old.get_mut(at).and_then(Option::take) {
                    Some(listener) => listener.renewed(each),
                    None => continue,
                },
                Place::None => continue,
            };
            self.listeners.push(listener);
        }
        // Those that are no longer wanted let their open requests finish.
        old.into_iter().flatten().for_each(|listener| listener.stop.cancel());
        built.shared.bounds.set_limits(built.shared.limits(&built.config));
        built.shared.tenancy.activate(&built.config.tenants);
        built.shared.stack.store.connect();
        if let Some(tracer) = &built.shared.tracer {
            tracer.start();
        }
        let usable = announce::usable_providers(&built.config, &built.shared.providers);
        built.shared.stack.metrics.usable_providers(usable);
        built.shared.records.configure(built.config.inspector);
        built.shared.access.store(Arc::new(Access::new(built.config.admin.token.as_ref())));
        self.forgetting = Forgetting::renewed(self.forgetting.take(), built.shared.recall.as_ref());
        self.granted = Granted::watch(&built.shared.keyring, &self.readiness);
        self.shared.store(Arc::new(built.shared));
        self.pools.store(Arc::new(built.pools));
        self.reach = Reach::renewed(std::mem::take(&mut self.reach), &built.config, &self.readiness);
        self.config = built.config;
        while self.tasks.try_join_next().is_some() {}
        Ok(built.certificates)
    }

    /// The socket of each listener that is wanted: one that is open already, or a new one.
    async fn places(&self, built: &Built) -> Result<Vec<Place>, StartError> {
        let mut free: Vec<Option<SocketAddr>> = self.listeners.iter().map(|old| Some(old.listen)).collect();
        let mut places = Vec::new();
        for BuiltListener { listen, settings, is_default, .. } in &built.listeners {
            let address = *listen;
            let same = free.iter_mut().enumerate().find(|(_, listen)| **listen == Some(address));
            places.push(match same {
                Some((at, listen)) => {
                    *listen = None;
                    Place::Kept(at)
                }
                None => {
                    let bound = Listener::bind(address, settings.clone()).await;
                    match bound.map_err(|error| StartError::listen(&built.config, address, &error)) {
                        Ok(socket) => Place::New(socket),
                        Err(error) if *is_default => {
                            announce::without_second(address, &error);
                            Place::None
                        }
                        Err(error) => return Err(error),
                    }
                }
            });
        }
        Ok(places)
    }

    fn start(&mut self, built: BuiltListener, socket: Listener) -> LiveListener {
        let BuiltListener { role, listen, service, .. } = built;
        let live = LiveListener {
            role,
            listen,
            bound: socket.local_addr().unwrap_or(listen),
            service: Arc::new(ArcSwap::from_pointee(service)),
            settings: socket.settings(),
            stop: self.stop.child_token(),
        };
        let (service, stop) = (live.service.clone(), live.stop.clone());
        let current = service.clone();
        let service = move |request: http::Request<hyper::body::Incoming>| {
            let service = service.load_full();
            async move { service.respond(request.map(body::incoming)).await }
        };
        let relay = move || current.load().relay();
        self.tasks.spawn(socket.serve(service, relay, stop));
        live
    }
}

impl ListenerService {
    fn relay(&self) -> Option<Arc<Relay>> {
        match self {
            Self::Proxy(_, relay) => relay.clone(),
            Self::RerankApi(..) | Self::Embeddings(..) => None,
        }
    }

    async fn respond(&self, request: http::Request<Body>) -> http::Response<Body> {
        match self {
            Self::Proxy(proxy, _) => proxy.handle(request).await,
            Self::RerankApi(api, tracer) => {
                respond_traced(tracer.as_ref(), request, |request| Box::pin(api.respond(request))).await
            }
            Self::Embeddings(api, tracer) => {
                respond_traced(tracer.as_ref(), request, |request| Box::pin(api.respond(request))).await
            }
        }
    }
}

impl LiveListener {
    /// The same socket with a new handler.
    fn renewed(self, built: BuiltListener) -> Self {
        self.service.store(Arc::new(built.service));
        self.settings.send_replace(built.settings);
        Self { role: built.role, ..self }
    }
}
