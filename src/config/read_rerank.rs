//! The `rerank` section and the routes' own copies of it.

use super::{RerankConfig, list, node::Value, problem::Problems, score, section::Section, setting, values};
use crate::{
    pipeline::Mode,
    search::{FieldSet, NothingRelevant},
};

/// `base` with the keys of `section` over it.
pub(super) fn rerank(section: &Section<'_>, base: &RerankConfig, problems: &mut Problems) -> RerankConfig {
    let mut to = base.clone();
    setting::read(list::RERANK, section, &mut to, problems);
    fields(section, &mut to.fields, problems);
    score::read(section, &mut to.score, problems);
    if to.window > to.max_window {
        let key = if section.has("window") { "window" } else { "max_window" };
        let sentence = format!("window ({}) is larger than max_window ({}).", to.window, to.max_window);
        section.complain(key, sentence, problems);
    }
    if let Some(bytes) = to.passage_bytes.filter(|bytes| to.passage_overlap > bytes / 2) {
        let sentence = format!("overlap ({}) is more than half of bytes ({bytes}).", to.passage_overlap);
        section.complain("passages", sentence, problems);
    }
    confidence(section, &to, problems);
    if to.mode != Mode::Off && to.providers.is_empty() && section.has("providers") {
        section.complain("providers", "the list is empty; write `mode: off` to rerank nothing.", problems);
    }
    to
}

/// A fit is of use only as a whole.
fn confidence(section: &Section<'_>, to: &RerankConfig, problems: &mut Problems) {
    let parts =
        [to.confidence_model.is_some(), to.confidence_slope.is_some(), to.confidence_intercept.is_some()];
    let (any, all) = (parts.contains(&true) || to.confidence_least.is_some(), !parts.contains(&false));
    if any && !all {
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
