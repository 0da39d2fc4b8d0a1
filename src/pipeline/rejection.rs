//! What databases rejected of the requests that the proxy had changed, so that it is not requested again at once.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::{Pipeline, PlannedSearch, TenantShare};
use crate::search::FetchPlan;

/// How long a request element that a database rejected is left out.
const REMEMBERED_FOR: Duration = Duration::from_secs(60);
/// The most rejections remembered at a time; collections are named by clients.
const MOST_REMEMBERED: usize = 10_000;

/// What a request asked for beyond its client's own form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Extra {
    /// More hits.
    Hits,
    /// The fields of documents.
    Fields,
}

/// What a database's rejection is about: the number of hits, or the fields. `None` where it is neither or both.
///
/// A guess by words, which costs one more request where it is wrong.
pub fn blamed(rejection: &[u8]) -> Option<Extra> {
    const OF_HITS: [&str; 5] = ["limit", "window", "[size]", "num_candidates", "too large"];
    const OF_FIELDS: [&str; 4] = ["payload", "_source", "docvalue", "stored_fields"];
    let text = String::from_utf8_lossy(rejection).to_ascii_lowercase();
    let speaks = |words: &[&str]| words.iter().any(|word| text.contains(word));
    match (speaks(&OF_HITS), speaks(&OF_FIELDS)) {
        (true, false) => Some(Extra::Hits),
        (false, true) => Some(Extra::Fields),
        _ => None,
    }
}

/// What each collection's database rejected recently, of each tenant: their fields and windows may differ.
#[derive(Default)]
pub(super) struct Rejections(Mutex<HashMap<(Extra, String), Instant>>);

/// The collections of a search, and whose it is.
pub(super) type Whose<'a> = (Option<&'a TenantShare>, &'a [String]);

/// No tenant's name has a slash.
fn key((tenant, collections): Whose<'_>) -> String {
    format!("{}/{}", tenant.map_or("", |tenant| &*tenant.name), collections.join(","))
}

impl Rejections {
    fn remember(&self, extra: Extra, of: Whose<'_>) {
        let mut rejected = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        rejected.retain(|_, until| *until > now);
        if rejected.len() < MOST_REMEMBERED {
            rejected.insert((extra, key(of)), now + REMEMBERED_FOR);
        }
    }

    /// Whether this may be requested.
    pub(super) fn allow(&self, extra: Extra, of: Whose<'_>) -> bool {
        let rejected = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let until = if rejected.is_empty() { None } else { rejected.get(&(extra, key(of))) };
        until.is_none_or(|until| *until <= Instant::now())
    }
}

impl PlannedSearch {
    /// The same search without what a database has rejected; in its client's own form where that is not known, or
    /// where nothing else is left to take back.
    pub fn without(&self, rejected: Option<Extra>) -> Self {
        let own = self.as_asked();
        match rejected {
            Some(Extra::Hits) if self.widened() => {
                let fetch = FetchPlan { fields: self.fetch.fields.clone(), ..own.fetch };
                Self { fetch, ..own }
            }
            Some(Extra::Fields) if !self.fetch.fields.is_none() => {
                let fetch = FetchPlan { fields: own.fetch.fields, ..self.fetch.clone() };
                Self { fetch, ..own }
            }
            _ => own,
        }
    }
}

impl Pipeline {
    /// Remembers that the database rejected these searches as the proxy had changed them, though it answers
    /// them without what is `blamed`.
    ///
    /// Where it is not known what was rejected, limits are the usual reason, so more hits are assumed to be the cause
    /// if they were requested; if it was the fields, the next search, without more hits, shows it.
    pub fn change_rejected(&self, searches: &[PlannedSearch], blamed: Option<Extra>) {
        let widened = searches.iter().any(PlannedSearch::widened);
        let extra = match blamed {
            Some(Extra::Fields) => Extra::Fields,
            _ if widened => Extra::Hits,
            _ => Extra::Fields,
        };
        for search in searches {
            let asked = match extra {
                Extra::Hits => search.widened(),
                Extra::Fields => !search.fetch.fields.is_none(),
            };
            if asked {
                let tenant = search.profile.tenant.as_deref();
                self.rejections.remember(extra, (tenant, &search.intent.collections));
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
    async fn hits_and_fields_are_rejected_apart_and_for_a_minute_each() {
        let rejections = Rejections::default();
        rejections.remember(Extra::Hits, (None, &named("a")));
        assert!(!rejections.allow(Extra::Hits, (None, &named("a"))));
        assert!(rejections.allow(Extra::Fields, (None, &named("a"))));
        assert!(rejections.allow(Extra::Hits, (None, &named("b"))));
        let acme = TenantShare { name: "acme".into(), searches: None, apart: false };
        assert!(rejections.allow(Extra::Hits, (Some(&acme), &named("a"))), "it may ask for less");
        tokio::time::advance(Duration::from_secs(30)).await;
        rejections.remember(Extra::Fields, (None, &named("a")));
        tokio::time::advance(Duration::from_secs(30)).await;
        assert!(rejections.allow(Extra::Hits, (None, &named("a"))));
        assert!(!rejections.allow(Extra::Fields, (None, &named("a"))));
        tokio::time::advance(Duration::from_secs(30)).await;
        assert!(rejections.allow(Extra::Fields, (None, &named("a"))));
    }

    #[test]
    fn a_rejection_says_what_it_is_about() {
        for (extra, text) in [
            (
                Some(Extra::Hits),
                r#"{"status":{"error":"Bad request: Limit exceeded 50 > 20 for \"limit\""}}"#,
            ),
            (
                Some(Extra::Hits),
                "Result window is too large, from + size must be less than or equal to: [20]",
            ),
            (Some(Extra::Fields), r#"{"status":{"error":"with_payload is not allowed"}}"#),
            (Some(Extra::Fields), "unable to fetch fields from _source field"),
            (None, r#"{"status":{"error":"Bad request: limit of the payload exceeded"}}"#),
            (None, r#"{"status":{"error":"Bad request: Index required but not found for \"a\""}}"#),
            (None, ""),
            (None, "\u{fffd}"),
        ] {
            assert_eq!(blamed(text.as_bytes()), extra, "{text}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_remembered_is_bounded() {
        let rejections = Rejections::default();
        for n in 0..=MOST_REMEMBERED {
            rejections.remember(Extra::Hits, (None, &named(&n.to_string())));
        }
        assert_eq!(rejections.0.lock().unwrap().len(), MOST_REMEMBERED);
        assert!(rejections.allow(Extra::Hits, (None, &named(&MOST_REMEMBERED.to_string()))));
        tokio::time::advance(REMEMBERED_FOR).await;
        rejections.remember(Extra::Hits, (None, &named("new")));
        assert!(!rejections.allow(Extra::Hits, (None, &named("new"))));
    }
}
