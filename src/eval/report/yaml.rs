//! The suggestions as configuration: a fragment that `rerankd check` loads.

use std::{collections::BTreeMap, fmt::Write};

use super::{NOT_ONE, kinds};
use crate::eval::{
    calibration::{CalibratedGroup, Calibration},
    reference,
    trial::Way,
};

/// The fragment. `provider` is the first of the chain, for which floors are meant; `window` the largest that was
/// measured.
///
/// Floors belong to categories, routes to collections: where several categories search one collection, the route has
/// the lowest of their floors, and the higher ones are listed as what the caller may send.
pub fn fragment(calibration: &Calibration, provider: &str, window: usize) -> String {
    let mut out = String::from(
        "# Suggested by rerankd calibrate. Scores do not carry across categories or models: measure again\n\
         # when the model, the documents or the kind of query changes. What is commented out is not sure\n\
         # enough to set.\n",
    );
    let (own, others): (Vec<&CalibratedGroup>, Vec<_>) =
        calibration.groups.iter().partition(|group| group.scorer.provider == provider);
    let mut by_collection: BTreeMap<Vec<String>, Vec<&CalibratedGroup>> = BTreeMap::new();
    for group in own {
        by_collection.entry(group.collections.clone()).or_default().push(group);
    }
    for group in others {
        let _ = writeln!(out, "# not used: {} was scored by {}", of(group), scorer(group));
    }
    let mut routes = String::new();
    for (collections, groups) in by_collection {
        match collections.as_slice() {
            [one] if one != "_all" => route(&mut routes, one, &groups, window),
            _ => {
                let _ = writeln!(out, "# {} search no single collection: no route fits them", names(&groups));
                for line in settings(&groups, window) {
                    let _ = writeln!(out, "#   {}", line.trim_start_matches("# "));
                }
            }
        }
    }
    if !routes.is_empty() {
        let _ = write!(out, "routes:\n{routes}");
    }
    out
}

fn route(out: &mut String, collection: &str, groups: &[&CalibratedGroup], window: usize) {
    // JSON's strings are YAML's.
    let name = serde_json::Value::from(collection);
    let _ = writeln!(out, "  - collection: {name}");
    for group in groups {
        let _ = writeln!(
            out,
            "    # {}: {} queries, {} judged, {}",
            of(group),
            group.queries,
            group.judged,
            scorer(group)
        );
        let own = group.floor.as_ref().filter(|floor| floor.enough && groups.len() > 1);
        if let Some(min_score) = own.and_then(|floor| floor.min_score) {
            let _ = writeln!(out, "    #   for these alone: x-rerank-min-score: {min_score}");
        }
    }
    for line in settings(groups, window) {
        let _ = writeln!(out, "    {line}");
    }
}

