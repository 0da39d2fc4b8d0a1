//! What is searched for inside a query, its human text and its vectors: only from clauses whose score reaches the hits.

mod clauses;
mod functions;
mod retrievers;
mod scripts;
mod values;

use std::{collections::HashSet, sync::Arc};

use super::{lucene, target::Params, value::one_or_many};
use crate::{
    search::{ClauseText, NativeText, TextPart},
    wire::json::{Kind, Object, Value},
};
use values::{is_id_name, is_value, is_zero};

/// Deeper queries than this have no text for us; Elasticsearch's own limit is 30 (`indices.query.bool.max_nested_depth`).
const MAX_DEPTH: usize = 40;
/// Queries with more different texts than this hold no one question.
const MOST_TEXTS: usize = 64;

/// The text of one search: `q` replaces the body's query, and only that. `see` gets what its clauses give as vectors.
pub(super) fn native(
    params: &Params,
    body: Option<&Object<'_>>,
    see: &mut dyn FnMut(Value<'_>),
) -> NativeText {
    let mut texts = Texts { see: Some(see), ..Texts::default() };
    let member = |key| body.and_then(|body| body.get(key));
    match (params.get("q"), member("query")) {
        (Some(q), _) => {
            let fields: Vec<String> = params.get("df").map(str::to_owned).into_iter().collect();
            texts.add_words(lucene::query_string(q), fields.into());
        }
        (None, Some(query)) => texts.query(query, MAX_DEPTH),
        (None, None) => {}
    }
    for knn in each(member("knn")) {
        texts.knn(knn);
    }
    if let Some(retriever) = member("retriever") {
        texts.retriever(retriever, MAX_DEPTH);
    }
    for search in each(member("sub_searches")) {
        texts.below(search, &["query"], MAX_DEPTH);
    }
    for rescore in each(member("rescore")) {
        texts.rescored_by(rescore, MAX_DEPTH);
    }
    if texts.found.is_empty()
        && let Some(question) = body.and_then(|b| b.at(&["ext", "generative_qa_parameters", "llm_question"]))
    {
        texts.embedded(Some(question));
    }
    texts.into_native()
}

/// The elements of an array, or the one value, of a value that may be missing.
fn each(value: Option<Value<'_>>) -> Vec<Value<'_>> {
    value.map(one_or_many).unwrap_or_default()
}

/// What ranks the hits of a search.
#[derive(Default)]
struct Texts<'s> {
    /// Gets the vectors.
    see: Option<&'s mut dyn FnMut(Value<'_>)>,
    found: HashSet<Text>,
    /// There were more texts than [`MOST_TEXTS`].
    too_many: bool,
    /// Some clause ranks by a vector.
    vector: bool,
    /// Some clause ranks by something else than words or a vector: popularity, nearness.
    other: bool,
    /// Chance takes part.
    chance: bool,
}

/// The text of one clause.
#[derive(PartialEq, Eq, Hash)]
struct Text {
    parts: Vec<Part>,
}

#[derive(PartialEq, Eq, Hash)]
struct Part {
    words: String,
    fields: Arc<[String]>,
    /// How much it means that the fields are none of the document's.
    weight: Weight,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Weight {
    /// A text that was written to be embedded: its fields hold vectors.
    Question,
    /// Words: beside a vector, they select where their fields are not the document's.
    Words,
    /// Words that select wherever their fields are not the document's.
    Selects,
}

impl Texts<'_> {
    fn into_native(self) -> NativeText {
        if self.chance {
            return NativeText::OtherOrder;
        }
        if self.too_many {
            return NativeText::Several;
        }
        if self.found.is_empty() && self.other && !self.vector {
            return NativeText::OtherOrder;
        }
        let part = |part: Part| TextPart {
            of_document: match part.weight {
                Weight::Question => false,
                Weight::Words => self.vector && !part.fields.is_empty(),
                Weight::Selects => true,
            },
            words: part.words,
            fields: part.fields,
        };
        let clause = |text: Text| ClauseText { parts: text.parts.into_iter().map(part).collect() };
        NativeText::of(self.found.into_iter().map(clause).collect())
    }

    fn add(&mut self, parts: Vec<Part>) {
        if parts.is_empty() || self.too_many {
            return;
        }
        self.found.insert(Text { parts });
        if self.found.len() > MOST_TEXTS {
            self.too_many = true;
            self.found.clear();
        }
    }

    /// A text for these fields, as an analyser gets it. Values that are no strings are no words of a user.
    fn text(&mut self, value: Option<Value<'_>>, fields: Arc<[String]>) {
        let Some(text) = value.and_then(words) else { return };
        let named = !fields.is_empty();
        let weight = if named && (is_value(&text) || fields.iter().all(|name| is_id_name(name))) {
            Weight::Selects
        } else {
            Weight::Words
        };
        self.add(vec![Part { words: text, fields, weight }]);
    }

    /// A text that is embedded, whatever field its vector is compared with.
    fn embedded(&mut self, value: Option<Value<'_>>) {
        let Some(words) = value.and_then(words) else { return };
        self.add(vec![Part { words, fields: Arc::default(), weight: Weight::Question }]);
    }

    /// The words of a query syntax; `fields` are those of words that name none.
    fn add_words(&mut self, words: Vec<lucene::Words>, fields: Arc<[String]>) {
        let part = |words: lucene::Words| match words.field {
            Some(name) => Part {
                words: words.text,
                fields: [name.to_string()].into(),
                weight: if &*name == "*" { Weight::Words } else { Weight::Selects },
            },
            None => {
                let selects = !fields.is_empty()
                    && (is_value(&words.text) || fields.iter().all(|name| is_id_name(name)));
                let weight = if selects { Weight::Selects } else { Weight::Words };
                Part { words: words.text, fields: fields.clone(), weight }
            }
        };
        self.add(words.into_iter().map(part).collect());
    }

    /// A clause ranks by this vector.
    fn by_vector(&mut self, vector: Value<'_>) {
        if let Some(see) = &mut self.see {
            see(vector);
        }
    }

    /// A script ranks, which may compare a vector among its parameters.
    fn by_script(&mut self, script: Option<Value<'_>>) {
        let params = script.and_then(|script| script.get("params")).and_then(Value::members);
        for param in params.unwrap_or_default() {
            if param.value.kind() == Kind::Array {
                self.by_vector(param.value);
            }
        }
    }

    /// A rescorer's query: not the question, but what it ranks by counts.
    fn rescored_by(&mut self, rescore: Value<'_>, depth: usize) {
        let mut second = Texts { see: self.see.take(), ..Texts::default() };
        if let Some(query) = rescore.at(&["query", "rescore_query"]) {
            second.query(query, depth);
        }
        self.vector |= second.vector;
        self.chance |= second.chance;
        self.see = second.see;
        if is_zero(rescore.at(&["query", "query_weight"])) {
            self.found.clear();
        }
    }
}

/// The text of a string that is no placeholder of a template.
fn words(value: Value<'_>) -> Option<String> {
    if value.kind() != Kind::String {
        return None;
    }
    let text = value.as_str()?;
    let text = text.trim();
    (!text.is_empty() && !text.contains("${")).then(|| text.to_owned())
}

/// The text of a clause's `query`.
fn words_of(clause: Value<'_>) -> Option<String> {
    clause.get("query").and_then(words)
}

#[cfg(test)]
mod tests;
