//! Limits of one provider, which shed at once: a call over a limit fails immediately. Only the calls of one request
//! wait for each other.

mod entry;
mod gate;
mod layer;
mod rate;
mod settings;
mod shared;
#[cfg(test)]
mod shared_tests;
mod spend;
mod trim;

pub(super) use gate::Gate;
pub(super) use layer::Limits;
pub(super) use rate::Rates;
pub use settings::{LimitSettings, TenantLimits};
pub(super) use spend::Ledger;
pub use spend::{SpendSettings, expected_bill, tokens};
pub(super) use trim::{Trim, cut};
