//! Profiles of a response from several collections: what to request, and the strictest of them for the response.

use std::sync::Arc;

use super::{AllowList, FailOpen, Mode, Profile, ScoreMode};
use crate::{
    document::{AUTO_FIELDS, AUTO_TITLES, NODE_CONTENT},
    search::{Boost, Boosts, FieldSet, KeepReason},
};

/// Profiles combined for one request. The same ones give the same combined profile, so that searches share calls.
#[derive(Default)]
pub(super) struct Mixed(Vec<(Vec<Arc<Profile>>, Made)>);

type Made = Result<Arc<Profile>, KeepReason>;

impl Mixed {
    /// What is requested where a response may come from any of these: the largest window, the fields of all. `None`
    /// where there are no profiles.
    pub(super) fn widest(&mut self, of: Vec<Arc<Profile>>) -> Option<Arc<Profile>> {
        self.made(of, |first, of| Ok(widest(first, of)))?.ok()
    }

    /// What applies to a response with hits of all these; `Err` where no provider may see all of it. `None` where
    /// there are no profiles.
    pub(super) fn strictest(&mut self, of: Vec<Arc<Profile>>) -> Option<Made> {
        self.made(of, |_, of| strictest(of))
    }

    fn made(
        &mut self,
        of: Vec<Arc<Profile>>,
        make: impl Fn(&Profile, &[Arc<Profile>]) -> Result<Profile, KeepReason>,
    ) -> Option<Made> {
        let first = match &of[..] {
            [] => return None,
            [only] => return Some(Ok(only.clone())),
            [first, ..] => first,
        };
        let same = |known: &[Arc<Profile>]| {
            known.len() == of.len() && known.iter().zip(&of).all(|(a, b)| Arc::ptr_eq(a, b))
        };
        if let Some((_, made)) = self.0.iter().find(|(known, _)| same(known)) {
            return Some(made.clone());
        }
        let made = make(first, &of).map(Arc::new);
        self.0.push((of, made.clone()));
        Some(made)
    }
}

fn widest(first: &Profile, of: &[Arc<Profile>]) -> Profile {
    let each = || of.iter().map(|profile| &**profile);
    let first = each().find(|profile| profile.has_provider).unwrap_or(first);
    let mut sources = Vec::new();
    for &source in each().flat_map(|profile| &profile.sources) {
        if !sources.contains(&source) {
            sources.push(source);
        }
    }
    let replay = each().any(|profile| profile.fail_open == FailOpen::Replay);
    let served = each().all(|profile| profile.inference_ids == first.inference_ids);
    let most = |of: fn(&Profile) -> u64| each().map(of).max().unwrap_or_default();
    let longer = each().filter_map(|profile| profile.allow.max_window).max();
    Profile {
        route: names(of),
        tenant: first.tenant.clone(),
        mode: each().map(|profile| profile.mode).find(|&mode| mode == Mode::On).unwrap_or(first.mode),
        sample: each().map(|profile| profile.sample).fold(0.0, f64::max),
        window: most(|profile| profile.window),
        max_window: most(|profile| profile.max_window),
        fields: each().map(|profile| profile.fields.clone()).reduce(of_either).unwrap_or(FieldSet::Auto),
        boosts: all_boosts(of),
        fail_open: if replay { FailOpen::Replay } else { FailOpen::Cut },
        widen: each().any(|profile| profile.widen),
        sources,
        query_path: each().find_map(|profile| profile.query_path.clone()),
        inference_ids: if served { first.inference_ids.clone() } else { Vec::new() },
        allow: AllowList { max_window: longer, ..first.allow.clone() },
        // The rest asks the database for nothing, so that any of them will do. All are named: a new setting has to be
        // thought of here.
        collections: first.collections.clone(),
        reranker: first.reranker.clone(),
        has_provider: first.has_provider,
        may_ask: first.may_ask.clone(),
        asked_again: first.asked_again.clone(),
        providers: first.providers.clone(),
        first_provider: first.first_provider.clone(),
        document_bytes: first.document_bytes,
        passages: first.passages,
        skip_when: first.skip_when.clone(),
        cohere_model: first.cohere_model.clone(),
        instruction: first.instruction.clone(),
        instructed: first.instructed.clone(),
        score: first.score,
        annotate: first.annotate,
        answer_block: each().any(|profile| profile.answer_block),
        confidence: first.confidence.clone(),
        drift: first.drift.clone(),
        min_score: first.min_score,
        min_keep: first.min_keep,
        deadline: first.deadline,
        shadow_deadline: first.shadow_deadline,
        partial: first.partial,
        margin_gate: first.margin_gate,
        search_pipelines: first.search_pipelines.clone(),
    }
}

