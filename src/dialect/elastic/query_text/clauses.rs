//! The clauses of a query that rank.

use std::sync::Arc;

use base64::{Engine, prelude::BASE64_STANDARD};

use super::{
    Texts, each, functions, one_or_many, scripts,
    values::{is_true, is_zero},
};
use crate::{
    dialect::elastic::{lucene, settings},
    wire::json::{Kind, Value},
};

impl Texts<'_> {
    /// The queries under these keys of a clause.
    pub(super) fn below(&mut self, value: Value<'_>, keys: &[&str], depth: usize) {
        for member in value.members().unwrap_or_default() {
            if keys.contains(&member.key.as_ref()) {
                one_or_many(member.value).into_iter().for_each(|query| self.query(query, depth));
            }
        }
    }

    /// A query whose score reaches the hits.
    pub(super) fn query(&mut self, query: Value<'_>, depth: usize) {
        let Some(depth) = depth.checked_sub(1) else { return };
        for clause in query.members().unwrap_or_default() {
            let (name, value) = (clause.key.as_ref(), clause.value);
            if !self.by_field(name, value) && !is_zero(value.get("boost")) {
                self.clause(name, value, depth);
            }
        }
    }

    /// Clauses of the form `{"<field>": …}`, which have their boost with the field. `false` for all others.
    fn by_field(&mut self, name: &str, value: Value<'_>) -> bool {
        match name {
            "match" | "match_phrase" | "match_phrase_prefix" | "match_bool_prefix" | "common" => {
                for (field, setting) in fields(value) {
                    match setting.kind() {
                        Kind::Object => self.text(setting.get("query"), field),
                        _ => self.text(Some(setting), field),
                    }
                }
            }
            "text_expansion" => self.by_model(value, "model_text"),
            "neural" | "neural_sparse" => self.by_model(value, "query_text"),
            "weighted_tokens" => self.by_model(value, "tokens"),
            "intervals" => {
                for (field, rule) in fields(value) {
                    self.intervals(rule, &field, super::MAX_DEPTH);
                }
            }
            _ => return false,
        }
        true
    }

    /// `{"<field>": {"<key>": text}}`, whose text is made a vector. Also without a text a vector ranks.
    fn by_model(&mut self, value: Value<'_>, key: &str) {
        for (_, setting) in fields(value) {
            if setting.kind() == Kind::Object {
                self.vector = true;
                self.embedded(setting.get(key));
            }
        }
    }

    fn clause(&mut self, name: &str, value: Value<'_>, depth: usize) {
        match name {
            "multi_match" | "combined_fields" => {
                if let Some(fields) = searched(value, "fields") {
                    self.text(value.get("query"), fields);
                }
            }
            "semantic" | "sparse_vector" => {
                self.vector = true;
                self.embedded(value.get("query"));
            }
            "query_string" => self.query_string(value),
            "simple_query_string" => {
                if let (Some(query), Some(fields)) = (super::words_of(value), searched(value, "fields")) {
                    let flags = lucene::Flags::read(value.get("flags"));
                    self.add_words(lucene::simple_query_string(&query, flags), fields);
                }
            }
            "knn" => self.knn(value),
            "agentic" => self.embedded(value.get("query_text")),
            "bool" => self.below(value, &["must", "should"], depth),
            "dis_max" | "hybrid" => self.below(value, &["queries"], depth),
            "boosting" => self.below(value, &["positive"], depth),
            "nested" if !has_mode(value, "none") => self.below(value, &["query"], depth),
            // Without a mode, children and parents only select.
            "has_child" if value.get("score_mode").is_some() && !has_mode(value, "none") => {
                self.below(value, &["query"], depth);
            }
            "has_parent" if is_true(value.get("score")) || has_mode(value, "score") => {
                self.below(value, &["query"], depth);
            }
            "function_score" => self.function_score(value, depth),
            "script_score" => self.script_score(value, depth),
            "distance_feature" | "rank_feature" => self.other = true,
            "pinned" | "rule" | "rule_query" => self.below(value, &["organic"], depth),
            "template" => self.query(value, depth),
            "wrapper" => self.wrapper(value, depth),
            _ => {}
        }
    }

    fn query_string(&mut self, value: Value<'_>) {
        let fields = match value.get("fields") {
            Some(_) => searched(value, "fields"),
            None => searched(value, "default_field"),
        };
        if let (Some(query), Some(fields)) = (super::words_of(value), fields) {
            let query = if is_true(value.get("escape")) { lucene::escaped(&query) } else { query };
            self.add_words(lucene::query_string(&query), fields);
        }
    }

    fn function_score(&mut self, value: Value<'_>, depth: usize) {
        let functions = functions::read(value);
        self.vector |= functions.vector;
        self.chance |= functions.chance;
        self.other |= functions.other;
        for script in functions.scripts {
            self.by_script(Some(script));
        }
        if functions.pass_score {
            self.below(value, &["query"], depth);
        }
    }

    fn script_score(&mut self, value: Value<'_>, depth: usize) {
        let script = scripts::read(value.get("script"));
        self.vector |= script.vector;
        if script.vector || script.unknown {
            self.by_script(value.get("script"));
        }
        self.other |= !script.vector && !script.uses_score && !script.unknown;
        if script.uses_score {
            self.below(value, &["query"], depth);
        }
    }

    fn wrapper(&mut self, value: Value<'_>, depth: usize) {
        let decoded =
            value.get("query").and_then(Value::as_str).and_then(|q| BASE64_STANDARD.decode(&*q).ok());
        if let Some(query) = decoded.as_deref().and_then(|query| Value::parse(query).ok()) {
            self.query(query, depth);
        }
    }

    fn intervals(&mut self, rule: Value<'_>, field: &Arc<[String]>, depth: usize) {
        let Some(depth) = depth.checked_sub(1) else { return };
        if is_zero(rule.get("boost")) {
            return;
        }
        self.text(rule.at(&["match", "query"]), field.clone());
        for combination in ["all_of", "any_of"] {
            for inner in each(rule.at(&[combination, "intervals"])) {
                self.intervals(inner, field, depth);
            }
        }
    }

    /// A search of neighbours, of either product: `{"field", "query_vector"}`, or `{"<field>": {"vector"}}`.
    pub(super) fn knn(&mut self, knn: Value<'_>) {
        let boosts = |value: Value<'_>| is_zero(value.get("boost"));
        if knn.kind() != Kind::Object || boosts(knn) {
            return;
        }
        let of_field = knn.members().unwrap_or_default().into_iter().map(|member| member.value);
        let of_field: Vec<_> = of_field.filter_map(|value| Some((value, value.get("vector")?))).collect();
        if of_field.iter().any(|&(value, _)| boosts(value)) {
            return;
        }
        self.vector = true;
        let of_field = of_field.into_iter().map(|(_, vector)| vector);
        for vector in knn.get("query_vector").into_iter().chain(of_field) {
            self.by_vector(vector);
        }
        let Some(builder) = knn.get("query_vector_builder") else { return };
        self.embedded(builder.at(&["text_embedding", "model_text"]));
        for input in each(builder.at(&["embedding", "input"])) {
            if input.get("type").and_then(Value::as_str).is_some_and(|kind| kind == "text") {
                self.embedded(input.get("value"));
            } else {
                self.embedded(Some(input));
            }
        }
    }
}

