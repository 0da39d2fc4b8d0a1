//! [`Figures`]: what the metrics say at one moment, to be read by name.

use std::collections::BTreeMap;

use prometheus::{
    Registry,
    proto::{Metric, MetricFamily, MetricType},
};

/// Every metric at one moment.
pub(super) struct Figures(Vec<MetricFamily>);

/// A label and its value.
pub(super) type Label<'a> = (&'a str, &'a str);

impl Figures {
    pub(super) fn of(registry: &Registry) -> Self {
        Self(registry.gather())
    }

    /// The sum of all series with these labels; of a histogram, its observations. 0 where there are none.
    pub(super) fn sum(&self, name: &str, labels: &[Label<'_>]) -> f64 {
        self.series(name, labels)
            .map(|(kind, metric)| value(kind, metric))
            .fold(0.0, |sum, value| sum + value)
    }

    /// The value of the one series with these labels, if it is there.
    pub(super) fn get(&self, name: &str, labels: &[Label<'_>]) -> Option<f64> {
        self.series(name, labels).next().map(|(kind, metric)| value(kind, metric))
    }

    /// The sums by the values of a label, less those that are zero.
    pub(super) fn by(&self, name: &str, label: &str, labels: &[Label<'_>]) -> BTreeMap<String, f64> {
        let mut sums = BTreeMap::new();
        for (kind, metric) in self.series(name, labels) {
            let Some(found) = label_of(metric, label) else { continue };
            *sums.entry(found.to_owned()).or_insert(0.0) += value(kind, metric);
        }
        sums.retain(|_, sum| *sum != 0.0);
        sums
    }

    /// The mean of a histogram's observations; `None` before the first.
    pub(super) fn mean(&self, name: &str, labels: &[Label<'_>]) -> Option<f64> {
        let (mut sum, mut count) = (0.0, 0);
        for (_, metric) in self.series(name, labels) {
            sum += metric.get_histogram().get_sample_sum();
            count += metric.get_histogram().get_sample_count();
        }
        (count > 0).then(|| sum / count as f64)
    }

    fn series(&self, name: &str, labels: &[Label<'_>]) -> impl Iterator<Item = (MetricType, &Metric)> {
        let family = self.0.iter().filter(move |family| family.name() == name);
        let all = family.flat_map(|family| {
            family.get_metric().iter().map(move |metric| (family.get_field_type(), metric))
        });
        all.filter(move |(_, metric)| {
            labels.iter().all(|(label, value)| label_of(metric, label) == Some(*value))
        })
    }
}

fn label_of<'a>(metric: &'a Metric, label: &str) -> Option<&'a str> {
    metric.get_label().iter().find(|pair| pair.name() == label).map(|pair| pair.value())
}

fn value(kind: MetricType, metric: &Metric) -> f64 {
    match kind {
        MetricType::COUNTER => metric.get_counter().get_value(),
        MetricType::GAUGE => metric.get_gauge().get_value(),
        MetricType::HISTOGRAM => metric.get_histogram().get_sample_count() as f64,
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use prometheus::{HistogramOpts, HistogramVec, IntCounterVec, Opts};

    use super::*;

    #[test]
    fn counters_are_summed_by_label_and_histograms_have_a_mean() {
        let registry = Registry::new();
        let counters = IntCounterVec::new(Opts::new("c", "c"), &["outcome", "reason"]).unwrap();
        let histograms = HistogramVec::new(HistogramOpts::new("h", "h"), &["mode"]).unwrap();
        registry.register(Box::new(counters.clone())).unwrap();
        registry.register(Box::new(histograms.clone())).unwrap();
        for (outcome, reason, count) in [("kept", "off", 2), ("kept", "no_text", 3), ("applied", "none", 5)] {
            counters.with_label_values(&[outcome, reason]).inc_by(count);
        }
        counters.with_label_values(&["kept", "budget"]);
        for value in [1.0, 2.0] {
            histograms.with_label_values(&["on"]).observe(value);
        }
        let figures = Figures::of(&registry);
        assert_eq!(figures.sum("c", &[]), 10.0);
        assert_eq!(figures.sum("c", &[("outcome", "kept")]), 5.0);
        let by = figures.by("c", "reason", &[("outcome", "kept")]);
        assert_eq!(by, BTreeMap::from([("off".to_owned(), 2.0), ("no_text".to_owned(), 3.0)]));
        assert_eq!(figures.mean("h", &[("mode", "on")]), Some(1.5));
        assert_eq!(figures.mean("h", &[("mode", "shadow")]), None);
        assert_eq!(figures.get("h", &[("mode", "on")]), Some(2.0));
        assert_eq!(figures.get("none", &[]), None);
    }
}
