//! The `rerank` section and the routes' own copies of it.

use super::{
    RerankConfig,
    node::Value,
    problem::Problems,
    section::Section,
    types::AllowList,
    values::{self, whole},
    words::{FailOpen, Mode, PartialScores, QuerySource, ScoreMode, WidenMode},
};
use crate::search::FieldSet;

pub(super) const RERANK_KEYS: [&str; 23] = [
    "mode",
    "sample",
    "collections",
    "providers",
    "window",
    "max_window",
    "fields",
    "score",
    "annotate",
    "min_score",
    "min_keep",
    "deadline",
    "shadow_deadline",
    "partial_scores",
    "margin_gate",
    "fail_open",
    "widen",
    "query_sources",
    "query_path",
    "inference_ids",
    "search_pipelines",
    "allow",
    "response_headers",
];

/// No engine answers a page of more by default.
const MOST_HITS: u64 = 10_000;

/// `base` with the keys of `section` over it.
pub(super) fn rerank(section: &Section<'_>, base: &RerankConfig, problems: &mut Problems) -> RerankConfig {
    let mut to = base.clone();
    section.set("mode", &mut to.mode, problems, Mode::read);
    section.set("sample", &mut to.sample, problems, values::share);
    section.set_list("collections", &mut to.collections, problems, values::glob);
    section.set_list("providers", &mut to.providers, problems, values::name);
    section.set("window", &mut to.window, problems, whole(1, MOST_HITS));
    section.set("max_window", &mut to.max_window, problems, whole(1, MOST_HITS));
    fields(section, &mut to.fields, problems);
    section.set("score", &mut to.score, problems, ScoreMode::parse);
    section.set("annotate", &mut to.annotate, problems, values::boolean);
    section.set_option("min_score", &mut to.min_score, problems, values::score);
    section.set("min_keep", &mut to.min_keep, problems, whole(0, MOST_HITS as usize));
    section.set("deadline", &mut to.deadline, problems, values::duration);
    section.set("shadow_deadline", &mut to.shadow_deadline, problems, values::duration);
    section.set("partial_scores", &mut to.partial_scores, problems, PartialScores::parse);
    section.set_option("margin_gate", &mut to.margin_gate, problems, values::share);
    section.set("fail_open", &mut to.fail_open, problems, FailOpen::parse);
    section.set("widen", &mut to.widen, problems, WidenMode::parse);
    section.set_list("query_sources", &mut to.query_sources, problems, QuerySource::parse);
    section.set_option("query_path", &mut to.query_path, problems, values::dotted);
    section.set_list("inference_ids", &mut to.inference_ids, problems, values::id_glob);
    section.set_list("search_pipelines", &mut to.search_pipelines, problems, values::glob);
    section.set("response_headers", &mut to.response_headers, problems, values::boolean);
    allow(section, &mut to.allow, problems);

    if to.window > to.max_window {
        let key = if section.has("window") { "window" } else { "max_window" };
        let sentence = format!("window ({}) is larger than max_window ({}).", to.window, to.max_window);
        section.complain(key, sentence, problems);
    }
    if to.mode != Mode::Off && to.providers.is_empty() && section.has("providers") {
        section.complain("providers", "the list is empty; write `mode: off` to rerank nothing.", problems);
    }
    to
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

fn allow(section: &Section<'_>, to: &mut AllowList, problems: &mut Problems) {
    let known = ["models", "fields", "max_window", "max_deadline"];
    let section = Section::open(section.node("allow"), section.path_of("allow"), &known, problems);
    section.set_list("models", &mut to.models, problems, values::name);
    section.set_list("fields", &mut to.fields, problems, values::field);
    section.set_option("max_window", &mut to.max_window, problems, whole(1, MOST_HITS));
    section.set_option("max_deadline", &mut to.max_deadline, problems, values::duration);
}
