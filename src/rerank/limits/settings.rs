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
