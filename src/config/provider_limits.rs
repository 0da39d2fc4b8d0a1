//! What a provider's limits have to fit: what it bills.

use super::{problem::Problems, section::Section};
use crate::rerank::Billing;

const UNITS: [&str; 3] =
    ["max_search_units_per_minute", "max_search_units_per_day", "max_search_units_per_search"];

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
