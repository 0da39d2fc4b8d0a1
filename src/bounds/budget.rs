//! [`Budget`]: a number of things that may be held, counted by an atomic. Nothing waits for it.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use bytes::Bytes;

/// How many units (bytes, searches) may be held at the same time. Clones share count and limit. A caller takes a
/// [`Permit`] with [`Budget::take`] and releases it by dropping it; where there is none, it goes on without.
#[derive(Clone)]
pub struct Budget {
    shared: Arc<Shared>,
    /// This holder may not use the last units, one part of this many of the limit; 0 is none.
    spare: usize,
}

struct Shared {
    used: AtomicUsize,
    limit: AtomicUsize,
    rejected: AtomicU64,
}

/// Units taken from a budget; released when it is dropped.
#[must_use = "dropping a permit gives it back"]
pub struct Permit {
    budget: Budget,
    units: usize,
}

impl Budget {
    /// A budget of `limit` units, none taken.
    pub fn new(limit: usize) -> Self {
        let (used, limit, rejected) = (AtomicUsize::new(0), AtomicUsize::new(limit), AtomicU64::new(0));
        Self { shared: Arc::new(Shared { used, limit, rejected }), spare: 0 }
    }

    /// The same budget for a holder who may take none of the last units, one part of `parts` of the limit.
    pub fn sparing(&self, parts: usize) -> Self {
        Self { shared: self.shared.clone(), spare: parts }
    }

    /// Another limit from now on, for all who share it. What is held stays held, even over the limit.
    pub fn set_limit(&self, limit: usize) {
        self.shared.limit.store(limit, Ordering::Release);
    }

    /// A permit for nothing yet.
    pub fn nothing(&self) -> Permit {
        Permit { budget: self.clone(), units: 0 }
    }

    /// Takes units, if there are so many.
    pub fn take(&self, units: usize) -> Option<Permit> {
        self.claim(units).then(|| Permit { budget: self.clone(), units })
    }

    /// The limit.
    pub fn limit(&self) -> usize {
        self.shared.limit.load(Ordering::Acquire)
    }

    /// What is taken now.
    pub fn used(&self) -> usize {
        self.shared.used.load(Ordering::Acquire)
    }

    /// How often units were refused.
    pub fn rejected(&self) -> u64 {
        self.shared.rejected.load(Ordering::Relaxed)
    }

    fn claim(&self, units: usize) -> bool {
        let limit = self.limit();
        let ceiling = limit - limit.checked_div(self.spare).unwrap_or(0);
        let more = |used: usize| used.checked_add(units).filter(|sum| *sum <= ceiling);
        let claimed = self.shared.used.fetch_update(Ordering::AcqRel, Ordering::Acquire, more).is_ok();
        if !claimed {
            self.shared.rejected.fetch_add(1, Ordering::Relaxed);
        }
        claimed
    }

    fn give_back(&self, units: usize) {
        self.shared.used.fetch_sub(units, Ordering::AcqRel);
    }
}

impl Permit {
    /// A permit for nothing yet from the same budget.
    pub fn another(&self) -> Permit {
        self.budget.nothing()
    }

    /// How many units this holds.
    pub fn units(&self) -> usize {
        self.units
    }

    /// Takes more or releases some, to hold `units` in all; false, and nothing changed, if there are too few.
    #[must_use = "without units nothing may be held"]
    pub fn resize(&mut self, units: usize) -> bool {
        match units.checked_sub(self.units) {
            Some(0) => true,
            Some(more) if !self.budget.claim(more) => false,
            Some(_) => {
                self.units = units;
                true
            }
            None => {
                self.shrink(units);
                true
            }
        }
    }

    /// Releases what is over `units`.
    pub fn shrink(&mut self, units: usize) {
        self.budget.give_back(self.units.saturating_sub(units));
        self.units = self.units.min(units);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.budget.give_back(self.units);
    }
}

impl fmt::Debug for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Budget({} of {})", self.used(), self.limit())
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Permit({})", self.units)
    }
}

