//! What databases refused of the requests that the proxy had changed, so that it is not asked again at once.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::{Pipeline, PlannedSearch};

/// How long what a database refused is not asked of it again.
const REMEMBERED_FOR: Duration = Duration::from_secs(60);
/// The most refusals remembered at a time; collections are named by clients.
const MOST_REMEMBERED: usize = 10_000;

/// What a request asked for beyond what its client did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Extra {
    /// More hits.
    Hits,
    /// The fields of documents.
    Fields,
}

/// What each collection's database refused lately.
#[derive(Default)]
pub(super) struct Refusals(Mutex<HashMap<(Extra, String), Instant>>);

impl Refusals {
    fn remember(&self, extra: Extra, collections: &[String]) {
        let mut refused = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        refused.retain(|_, until| *until > now);
        if refused.len() < MOST_REMEMBERED {
            refused.insert((extra, collections.join(",")), now + REMEMBERED_FOR);
        }
    }

    /// Whether this may be asked for.
    pub(super) fn allow(&self, extra: Extra, collections: &[String]) -> bool {
        let refused = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let until = if refused.is_empty() { None } else { refused.get(&(extra, collections.join(","))) };
        until.is_none_or(|until| *until <= Instant::now())
    }
}

impl Pipeline {
    /// Remembers that the database refused these searches as the proxy had changed them, though it answers
    /// them as the client wrote them.
    ///
    /// An answer does not say which change was refused. Limits are the usual reason, so more hits are taken
    /// for it where they were asked for; if it was the fields, the next search, without more hits, shows it.
    pub fn change_refused(&self, searches: &[PlannedSearch]) {
        let extra = if searches.iter().any(PlannedSearch::widened) { Extra::Hits } else { Extra::Fields };
        for search in searches {
            let asked = match extra {
                Extra::Hits => search.widened(),
                Extra::Fields => !search.fetch.fields.is_none(),
            };
            if asked {
                self.refusals.remember(extra, &search.intent.collections);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> Vec<String> {
        vec![name.to_owned()]
    }

    #[tokio::test(start_paused = true)]
    async fn hits_and_fields_are_refused_apart_and_for_a_minute_each() {
        let refusals = Refusals::default();
        refusals.remember(Extra::Hits, &named("a"));
        assert!(!refusals.allow(Extra::Hits, &named("a")));
        assert!(refusals.allow(Extra::Fields, &named("a")));
        assert!(refusals.allow(Extra::Hits, &named("b")));
        tokio::time::advance(Duration::from_secs(30)).await;
        refusals.remember(Extra::Fields, &named("a"));
        tokio::time::advance(Duration::from_secs(30)).await;
        assert!(refusals.allow(Extra::Hits, &named("a")));
        assert!(!refusals.allow(Extra::Fields, &named("a")));
        tokio::time::advance(Duration::from_secs(30)).await;
        assert!(refusals.allow(Extra::Fields, &named("a")));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_remembered_is_bounded() {
        let refusals = Refusals::default();
        for n in 0..=MOST_REMEMBERED {
            refusals.remember(Extra::Hits, &named(&n.to_string()));
        }
        assert_eq!(refusals.0.lock().unwrap().len(), MOST_REMEMBERED);
        assert!(refusals.allow(Extra::Hits, &named(&MOST_REMEMBERED.to_string())));
        tokio::time::advance(REMEMBERED_FOR).await;
        refusals.remember(Extra::Hits, &named("new"));
        assert!(!refusals.allow(Extra::Hits, &named("new")));
    }
}
