//! What is known about searches in their clients' own form, so that it is not found out by a second request each
//! time: what they lack (a shard that is down), and that a search pipeline of the database reranks them.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::Pipeline;

/// How long a loss is assumed to last.
const REMEMBERED_FOR: Duration = Duration::from_secs(60);
/// The most losses remembered at a time; collections are named by clients.
const MOST_REMEMBERED: usize = 1_000;

/// What is missing of a response.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Loss {
    /// Shards and clusters that gave nothing.
    pub shards: u64,
    /// The search timed out before all had been looked at.
    pub timed_out: bool,
}

/// A fact about collections that is remembered for a while.
pub(super) struct Known<T>(Mutex<HashMap<String, (T, Instant)>>);

impl<T> Default for Known<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Clone> Known<T> {
    fn remember(&self, collections: &[String], what: T) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        known.retain(|_, (_, until)| *until > now);
        if known.len() < MOST_REMEMBERED {
            known.insert(collections.join(","), (what, now + REMEMBERED_FOR));
        }
    }

    fn get(&self, collections: &[String]) -> Option<T> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (what, until) = if known.is_empty() { None } else { known.get(&collections.join(",")) }?;
        (*until > Instant::now()).then(|| what.clone())
    }
}

impl Pipeline {
    /// Remembers that searches of these collections lack this much even in their clients' own form.
    pub fn lost_as_asked(&self, collections: &[String], loss: Loss) {
        self.losses.remember(collections, loss);
    }

    /// What searches of these collections are known to lack.
    pub fn known_loss(&self, collections: &[String]) -> Loss {
        self.losses.get(collections).unwrap_or_default()
    }

    /// Remembers that the database reranks searches of these collections itself, and for that reads what a request
    /// says to the proxy.
    pub fn reranked_upstream(&self, collections: &[String]) {
        self.reranked.remember(collections, ());
    }

    /// Whether it is known to do so.
    pub fn reranks_upstream(&self, collections: &[String]) -> bool {
        self.reranked.get(collections).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> Vec<String> {
        vec![name.to_owned()]
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_known_is_known_for_a_minute_and_of_so_many() {
        let known = Known::default();
        known.remember(&named("a"), Loss { shards: 2, timed_out: false });
        assert_eq!(known.get(&named("a")).unwrap().shards, 2);
        assert!(known.get(&named("b")).is_none());
        tokio::time::advance(REMEMBERED_FOR).await;
        assert!(known.get(&named("a")).is_none());
        for n in 0..=MOST_REMEMBERED {
            known.remember(&named(&n.to_string()), Loss::default());
        }
        assert_eq!(known.0.lock().unwrap().len(), MOST_REMEMBERED);
    }
}
