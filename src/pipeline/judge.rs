//! The hits of a response, judged before anything in them is read: which keep their place, and by which profile the
//! others are ranked.

use std::{borrow::Cow, collections::HashMap, sync::Arc};

use super::{
    Mode, Pipeline, PlannedSearch, Profile, Profiles,
    mixed::Mixed,
    plan::{Work, work as work_of},
    rank::in_window,
    reach::Reach,
};
use crate::search::{Hit, HitId, HitList, HitPage, Holds, IndexNames, KeepReason, Pin, Pins};

/// The `pinned` and `rule` queries of Elasticsearch leave no other hit a score above this (the largest power of two that
/// a 32-bit float holds) and give every hit that they pin one.
const MOST_ORGANIC: f64 = 1.701_411_834_604_692_3e38;

impl Pipeline {
    /// Finds the hits of `page` that keep their place, and settles how the searches it belongs to are ranked: by the
    /// strictest of the profiles of the indices that their hits come from. `id` is the dialect's.
    pub fn judge<'a>(
        &'a self,
        searches: &'a [PlannedSearch],
        page: &mut HitPage,
        id: impl Fn(&[u8], &Hit) -> HitId,
    ) -> Cow<'a, [PlannedSearch]> {
        let mut settled = Cow::Borrowed(searches);
        let mut judging = Judging { profiles: &self.profiles, mixed: Mixed::default(), verdicts: None };
        let HitPage { body, lists, .. } = page;
        for list in lists {
            let Some(search) = searches.get(list.search) else { continue };
            let Ok(work) = &search.work else { continue };
            let judged = judging.list(search, work, (&*body, &mut *list)).and_then(|judged| {
                pinned(search, work, (&*body, &mut *list), &id)?;
                Ok(judged)
            });
            let at = list.search;
            match judged {
                Ok(None) => {}
                Ok(Some((profile, work))) => {
                    let search = &mut settled.to_mut()[at];
                    (search.profile, search.work) = (profile, Ok(work));
                }
                Err(reason) => settled.to_mut()[at].work = Err(reason),
            }
        }
        settled
    }
}

/// State kept while the hits of one response are judged.
struct Judging<'a> {
    profiles: &'a Profiles,
    mixed: Mixed,
    /// For the last names only: the searches of a batch often have the same.
    verdicts: Option<(&'a [String], Verdicts<'a>)>,
}

impl<'a> Judging<'a> {
    /// `None`: as it was planned.
    fn list(
        &mut self,
        search: &'a PlannedSearch,
        work: &Work,
        (body, list): (&[u8], &mut HitList),
    ) -> Result<Option<(Arc<Profile>, Work)>, KeepReason> {
        let Some(caller) = &search.judged else { return Ok(None) };
        let names = search.intent.collections.as_slice();
        let known = self.verdicts.take().filter(|(known, _)| *known == names);
        let (_, verdicts) =
            self.verdicts.insert(known.unwrap_or_else(|| (names, Verdicts::of_names(self.profiles, names))));
        let mut found: Vec<Arc<Profile>> = Vec::new();
        for (place, hit) in list.hits.iter_mut().enumerate() {
            let verdict = verdicts.of(body, hit);
            if verdict.is_none() {
                hit.holds = Some(Holds::Excluded);
            }
            for profile in verdict.iter().flat_map(|profiles| profiles.iter()) {
                if in_window(search, work, place) && !found.iter().any(|known| Arc::ptr_eq(known, profile)) {
                    found.push(profile.clone());
                }
            }
        }
        // In whatever order the hits come, it is the same profile.
        found.sort_by(|a, b| (&a.route, Arc::as_ptr(a)).cmp(&(&b.route, Arc::as_ptr(b))));
        let profile = match self.mixed.strictest(found) {
            Some(profile) => profile?,
            None if list.hits.is_empty() => return Ok(None),
            None => return Err(KeepReason::Off),
        };
        if Arc::ptr_eq(&profile, &search.profile) {
            return Ok(None);
        }
        let behind = search.profile.mode == Mode::Shadow;
        if profile.mode == Mode::Shadow && !behind {
            return Err(KeepReason::Shadow);
        }
        let mut own = work_of(&search.intent, &profile, caller)?;
        // All pages of a walk were planned alike.
        own.window = own.window.min(work.window);
        Ok(Some((profile, own)))
    }
}

