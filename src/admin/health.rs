use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Whether the process should get traffic: ready when every condition holds.
#[derive(Clone, Debug, Default)]
pub struct Readiness {
    conditions: Arc<Mutex<Conditions>>,
}

#[derive(Debug, Default)]
struct Conditions {
    next: u64,
    /// Number, name, whether it holds; in the order in which they were made.
    all: Vec<(u64, &'static str, bool)>,
}

/// One thing that has to hold; it does not until it is set, and no longer has to once dropped.
#[derive(Debug)]
pub struct Condition {
    number: u64,
    readiness: Readiness,
}

impl Readiness {
    /// Ready as long as there are no conditions.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a condition that does not hold yet: a listener that is not bound, an upstream not reached.
    pub fn condition(&self, name: &'static str) -> Condition {
        let mut conditions = self.lock();
        let number = conditions.next;
        conditions.next += 1;
        conditions.all.push((number, name, false));
        Condition { number, readiness: self.clone() }
    }

    /// The conditions that do not hold, each name once; empty means ready.
    pub fn missing(&self) -> Vec<&'static str> {
        let mut missing = Vec::new();
        for (_, name, holds) in &self.lock().all {
            if !holds && !missing.contains(name) {
                missing.push(*name);
            }
        }
        missing
    }

    fn lock(&self) -> MutexGuard<'_, Conditions> {
        self.conditions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Condition {
    /// Sets whether it holds.
    pub fn set(&self, holds: bool) {
        if let Some(slot) = self.readiness.lock().all.iter_mut().find(|(number, ..)| *number == self.number) {
            slot.2 = holds;
        }
    }
}

impl Drop for Condition {
    fn drop(&mut self) {
        self.readiness.lock().all.retain(|(number, ..)| *number != self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_when_every_condition_holds_and_not_while_draining() {
        let readiness = Readiness::new();
        let (listener, upstream) = (readiness.condition("listener"), readiness.condition("upstream"));
        assert_eq!(readiness.missing(), ["listener", "upstream"]);
        listener.set(true);
        assert_eq!(readiness.missing(), ["upstream"]);
        upstream.set(true);
        assert!(readiness.missing().is_empty());
        listener.set(false);
        assert_eq!(readiness.missing(), ["listener"]);
    }

    #[test]
    fn a_condition_that_is_gone_keeps_nobody_waiting_and_a_name_is_reported_once() {
        let readiness = Readiness::new();
        let (first, second) = (readiness.condition("upstream"), readiness.condition("upstream"));
        assert_eq!(readiness.missing(), ["upstream"]);
        drop(first);
        second.set(true);
        assert!(readiness.missing().is_empty());
    }
}
