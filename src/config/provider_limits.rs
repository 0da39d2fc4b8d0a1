//! What a provider may be asked and may cost, and when it is left alone: keys that every network provider has.

use std::time::Duration;

use super::{
    problem::Problems,
    render::{Out, or_null, time},
    section::Section,
    values::{self, whole},
};
use crate::rerank::Billing;

/// Limits of one provider.
#[derive(Clone, Debug, PartialEq)]
pub struct ProviderLimits {
    /// Calls at the same time; more are shed.
    pub max_concurrency: usize,
    /// Calls in any minute; more are shed.
    pub requests_per_minute: Option<u32>,
    /// Search units in a minute of the clock.
    pub max_search_units_per_minute: Option<u64>,
    /// Search units in a day, UTC.
    pub max_search_units_per_day: Option<u64>,
    /// Documents are cut so that one search stays within.
    pub max_search_units_per_search: Option<u32>,
    /// Tokens in a minute of the clock, for providers that bill them.
    pub max_tokens_per_minute: Option<u64>,
    /// Tokens in a day, UTC.
    pub max_tokens_per_day: Option<u64>,
    /// Calls that nobody waits for any more run on to fill the cache.
    pub finish_in_background: bool,
    /// So many of them at most.
    pub max_in_background: usize,
    /// When it is left alone.
    pub breaker: BreakerConfig,
}

/// When to stop asking a failing provider.
#[derive(Clone, Debug, PartialEq)]
pub struct BreakerConfig {
    /// Share of failed calls that opens the circuit.
    pub failure_ratio: f64,
    /// Share of slow calls that opens it.
    pub slow_ratio: f64,
    /// From when on a call is slow.
    pub slow_call: Duration,
    /// Calls in the window before a share counts.
    pub min_calls: u32,
    /// How far back calls are counted.
    pub window: Duration,
    /// How long it stays open at first.
    pub open_for: Duration,
    /// Calls that try it out again.
    pub probes: u32,
}

impl Default for ProviderLimits {
    fn default() -> Self {
        Self {
            max_concurrency: 32,
            requests_per_minute: None,
            max_search_units_per_minute: None,
            max_search_units_per_day: None,
            max_search_units_per_search: None,
            max_tokens_per_minute: None,
            max_tokens_per_day: None,
            finish_in_background: true,
            max_in_background: 32,
            breaker: BreakerConfig::default(),
        }
    }
}

impl Default for BreakerConfig {
    fn default() -> Self {
        Self {
            failure_ratio: 0.5,
            slow_ratio: 0.8,
            slow_call: Duration::from_secs(1),
            min_calls: 20,
            window: Duration::from_secs(10),
            open_for: Duration::from_secs(5),
            probes: 3,
        }
    }
}

/// The keys of [`ProviderLimits`] in a provider's section.
pub(super) const KEYS: [&str; 10] = [
    "max_concurrency",
    "requests_per_minute",
    "max_search_units_per_minute",
    "max_search_units_per_day",
    "max_search_units_per_search",
    "max_tokens_per_minute",
    "max_tokens_per_day",
    "finish_in_background",
    "max_in_background",
    "breaker",
];

const UNITS: [&str; 3] =
    ["max_search_units_per_minute", "max_search_units_per_day", "max_search_units_per_search"];

/// No budget is larger.
const MOST: u64 = 1_000_000_000_000;

/// Reads the limits of a provider's section.
pub(super) fn read(section: &Section<'_>, to: &mut ProviderLimits, problems: &mut Problems) {
    let budget = || whole(1, MOST);
    section.set("max_concurrency", &mut to.max_concurrency, problems, whole(1, 100_000));
    section.set_option("requests_per_minute", &mut to.requests_per_minute, problems, whole(1, 10_000_000));
    section.set_option(
        "max_search_units_per_minute",
        &mut to.max_search_units_per_minute,
        problems,
        budget(),
    );
    section.set_option("max_search_units_per_day", &mut to.max_search_units_per_day, problems, budget());
    let per_search = &mut to.max_search_units_per_search;
    section.set_option("max_search_units_per_search", per_search, problems, whole(1, 1000));
    section.set_option("max_tokens_per_minute", &mut to.max_tokens_per_minute, problems, budget());
    section.set_option("max_tokens_per_day", &mut to.max_tokens_per_day, problems, budget());
    section.set("finish_in_background", &mut to.finish_in_background, problems, values::boolean);
    section.set("max_in_background", &mut to.max_in_background, problems, whole(0, 100_000));
    breaker(section, &mut to.breaker, problems);
}

/// A budget in what the provider does not bill would never be reached.
pub(super) fn check(section: &Section<'_>, billing: Billing, problems: &mut Problems) {
    let (bills, others): (&str, &[&str]) = match billing {
        Billing::SearchUnits => ("search units", &["max_tokens_per_minute", "max_tokens_per_day"]),
        Billing::Tokens => ("tokens", &UNITS),
        Billing::Free => return,
    };
    for key in others.iter().filter(|key| section.has(key)) {
        let sentence = format!("this provider bills {bills}; set the key that counts them.");
        section.complain(key, sentence, problems);
    }
}

fn breaker(section: &Section<'_>, to: &mut BreakerConfig, problems: &mut Problems) {
    let known = ["failure_ratio", "slow_ratio", "slow_call", "min_calls", "window", "open_for", "probes"];
    let section = Section::open(section.node("breaker"), section.path_of("breaker"), &known, problems);
    section.set("failure_ratio", &mut to.failure_ratio, problems, values::share);
    section.set("slow_ratio", &mut to.slow_ratio, problems, values::share);
    section.set("slow_call", &mut to.slow_call, problems, values::duration);
    section.set("min_calls", &mut to.min_calls, problems, whole(1, 1_000_000));
    section.set("window", &mut to.window, problems, values::duration);
    section.set("open_for", &mut to.open_for, problems, values::duration);
    section.set("probes", &mut to.probes, problems, whole(1, 1000));
}

/// Writes the limits as they are read.
pub(super) fn render(out: &mut Out, at: usize, limits: &ProviderLimits) {
    out.set(at, "max_concurrency", limits.max_concurrency);
    out.set(at, "requests_per_minute", or_null(limits.requests_per_minute));
    out.set(at, "max_search_units_per_minute", or_null(limits.max_search_units_per_minute));
    out.set(at, "max_search_units_per_day", or_null(limits.max_search_units_per_day));
    out.set(at, "max_search_units_per_search", or_null(limits.max_search_units_per_search));
    out.set(at, "max_tokens_per_minute", or_null(limits.max_tokens_per_minute));
    out.set(at, "max_tokens_per_day", or_null(limits.max_tokens_per_day));
    out.set(at, "finish_in_background", limits.finish_in_background);
    out.set(at, "max_in_background", limits.max_in_background);
    let breaker = &limits.breaker;
    out.line(at, "breaker:");
    out.set(at + 2, "failure_ratio", breaker.failure_ratio);
    out.set(at + 2, "slow_ratio", breaker.slow_ratio);
    out.set(at + 2, "slow_call", time(breaker.slow_call));
    out.set(at + 2, "min_calls", breaker.min_calls);
    out.set(at + 2, "window", time(breaker.window));
    out.set(at + 2, "open_for", time(breaker.open_for));
    out.set(at + 2, "probes", breaker.probes);
}
