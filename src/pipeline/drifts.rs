//! [`Drifts`]: the drift of each route, over reloads of the configuration.

use std::sync::{Arc, Mutex, PoisonError};

use prometheus::{GaugeVec, IntGaugeVec, Opts, Registry};

use super::{Drift, drift::DriftSettings};

/// Each with the name that metrics have for it.
type Named = Vec<(String, Arc<Drift>)>;

/// What is known of the scores of each route, with its metrics.
#[derive(Clone)]
pub struct Drifts {
    distance: GaugeVec,
    moved: IntGaugeVec,
    /// Those of the active configuration, and of one that is being built.
    known: Arc<Mutex<Named>>,
}

impl Drifts {
    /// Registers the metrics, without any series.
    pub fn register(registry: &Registry) -> prometheus::Result<Self> {
        let distance = GaugeVec::new(
            Opts::new(
                "rerankd_score_distance",
                "How far the last best scores are from those of rerank.drift, 0 to 1 (Kolmogorov and Smirnov), by route.",
            ),
            &["route"],
        )?;
        let moved = IntGaugeVec::new(
            Opts::new(
                "rerankd_scores_moved",
                "Whether best scores are distributed otherwise than rerank.drift says: 1 if so, until that is changed.",
            ),
            &["route"],
        )?;
        registry.register(Box::new(distance.clone()))?;
        registry.register(Box::new(moved.clone()))?;
        Ok(Self { distance, moved, known: Arc::default() })
    }

    /// That of a route. While the same is compared with, it is the same: what has moved stays moved over a reload, also over
    /// one that is rejected.
    pub fn of(&self, route: &str, settings: DriftSettings) -> Arc<Drift> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let same = |(name, drift): &&(String, Arc<Drift>)| name == route && *drift.settings() == settings;
        if let Some((_, drift)) = known.iter().find(same) {
            return drift.clone();
        }
        let labels = &[route];
        let gauges = (self.distance.with_label_values(labels), self.moved.with_label_values(labels));
        let drift = Arc::new(Drift::new(settings, gauges.0, gauges.1));
        known.push((route.to_owned(), drift.clone()));
        drift
    }

    /// These are those of the configuration that is active now: shows them, and forgets all others.
    pub fn keep(&self, active: &[(String, DriftSettings)]) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|(route, drift)| {
            let stays = active.iter().any(|(name, settings)| name == route && settings == drift.settings());
            if !stays {
                drift.show(false);
            }
            if active.iter().all(|(name, _)| name != route) {
                let _ = self.distance.remove_label_values(&[route]);
                let _ = self.moved.remove_label_values(&[route]);
            }
            stays
        });
        known.iter().for_each(|(_, drift)| drift.show(true));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::Reference;

    fn settings(scores: u64) -> DriftSettings {
        DriftSettings { model: "m".into(), reference: Reference { quantiles: vec![0.0, 1.0], scores } }
    }

    fn text(registry: &Registry) -> String {
        prometheus::TextEncoder::new().encode_to_string(&registry.gather()).unwrap()
    }

    fn active(of: &[(&str, u64)]) -> Vec<(String, DriftSettings)> {
        of.iter().map(|(route, scores)| ((*route).to_owned(), settings(*scores))).collect()
    }

    #[test]
    fn what_has_moved_stays_moved_over_a_reload_until_other_figures_are_set() {
        let registry = Registry::new();
        let drifts = Drifts::register(&registry).unwrap();
        let first = drifts.of("docs", settings(500));
        drifts.keep(&active(&[("docs", 500)]));
        (0..200).for_each(|_| first.note("m", 0.0));
        assert!(first.has_moved() && text(&registry).contains("rerankd_scores_moved{route=\"docs\"} 1"));
        assert!(drifts.of("docs", settings(500)).has_moved());
        assert!(!drifts.of("other", settings(500)).has_moved());
        assert!(!drifts.of("docs", settings(501)).has_moved());
        // Until that is active the old one counts.
        assert!(text(&registry).contains("rerankd_scores_moved{route=\"docs\"} 1"));
        assert!(drifts.of("docs", settings(500)).has_moved(), "the change was rejected");
        drifts.keep(&active(&[("docs", 501)]));
        assert!(text(&registry).contains("rerankd_scores_moved{route=\"docs\"} 0"));
        // Searches in flight go on with what they began with.
        (0..50).for_each(|_| first.note("m", 0.0));
        assert!(text(&registry).contains("rerankd_scores_moved{route=\"docs\"} 0"));
    }

    #[test]
    fn a_route_that_is_gone_has_no_series() {
        let registry = Registry::new();
        let drifts = Drifts::register(&registry).unwrap();
        let _ = (drifts.of("a", settings(500)), drifts.of("b", settings(500)));
        drifts.keep(&active(&[("b", 500)]));
        assert!(!text(&registry).contains("route=\"a\"") && text(&registry).contains("route=\"b\""));
    }
}
