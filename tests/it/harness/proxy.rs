//! The proxy as the program starts it, forwarding only.

use std::{net::SocketAddr, sync::Arc};

use prometheus::Registry;
use rerankd::pipeline::strip_own;
use rerankd::upstream::{Upstream, UpstreamSettings};
use rerankd::{
    body,
    proxy::{
        Forwarder, HeadLimits, Listener, ListenerSettings, ProxyMetrics, Relay, TunnelSettings, respond,
    },
};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::Wire;

/// Stops when dropped.
pub struct Proxy {
    pub addr: SocketAddr,
    pub shutdown: CancellationToken,
    _stop: DropGuard,
}

impl Proxy {
    /// In front of an HTTP/1.1 upstream, with the defaults.
    pub async fn start(upstream: SocketAddr) -> Self {
        Self::with(upstream, |_| {}, |_| {}).await
    }

    pub async fn with(
        upstream: SocketAddr,
        edit_upstream: impl FnOnce(&mut UpstreamSettings),
        edit_listener: impl FnOnce(&mut ListenerSettings),
    ) -> Self {
        let mut settings = UpstreamSettings::new(format!("http://{upstream}").parse().unwrap());
        edit_upstream(&mut settings);
        let forwarder = Forwarder::new(Upstream::new(settings).unwrap(), TunnelSettings::default());
        let metrics = ProxyMetrics::register(&Registry::new()).unwrap();
        let limits = HeadLimits { max_headers: 100, max_head_bytes: 64 << 10 };
        let relay = Relay::new(forwarder.clone(), None, limits, metrics).map(Arc::new);
        let relay = move || relay.clone();
        let mut settings = ListenerSettings { relays: super::relays(), ..ListenerSettings::default() };
        edit_listener(&mut settings);
        let listener = Listener::bind("127.0.0.1:0".parse().unwrap(), settings).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let service = move |request: http::Request<hyper::body::Incoming>| {
            let forwarder = forwarder.clone();
            async move {
                let (mut parts, stream) = request.into_parts();
                parts.headers = strip_own(parts.headers);
                let request = http::Request::from_parts(parts, body::boxed(stream));
                let response = forwarder.forward(request).await;
                response.unwrap_or_else(|error| respond::failure(&error, None))
            }
        };
        tokio::spawn(listener.serve(service, relay, shutdown.clone()));
        Self { addr, _stop: shutdown.clone().drop_guard(), shutdown }
    }

    pub async fn client(&self) -> Wire {
        Wire::connect(self.addr).await
    }
}
