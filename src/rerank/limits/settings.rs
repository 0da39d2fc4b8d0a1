use super::spend::SpendSettings;

/// Limits of one provider.
#[derive(Clone, Debug, PartialEq)]
pub struct LimitSettings {
    /// Calls in flight at once; more are shed.
    pub max_concurrency: usize,
    /// Calls in any 60 seconds, retries counted; more are shed.
    pub requests_per_minute: Option<u32>,
    /// The most search units, where the provider bills them.
    pub search_units: SpendSettings,
    /// The most tokens, where the provider bills them.
    pub tokens: SpendSettings,
    /// Documents are cut, then the window, so that one search stays within so many search units.
    pub search_units_per_search: Option<u32>,
}

impl LimitSettings {
    /// Whether anything limits what is billed.
    pub fn has_budget(&self) -> bool {
        let none = SpendSettings::default();
        self.search_units != none || self.tokens != none || self.search_units_per_search.is_some()
    }
}

/// Limits of one tenant at each of its providers, within those that the provider has for all.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TenantLimits {
    /// Calls in flight at once; more are shed.
    pub max_concurrency: Option<usize>,
    /// Calls in any 60 seconds, retries not counted; more are shed.
    pub requests_per_minute: Option<u32>,
    /// The most search units, where the provider bills them.
    pub search_units: SpendSettings,
    /// The most tokens, where the provider bills them.
    pub tokens: SpendSettings,
}

impl TenantLimits {
    /// Whether anything limits what is billed.
    pub fn has_budget(&self) -> bool {
        self.of_gate().has_budget()
    }

    /// The same as the limits that a provider has.
    pub(in crate::rerank) fn of_gate(&self) -> LimitSettings {
        LimitSettings {
            max_concurrency: self.max_concurrency.unwrap_or(usize::MAX),
            requests_per_minute: self.requests_per_minute,
            search_units: self.search_units,
            tokens: self.tokens,
            search_units_per_search: None,
        }
    }
}

impl Default for LimitSettings {
    fn default() -> Self {
        Self {
            max_concurrency: 32,
            requests_per_minute: None,
            search_units: SpendSettings::default(),
            tokens: SpendSettings::default(),
            search_units_per_search: None,
        }
    }
}
