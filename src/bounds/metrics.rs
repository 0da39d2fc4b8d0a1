//! What is held and what was given up, for Prometheus; read at each scrape.

use std::sync::{Mutex, PoisonError};

use prometheus::{
    IntCounter, IntCounterVec, IntGauge, Opts, Registry,
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
    let buffered = "Bytes of requests and responses held in memory";
    let searches = "Searches between their head and the head of their response that are being reranked";
    for collector in [
        BudgetCollector::limited("rerankd_buffered_bytes", buffered, &bounds.request_bytes)?,
        BudgetCollector::limited("rerankd_searches_in_flight", searches, &bounds.searches)?,
        BudgetCollector::counted(
            "rerankd_client_connections",
            "Open connections of clients",
            &traffic.connections,
        )?,
        BudgetCollector::counted(
            "rerankd_requests_in_flight",
            "Requests between their head and the last byte of their response",
            &traffic.requests,
        )?,
    ] {
        registry.register(Box::new(collector))?;
    }
    let collector = WaitCollector { waits: waits.clone(), counts: wait_counts()?, scrape: Mutex::default() };
    registry.register(Box::new(collector))
}

/// A budget's use, and for one that has a limit also that and how often it was reached.
struct BudgetCollector {
    budget: Budget,
    used: IntGauge,
    limit: Option<Limit>,
}

struct Limit {
    limit: IntGauge,
    rejected: IntCounter,
    /// Two scrapes at a time must not both add what is new.
    scrape: Mutex<()>,
}

impl BudgetCollector {
    fn counted(name: &str, help: &str, budget: &Budget) -> prometheus::Result<Self> {
        let used = IntGauge::with_opts(Opts::new(name, format!("{help}.")))?;
        Ok(Self { budget: budget.clone(), used, limit: None })
    }

    fn limited(name: &str, help: &str, budget: &Budget) -> prometheus::Result<Self> {
        let limit = Opts::new(format!("{name}_limit"), format!("{help}: the most at a time."));
        let rejected =
            Opts::new(format!("{name}_rejected_total"), format!("{help}: how often there was no room."));
        let limit = Limit {
            limit: IntGauge::with_opts(limit)?,
            rejected: IntCounter::with_opts(rejected)?,
            scrape: Mutex::default(),
        };
        Ok(Self { limit: Some(limit), ..Self::counted(name, help, budget)? })
    }
}

impl Collector for BudgetCollector {
    fn desc(&self) -> Vec<&Desc> {
        let limit = self.limit.iter().flat_map(|limit| [limit.limit.desc(), limit.rejected.desc()]);
        self.used.desc().into_iter().chain(limit.flatten()).collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let number = |units: usize| i64::try_from(units).unwrap_or(i64::MAX);
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

/// `rerankd_timeouts_total`.
struct WaitCollector {
    waits: Timeouts,
    counts: IntCounterVec,
    scrape: Mutex<()>,
}

/// Makes `counter` say `now`.
fn catch_up(counter: &IntCounter, now: u64) {
    counter.inc_by(now.saturating_sub(counter.get()));
}

fn wait_counts() -> prometheus::Result<IntCounterVec> {
    let help = "Waits that were given up, by what was waited for.";
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
        let _connection = traffic.connections.take(1);
        let text = || prometheus::TextEncoder::new().encode_to_string(&registry.gather()).unwrap();
        let permit = bounds.response_bytes.take(700);
        assert!(bounds.response_bytes.take(700).is_none());
        waits.given_up(TimeoutKind::Tunnel);
        let held = text();
        for line in [
            "rerankd_buffered_bytes 700",
            "rerankd_buffered_bytes_limit 800",
            "rerankd_buffered_bytes_rejected_total 1",
            "rerankd_client_connections 1",
            "rerankd_requests_in_flight 0",
            "rerankd_searches_in_flight 0",
            "rerankd_searches_in_flight_limit 3",
            "rerankd_timeouts_total{wait=\"tunnel\"} 1",
            "rerankd_timeouts_total{wait=\"response\"} 0",
        ] {
            assert!(held.lines().any(|found| found == line), "{line} is not in {held}");
        }
        drop(permit);
        assert!(text().contains("\nrerankd_buffered_bytes 0\n") && text().contains("rejected_total 1\n"));
    }
}