/// What is known of the indices of one response: most hits come from a few.
struct Verdicts<'a> {
    reach: Reach<'a>,
    known: HashMap<Vec<u8>, Option<Vec<Arc<Profile>>>>,
    /// Of hits that do not say where they are from.
    unknown: Option<Vec<Arc<Profile>>>,
}

impl<'a> Verdicts<'a> {
    fn of_names(profiles: &'a Profiles, names: &'a [String]) -> Self {
        let reach = profiles.reach(names);
        Self { unknown: reach.of_unknown(), reach, known: HashMap::new() }
    }

    /// The profiles of a hit; `None` where its text may not leave.
    fn of(&mut self, body: &[u8], hit: &Hit) -> &Option<Vec<Arc<Profile>>> {
        let Some(index) = hit.index.clone().and_then(|span| body.get(span)) else { return &self.unknown };
        if !self.known.contains_key(index) {
            // A name with escapes in it is no name that the database gives.
            let name = std::str::from_utf8(index).ok().filter(|name| !name.contains('\\'));
            self.known.insert(index.to_vec(), name.and_then(|name| self.reach.of_hit(name)));
        }
        self.known.get(index).unwrap_or(&None)
    }
}

/// Marks the hits that are pinned; `Err` where some may be and it cannot be determined which.
fn pinned(
    search: &PlannedSearch,
    work: &Work,
    (body, list): (&[u8], &mut HitList),
    id: &impl Fn(&[u8], &Hit) -> HitId,
) -> Result<(), KeepReason> {
    let Pins { documents, ruled } = &search.intent.pins;
    // A template may pin, too; then the score of the first hit shows it.
    let shown = list.hits.first().is_some_and(|hit| is_above_organic(body, hit));
    if documents.is_empty() && !shown {
        return if *ruled { Err(KeepReason::NotRanked) } else { Ok(()) };
    }
    // Behind the window every hit is where it was.
    let window = (0..list.hits.len()).take_while(|&place| in_window(search, work, place)).count();
    let ids: Vec<HitId> = match documents.is_empty() {
        true => Vec::new(),
        false => list.hits.iter().take(window).map(|hit| id(body, hit)).collect(),
    };
    let named = |pin: &Pin, of: &HitId| pin.id == of.id && is_of(pin, of);
    for (place, hit) in list.hits.iter_mut().take(window).enumerate() {
        let own = ids.get(place);
        if own.is_some_and(|own| own.id.is_empty()) && hit.score.is_none() {
            return Err(KeepReason::NotRanked);
        }
        let by_id = own.is_some_and(|own| {
            documents.iter().any(|pin| {
                // An index that no hit of that id is from is an alias of the hit's.
                named(pin, own) || (pin.id == own.id && !ids.iter().any(|other| named(pin, other)))
            })
        });
        if hit.holds.is_none() && (by_id || is_above_organic(body, hit)) {
            hit.holds = Some(Holds::Pinned);
        }
    }
    if *ruled && !shown { Err(KeepReason::NotRanked) } else { Ok(()) }
}

/// Whether the index that a pin names is that of the hit.
fn is_of(pin: &Pin, hit: &HitId) -> bool {
    match (&pin.index, &hit.index) {
        (Some(index), Some(own)) => IndexNames::of(own).are_meant_by(index),
        (Some(_), None) => false,
        (None, _) => true,
    }
}

fn is_above_organic(body: &[u8], hit: &Hit) -> bool {
    let text = hit.score.clone().and_then(|span| std::str::from_utf8(body.get(span)?).ok());
    // Nearly every score is short.
    let long = text.filter(|text| text.len() > 30 || text.contains(['e', 'E']));
    long.and_then(|text| text.parse::<f64>().ok()).is_some_and(|score| score > MOST_ORGANIC)
}
