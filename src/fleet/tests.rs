mod limits;
pub(crate) mod peer;
mod reads;
mod sockets;
mod writes;

use std::{future::poll_fn, sync::Arc, task::Poll, time::Duration};

use prometheus::Registry;

use super::{Address, DocumentId, Fleet, FleetMetrics, QueryId, Settings};
use peer::Peer;

const TIMEOUT: Duration = Duration::from_millis(20);

fn settings(url: &str) -> Settings {
    Settings::new(Address::parse(url).unwrap())
}

/// A fleet member and its metrics.
struct Member {
    fleet: Fleet,
    registry: Registry,
}

impl Member {
    /// Connected to `peer` over pipes.
    async fn of(peer: &Arc<Peer>) -> Self {
        let member = Self::of_broken(peer);
        member.connected().await;
        member
    }

    fn of_broken(peer: &Arc<Peer>) -> Self {
        let member = Self::unconnected(peer);
        member.fleet.connect();
        member
    }

    fn unconnected(peer: &Arc<Peer>) -> Self {
        Self::waiting(peer, TIMEOUT)
    }

    fn waiting(peer: &Arc<Peer>, timeout: Duration) -> Self {
        let registry = Registry::new();
        let metrics = FleetMetrics::register(&registry).unwrap();
        metrics.declare();
        let dials = [peer.dial(), peer.dial()];
        let fleet = Fleet::with(Settings { timeout, ..settings("redis://app:s3cret@cache") }, dials, metrics);
        Self { fleet, registry }
    }

    /// Over sockets.
    fn at(url: &str, change: impl FnOnce(&mut Settings)) -> Self {
        let registry = Registry::new();
        let mut settings = settings(url);
        change(&mut settings);
        let metrics = FleetMetrics::register(&registry).unwrap();
        metrics.declare();
        let fleet = Fleet::new(settings, metrics).unwrap();
        fleet.connect();
        Self { fleet, registry }
    }

    async fn connected(&self) {
        until(|| self.fleet.reads.is_usable() && self.fleet.writes.is_usable()).await;
    }

    /// The value of a metric line, without its prefix.
    fn metric(&self, line: &str) -> f64 {
        let text = prometheus::TextEncoder::new().encode_to_string(&self.registry.gather()).unwrap();
        let line = format!("rerankd_fleet_{line} ");
        text.lines().find_map(|l| l.strip_prefix(&line)).unwrap_or_else(|| panic!("{line}")).parse().unwrap()
    }

    /// How the round trips of one kind ended: ok, timeout, error, skipped.
    fn round_trips(&self, operation: &str) -> [f64; 4] {
        ["ok", "timeout", "error", "skipped"].map(|result| {
            self.metric(&format!("round_trips_total{{operation=\"{operation}\",result=\"{result}\"}}"))
        })
    }

    fn breaker(&self, lane: &str) -> f64 {
        self.metric(&format!("breaker_state{{lane=\"{lane}\"}}"))
    }
}

/// A member of a fleet for the tests of who uses it.
pub(crate) async fn fleet_of(peer: &Arc<Peer>) -> Arc<Fleet> {
    Arc::new(Member::of(peer).await.fleet)
}

/// Lets all else run until it is so, which takes no time of a paused clock.
async fn until(so: impl Fn() -> bool) {
    let mut turns = 0;
    poll_fn(|context| {
        turns += 1;
        assert!(turns < 100_000, "it never is so");
        if so() {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

const QUERY: QueryId = [7; 16];

fn id(n: u8) -> DocumentId {
    [n; 12]
}

/// Ids and scores: 1 to `count`, each a hundredth of its number.
fn some(count: u8) -> Vec<(DocumentId, f32)> {
    (1..=count).map(|n| (id(n), f32::from(n) / 100.0)).collect()
}
