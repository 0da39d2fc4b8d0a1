//! What the whole program may hold at the same time: bytes in buffers, searches in flight.
//!
//! Whatever is to be held is taken from a [`Budget`] first and released when it is dropped. Nothing waits for a
//! budget: what gets no permit is forwarded without being held.

mod budget;
mod deadline_timer;
mod metrics;
mod timeouts;
mod traffic;

pub use budget::{Budget, Permit, counted};
pub use deadline_timer::DeadlineTimer;
pub use metrics::register;
pub use timeouts::{TimeoutKind, Timeouts};
pub use traffic::{Connections, Traffic};

use crate::system::Resources;

/// Budgets that all listeners share. Cheap to clone; clones share the budgets.
#[derive(Clone, Debug)]
pub struct Bounds {
    /// Bytes in buffers, for the bodies of requests: all of the limit.
    pub request_bytes: Budget,
    /// The same bytes, for responses and what is made of them. They may not use the last eighth of the limit, so that
    /// waiting responses cannot keep requests from being read.
    pub response_bytes: Budget,
    /// Searches that are being reranked.
    pub searches: Budget,
}

/// The limits of [`Bounds`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes in buffers.
    pub buffered_bytes: usize,
    /// Searches that are being reranked.
    pub searches: usize,
}

impl Limits {
    /// These limits; where there is none, what suits the machine.
    pub fn suited(buffered_bytes: Option<usize>, searches: Option<usize>, resources: &Resources) -> Self {
        let bytes = buffered_bytes.unwrap_or_else(|| default_buffered_bytes(resources));
        let searches = searches.unwrap_or_else(|| default_searches_in_flight(resources, bytes));
        Self { buffered_bytes: bytes, searches }
    }
}

impl Bounds {
    /// Budgets of these limits.
    pub fn new(limits: Limits) -> Self {
        let request_bytes = Budget::new(limits.buffered_bytes);
        let response_bytes = request_bytes.sparing(8);
        Self { request_bytes, response_bytes, searches: Budget::new(limits.searches) }
    }

    /// Other limits from now on. What is held stays held.
    pub fn set_limits(&self, limits: Limits) {
        self.request_bytes.set_limit(limits.buffered_bytes);
        self.searches.set_limit(limits.searches);
    }
}

const MIB: u64 = 1 << 20;

/// The buffered bytes that suit a machine: a quarter of its memory, 16 MiB to 1 GiB.
fn default_buffered_bytes(resources: &Resources) -> usize {
    let quarter = resources.memory.unwrap_or(512 * MIB) / 4;
    usize::try_from(quarter.clamp(16 * MIB, 1024 * MIB)).unwrap_or(usize::MAX)
}

/// The searches in flight that suit a machine: one for each 256 KiB of buffers, 16 to 256 a CPU.
fn default_searches_in_flight(resources: &Resources, buffered_bytes: usize) -> usize {
    let most = resources.cpus.saturating_mul(256).max(16);
    (buffered_bytes / (256 << 10)).clamp(16, most)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn defaults(memory: Option<u64>, cpus: usize) -> (usize, usize) {
        let resources = Resources { memory, cpus, open_files: None };
        let bytes = default_buffered_bytes(&resources);
        (bytes >> 20, default_searches_in_flight(&resources, bytes))
    }

    #[test]
    fn defaults_follow_memory_and_cpus_between_a_floor_and_a_cap() {
        assert_eq!(defaults(Some(32 * MIB), 1), (16, 64));
        assert_eq!(defaults(Some(256 * MIB), 1), (64, 256));
        assert_eq!(defaults(Some(1024 * MIB), 1), (256, 256));
        assert_eq!(defaults(Some(1024 * MIB), 4), (256, 1024));
        assert_eq!(defaults(Some(64 << 30), 64), (1024, 4096));
        assert_eq!(defaults(None, 1), (128, 256));
    }

    #[test]
    fn responses_leave_room_for_requests() {
        let bounds = Bounds::new(Limits { buffered_bytes: 800, searches: 1 });
        let _responses = bounds.response_bytes.take(700).unwrap();
        assert!(bounds.response_bytes.take(1).is_none());
        let _request = bounds.request_bytes.take(100).unwrap();
        assert!(bounds.request_bytes.take(1).is_none());
    }
}
