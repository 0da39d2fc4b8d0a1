//! [`Traffic`]: what clients have open now: counted, so that it can be seen beside its limit.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicUsize, Ordering},
    },
};

use super::{Budget, Permit};

/// What clients of all listeners have open. Clones share the counts.
#[derive(Clone, Debug)]
pub struct Traffic {
    listeners: Arc<Mutex<Vec<Weak<Connections>>>>,
    /// Requests, from their head to the last byte of their response.
    pub requests: Budget,
}

/// The open connections of one listener, tunnels too. It is counted for as long as the listener holds it.
#[derive(Debug)]
pub struct Connections {
    listen: SocketAddr,
    /// Without a limit of its own: the listener's slots keep it.
    open: Budget,
    limit: AtomicUsize,
}

impl Default for Traffic {
    fn default() -> Self {
        Self { listeners: Arc::default(), requests: Budget::new(usize::MAX) }
    }
}

impl Traffic {
    /// The connections of the listener at this address, which accepts at most `limit` at a time.
    pub fn listener(&self, listen: SocketAddr, limit: usize) -> Arc<Connections> {
        let (open, limit) = (Budget::new(usize::MAX), AtomicUsize::new(limit));
        let connections = Arc::new(Connections { listen, open, limit });
        let mut all = self.listeners.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|listener| listener.strong_count() > 0);
        all.push(Arc::downgrade(&connections));
        connections
    }

    /// Of each listener: its address, its open connections, the most that it accepts.
    pub(super) fn connections(&self) -> Vec<(SocketAddr, usize, usize)> {
        let all = self.listeners.lock().unwrap_or_else(PoisonError::into_inner);
        let live = all.iter().filter_map(Weak::upgrade);
        live.map(|each| (each.listen, each.open.used(), each.limit.load(Ordering::Relaxed))).collect()
    }
}

impl Connections {
    /// Counts one more until the permit is dropped.
    pub fn open(&self) -> Option<Permit> {
        self.open.take(1)
    }

    /// Another limit from now on.
    pub fn set_limit(&self, limit: usize) {
        self.limit.store(limit, Ordering::Relaxed);
    }
}
