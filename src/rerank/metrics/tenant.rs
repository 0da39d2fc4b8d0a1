//! What the stack does for tenants. The label is a name of the configuration: whoever is none has no limits of its own.

use prometheus::{CounterVec, GaugeVec, IntCounterVec, IntGaugeVec, Opts, Registry};

use super::{RerankMetrics, keep, keep_by, set_spend, unit};
use crate::rerank::{Billing, FailureClass, limits::SpendSettings};

/// Series of tenants; none without tenants.
#[derive(Debug)]
pub(super) struct TenantMetrics {
    shed: IntCounterVec,
    billed: CounterVec,
    spend_left: GaugeVec,
    spend_limit: GaugeVec,
    cache_bytes: IntGaugeVec,
}

impl TenantMetrics {
    /// Registers them, without any series.
    pub(super) fn register(registry: &Registry) -> prometheus::Result<Self> {
        let spend = ["tenant", "provider", "unit", "window"];
        let shed = Opts::new(
            "rerankd_tenant_shed_total",
            "Calls that were not made, by the tenant's own limit or budget that prevented them.",
        );
        let billed = Opts::new(
            "rerankd_tenant_billed_total",
            "What a rerank provider billed for a tenant's searches, in the unit of the label.",
        );
        let left = Opts::new(
            "rerankd_tenant_spend_left",
            "What is left of a tenant's budget for this minute or day, in the unit of the label.",
        );
        let limit = Opts::new(
            "rerankd_tenant_spend_limit",
            "The whole budget of a tenant for a minute or day, in the unit of the label.",
        );
        let bytes =
            Opts::new("rerankd_tenant_cache_bytes", "Estimated size of a tenant's own cache, in bytes.");
        let metrics = Self {
            shed: IntCounterVec::new(shed, &["tenant", "provider", "reason"])?,
            billed: CounterVec::new(billed, &["tenant", "provider", "unit"])?,
            spend_left: GaugeVec::new(left, &spend)?,
            spend_limit: GaugeVec::new(limit, &spend)?,
            cache_bytes: IntGaugeVec::new(bytes, &["tenant"])?,
        };
        registry.register(Box::new(metrics.shed.clone()))?;
        registry.register(Box::new(metrics.billed.clone()))?;
        registry.register(Box::new(metrics.spend_left.clone()))?;
        registry.register(Box::new(metrics.spend_limit.clone()))?;
        registry.register(Box::new(metrics.cache_bytes.clone()))?;
        Ok(metrics)
    }
}

impl RerankMetrics {
    /// Puts the counters of a tenant at one provider there at zero.
    pub(in crate::rerank) fn declare_tenant(
        &self,
        tenant: &str,
        provider: &str,
        billing: Billing,
        budget: bool,
    ) {
        let classes = FailureClass::OF_LIMITS.into_iter();
        for class in classes.filter(|class| budget || *class != FailureClass::Budget) {
            self.tenant.shed.with_label_values(&[tenant, provider, class.reason().as_str()]);
        }
        if billing != Billing::Free {
            self.tenant.billed.with_label_values(&[tenant, provider, unit(billing)]);
        }
    }

    pub(in crate::rerank) fn tenant_shed(&self, tenant: &str, provider: &str, class: FailureClass) {
        self.tenant.shed.with_label_values(&[tenant, provider, class.reason().as_str()]).inc();
    }

    pub(in crate::rerank) fn tenant_billed(
        &self,
        tenant: &str,
        provider: &str,
        billing: Billing,
        billed: f64,
    ) {
        if billed > 0.0 {
            self.tenant.billed.with_label_values(&[tenant, provider, unit(billing)]).inc_by(billed);
        }
    }

    /// A tenant's budget at one provider and what is left of it, `(minute, day)`.
    pub(in crate::rerank) fn tenant_spend(
        &self,
        (tenant, provider): (&str, &str),
        budget: (Billing, SpendSettings),
        left: (Option<f64>, Option<f64>),
    ) {
        let TenantMetrics { spend_limit, spend_left, .. } = &self.tenant;
        set_spend((spend_limit, spend_left), &[tenant, provider], budget, left);
    }

    /// How much a tenant's own cache holds.
    pub(in crate::rerank) fn tenant_cache(&self, tenant: &str, bytes: u64) {
        self.tenant.cache_bytes.with_label_values(&[tenant]).set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    /// Removes the gauges of tenants, and of their providers, that a reload has removed. Their counters stay.
    pub(in crate::rerank) fn keep_tenants(
        &self,
        uses: impl Fn(&str, &str) -> bool,
        has_cache: impl Fn(&str) -> bool,
    ) {
        let is_there = |labels: &[&str]| matches!(labels, [tenant, provider, ..] if uses(tenant, provider));
        keep_by(&self.tenant.spend_left, is_there);
        keep_by(&self.tenant.spend_limit, is_there);
        keep(&self.tenant.cache_bytes, &has_cache);
    }
}
