//! The hits of a response, judged before anything in them is read: which keep their place, and by which profile the
//! others are ranked.

use std::{borrow::Cow, collections::HashMap, sync::Arc};

use super::{
    Holding, Mode, Pipeline, PlannedSearch, Profile, Profiles,
    mixed::Mixed,
    plan::{Work, work as work_of},
    reach::Reach,
    window::in_window,
};
use crate::{
    search::{HitAt, HitId, HitList, Holds, IndexNames, KeepReason, Pin, Pins},
    wire::Page,
};

/// The `pinned` and `rule` queries of Elasticsearch leave no other hit a score above this (the largest power of two that
/// a 32-bit float holds) and give every hit that they pin one.
const MOST_ORGANIC: f64 = 1.701_411_834_604_692_3e38;

impl Pipeline {
    /// Finds the hits of `page` that keep their place, and settles how the searches it belongs to are ranked: by the
    /// strictest of the profiles of the indices that their hits come from.
    pub fn judge<'a>(&'a self, searches: &'a [PlannedSearch], page: &dyn Page) -> Judged<'a> {
        let mut settled = Cow::Borrowed(searches);
        // A request is of one tenant.
        let tenant = searches.iter().find_map(|search| Some(search.judged.as_ref()?.tenant));
        let mut judging = Judging {
            profiles: self.profiles(tenant.unwrap_or_default()),
            mixed: Mixed::default(),
            verdicts: None,
            holding: Holding::default(),
        };
        for (nth, list) in page.lists().iter().enumerate() {
            let Some(search) = searches.get(list.search) else { continue };
            let Ok(work) = &search.work else { continue };
            let judged = judging.list(search, work, (page, nth, list)).and_then(|judged| {
                pinned(search, work, (page, nth, list), &mut judging.holding)?;
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
        Judged { searches: settled, holding: judging.holding }
    }
}

/// How the lists of a page are to be ranked.
pub struct Judged<'a> {
    /// The searches that it answers, as they apply to it.
    pub searches: Cow<'a, [PlannedSearch]>,
    /// The hits that keep their place.
    pub holding: Holding,
}

/// A list of a page, with its number.
type ListOf<'p> = (&'p dyn Page, usize, &'p HitList);

/// State kept while the hits of one response are judged.
struct Judging<'a> {
    profiles: &'a Profiles,
    mixed: Mixed,
    /// For the last names only: the searches of a batch often have the same.
    verdicts: Option<(&'a [String], Verdicts<'a>)>,
    holding: Holding,
}

impl<'a> Judging<'a> {
    /// `None`: as it was planned.
    fn list(
        &mut self,
        search: &'a PlannedSearch,
        work: &Work,
        (page, nth, list): ListOf<'_>,
    ) -> Result<Option<(Arc<Profile>, Work)>, KeepReason> {
        let Some(caller) = &search.judged else { return Ok(None) };
        let names = search.intent.collections.as_slice();
        let known = self.verdicts.take().filter(|(known, _)| *known == names);
        let (_, verdicts) =
            self.verdicts.insert(known.unwrap_or_else(|| (names, Verdicts::of_names(self.profiles, names))));
        let mut found: Vec<Arc<Profile>> = Vec::new();
        for place in 0..list.hits {
            let at = HitAt { list: nth, hit: place };
            let verdict = verdicts.of(page, at);
            if verdict.is_none() {
                self.holding.hold(at, Holds::Excluded);
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
            None if list.hits == 0 => return Ok(None),
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
    fn of(&mut self, page: &dyn Page, at: HitAt) -> &Option<Vec<Arc<Profile>>> {
        let Some(index) = page.index(at) else { return &self.unknown };
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
    (page, nth, list): ListOf<'_>,
    holding: &mut Holding,
) -> Result<(), KeepReason> {
    let Pins { documents, ruled } = &search.intent.pins;
    for at in page.pinned().iter().filter(|at| at.list == nth) {
        // Behind the window every hit is where it was.
        if in_window(search, work, at.hit) {
            holding.hold(*at, Holds::Pinned);
        }
    }
    // A template may pin, too; then the score of the first hit shows it.
    let of = |place| HitAt { list: nth, hit: place };
    let shown = is_above_organic(page, of(0));
    if documents.is_empty() && !shown {
        return if *ruled { Err(KeepReason::NotRanked) } else { Ok(()) };
    }
    let window = (0..list.hits).take_while(|&place| in_window(search, work, place)).count();
    let ids: Vec<HitId> = match documents.is_empty() {
        true => Vec::new(),
        false => (0..window).map(|place| page.id(of(place))).collect(),
    };
    let named = |pin: &Pin, of: &HitId| pin.id == of.id && is_of(pin, of);
    for place in 0..window {
        let own = ids.get(place);
        if own.is_some_and(|own| own.id.is_empty()) && page.score(of(place)).is_none() {
            return Err(KeepReason::NotRanked);
        }
        let by_id = own.is_some_and(|own| {
            documents.iter().any(|pin| {
                // An index that no hit of that id is from is an alias of the hit's.
                named(pin, own) || (pin.id == own.id && !ids.iter().any(|other| named(pin, other)))
            })
        });
        if by_id || is_above_organic(page, of(place)) {
            holding.hold(of(place), Holds::Pinned);
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

fn is_above_organic(page: &dyn Page, at: HitAt) -> bool {
    page.score(at).is_some_and(|score| score.is_above(MOST_ORGANIC))
}
