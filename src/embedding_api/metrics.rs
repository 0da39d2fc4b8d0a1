use prometheus::{IntCounterVec, Opts, Registry};

use super::ending::Ending;

/// Metrics of embedding calls. Services are named as in the configuration; results are a closed list.
#[derive(Clone, Debug)]
pub struct CallMetrics {
    calls: IntCounterVec,
}

impl CallMetrics {
    /// Registers the metrics, without any series.
    pub fn register(registry: &Registry) -> prometheus::Result<Self> {
        let calls = IntCounterVec::new(
            Opts::new(
                "rerankd_embedding_calls_total",
                "Embedding calls that were passed on, by service and by what the memory has of them, or why it has nothing.",
            ),
            &["service", "result"],
        )?;
        registry.register(Box::new(calls.clone()))?;
        Ok(Self { calls })
    }

    /// Puts a service's calls there at zero: only those that are remembered, since most services are not used.
    pub fn declare(&self, service: &str) {
        self.calls.with_label_values(&[service, Ending::Remembered.as_str()]);
    }

    pub(super) fn ended(&self, service: &str, ending: Ending) {
        self.calls.with_label_values(&[service, ending.as_str()]).inc();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_result_has_a_word_of_its_own() {
        let words: HashSet<&str> = Ending::all().map(Ending::as_str).collect();
        assert_eq!(words.len(), Ending::all().count());
    }
}