/// `bytes` with the permit for them, or a share in one: it is released when the last of them, slices and clones too,
/// is dropped.
pub fn counted(bytes: Bytes, permit: impl Send + Sync + 'static) -> Bytes {
    struct Counted<P> {
        bytes: Bytes,
        _permit: P,
    }
    impl<P> AsRef<[u8]> for Counted<P> {
        fn as_ref(&self) -> &[u8] {
            &self.bytes
        }
    }
    Bytes::from_owner(Counted { bytes, _permit: permit })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_slice_holds_the_permit_of_its_bytes() {
        let budget = Budget::new(10);
        let bytes = counted(Bytes::from_static(b"abcdef"), budget.take(6).unwrap());
        let slice = bytes.slice(2..3);
        drop(bytes);
        assert_eq!((budget.used(), &slice[..]), (6, &b"c"[..]));
        drop(slice);
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn what_does_not_fit_changes_nothing_and_is_counted() {
        let budget = Budget::new(10);
        let mut permit = budget.take(8).unwrap();
        assert!(budget.take(3).is_none() && !permit.resize(11) && budget.take(usize::MAX).is_none());
        assert_eq!((budget.used(), permit.units(), budget.rejected()), (8, 8, 3));
        assert!(permit.resize(10) && permit.resize(1));
        assert_eq!(budget.used(), 1);
    }

    #[test]
    fn a_new_limit_counts_for_all_and_takes_nothing_away() {
        let budget = Budget::new(10);
        let permit = budget.sparing(5).take(8).unwrap();
        assert!(budget.sparing(5).take(1).is_none());
        budget.set_limit(4);
        assert!(budget.take(1).is_none());
        assert_eq!((budget.used(), budget.limit()), (8, 4));
        drop(permit);
        assert!(budget.take(5).is_none() && budget.take(4).is_some());
    }

    #[derive(Clone, Debug)]
    enum Step {
        Take(usize),
        TakeLow(usize),
        Resize(usize, usize),
        Shrink(usize, usize),
        Count(usize),
        Slice(usize),
        Drop(usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        let units = 0..120usize;
        let place = 0..8usize;
        prop_oneof![
            units.clone().prop_map(Step::Take),
            units.clone().prop_map(Step::TakeLow),
            (place.clone(), units.clone()).prop_map(|(at, units)| Step::Resize(at, units)),
            (place.clone(), units).prop_map(|(at, units)| Step::Shrink(at, units)),
            place.clone().prop_map(Step::Count),
            place.clone().prop_map(Step::Slice),
            place.prop_map(Step::Drop),
        ]
    }

    /// Does the steps with permits and counted bytes of its own; checks the budget after each.
    fn walk(budget: &Budget, steps: &[Step]) {
        let low = budget.sparing(2);
        let (mut permits, mut buffers): (Vec<Permit>, Vec<Bytes>) = Default::default();
        for step in steps {
            match step {
                Step::Take(units) => permits.extend(budget.take(*units)),
                Step::TakeLow(units) => permits.extend(low.take(*units)),
                Step::Resize(at, units) => {
                    if let Some(permit) = permits.get_mut(*at) {
                        let before = permit.units();
                        let fits = permit.resize(*units);
                        assert_eq!(permit.units(), if fits { *units } else { before });
                    }
                }
                Step::Shrink(at, units) => {
                    if let Some(permit) = permits.get_mut(*at) {
                        permit.shrink(*units);
                    }
                }
                Step::Count(at) if *at < permits.len() => {
                    let permit = permits.swap_remove(*at);
                    buffers.push(counted(Bytes::from(vec![0; permit.units()]), permit));
                }
                Step::Slice(at) => {
                    let slice = buffers.get(*at).map(|bytes| bytes.slice(..bytes.len() / 2));
                    buffers.extend(slice);
                }
                Step::Drop(at) => {
                    if *at < permits.len() {
                        drop(permits.swap_remove(*at));
                    }
                    if *at < buffers.len() {
                        buffers.swap_remove(*at);
                    }
                }
                Step::Count(_) => {}
            }
            assert!(budget.used() <= budget.limit());
        }
    }

    proptest! {
        #[test]
        fn no_walk_of_takes_and_drops_exceeds_the_budget_and_each_ends_at_zero(
            steps in proptest::collection::vec(step(), 0..60),
        ) {
            let budget = Budget::new(200);
            walk(&budget, &steps);
            prop_assert_eq!(budget.used(), 0);
        }

        #[test]
        fn no_interleaving_of_threads_exceeds_the_budget_and_each_ends_at_zero(
            walks in proptest::collection::vec(proptest::collection::vec(step(), 0..60), 2..4),
        ) {
            let budget = Budget::new(200);
            std::thread::scope(|scope| {
                for steps in &walks {
                    let budget = budget.clone();
                    scope.spawn(move || walk(&budget, steps));
                }
            });
            prop_assert_eq!(budget.used(), 0);
        }
    }
}
