//! [`TenantMetrics`]: what searches did, by tenant. The label is a name of the configuration or `other`.

use prometheus::{HistogramOpts, HistogramVec, IntCounterVec, Opts, Registry};

use super::{Outcome, Report, Timings};

/// Whoever is none of the tenants.
pub const OTHER: &str = "other";

/// From a millisecond to ten seconds: coarser than those of all searches, since there are as many as tenants.
const SECONDS: [f64; 9] = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 10.0];

/// Metrics of searches by tenant; without any series until tenants are declared.
#[derive(Clone)]
pub struct TenantMetrics {
    searches: IntCounterVec,
    seconds: HistogramVec,
}

impl TenantMetrics {
    /// Registers every metric, without any series.
    pub fn register(registry: &Registry) -> prometheus::Result<Self> {
        let searches = IntCounterVec::new(
            Opts::new(
                "rerankd_tenant_searches_total",
                "Searches that got a response, by tenant, how they ended and why.",
            ),
            &["tenant", "outcome", "reason"],
        )?;
        let seconds = HistogramVec::new(
            HistogramOpts::new(
                "rerankd_tenant_search_duration_seconds",
                "Time from the head of a tenant's search to the head of its response, in seconds.",
            )
            .buckets(SECONDS.to_vec()),
            &["tenant"],
        )?;
        registry.register(Box::new(searches.clone()))?;
        registry.register(Box::new(seconds.clone()))?;
        Ok(Self { searches, seconds })
    }

    /// Puts the series of these tenants and of all others there at zero.
    pub fn declare<'a>(&self, tenants: impl Iterator<Item = &'a str>) {
        for tenant in tenants.chain([OTHER]) {
            let applied = Outcome::Applied;
            self.searches.with_label_values(&[tenant, applied.as_str(), applied.reason()]);
            self.seconds.with_label_values(&[tenant]);
        }
    }

    /// Counts the searches of one request, which is of this tenant or of none.
    pub fn ended(&self, tenant: Option<&str>, reports: &[Report], timings: &Timings) {
        let tenant = tenant.unwrap_or(OTHER);
        for report in reports {
            let outcome = report.outcome;
            self.searches.with_label_values(&[tenant, outcome.as_str(), outcome.reason()]).inc();
        }
        self.seconds.with_label_values(&[tenant]).observe(timings.total.as_secs_f64());
    }
}
