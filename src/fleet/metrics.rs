use std::time::Duration;

use prometheus::{HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts, Registry, core::Collector};

use super::{Failure, breaker::BreakerState, purpose::Purpose};

const SECONDS: [f64; 11] = [0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1.0];

/// Of a metric that is there only once it is declared.
const NO_LABELS: &[&str] = &[];

/// What a round trip is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    Get,
    Set,
    Take,
    Amend,
    Words,
    Probe,
}

impl Operation {
    const ALL: [Operation; 6] = [
        Operation::Get,
        Operation::Set,
        Operation::Take,
        Operation::Amend,
        Operation::Words,
        Operation::Probe,
    ];

    fn as_str(self) -> &'static str {
        match self {
            Operation::Get => "get",
            Operation::Set => "set",
            Operation::Take => "take",
            Operation::Amend => "amend",
            Operation::Words => "words",
            Operation::Probe => "probe",
        }
    }
}

/// The result of a score's write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dropped {
    /// The queue was full.
    Full,
    /// The breaker was open.
    Away,
    /// Redis rejected it.
    Failed,
}

impl Dropped {
    const ALL: [Dropped; 3] = [Dropped::Full, Dropped::Away, Dropped::Failed];

    fn as_str(self) -> &'static str {
        match self {
            Dropped::Full => "full",
            Dropped::Away => "away",
            Dropped::Failed => "failed",
        }
    }
}

/// The metrics of the second cache tier. They outlive a reload of the configuration.
#[derive(Clone, Debug)]
pub struct FleetMetrics {
    round_trips: IntCounterVec,
    duration: HistogramVec,
    scores: IntCounterVec,
    written: IntCounterVec,
    dropped: IntCounterVec,
    queue: IntGaugeVec,
    breaker: IntGaugeVec,
    changes: IntCounterVec,
}

fn add<C: Collector + Clone + 'static>(registry: &Registry, metric: C) -> prometheus::Result<C> {
    registry.register(Box::new(metric.clone()))?;
    Ok(metric)
}

fn counters(
    registry: &Registry,
    name: &str,
    help: &str,
    labels: &[&str],
) -> prometheus::Result<IntCounterVec> {
    add(registry, IntCounterVec::new(Opts::new(name, help), labels)?)
}

impl FleetMetrics {
    /// Creates the metrics and registers them; fails if the registry has them already.
    pub fn register(registry: &Registry) -> prometheus::Result<Self> {
        let duration = HistogramOpts::new(
            "rerankd_fleet_round_trip_duration_seconds",
            "Time of a round trip to Redis, in seconds.",
        )
        .buckets(SECONDS.to_vec());
        let breaker = Opts::new(
            "rerankd_fleet_breaker_state",
            "State of the circuit to Redis, by lane: 0 closed, 1 half open, 2 open.",
        );
        let queue = Opts::new("rerankd_fleet_queue_length", "Scores that wait to be written to Redis.");
        Ok(Self {
            round_trips: counters(
                registry,
                "rerankd_fleet_round_trips_total",
                "Round trips to Redis, by operation and how they ended; skipped ones were not made.",
                &["operation", "result"],
            )?,
            duration: add(registry, HistogramVec::new(duration, &["operation"])?)?,
            scores: counters(
                registry,
                "rerankd_fleet_scores_total",
                "Scores that were looked up in Redis: found, missing, or damaged (missing where something is unreadable).",
                &["result"],
            )?,
            written: counters(
                registry,
                "rerankd_fleet_scores_written_total",
                "Scores that were written to Redis.",
                &[],
            )?,
            dropped: counters(
                registry,
                "rerankd_fleet_writes_dropped_total",
                "Scores and corrections of limits that were not written to Redis, by reason.",
                &["reason"],
            )?,
            queue: add(registry, IntGaugeVec::new(queue, &[])?)?,
            breaker: add(registry, IntGaugeVec::new(breaker, &["lane"])?)?,
            changes: counters(
                registry,
                "rerankd_fleet_breaker_changes_total",
                "Changes of the circuit to Redis, by lane and new state.",
                &["lane", "state"],
            )?,
        })
    }

    /// Puts every series there at zero, so that a rate over the first failure is right. Without a Redis there is none.
    pub fn declare(&self) {
        self.written.with_label_values(NO_LABELS);
        self.queue.with_label_values(NO_LABELS);
        for operation in Operation::ALL {
            self.duration.with_label_values(&[operation.as_str()]);
            for result in ["ok", "timeout", "error", "skipped"] {
                self.round_trips.with_label_values(&[operation.as_str(), result]);
            }
        }
        for result in ["found", "missing", "damaged"] {
            self.scores.with_label_values(&[result]);
        }
        for reason in Dropped::ALL {
            self.dropped.with_label_values(&[reason.as_str()]);
        }
        for lane in [Purpose::Reads, Purpose::Writes] {
            // It keeps its state: a reload may not have changed it.
            self.breaker.with_label_values(&[lane.as_str()]);
            for state in [BreakerState::Open, BreakerState::Closed] {
                self.changes.with_label_values(&[lane.as_str(), state.as_str()]);
            }
        }
    }

    /// Takes away the states: there is no Redis any more. Counters stay, so that what was counted is not lost.
    pub fn withdraw(&self) {
        self.queue.reset();
        self.breaker.reset();
    }

    pub(super) fn round_trip(&self, operation: Operation, failure: Option<Failure>, took: Duration) {
        let result = match failure {
            None => "ok",
            Some(Failure::Timeout) => "timeout",
            Some(_) => "error",
        };
        self.round_trips.with_label_values(&[operation.as_str(), result]).inc();
        self.duration.with_label_values(&[operation.as_str()]).observe(took.as_secs_f64());
    }

    pub(super) fn skipped(&self, operation: Operation) {
        self.round_trips.with_label_values(&[operation.as_str(), "skipped"]).inc();
    }

    pub(super) fn scores(&self, found: usize, missing: usize, damaged: usize) {
        for (result, count) in [("found", found), ("missing", missing), ("damaged", damaged)] {
            self.scores.with_label_values(&[result]).inc_by(count as u64);
        }
    }

    pub(super) fn written(&self, count: usize) {
        self.written.with_label_values(NO_LABELS).inc_by(count as u64);
    }

    pub(super) fn dropped(&self, reason: Dropped, count: usize) {
        self.dropped.with_label_values(&[reason.as_str()]).inc_by(count as u64);
    }

    pub(super) fn queue(&self, length: usize) {
        self.queue.with_label_values(NO_LABELS).set(i64::try_from(length).unwrap_or(i64::MAX));
    }

    pub(super) fn breaker(&self, lane: &str, state: BreakerState) {
        let value = match state {
            BreakerState::Closed => 0,
            BreakerState::HalfOpen => 1,
            BreakerState::Open => 2,
        };
        self.breaker.with_label_values(&[lane]).set(value);
    }

    pub(super) fn breaker_changed(&self, lane: &str, to: BreakerState) {
        self.changes.with_label_values(&[lane, to.as_str()]).inc();
    }
}
