//! The retrievers of a search.

use super::{Texts, clauses::searched, each, values::is_zero};
use crate::wire::json::Value;

impl Texts<'_> {
    pub(super) fn retriever(&mut self, retriever: Value<'_>, depth: usize) {
        let Some(depth) = depth.checked_sub(1) else { return };
        for kind in retriever.members().unwrap_or_default() {
            let value = kind.value;
            match kind.key.as_ref() {
                "standard" => self.below(value, &["query"], depth),
                "knn" => self.knn(value),
                "rrf" | "linear" => self.compound(value, depth),
                // The text that was meant for reranking, whatever the child searches for.
                "text_similarity_reranker" => self.embedded(value.get("inference_text")),
                "rule" | "pinned" | "diversify" => self.child(value, depth),
                "rescorer" => {
                    self.child(value, depth);
                    for rescore in each(value.get("rescore")) {
                        self.rescored_by(rescore, depth);
                    }
                }
                _ => {}
            }
        }
    }

    fn child(&mut self, value: Value<'_>, depth: usize) {
        if let Some(child) = value.get("retriever") {
            self.retriever(child, depth);
        }
    }

    fn compound(&mut self, value: Value<'_>, depth: usize) {
        if value.get("query").is_some() {
            // Such a query is for fields of words and of vectors alike, so one question.
            if searched(value, "fields").is_some() {
                self.embedded(value.get("query"));
            }
            return;
        }
        for child in each(value.get("retrievers")) {
            match child.get("retriever") {
                Some(_) if is_zero(child.get("weight")) => {}
                Some(inner) => self.retriever(inner, depth),
                None => self.retriever(child, depth),
            }
        }
    }
}
