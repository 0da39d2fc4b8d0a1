//! Limits of one provider, which shed at once: a call that may not go now fails now, nothing queues.

mod layer;
mod rate;
mod shared;
mod spend;
mod trim;

pub use layer::LimitSettings;
pub(super) use layer::{Gate, Limits};
pub(super) use spend::Ledger;
pub use spend::{SpendSettings, expected_bill, tokens};
pub(super) use trim::Trim;
