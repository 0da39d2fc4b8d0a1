//! The `rerank` section and the routes' own copies of it.

use std::sync::Arc;

use super::{
    RerankConfig, boosts, list, node::Value, problem::Problems, score, section::Section, setting, values,
};
use crate::{
    pipeline::Mode,
    search::{FieldSet, NothingRelevant, Template, is_blank},
};

/// `base` with the keys of `section` over it.
pub(super) fn rerank(section: &Section<'_>, base: &RerankConfig, problems: &mut Problems) -> RerankConfig {
    let mut to = base.clone();
    setting::read(list::RERANK, section, &mut to, problems);
    fields(section, &mut to.fields, problems);
    template(section, &mut to.fields, problems);
    score::read(section, &mut to.score, problems);
    boosts::read(section, &mut to.boosts, problems);
    if to.window > to.max_window {
        let key = if section.has("window") { "window" } else { "max_window" };
        let sentence = format!("window ({}) is larger than max_window ({}).", to.window, to.max_window);
        section.complain(key, sentence, problems);
    }
    let wants_overlap = section.again("passages").has("overlap");
    if let Some(bytes) = to.passage_bytes.filter(|_| !wants_overlap) {
        to.passage_overlap = to.passage_overlap.min(bytes / 2);
    }
    if let Some(bytes) = to.passage_bytes.filter(|bytes| to.passage_overlap > bytes / 2) {
        let sentence = format!("overlap ({}) is more than half of bytes ({bytes}).", to.passage_overlap);
        section.complain("passages", sentence, problems);
    }
    confidence(section, (base, &to), problems);
    drift(section, (base, &to), problems);
    if to.instruction.as_ref().is_some_and(|text| is_blank(text)) {
        section.complain("instruction", "an instruction of no words; leave it out for none.", problems);
    }
    if to.mode != Mode::Off && to.providers.is_empty() && section.has("providers") {
        section.complain("providers", "the list is empty; write `mode: off` to rerank nothing.", problems);
    }
    to
}

/// A fit is of use only as a whole; without its model there is none, whatever `base` says.
fn confidence(section: &Section<'_>, (base, to): (&RerankConfig, &RerankConfig), problems: &mut Problems) {
    let parts =
        [to.confidence_model.is_some(), to.confidence_slope.is_some(), to.confidence_intercept.is_some()];
    let (any, all) = (parts.contains(&true) || to.confidence_least.is_some(), !parts.contains(&false));
    let is_off = base.confidence_model.is_some() && to.confidence_model.is_none();
    if any && !all && !is_off {
        let sentence = "model, slope and intercept belong together; rerankd calibrate prints them.";
        section.complain("confidence", sentence, problems);
    }
    if to.confidence_slope.is_some_and(|slope| slope <= 0.0) {
        let sentence = "slope is not over 0: better scores would be less likely relevant.";
        section.complain("confidence", sentence, problems);
    }
    if to.on_nothing_relevant != NothingRelevant::Keep && to.confidence_least.is_none() {
        let sentence = "needs `confidence` with `least`, which says when nothing is relevant.";
        section.complain("on_nothing_relevant", sentence, problems);
    }
}

/// Quantiles ascend.
fn drift(section: &Section<'_>, (base, to): (&RerankConfig, &RerankConfig), problems: &mut Problems) {
    let parts = [to.drift_model.is_some(), to.drift_searches.is_some(), !to.drift_quantiles.is_empty()];
    let is_off = base.drift_model.is_some() && to.drift_model.is_none();
    if parts.contains(&true) && parts.contains(&false) && !is_off {
        let sentence = "model, searches and quantiles belong together; rerankd calibrate prints them.";
        section.complain("drift", sentence, problems);
    }
    let ascend = to.drift_quantiles.windows(2).all(|pair| pair[0] <= pair[1]);
    if !ascend || !(to.drift_quantiles.is_empty() || (2..=101).contains(&to.drift_quantiles.len())) {
        let sentence = "quantiles: 2 to 101 scores from the lowest to the highest.";
        section.complain("drift", sentence, problems);
    }
}

