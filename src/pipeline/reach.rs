//! What a search may reach: by its names, before anything is sent, and by the index that each hit says it comes from.

use std::sync::Arc;

use super::{Mode, Profile, Profiles};
use crate::search::{IndexNames, Target, targets};

/// What the names of one search say of the indices behind them.
pub(super) struct Reach<'a> {
    profiles: &'a Profiles,
    targets: Vec<Target<'a>>,
}

impl Profiles {
    /// Whether anything depends on where a hit is from.
    pub(super) fn judge(&self) -> bool {
        !self.routes.is_empty() || self.default.collections.iter().any(|pattern| pattern != "*")
    }

    /// What a search with this index expression reaches.
    pub(super) fn reach<'a>(&'a self, expression: &'a [String]) -> Reach<'a> {
        Reach { profiles: self, targets: targets(expression) }
    }

    /// Whether `collections` includes this index: some pattern means it, and no excluding one does.
    fn lets_in(&self, names: &IndexNames<'_>) -> bool {
        let (kept_out, let_in): (Vec<&String>, Vec<&String>) =
            self.default.collections.iter().partition(|pattern| pattern.starts_with('-'));
        let mut kept_out = kept_out.iter().filter_map(|pattern| pattern.strip_prefix('-'));
        let_in.iter().any(|pattern| names.are_meant_by(pattern))
            && !kept_out.any(|pattern| names.are_meant_by(pattern))
    }

    /// The profiles of the routes that mean this index. The first that matches wins, for each of the names that the
    /// index has.
    fn routes_of(&self, names: &IndexNames<'_>) -> Vec<Arc<Profile>> {
        let mut found = Vec::new();
        for name in names.each() {
            if let Some(route) = self.routes.iter().find(|route| name.are_meant_by(&route.collection)) {
                add(&mut found, &route.profile);
            }
        }
        found
    }

    /// What one index is reranked by; none where its text may not leave.
    fn of_index(&self, names: &IndexNames<'_>) -> Option<Vec<Arc<Profile>>> {
        let own = self.routes_of(names);
        let off = |profile: &Arc<Profile>| profile.mode == Mode::Off;
        let off = if own.is_empty() { off(&self.default) } else { own.iter().any(off) };
        (!off && self.lets_in(names)).then_some(own)
    }
}

impl Reach<'_> {
    /// The profiles of all indices that the names may come to and whose text may leave. Empty: there surely are none.
    pub(super) fn profiles(&self) -> Vec<Arc<Profile>> {
        let mut found = Vec::new();
        for target in &self.targets {
            match target {
                Target::One(names) => {
                    if let Some(own) = self.profiles.of_index(names) {
                        own.iter().for_each(|profile| add(&mut found, profile));
                        if own.is_empty() {
                            add(&mut found, &self.profiles.default);
                        }
                    }
                }
                Target::Many(_) if !self.is_surely_out(target) => self.within(target, &mut found),
                Target::Many(_) | Target::Except(_) => {}
            }
        }
        found
    }

    fn is_surely_out(&self, target: &Target<'_>) -> bool {
        let patterns = &self.profiles.default.collections;
        let kept_out = patterns.iter().filter_map(|pattern| pattern.strip_prefix('-'));
        let mut let_in = patterns.iter().filter(|pattern| !pattern.starts_with('-'));
        let mut kept_out = kept_out.filter(|pattern| target.is_all_meant_by(pattern));
        kept_out.next().is_some() || !let_in.any(|pattern| target.may_be_meant_by(pattern))
    }

    /// The profiles that a pattern may come to.
    fn within(&self, target: &Target<'_>, found: &mut Vec<Arc<Profile>>) {
        for route in &self.profiles.routes {
            let taken_out = self.targets.iter().any(|other| other.takes_out(&route.collection));
            if route.profile.mode != Mode::Off && !taken_out && target.may_be_meant_by(&route.collection) {
                add(found, &route.profile);
            }
            if target.is_all_meant_by(&route.collection) {
                return;
            }
        }
        if self.profiles.default.mode != Mode::Off {
            add(found, &self.profiles.default);
        }
    }

    /// The profiles that a hit of this index is reranked by, the strictest of which counts; `None` where its text may
    /// not leave.
    ///
    /// Where the names of the search do not spell the index, an alias led to it: then the routes of those names count
    /// too, and an excluded name excludes what it stands for.
    pub(super) fn of_hit(&self, index: &str) -> Option<Vec<Arc<Profile>>> {
        let names = IndexNames::of(index);
        let mut found = self.profiles.of_index(&names)?;
        if !self.targets.iter().any(|target| target.spells(&names)) {
            for target in &self.targets {
                self.by_alias(target)?.iter().for_each(|profile| add(&mut found, profile));
            }
        }
        if found.is_empty() {
            found.push(self.profiles.default.clone());
        }
        Some(found)
    }

    /// The same for a hit that does not say where it is from. It could be from anywhere: it is read only where
    /// nothing but hidden indices is excluded, and then as what the search names.
    pub(super) fn of_unknown(&self) -> Option<Vec<Arc<Profile>>> {
        let off = |profile: &Arc<Profile>| profile.mode == Mode::Off;
        let routes = || self.profiles.routes.iter().map(|route| &route.profile);
        let patterns = &self.profiles.default.collections;
        let open = patterns.iter().all(|pattern| pattern == "*" || pattern == "-.*");
        if !open || off(&self.profiles.default) || routes().any(off) {
            return None;
        }
        let mut found = Vec::new();
        for target in &self.targets {
            self.by_alias(target)?.iter().for_each(|profile| add(&mut found, profile));
        }
        if found.is_empty() {
            found.push(self.profiles.default.clone());
        }
        Some(found)
    }

    /// What applies to a part of the expression as a name of its own.
    fn by_alias(&self, target: &Target<'_>) -> Option<Vec<Arc<Profile>>> {
        match target {
            Target::One(names) => self.profiles.of_index(names),
            Target::Many(_) => {
                let mut all = self.profiles.routes.iter();
                let route = all.find(|route| target.is_all_meant_by(&route.collection));
                let off = route.is_some_and(|route| route.profile.mode == Mode::Off);
                (!off).then(|| route.map(|route| route.profile.clone()).into_iter().collect())
            }
            Target::Except(_) => Some(Vec::new()),
        }
    }
}

fn add(found: &mut Vec<Arc<Profile>>, profile: &Arc<Profile>) {
    if !found.iter().any(|known| Arc::ptr_eq(known, profile)) {
        found.push(profile.clone());
    }
}