/// The smallest window, the fields that all have, the highest floor, the shortest deadline; providers that all have.
fn strictest(of: &[Arc<Profile>]) -> Result<Profile, KeepReason> {
    let each = || of.iter().map(|profile| &**profile);
    let all_have =
        |one: &&Profile| each().all(|other| one.providers.iter().all(|name| other.providers.contains(name)));
    let base = each().find(all_have).ok_or(KeepReason::NoProvider)?;
    let least = |of: fn(&Profile) -> u64| each().map(of).min().unwrap_or_default();
    let shortest = |of: fn(&Profile) -> std::time::Duration| each().map(of).min().unwrap_or_default();
    let one_score = each().all(|profile| profile.score == base.score);
    let served = each().all(|profile| profile.inference_ids == base.inference_ids);
    let in_all = |name: &&String, list: fn(&AllowList) -> &Vec<String>| {
        each().all(|profile| list(&profile.allow).contains(name))
    };
    let kept = |list: fn(&AllowList) -> &Vec<String>| {
        list(&base.allow).iter().filter(|name| in_all(name, list)).cloned().collect()
    };
    Ok(Profile {
        route: names(of),
        tenant: base.tenant.clone(),
        mode: each().map(|profile| profile.mode).find(|&mode| mode != Mode::On).unwrap_or(Mode::On),
        sample: each().map(|profile| profile.sample).fold(1.0, f64::min),
        window: least(|profile| profile.window),
        max_window: least(|profile| profile.max_window),
        fields: each().map(|profile| profile.fields.clone()).reduce(of_both).unwrap_or(FieldSet::Auto),
        instruction: base
            .instruction
            .clone()
            .filter(|_| each().all(|each| each.instruction == base.instruction)),
        boosts: base.boosts.clone().filter(|_| each().all(|each| each.boosts == base.boosts)),
        score: if one_score { base.score } else { least_fused(of) },
        annotate: each().all(|profile| profile.annotate),
        answer_block: base.answer_block,
        drift: None,
        // Another collection's says nothing of these hits, nor does one that was made for other scores.
        confidence: base
            .confidence
            .clone()
            .filter(|own| each().all(|profile| profile.confidence.as_ref() == Some(own)))
            .filter(|_| !each().any(Profile::scores_have_moved)),
        min_score: each().filter_map(Profile::floor).reduce(f32::max),
        min_keep: each().map(|profile| profile.min_keep).min().unwrap_or_default(),
        deadline: shortest(|profile| profile.deadline),
        shadow_deadline: shortest(|profile| profile.shadow_deadline),
        partial: each().all(|profile| profile.partial),
        margin_gate: each().filter_map(|profile| profile.margin_gate).reduce(f64::min),
        sources: base
            .sources
            .iter()
            .copied()
            .filter(|source| each().all(|profile| profile.sources.contains(source)))
            .collect(),
        inference_ids: if served { base.inference_ids.clone() } else { Vec::new() },
        allow: AllowList {
            models: kept(|allow| &allow.models),
            fields: kept(|allow| &allow.fields),
            instructions: kept(|allow| &allow.instructions),
            // None of all is smaller than any.
            max_window: each().map(|profile| profile.allow.max_window).min().flatten(),
            max_deadline: each().map(|profile| profile.allow.max_deadline).min().flatten(),
        },
        // What goes with the provider, and what has been decided before this. All are named: a new setting has to be
        // thought of here.
        collections: base.collections.clone(),
        reranker: base.reranker.clone(),
        has_provider: base.has_provider,
        may_ask: base.may_ask.clone(),
        asked_again: base.asked_again.clone(),
        providers: base.providers.clone(),
        first_provider: base.first_provider.clone(),
        document_bytes: base.document_bytes,
        passages: base.passages,
        cohere_model: base.cohere_model.clone(),
        instructed: base.instructed.clone(),
        skip_when: base.skip_when.clone(),
        fail_open: base.fail_open,
        widen: base.widen,
        query_path: base.query_path.clone(),
        search_pipelines: base.search_pipelines.clone(),
    })
}