/// A template is instead of `fields`: of both, the one counts that the section itself has.
fn template(section: &Section<'_>, slot: &mut FieldSet, problems: &mut Problems) {
    let parse = |text: &str| Template::parse(text).map_err(|error| error.to_string());
    if section.has("fields") && section.has("template") && *slot != FieldSet::Auto {
        let sentence =
            "`fields` says what makes a document too: leave it out, the template names its fields.";
        return section.complain("template", sentence, problems);
    }
    let mut template = match slot {
        FieldSet::Template(template) => Some(template.clone()),
        _ => None,
    };
    let before = template.clone();
    section.set_option("template", &mut template, problems, |text| parse(text).map(Arc::new));
    match template {
        Some(template) => *slot = FieldSet::Template(template),
        None if before.is_some() => *slot = FieldSet::Auto,
        None => {}
    }
}

fn fields(section: &Section<'_>, slot: &mut FieldSet, problems: &mut Problems) {
    if !section.has("fields") {
        return;
    }
    let mut names = Vec::new();
    section.set_list("fields", &mut names, problems, values::field);
    let written_list = matches!(section.node("fields").map(|n| &n.value), Some(Value::List(_)));
    *slot = match names.as_slice() {
        [one] if one == "auto" && !written_list => FieldSet::Auto,
        [one] if one == "*" => FieldSet::All,
        [] => {
            if written_list
                && matches!(section.node("fields").map(|n| &n.value), Some(Value::List(l)) if l.is_empty())
            {
                section.complain("fields", "the list is empty; write auto, \"*\" or field names.", problems);
            }
            return;
        }
        names if names.iter().any(|name| name == "*") => {
            section.complain("fields", "\"*\" means every string field and stands alone.", problems);
            return;
        }
        _ => FieldSet::Named(names),
    };
}

#[cfg(test)]
mod tests {
    use crate::config::tests::try_load;

    fn read(rerank: &str, route: &str) -> Result<(bool, bool), String> {
        let text = format!(
            "listeners: [{{ upstream: {{ url: 'http://db' }} }}]\nrerank: {{ {rerank} }}\nroutes: [{{ collection: a, {route} }}]"
        );
        let route = |config: crate::config::Config| config.routes.into_iter().next().unwrap().rerank;
        let read = try_load(&text, &[]).map(route).map_err(|problems| problems.to_string())?;
        Ok((read.confidence().is_some(), read.drift().is_some()))
    }

    const BOTH: &str = "confidence: { model: m, slope: 1.5, intercept: -2, least: 0.2 }, on_nothing_relevant: empty, \
                        drift: { model: m, searches: 100, quantiles: [0.1, 0.2, 0.2, 0.9] }";

    #[test]
    fn a_route_has_the_fit_of_all_or_its_own_or_none() {
        assert_eq!(read(BOTH, "window: 20"), Ok((true, true)));
        assert_eq!(read("window: 20", BOTH), Ok((true, true)));
        assert_eq!(read(BOTH, "confidence: { model: null }, drift: { model: null }"), Ok((false, false)));
    }

    #[test]
    fn half_a_fit_and_what_no_fit_can_be_are_problems_with_their_place() {
        for (written, part) in [
            ("confidence: { model: m }", "confidence: model, slope and intercept belong together"),
            ("confidence: { least: 0.2 }", "belong together"),
            ("confidence: { model: m, slope: -1, intercept: 0 }", "slope is not over 0"),
            ("confidence: { model: m, slope: steep, intercept: 0 }", "`steep` is not a number"),
            ("on_nothing_relevant: empty", "needs `confidence` with `least`"),
            ("on_nothing_relevant: delete", "`delete` is not one of keep, header, empty"),
            ("drift: { model: m }", "drift: model, searches and quantiles belong together"),
            ("drift: { model: m, searches: 100, quantiles: [0.5, 0.1] }", "from the lowest to the highest"),
            ("drift: { model: m, searches: 100, quantiles: [0.5] }", "2 to 101 scores"),
        ] {
            let said = read(written, "window: 20").unwrap_err();
            assert!(said.contains(part), "{written}: {said}");
        }
    }
}
