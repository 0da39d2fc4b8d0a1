use std::sync::{Arc, Mutex, PoisonError};

/// Whether the process should get traffic: ready when every condition holds.
#[derive(Clone, Debug, Default)]
pub struct Readiness {
    conditions: Arc<Mutex<Vec<(&'static str, bool)>>>,
}

/// One thing that has to hold; it does not until it is set. Dropping it leaves it as it is.
#[derive(Debug)]
pub struct Condition {
    index: usize,
    readiness: Readiness,
}

impl Readiness {
    /// Ready as long as there are no conditions.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a condition that does not hold yet: a listener that is not bound, an upstream not reached.
    pub fn condition(&self, name: &'static str) -> Condition {
        let mut conditions = self.conditions.lock().unwrap_or_else(PoisonError::into_inner);
        conditions.push((name, false));
        Condition { index: conditions.len() - 1, readiness: self.clone() }
    }

    /// The conditions that do not hold; empty means ready.
    pub fn missing(&self) -> Vec<&'static str> {
        let conditions = self.conditions.lock().unwrap_or_else(PoisonError::into_inner);
        conditions.iter().filter(|(_, holds)| !holds).map(|(name, _)| *name).collect()
    }
}

impl Condition {
    /// Says whether it holds; `false` again while draining.
    pub fn set(&self, holds: bool) {
        let mut conditions = self.readiness.conditions.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, slot)) = conditions.get_mut(self.index) {
            *slot = holds;
        }
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
}