/// The fields of a clause, each with what is said of it, but for those whose boost is 0.
fn fields(value: Value<'_>) -> Vec<(Arc<[String]>, Value<'_>)> {
    let members = value.members().unwrap_or_default().into_iter();
    members
        .filter(|member| match member.value.kind() {
            Kind::Object => !is_zero(member.value.get("boost")),
            _ => !matches!(member.key.as_ref(), "boost" | "_name"),
        })
        .map(|member| ([member.key.into_owned()].into(), member.value))
        .collect()
}

/// The fields that a clause names, without their boosts; none of them where the index has a default. `None` where
/// every one has a boost of 0.
pub(super) fn searched(value: Value<'_>, key: &str) -> Option<Arc<[String]>> {
    let named = settings::names(value.get(key));
    let weighty = |name: &String| match name.rsplit_once('^') {
        Some((_, boost)) if boost.trim().parse() == Ok(0.0) => None,
        Some((name, boost)) if boost.trim().parse::<f64>().is_ok() => Some(name.to_owned()),
        _ => Some(name.clone()),
    };
    let fields: Vec<String> = named.iter().filter_map(weighty).collect();
    (named.is_empty() || !fields.is_empty()).then(|| fields.into())
}

fn has_mode(value: Value<'_>, mode: &str) -> bool {
    value.get("score_mode").and_then(Value::as_str).is_some_and(|given| given.eq_ignore_ascii_case(mode))
}
