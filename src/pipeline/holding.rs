//! [`Holding`]: which hits of a page keep their place.

use std::collections::HashMap;

use super::HeldHits;
use crate::search::{HitAt, Holds};

/// Which hits of a page keep their place while the others are ranked around them, and why. For nearly every page none.
#[derive(Clone, Debug, Default)]
pub struct Holding(HashMap<HitAt, Holds>);

impl Holding {
    /// Why this hit keeps its place, if it does.
    #[inline]
    pub fn of(&self, at: HitAt) -> Option<Holds> {
        if self.0.is_empty() { None } else { self.0.get(&at).copied() }
    }

    /// How many hits of a list do so.
    pub(super) fn count(&self, list: usize) -> HeldHits {
        let mut count = HeldHits::default();
        for (_, cause) in self.0.iter().filter(|(at, _)| at.list == list) {
            match cause {
                Holds::Excluded => count.excluded += 1,
                Holds::Pinned => count.pinned += 1,
            }
        }
        count
    }

    /// Marks a hit, unless it is marked already.
    pub(super) fn hold(&mut self, at: HitAt, cause: Holds) {
        self.0.entry(at).or_insert(cause);
    }
}
