//! A configuration's proxies without sockets, for commands that search from inside the program.

use super::{Shared, StartError, build, pools::Pools};
use crate::{config::Config, proxy::Proxy, workers::Workers};

/// One for each listener, in the configuration's order: the same providers, cache and ranking as a server of this
/// configuration has. Blocks on the disk; needs a Tokio runtime.
pub fn proxies(config: &Config) -> Result<Vec<Proxy>, StartError> {
    let shared = Shared::new(&prometheus::Registry::new(), Workers::here())?.renewed(None, config)?;
    let pools = Pools::default().renewed(config, &shared)?;
    shared.stack.store.connect();
    let listeners = config.listeners.iter().zip(pools.upstreams());
    listeners.map(|(each, upstream)| build::proxy(config, each, &shared, upstream.clone())).collect()
}
