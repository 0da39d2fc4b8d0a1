//! What is held and which timeouts expired, for Prometheus; read at each scrape.

use std::sync::{Mutex, PoisonError};

use prometheus::{
    IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    core::{Collector, Desc},
    proto::MetricFamily,
};

use super::{Bounds, Budget, TimeoutKind, Timeouts, Traffic};

/// Registers what `bounds` and `traffic` hold now, and the counts of `waits`.
pub fn register(
    registry: &Registry,
    bounds: &Bounds,
    traffic: &Traffic,
    waits: &Timeouts,
) -> prometheus::Result<()> {
    let buffered = BudgetHelp {
        used: "Bytes of requests and responses that are held in memory.",
        limit: "The most bytes of requests and responses that may be held in memory.",
        rejected: "Times that a request or response was not held, and so not reranked, for want of memory.",
    };
    let searches = BudgetHelp {
        used: "Searches that are being reranked.",
        limit: "The most searches that may be reranked at a time.",
        rejected: "Searches that were not reranked because as many as may be were under way.",
    };
    for collector in [
        BudgetCollector::limited("rerankd_buffered_bytes", &buffered, &bounds.request_bytes)?,
        BudgetCollector::limited("rerankd_searches_in_flight", &searches, &bounds.searches)?,
        BudgetCollector::counted(
            "rerankd_requests_in_flight",
            "Requests whose head has come and whose response has not gone to its last byte.",
            &traffic.requests,
        )?,
    ] {
        registry.register(Box::new(collector))?;
    }
    registry.register(Box::new(ConnectionCollector::new(traffic)?))?;
    let collector = WaitCollector { waits: waits.clone(), counts: wait_counts()?, scrape: Mutex::default() };
    registry.register(Box::new(collector))
}

/// A budget's use, and for one that has a limit also that and how often it was reached.
struct BudgetCollector {
    budget: Budget,
    used: IntGauge,
    limit: Option<Limit>,
}

/// What the three metrics of a budget say of themselves.
struct BudgetHelp {
    used: &'static str,
    limit: &'static str,
    rejected: &'static str,
}

struct Limit {
    limit: IntGauge,
    rejected: IntCounter,
    /// Two concurrent scrapes must not both add what is new.
    scrape: Mutex<()>,
}

impl BudgetCollector {
    fn counted(name: &str, help: &str, budget: &Budget) -> prometheus::Result<Self> {
        let used = IntGauge::with_opts(Opts::new(name, help))?;
        Ok(Self { budget: budget.clone(), used, limit: None })
    }

    fn limited(name: &str, help: &BudgetHelp, budget: &Budget) -> prometheus::Result<Self> {
        let limit = Opts::new(format!("{name}_limit"), help.limit);
        let rejected = Opts::new(format!("{name}_rejected_total"), help.rejected);
        let limit = Limit {
            limit: IntGauge::with_opts(limit)?,
            rejected: IntCounter::with_opts(rejected)?,
            scrape: Mutex::default(),
        };
        Ok(Self { limit: Some(limit), ..Self::counted(name, help.used, budget)? })
    }
}

impl Collector for BudgetCollector {
    fn desc(&self) -> Vec<&Desc> {
        let limit = self.limit.iter().flat_map(|limit| [limit.limit.desc(), limit.rejected.desc()]);
        self.used.desc().into_iter().chain(limit.flatten()).collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        self.used.set(number(self.budget.used()));
        let mut families = self.used.collect();
        if let Some(limit) = &self.limit {
            let _alone = limit.scrape.lock().unwrap_or_else(PoisonError::into_inner);
            limit.limit.set(number(self.budget.limit()));
            catch_up(&limit.rejected, self.budget.rejected());
            families.extend(limit.limit.collect());
            families.extend(limit.rejected.collect());
        }
        families
    }
}

/// The open connections of each listener that there is, and the most that it accepts.
struct ConnectionCollector {
    traffic: Traffic,
    open: IntGaugeVec,
    limit: IntGaugeVec,
    scrape: Mutex<()>,
}