/// The keys, those that are not sure enough as comments.
fn settings(groups: &[&CalibratedGroup], largest: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let one_order = one_order(groups);
    score(groups, one_order, &mut lines);
    let mut set = |key: &str, value: Option<f64>, enough: bool, why: &str| {
        if let Some(value) = value {
            lines.push(format!("{}{key}: {value} # {why}", if enough { "" } else { "# " }));
        }
    };
    let windows: Option<Vec<f64>> =
        groups.iter().map(|group| group.window.window.map(|window| window as f64)).collect();
    let window = windows.and_then(|windows| windows.into_iter().reduce(f64::max));
    let enough = groups.iter().all(|group| group.window.enough);
    let most = groups.iter().filter_map(|group| group.window.curve.last()).map(|point| point.window).max();
    let why = match (one_order, is_of_order(groups)) {
        (None, _) => format!("{NOT_ONE}: measured with each one's own"),
        (Some(_), true) => "nearly all of what this order gains".to_owned(),
        (Some(_), false) => format!("at least 95 % of the gain of {} candidates", most.unwrap_or(largest)),
    };
    set("window", window, enough && one_order.is_some(), &why);

    let floors: Option<Vec<f64>> = groups.iter().map(|group| group.floor.as_ref()?.min_score).collect();
    let floor = floors.and_then(|floors| floors.into_iter().reduce(f64::min));
    let enough = groups.iter().all(|group| group.floor.as_ref().is_some_and(|floor| floor.enough));
    let objective =
        groups.first().and_then(|group| group.floor.as_ref()).map(|floor| floor.objective.clone());
    set("min_score", floor, enough, &objective.unwrap_or_default());

    let gates: Option<Vec<f64>> = groups.iter().map(|group| group.margin.margin_gate).collect();
    let gate = gates.and_then(|gates| gates.into_iter().reduce(f64::max));
    let enough = groups.iter().all(|group| group.margin.enough);
    let skipped = groups.iter().filter_map(|group| {
        let at = |point: &&crate::eval::margin::MarginPoint| Some(point.margin_gate) == gate;
        group.margin.curve.iter().find(at)?.skipped
    });
    let skipped = skipped.fold(f64::INFINITY, f64::min);
    let skipped = if skipped.is_finite() { skipped } else { 0.0 };
    let why = match one_order {
        Some(_) => format!("skips at least {:.0} % of the calls", skipped * 100.0),
        None => format!("{NOT_ONE}: measured with each one's own"),
    };
    set("margin_gate", gate, enough && one_order.is_some(), &why);
    kinds::lines(groups, one_order.is_some(), &mut lines);
    confidence(groups, &mut lines);
    drift(groups, &mut lines);
    if lines.is_empty() {
        lines.push("# nothing to set".to_owned());
    }
    lines
}

/// How likely hits are relevant: a fit is of one model and kind of query.
fn confidence(groups: &[&CalibratedGroup], lines: &mut Vec<String>) {
    let own = |group: &&CalibratedGroup| {
        let advice = group.confidence.as_ref()?;
        Some((advice.enough && groups.len() == 1, group.scorer.model.clone(), advice.hits, advice.fitted?))
    };
    for (set, model, hits, fitted) in groups.iter().filter_map(own) {
        let model = serde_json::Value::from(model);
        let least = fitted.least.map_or_else(String::new, |least| format!(", least: {least}"));
        let mark = if set { "" } else { "# " };
        let why = if groups.len() > 1 { "of one category of several, " } else { "" };
        let (error, base) = (fitted.error, fitted.base);
        lines.push(format!(
            "# {why}log loss {:.3} ({:.3} without scores), Brier {:.3} ({:.3}), of {hits} hits:",
            error.log_loss, base.log_loss, error.brier, base.brier
        ));
        let (slope, intercept) = (fitted.slope, fitted.intercept);
        lines.push(format!(
            "{mark}confidence: {{ model: {model}, slope: {slope}, intercept: {intercept}{least} }}"
        ));
        if set && fitted.least.is_some() {
            lines.push("# on_nothing_relevant: header # or empty".to_owned());
        }
    }
}

/// What a server compares the scores of these searches' model with.
fn drift(groups: &[&CalibratedGroup], lines: &mut Vec<String>) {
    let Some(model) = groups.first().map(|group| &group.scorer.model) else { return };
    if groups.iter().any(|group| group.scorer.model != *model) {
        return;
    }
    let scores = groups.iter().flat_map(|group| group.best_scores.iter().copied()).collect();
    let Some((setting, enough)) = reference::setting(model, scores) else { return };
    let (mark, why) = match enough {
        true => ("", "an alert where the best scores of searches are no longer like these:"),
        false => ("# ", "of too few searches:"),
    };
    lines.push(format!("# {why}"));
    lines.extend(setting.into_iter().map(|line| format!("{mark}{line}")));
}

/// The order that all have, or none of them.
fn one_order(groups: &[&CalibratedGroup]) -> Option<Option<Way>> {
    let mut all = groups.iter().map(|group| group.order.best.map(|(way, _)| way));
    all.next().filter(|first| all.all(|other| other == *first))
}

/// Whether the windows were chosen with the orders.
fn is_of_order(groups: &[&CalibratedGroup]) -> bool {
    groups.iter().all(|group| group.order.best.is_some())
}

