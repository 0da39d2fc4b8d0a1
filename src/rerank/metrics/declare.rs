//! Which series of a provider there are at zero.

use super::{NO_LABELS, RerankMetrics, change};
use crate::{
    rerank::{Billing, FailureClass, breaker::CircuitState},
    trouble::Trouble,
};

/// What of a provider can be counted: which of its series there are at zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::rerank) enum Counted {
    /// It is computed here: nothing is billed, limited or unavailable.
    Computed,
    /// It is a service behind HTTP.
    Service {
        /// What it bills.
        billing: Billing,
        /// Whether it is behind TLS.
        tls: bool,
        /// Whether it has a budget.
        budget: bool,
        /// Whether calls run on for the cache.
        background: bool,
    },
}

/// Closed list: how a provider can be unavailable.
fn unavailable() -> impl Iterator<Item = &'static str> {
    ["status", "broken"].into_iter().chain(Trouble::ALL.map(Trouble::as_str))
}

impl RerankMetrics {
    /// Puts a provider's series there at zero, so that rates over the first event are right.
    pub(in crate::rerank) fn declare(&self, provider: &str, counted: Counted) {
        self.relevance.with_label_values(NO_LABELS);
        self.in_flight.with_label_values(&[provider]);
        self.duration.with_label_values(&[provider]);
        let Counted::Service { billing, tls, budget, background } = counted else {
            for status in ["ok", "given_up", "deadline"] {
                self.calls.with_label_values(&[provider, status]);
            }
            return;
        };
        for counter in [&self.retries, &self.retries_rejected, &self.coalesced] {
            counter.with_label_values(&[provider]);
        }
        if background {
            self.landed_alone.with_label_values(&[provider]);
        }
        match billing {
            Billing::Tokens => drop(self.tokens.with_label_values(&[provider])),
            Billing::SearchUnits => drop(self.units.with_label_values(&[provider])),
            Billing::Free => {}
        }
        self.declare_failures(provider, tls, budget);
    }

    fn declare_failures(&self, provider: &str, tls: bool, budget: bool) {
        for status in ["ok", "given_up"] {
            self.calls.with_label_values(&[provider, status]);
        }
        for class in FailureClass::OF_PROVIDER {
            self.calls.with_label_values(&[provider, class.reason().as_str()]);
        }
        for cause in unavailable().filter(|cause| tls || !cause.starts_with("tls")) {
            self.unavailable.with_label_values(&[provider, cause]);
        }
        for class in
            FailureClass::OF_LIMITS.into_iter().filter(|class| budget || *class != FailureClass::Budget)
        {
            self.shed.with_label_values(&[provider, class.reason().as_str()]);
        }
        self.circuit.with_label_values(&[provider]);
        let open = FailureClass::OF_CIRCUIT.map(CircuitState::Open);
        for state in [CircuitState::Closed, CircuitState::HalfOpen].into_iter().chain(open) {
            self.circuit_changes.with_label_values(&change(provider, state));
        }
    }

    /// Puts there at zero that the next provider of a chain was asked in this one's place.
    pub(in crate::rerank) fn declare_failover(&self, provider: &str) {
        for class in FailureClass::OF_CHAIN {
            self.failed_over.with_label_values(&[provider, class.reason().as_str()]);
        }
    }
}
