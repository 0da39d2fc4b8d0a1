//! [`SigningMetrics`]: credentials and their rejections, for Prometheus.

use prometheus::{IntCounterVec, IntGaugeVec, Opts, Registry};

use super::told::Doubt;

/// Metrics of all signing listeners together. Their series are there from [`SigningMetrics::declare`] on.
#[derive(Clone, Debug)]
pub struct SigningMetrics {
    fetched: IntCounterVec,
    rejected: IntCounterVec,
    usable: IntGaugeVec,
}

impl SigningMetrics {
    /// Registers the metrics, without any series.
    pub fn register(registry: &Registry) -> prometheus::Result<Self> {
        let fetched = IntCounterVec::new(
            Opts::new(
                "rerankd_aws_credentials_fetched_total",
                "How often AWS credentials were fetched, by result: ok or failed.",
            ),
            &["result"],
        )?;
        let rejected = IntCounterVec::new(
            Opts::new(
                "rerankd_aws_signatures_rejected_total",
                "Requests signed by rerankd that the database answered with 403, by what it looks like.",
            ),
            &["cause"],
        )?;
        let usable = IntGaugeVec::new(
            Opts::new(
                "rerankd_aws_credentials_usable",
                "Whether there are AWS credentials that have not expired: 1 or 0.",
            ),
            &[],
        )?;
        registry.register(Box::new(fetched.clone()))?;
        registry.register(Box::new(rejected.clone()))?;
        registry.register(Box::new(usable.clone()))?;
        Ok(Self { fetched, rejected, usable })
    }

    /// Puts the series there at zero.
    pub fn declare(&self) {
        for result in ["ok", "failed"] {
            self.fetched.with_label_values(&[result]);
        }
        for doubt in Doubt::ALL {
            self.rejected.with_label_values(&[doubt.as_str()]);
        }
        self.usable.with_label_values::<&str>(&[]);
    }

    pub(super) fn fetched(&self, well: bool) {
        self.fetched.with_label_values(&[if well { "ok" } else { "failed" }]).inc();
    }

    pub(super) fn usable(&self, usable: bool) {
        self.usable.with_label_values::<&str>(&[]).set(i64::from(usable));
    }

    pub(super) fn rejected(&self, doubt: Doubt) {
        self.rejected.with_label_values(&[doubt.as_str()]).inc();
    }
}