/// The order, where all have the same.
fn score(groups: &[&CalibratedGroup], one_order: Option<Option<Way>>, lines: &mut Vec<String>) {
    let Some(Some(way)) = one_order else { return };
    if way == Way::Relevance {
        return lines
            .push("# score: keep # the order by relevance alone, where rerank.score fuses".to_owned());
    }
    let Some(value) = way.setting() else { return };
    let enough = groups.iter().all(|group| group.order.enough);
    let fuses_itself = groups.iter().any(|group| group.order.fuses_itself);
    let mark = if enough && !fuses_itself { "" } else { "# " };
    let first =
        if fuses_itself { "with `fuse: false` of the provider, whose own goes before it: " } else { "" };
    let by = if enough { ", on queries that did not choose it" } else { "" };
    lines.push(format!("{mark}score: {value} # {first}gains over the database's order{by}"));
}

fn of(group: &CalibratedGroup) -> String {
    // One line, whatever the name holds.
    let name = group.category.as_deref().unwrap_or("queries without a category");
    name.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn scorer(group: &CalibratedGroup) -> String {
    let name = format!("{} / {}", group.scorer.provider, group.scorer.model);
    name.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn names(groups: &[&CalibratedGroup]) -> String {
    groups.iter().map(|group| of(group)).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::{super::test_support::calibration, *};
    use crate::{
        config::{self, Flags},
        eval::{
            bootstrap::Interval,
            kinds::{KindAdvice, KindPoint, QueryKind},
        },
        search::SkipRule,
    };

    /// Loads the fragment beside a listener.
    fn load(fragment: &str) -> config::Config {
        let file = format!("listeners: [{{ upstream: {{ url: \"http://127.0.0.1:6333\" }} }}]\n{fragment}");
        config::load(Some((std::path::Path::new("f"), &file)), &Default::default(), &Flags::default())
            .unwrap_or_else(|problems| panic!("{problems}\n{file}"))
    }

    #[test]
    fn the_fragment_loads_and_has_the_sure_values() {
        let fragment = fragment(&calibration(40), "cohere", 100);
        let config = load(&fragment);
        let route = &config.routes[0];
        assert_eq!((route.collection.as_str(), route.rerank.window), ("docs", 20), "{fragment}");
        assert!(route.rerank.min_score.is_some(), "{fragment}");
        let confidence = route.rerank.confidence().unwrap();
        assert!(confidence.fit.model == "rerank-v3.5" && confidence.least.is_some(), "{fragment}");
        assert!(route.rerank.drift().is_none() && fragment.contains("# drift:"), "{fragment}");
    }

    #[test]
    fn the_scores_of_many_searches_are_set_to_be_compared_with() {
        let mut calibration = calibration(40);
        calibration.groups[0].best_scores = (0..150).map(|at| f64::from(at) / 150.0).collect();
        let fragment = fragment(&calibration, "cohere", 100);
        let drift = load(&fragment).routes[0].rerank.drift().unwrap();
        assert_eq!((drift.reference.scores, drift.reference.quantiles.len()), (150, 21), "{fragment}");
    }

    #[test]
    fn what_a_small_sample_suggests_is_commented_out_and_still_loads() {
        let fragment = fragment(&calibration(5), "cohere", 100);
        let config = load(&fragment);
        assert!(fragment.contains("# window: 20") && fragment.contains("# min_score:"), "{fragment}");
        assert_eq!((config.routes[0].rerank.window, config.routes[0].rerank.min_score), (50, None));
    }

    #[test]
    fn several_categories_of_one_collection_get_the_lowest_floor() {
        let mut calibration = calibration(40);
        let mut other = calibration.groups[0].clone();
        other.category = Some("code\n- evil: 1".into());
        if let Some(floor) = &mut other.floor {
            floor.min_score = Some(0.01);
        }
        calibration.groups.push(other);
        let fragment = fragment(&calibration, "cohere", 100);
        assert_eq!(load(&fragment).routes[0].rerank.min_score, Some(0.01), "{fragment}");
        assert!(fragment.contains("x-rerank-min-score: "), "{fragment}");
    }

    #[test]
    fn scores_of_another_provider_and_searches_of_no_single_collection_set_nothing() {
        let mut calibration = calibration(40);
        let own = fragment(&calibration, "jina", 100);
        assert!(load(&own).routes.is_empty() && own.contains("# not used: "), "{own}");
        calibration.groups[0].collections = vec!["a".into(), "b".into()];
        let several = fragment(&calibration, "cohere", 100);
        assert!(load(&several).routes.is_empty() && several.contains("no route fits"), "{several}");
    }

    /// Of a kind that hurts, so surely.
    fn hurting(kind: QueryKind, enough: bool) -> KindAdvice {
        let interval = Some(Interval { low: -0.11, high: -0.014 });
        let point = KindPoint {
            kind: Some(kind),
            queries: 50,
            judged: 48,
            change: Some(-0.062),
            interval,
            unchanged: Some(0.5),
            unchanged_interval: None,
        };
        KindAdvice { kinds: vec![point], skip: vec![kind], enough, ..KindAdvice::default() }
    }

    #[test]
    fn kinds_that_reranking_hurts_are_skipped_where_that_is_sure() {
        let mut calibration = calibration(40);
        calibration.groups[0].kinds = hurting(QueryKind::Questions, true);
        let sure = fragment(&calibration, "cohere", 100);
        assert!(load(&sure).routes[0].rerank.skip_when.questions, "{sure}");
        let why = "# questions: nDCG -0.062 by reranking (-0.110 … -0.014), of 48 judged queries";
        assert!(sure.contains(why), "{sure}");
        calibration.groups[0].kinds.enough = false;
        let unsure = fragment(&calibration, "cohere", 100);
        assert!(unsure.contains("# skip_when: { questions: true }"), "{unsure}");
        assert_eq!(load(&unsure).routes[0].rerank.skip_when, SkipRule::default());
    }

    #[test]
    fn a_kind_of_one_category_is_skipped_unless_another_one_has_it_and_is_not_hurt() {
        let mut calibration = calibration(40);
        let mut other = calibration.groups[0].clone();
        calibration.groups[0].kinds = hurting(QueryKind::Questions, true);
        other.category = Some("code\n- evil: 1".into());
        other.kinds = hurting(QueryKind::Identifiers, true);
        calibration.groups.push(other);
        let both = fragment(&calibration, "cohere", 100);
        let rule = &load(&both).routes[0].rerank.skip_when;
        assert!(rule.questions && rule.identifiers, "{both}");
        let questions = calibration.groups[0].kinds.kinds[0].clone();
        calibration.groups[1].kinds.kinds.push(questions);
        let one = fragment(&calibration, "cohere", 100);
        let rule = &load(&one).routes[0].rerank.skip_when;
        assert!(!rule.questions && rule.identifiers, "{one}");
    }

    #[test]
    fn kinds_that_were_measured_in_different_orders_are_not_set() {
        let mut calibration = calibration(40);
        calibration.groups[0].kinds = hurting(QueryKind::Questions, true);
        let mut other = calibration.groups[0].clone();
        other.category = Some("code".into());
        let (one, another) = (Way::ranks(10.0, 1.0), Way::scores(1.0));
        calibration.groups[0].order.best = Some((one, 20));
        other.order.best = Some((another, 20));
        calibration.groups.push(other);
        let fragment = fragment(&calibration, "cohere", 100);
        assert!(fragment.contains("# skip_when: { questions: true } # the categories have no"), "{fragment}");
        assert_eq!(load(&fragment).routes[0].rerank.skip_when, SkipRule::default());
    }

    #[test]
    fn kinds_on_which_calls_are_wasted_are_told_and_never_set() {
        let mut calibration = calibration(40);
        let mut advice = hurting(QueryKind::Identifiers, false);
        advice.skip.clear();
        advice.wasted = vec![QueryKind::Identifiers];
        advice.wasted_saved = Some(0.12);
        calibration.groups[0].kinds = advice;
        let fragment = fragment(&calibration, "cohere", 100);
        assert!(
            fragment.contains("# skip_when: { identifiers: true } # saves 12 % of the calls"),
            "{fragment}"
        );
        assert_eq!(load(&fragment).routes[0].rerank.skip_when, SkipRule::default());
    }
}