impl ConnectionCollector {
    fn new(traffic: &Traffic) -> prometheus::Result<Self> {
        let gauge = |name: &str, help: &str| IntGaugeVec::new(Opts::new(name, help), &["listen"]);
        Ok(Self {
            traffic: traffic.clone(),
            open: gauge("rerankd_client_connections", "Open connections of clients, by listener.")?,
            limit: gauge(
                "rerankd_client_connections_limit",
                "The most connections that a listener accepts at a time; further ones wait.",
            )?,
            scrape: Mutex::default(),
        })
    }
}

impl Collector for ConnectionCollector {
    fn desc(&self) -> Vec<&Desc> {
        self.open.desc().into_iter().chain(self.limit.desc()).collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let _alone = self.scrape.lock().unwrap_or_else(PoisonError::into_inner);
        // Of listeners that a reload has closed nothing stays.
        self.open.reset();
        self.limit.reset();
        for (listen, open, limit) in self.traffic.connections() {
            let label = &[listen.to_string()];
            self.open.with_label_values(label).set(number(open));
            self.limit.with_label_values(label).set(number(limit));
        }
        self.open.collect().into_iter().chain(self.limit.collect()).collect()
    }
}

fn number(units: usize) -> i64 {
    i64::try_from(units).unwrap_or(i64::MAX)
}

/// `rerankd_timeouts_total`.
struct WaitCollector {
    waits: Timeouts,
    counts: IntCounterVec,
    scrape: Mutex<()>,
}

/// Sets `counter` to `now`.
fn catch_up(counter: &IntCounter, now: u64) {
    counter.inc_by(now.saturating_sub(counter.get()));
}

fn wait_counts() -> prometheus::Result<IntCounterVec> {
    let help = "Waits that timed out, by what was waited for.";
    IntCounterVec::new(Opts::new("rerankd_timeouts_total", help), &["wait"])
}

impl Collector for WaitCollector {
    fn desc(&self) -> Vec<&Desc> {
        self.counts.desc()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let _alone = self.scrape.lock().unwrap_or_else(PoisonError::into_inner);
        for wait in TimeoutKind::ALL {
            catch_up(&self.counts.with_label_values(&[wait.as_str()]), self.waits.count(wait));
        }
        self.counts.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bounds::Limits;

    #[test]
    fn a_scrape_shows_what_is_held_and_what_was_given_up() {
        let registry = Registry::new();
        let bounds = Bounds::new(Limits { buffered_bytes: 800, searches: 3 });
        let (traffic, waits) = (Traffic::default(), Timeouts::default());
        register(&registry, &bounds, &traffic, &waits).unwrap();
        let listener = traffic.listener("127.0.0.1:6343".parse().unwrap(), 10);
        let _connection = listener.open();
        let text = || prometheus::TextEncoder::new().encode_to_string(&registry.gather()).unwrap();
        let permit = bounds.response_bytes.take(700);
        assert!(bounds.response_bytes.take(700).is_none());
        waits.given_up(TimeoutKind::Tunnel);
        let held = text();
        for line in [
            "rerankd_buffered_bytes 700",
            "rerankd_buffered_bytes_limit 800",
            "rerankd_buffered_bytes_rejected_total 1",
            "rerankd_client_connections{listen=\"127.0.0.1:6343\"} 1",
            "rerankd_client_connections_limit{listen=\"127.0.0.1:6343\"} 10",
            "rerankd_requests_in_flight 0",
            "rerankd_searches_in_flight 0",
            "rerankd_searches_in_flight_limit 3",
            "rerankd_timeouts_total{wait=\"tunnel\"} 1",
            "rerankd_timeouts_total{wait=\"response\"} 0",
        ] {
            assert!(held.lines().any(|found| found == line), "{line} is not in {held}");
        }
        listener.set_limit(20);
        assert!(text().contains("rerankd_client_connections_limit{listen=\"127.0.0.1:6343\"} 20"));
        drop(listener);
        assert!(!text().contains("rerankd_client_connections"), "a listener that is gone has no series");
        drop(permit);
        assert!(text().contains("\nrerankd_buffered_bytes 0\n") && text().contains("rejected_total 1\n"));
    }
}
