//! [`Drift`]: whether the scores of a model are still those that floors and fits were made for.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use prometheus::{Gauge, IntGauge};

use crate::search::Reference;

/// So many scores are compared at most: the last ones.
const SAMPLE: usize = 500;
/// They are compared each time that so many have come.
const EACH: u64 = 50;

/// What scores are compared with.
#[derive(Clone, Debug, PartialEq)]
pub struct DriftSettings {
    /// The model, by the name that its provider has for it.
    pub model: String,
    /// How the best scores of searches were distributed.
    pub reference: Reference,
}

/// The last scores of one model, and whether they have moved. Once they have, that holds until others are to be compared with,
/// or the process ends.
pub struct Drift {
    settings: DriftSettings,
    has_moved: AtomicBool,
    /// The bits of the last distance.
    found: AtomicU64,
    /// Whether it is of the configuration that is active: only then the gauges are its own.
    is_shown: AtomicBool,
    sample: Mutex<Sample>,
    distance: Gauge,
    moved: IntGauge,
}

#[derive(Default)]
struct Sample {
    last: VecDeque<f32>,
    seen: u64,
}

impl Drift {
    /// Nothing has been scored yet, and nothing is shown.
    pub fn new(settings: DriftSettings, distance: Gauge, moved: IntGauge) -> Self {
        let (has_moved, found, is_shown) =
            (AtomicBool::default(), AtomicU64::default(), AtomicBool::default());
        Self { settings, has_moved, found, is_shown, sample: Mutex::default(), distance, moved }
    }

    /// From now on the gauges say what is known here, or no longer.
    pub(super) fn show(&self, is_shown: bool) {
        self.is_shown.store(is_shown, Ordering::Relaxed);
        self.tell();
    }

    fn tell(&self) {
        if self.is_shown.load(Ordering::Relaxed) {
            self.distance.set(f64::from_bits(self.found.load(Ordering::Relaxed)));
            self.moved.set(i64::from(self.has_moved()));
        }
    }

    /// What is compared with.
    pub fn settings(&self) -> &DriftSettings {
        &self.settings
    }

    /// Whether the scores have moved: what was made for the old ones does not hold.
    pub fn has_moved(&self) -> bool {
        self.has_moved.load(Ordering::Relaxed)
    }

    /// Notes the best score of a search that this model has scored just now.
    pub(super) fn note(&self, model: &str, score: f32) {
        if model != self.settings.model || !score.is_finite() {
            return;
        }
        let mut sample = self.sample.lock().unwrap_or_else(PoisonError::into_inner);
        if sample.last.len() == SAMPLE {
            sample.last.pop_front();
        }
        // As `calibrate` writes them: sums of passages may be over 1.
        sample.last.push_back(score.clamp(0.0, 1.0));
        sample.seen += 1;
        if !sample.seen.is_multiple_of(EACH) {
            return;
        }
        let mut scores: Vec<f32> = sample.last.iter().copied().collect();
        drop(sample);
        let Some(found) = self.settings.reference.distance(&mut scores) else { return };
        self.found.store(found.distance.to_bits(), Ordering::Relaxed);
        if found.is_drift() {
            self.has_moved.store(true, Ordering::Relaxed);
        }
        self.tell();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drift() -> Drift {
        let quantiles = (0..=20).map(|at| at as f32 / 20.0).collect();
        let reference = Reference { quantiles, scores: 500 };
        let gauge = |name: &str| Gauge::new(name, "help").unwrap();
        let drift = Drift::new(
            DriftSettings { model: "m".into(), reference },
            gauge("distance"),
            IntGauge::new("moved", "help").unwrap(),
        );
        drift.show(true);
        drift
    }

    #[test]
    fn scores_that_move_are_seen_and_stay_seen_until_others_are_expected() {
        let drift = drift();
        let even = |at: usize| (at * 37 % 100) as f32 / 100.0;
        (0..2000).for_each(|at| drift.note("m", even(at)));
        assert!(!drift.has_moved() && drift.distance.get() < 0.1, "{}", drift.distance.get());
        (0..500).for_each(|at| drift.note("m", even(at) / 4.0));
        assert!(drift.has_moved() && drift.moved.get() == 1 && drift.distance.get() > 0.5);
        (0..2000).for_each(|at| drift.note("m", even(at)));
        assert!(drift.has_moved() && drift.distance.get() < 0.1, "nobody has said that all is well");
    }

    #[test]
    fn few_scores_and_those_of_another_model_say_nothing() {
        let drift = drift();
        (0..199).for_each(|_| drift.note("m", 0.0));
        (0..1000).for_each(|_| drift.note("other", 0.0));
        assert!(!drift.has_moved());
        drift.note("m", 0.0);
        assert!(drift.has_moved(), "200 are enough");
    }

    #[test]
    fn sums_over_1_are_compared_as_the_reference_has_them() {
        let quantiles = vec![0.5, 1.0, 1.0, 1.0, 1.0];
        let settings = DriftSettings { model: "m".into(), reference: Reference { quantiles, scores: 500 } };
        let drift = Drift::new(
            settings,
            Gauge::new("distance", "help").unwrap(),
            IntGauge::new("moved", "help").unwrap(),
        );
        (0..500).for_each(|at| drift.note("m", if at % 4 == 0 { 0.75 } else { 1.5 + at as f32 / 1000.0 }));
        assert!(!drift.has_moved(), "{}", drift.distance.get());
    }

    #[test]
    fn no_more_scores_are_held_than_are_compared() {
        let drift = drift();
        (0..5000).for_each(|_| drift.note("m", 0.5));
        assert_eq!(drift.sample.lock().unwrap().last.len(), SAMPLE);
    }
}
