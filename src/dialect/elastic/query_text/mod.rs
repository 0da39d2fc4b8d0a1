//! The human text inside a query: scoring clauses only.

use base64::{Engine, prelude::BASE64_STANDARD};

use super::{lucene, target::Params};
use crate::{
    json::{Kind, Object, Value},
    search::NativeText,
};

/// Deeper queries than this have no text for us; Elasticsearch's own limit is 30 (`indices.query.bool.max_nested_depth`).
const MAX_DEPTH: usize = 40;

/// The text of one search: `q` replaces the body's query, and only that.
pub(super) fn native(params: &Params<'_>, body: Option<&Object<'_>>) -> NativeText {
    let mut texts = Texts::default();
    let member = |key| body.and_then(|body| body.get(key));
    match (params.get("q"), member("query")) {
        (Some(q), _) => texts.add(&lucene::plain(q)),
        (None, Some(query)) => texts.query(query, MAX_DEPTH),
        (None, None) => {}
    }
    for knn in member("knn").map(one_or_many).unwrap_or_default() {
        texts.vector_builder(knn);
    }
    if let Some(retriever) = member("retriever") {
        texts.retriever(retriever, MAX_DEPTH);
    }
    for search in member("sub_searches").map(one_or_many).unwrap_or_default() {
        texts.below(search, &["query"], MAX_DEPTH);
    }
    if texts.found.is_empty()
        && let Some(question) = body.and_then(|b| b.at(&["ext", "generative_qa_parameters", "llm_question"]))
    {
        texts.scalar(Some(question));
    }
    texts.into_native()
}

/// The elements of an array, or the one value.
pub(super) fn one_or_many(value: Value<'_>) -> Vec<Value<'_>> {
    value.items().unwrap_or_else(|| vec![value])
}

#[derive(Default)]
struct Texts {
    found: Vec<String>,
}

impl Texts {
    fn into_native(mut self) -> NativeText {
        match self.found.len() {
            0 => NativeText::None,
            1 => NativeText::One(self.found.swap_remove(0)),
            _ => NativeText::Several,
        }
    }

    fn add(&mut self, text: &str) {
        let text = text.trim();
        if !text.is_empty() && !self.found.iter().any(|known| known == text) {
            self.found.push(text.to_owned());
        }
    }

    fn scalar(&mut self, value: Option<Value<'_>>) {
        let Some(value) = value else { return };
        match value.kind() {
            Kind::String => {
                if let Some(text) = value.as_str()
                    && !text.contains("${")
                {
                    self.add(&text);
                }
            }
            Kind::Number | Kind::Bool => self.add(value.text()),
            _ => {}
        }
    }

    fn below(&mut self, value: Value<'_>, keys: &[&str], depth: usize) {
        for member in value.members().unwrap_or_default() {
            if keys.contains(&member.key.as_ref()) {
                one_or_many(member.value).into_iter().for_each(|query| self.query(query, depth));
            }
        }
    }

    /// `{"<field>": {"<key>": text}}`; with `short` also `{"<field>": text}`.
    fn per_field(&mut self, value: Value<'_>, key: &str, short: bool) {
        for field in value.members().unwrap_or_default() {
            match field.value.kind() {
                Kind::Object => self.scalar(field.value.get(key)),
                _ if short && !matches!(field.key.as_ref(), "boost" | "_name") => {
                    self.scalar(Some(field.value));
                }
                _ => {}
            }
        }
    }

    fn query(&mut self, query: Value<'_>, depth: usize) {
        let Some(depth) = depth.checked_sub(1) else { return };
        for clause in query.members().unwrap_or_default() {
            let value = clause.value;
            match clause.key.as_ref() {
                "match" | "match_phrase" | "match_phrase_prefix" | "match_bool_prefix" => {
                    self.per_field(value, "query", true);
                }
                "multi_match" | "combined_fields" | "semantic" | "sparse_vector" => {
                    self.scalar(value.get("query"));
                }
                "query_string" | "simple_query_string" => {
                    if let Some(text) = value.get("query").and_then(Value::as_str)
                        && !text.contains("${")
                    {
                        self.add(&lucene::plain(&text));
                    }
                }
                "common" => self.per_field(value, "query", true),
                "text_expansion" => self.per_field(value, "model_text", false),
                "knn" => self.vector_builder(value),
                "neural" | "neural_sparse" => self.per_field(value, "query_text", false),
                "agentic" => self.scalar(value.get("query_text")),
                "intervals" => {
                    for field in value.members().unwrap_or_default() {
                        self.intervals(field.value, depth);
                    }
                }
                "bool" => {
                    self.below(value, &["must", "should"], depth);
                }
                "dis_max" | "hybrid" => self.below(value, &["queries"], depth),
                "boosting" => self.below(value, &["positive"], depth),
                "constant_score" => self.below(value, &["filter"], depth),
                "function_score" | "script_score" | "nested" | "has_child" | "has_parent" => {
                    self.below(value, &["query"], depth);
                }
                "pinned" | "rule" | "rule_query" => self.below(value, &["organic"], depth),
                "template" => self.query(value, depth),
                "wrapper" => self.wrapper(value, depth),
                _ => {}
            }
        }
    }

    fn wrapper(&mut self, value: Value<'_>, depth: usize) {
        let decoded =
            value.get("query").and_then(Value::as_str).and_then(|q| BASE64_STANDARD.decode(&*q).ok());
        if let Some(query) = decoded.as_deref().and_then(|query| Value::parse(query).ok()) {
            self.query(query, depth);
        }
    }

    fn intervals(&mut self, rule: Value<'_>, depth: usize) {
        let Some(depth) = depth.checked_sub(1) else { return };
        self.scalar(rule.at(&["match", "query"]));
        for combination in ["all_of", "any_of"] {
            for inner in rule.at(&[combination, "intervals"]).map(one_or_many).unwrap_or_default() {
                self.intervals(inner, depth);
            }
        }
    }

    fn vector_builder(&mut self, knn: Value<'_>) {
        let Some(builder) = knn.get("query_vector_builder") else { return };
        self.scalar(builder.at(&["text_embedding", "model_text"]));
        for input in builder.at(&["embedding", "input"]).map(one_or_many).unwrap_or_default() {
            if input.get("type").and_then(Value::as_str).is_some_and(|kind| kind == "text") {
                self.scalar(input.get("value"));
            } else {
                self.scalar(Some(input));
            }
        }
    }

    fn retriever(&mut self, retriever: Value<'_>, depth: usize) {
        let Some(depth) = depth.checked_sub(1) else { return };
        for kind in retriever.members().unwrap_or_default() {
            let value = kind.value;
            match kind.key.as_ref() {
                "standard" => self.below(value, &["query"], depth),
                "knn" => self.vector_builder(value),
                "rrf" | "linear" => {
                    if value.get("query").is_some() {
                        self.scalar(value.get("query"));
                        continue;
                    }
                    for child in value.get("retrievers").map(one_or_many).unwrap_or_default() {
                        self.retriever(child.get("retriever").unwrap_or(child), depth);
                    }
                }
                // The text that was meant for reranking, whatever the child searches for.
                "text_similarity_reranker" => self.scalar(value.get("inference_text")),
                "rule" | "pinned" | "rescorer" | "diversify" => {
                    if let Some(child) = value.get("retriever") {
                        self.retriever(child, depth);
                    }
                }
                _ => {}
            }
        }
    }
}