/// Those of all: each may have to be read.
fn all_boosts(of: &[Arc<Profile>]) -> Option<Arc<Boosts>> {
    let all: Vec<Boost> =
        of.iter().filter_map(|each| each.boosts.as_ref()).flat_map(|each| each.0.clone()).collect();
    (!all.is_empty()).then(|| Arc::new(Boosts(all)))
}

/// What changes least of ways that differ: no score is written, and where any fuses, its order is the nearest to the
/// database's.
fn least_fused(of: &[Arc<Profile>]) -> ScoreMode {
    let fusions = of.iter().filter_map(|profile| match profile.score {
        ScoreMode::Fuse(fusion) => Some(fusion),
        _ => None,
    });
    fusions.min_by(|a, b| a.weight.total_cmp(&b.weight)).map_or(ScoreMode::Keep, ScoreMode::Fuse)
}

/// The routes' patterns, for people to read.
fn names(of: &[Arc<Profile>]) -> Option<Arc<str>> {
    let names: Vec<&str> = of.iter().map(|profile| profile.route.as_deref().unwrap_or("rerank")).collect();
    Some(names.join(" + ").into())
}

/// What is known by default, as a list.
fn auto_names() -> Vec<String> {
    let names = AUTO_TITLES.iter().chain(&AUTO_FIELDS).chain([&NODE_CONTENT]);
    names.map(|&name| name.to_owned()).collect()
}

fn of_either(one: FieldSet, other: FieldSet) -> FieldSet {
    let names = |set| match set {
        FieldSet::Auto => Some(auto_names()),
        FieldSet::Named(names) => Some(names),
        FieldSet::Template(template) => Some(template.fields().to_vec()),
        FieldSet::All => None,
    };
    match (one, other) {
        (one, other) if one == other => one,
        (one, other) => match (names(one), names(other)) {
            (Some(mut one), Some(other)) => {
                one.extend(other);
                FieldSet::Named(one)
            }
            _ => FieldSet::All,
        },
    }
}

/// A template counts where all have it: of one of several its fields do.
fn of_both(one: FieldSet, other: FieldSet) -> FieldSet {
    if one == other {
        return one;
    }
    let plain = |set| match set {
        FieldSet::Template(template) => FieldSet::Named(template.fields().to_vec()),
        set => set,
    };
    let known = |names: Vec<String>, of: &[String]| {
        FieldSet::Named(names.into_iter().filter(|name| of.contains(name)).collect())
    };
    match (one, other) {
        (FieldSet::All, other) => other,
        (one, FieldSet::All) => one,
        (one, other) => match (plain(one), plain(other)) {
            (FieldSet::Named(one), FieldSet::Named(other)) => known(one, &other),
            (FieldSet::Named(names), _) | (_, FieldSet::Named(names)) => known(names, &auto_names()),
            (one, _) => one,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::Template;

    fn named(names: &[&str]) -> FieldSet {
        FieldSet::Named(names.iter().map(|name| (*name).to_owned()).collect())
    }

    #[test]
    fn fields_are_those_of_both_or_of_either() {
        for (one, other, both) in [
            (FieldSet::Auto, FieldSet::All, FieldSet::Auto),
            (named(&["secret", "body", "title"]), FieldSet::Auto, named(&["body", "title"])),
            (named(&["a", "b"]), named(&["b", "c"]), named(&["b"])),
            (FieldSet::All, named(&["a"]), named(&["a"])),
            (named(&["a"]), named(&["b"]), named(&[])),
        ] {
            assert_eq!(of_both(one.clone(), other.clone()), both);
            assert_eq!(of_both(other, one), both);
        }
        let template = |text| FieldSet::Template(Arc::new(Template::parse(text).unwrap()));
        let one = template("{title}: {body}");
        assert_eq!(of_both(one.clone(), one.clone()), one);
        assert_eq!(of_both(one.clone(), FieldSet::All), one);
        assert_eq!(of_both(one.clone(), template("{body}")), named(&["body"]));
        assert_eq!(of_both(one.clone(), FieldSet::Auto), named(&["title", "body"]));
        assert_eq!(of_either(one.clone(), one.clone()), one);
        assert_eq!(of_either(one, named(&["x"])), named(&["title", "body", "x"]));
        assert_eq!(of_either(named(&["a"]), named(&["b"])), named(&["a", "b"]));
        assert_eq!(of_either(FieldSet::Auto, FieldSet::All), FieldSet::All);
    }
}
