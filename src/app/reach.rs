//! [`Reach`]: whether the upstreams take connections, where `/readyz` depends on it.

use std::time::Duration;

use http::Uri;
use tokio::{net::TcpStream, time};
use tokio_util::task::AbortOnDropHandle;

use crate::{
    admin::{Condition, Readiness},
    config::Config,
};

const LOOK_EVERY: Duration = Duration::from_secs(2);

/// One watched upstream; no longer watched once dropped.
pub(super) struct Reach {
    url: Uri,
    _watch: AbortOnDropHandle<()>,
}

impl Reach {
    /// Those that `config` wants watched; the ones in `before` go on.
    pub(super) fn renewed(mut before: Vec<Self>, config: &Config, readiness: &Readiness) -> Vec<Self> {
        let mut wanted: Vec<&Uri> = Vec::new();
        if config.admin.ready_needs_upstream {
            for listener in &config.listeners {
                if !wanted.contains(&&listener.upstream.url) {
                    wanted.push(&listener.upstream.url);
                }
            }
        }
        wanted
            .into_iter()
            .map(|url| match before.iter().position(|reach| reach.url == *url) {
                Some(at) => before.swap_remove(at),
                None => Self::watch(url.clone(), readiness.condition("upstream")),
            })
            .collect()
    }

    fn watch(url: Uri, condition: Condition) -> Self {
        let port = url.port_u16().unwrap_or(if url.scheme_str() == Some("https") { 443 } else { 80 });
        let host = url.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let watch = tokio::spawn(async move {
            loop {
                let connect = TcpStream::connect((host.as_str(), port));
                condition.set(matches!(time::timeout(LOOK_EVERY, connect).await, Ok(Ok(_))));
                time::sleep(LOOK_EVERY).await;
            }
        });
        Self { url, _watch: AbortOnDropHandle::new(watch) }
    }
}
