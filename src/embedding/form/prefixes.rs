//! What an application puts before a text because its model wants it there.

use zeroize::Zeroizing;

use super::Skip;
use crate::search::is_blank;

/// Prefixes of queries, which are taken off a text before it is remembered: to a reranker they say nothing.
///
/// In each, `*` stands for any text, and white space for any: some clients make spaces of line breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prefixes(Vec<String>);

/// Those that models document for queries.
const QUERIES: &[&str] = &[
    // E5, Arctic 2, Nemotron; Jina 4 and 5.
    "query: ",
    "Query: ",
    // Nomic, FRIDA.
    "search_query: ",
    // BGE, Mixedbread, Arctic, UAE, also as LangChain words it; BGE for Chinese.
    "Represent this * for searching relevant passages: ",
    "为这个句子生成表示以用于检索相关文章：",
    "为这个句子生成表示以用于检索相关文章:",
    // Instructor, Voyage, Jina 3.
    "Represent the * for retrieving *: ",
    // Qwen3, E5 by Mistral, GTE by Qwen2, NV-Embed, Stella, Linq.
    "Instruct: * Query:",
    // BGE by Gemma and in-context.
    "<instruct>* <query>",
    // Gemini 2, EmbeddingGemma.
    "task: * | query: ",
    // Sarashina, Ruri.
    "task: * query: ",
    "検索クエリ: ",
    "クエリ: ",
];

/// Those that they document for documents.
const DOCUMENTS: &[&str] = &[
    "passage: ",
    "Passage: ",
    "Document: ",
    "search_document: ",
    "Represent the *document for retrieval: ",
    "title: * | text: ",
    "検索文書: ",
    "文章: ",
];

impl Default for Prefixes {
    fn default() -> Self {
        Self::new(Self::documented().map(str::to_owned))
    }
}

impl Prefixes {
    /// Those that models document for queries.
    pub fn documented() -> impl Iterator<Item = &'static str> {
        QUERIES.iter().copied()
    }

    /// These prefixes of queries. The first one that a text begins with counts.
    pub fn new(queries: impl IntoIterator<Item = String>) -> Self {
        Self(queries.into_iter().map(|prefix| spaced(&prefix)).collect())
    }

    /// The texts of a call's entries that are to be remembered, without their prefixes, each with its place.
    pub(super) fn texts(
        &self,
        entries: impl IntoIterator<Item = Result<Zeroizing<String>, Skip>>,
    ) -> Result<Vec<(usize, Zeroizing<String>)>, Skip> {
        let (mut texts, mut first) = (Vec::new(), None);
        for (at, text) in entries.into_iter().enumerate() {
            match text.and_then(|text| self.query(text)) {
                Ok(text) => texts.push((at, text)),
                Err(skip) => first = first.or(Some(skip)),
            }
        }
        if texts.is_empty() { Err(first.unwrap_or(Skip::Empty)) } else { Ok(texts) }
    }

    fn query(&self, mut text: Zeroizing<String>) -> Result<Zeroizing<String>, Skip> {
        match self.0.iter().find_map(|prefix| after(&text, prefix)).map(str::trim_start) {
            Some(rest) => {
                // In place: a copy would be one more to clear.
                let taken = text.len() - rest.len();
                text.drain(..taken);
            }
            None if DOCUMENTS.iter().any(|prefix| after(&text, prefix).is_some()) => {
                return Err(Skip::Document);
            }
            None => {}
        }
        if is_blank(&text) { Err(Skip::Empty) } else { Ok(text) }
    }
}

/// The same with one space for all white space in a row.
fn spaced(prefix: &str) -> String {
    let mut spaced = String::with_capacity(prefix.len());
    for c in prefix.chars().map(|c| if c.is_whitespace() { ' ' } else { c }) {
        if c != ' ' || !spaced.ends_with(' ') {
            spaced.push(c);
        }
    }
    spaced
}

/// What stands after this prefix, in which `*` is anything.
fn after<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let mut parts = prefix.split('*');
    let begun = after_words(text, parts.next()?)?;
    parts.try_fold(begun, |rest, part| {
        rest.char_indices().find_map(|(at, _)| after_words(rest.get(at..)?, part))
    })
}

/// What stands after these words, between which any white space may be.
fn after_words<'a>(text: &'a str, words: &str) -> Option<&'a str> {
    let mut rest = text;
    for (at, word) in words.split(' ').enumerate() {
        if at > 0 {
            let trimmed = rest.trim_start();
            rest = if trimmed.len() < rest.len() { trimmed } else { return None };
        }
        rest = rest.strip_prefix(word)?;
    }
    Some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(text: &str) -> Result<String, Skip> {
        Prefixes::default().query(Zeroizing::new(text.to_owned())).map(|text| text.to_string())
    }

    #[test]
    fn a_documented_prefix_of_queries_is_taken_off() {
        for text in [
            "query: red shoes",
            "Query: red shoes",
            "search_query: red shoes",
            "search_query:  red shoes",
            "Represent this sentence for searching relevant passages: red shoes",
            "为这个句子生成表示以用于检索相关文章：red shoes",
            "Represent the question for retrieving supporting documents: red shoes",
            "Represent the Wikipedia question for retrieving supporting documents: red shoes",
            "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery:red shoes",
            "Instruct: Given a web search query, retrieve relevant passages that answer the query.\nQuery: red shoes",
            "Instruct: Given a web search query, retrieve relevant passages Query: red shoes",
            "<instruct>Given a web search query, retrieve relevant passages.\n<query>red shoes",
            "task: search result | query: red shoes",
            "task: クエリを与えるので、関連する文章を検索してください。\nquery: red shoes",
            "検索クエリ: red shoes",
            "red shoes",
        ] {
            assert_eq!(query(text).as_deref(), Ok("red shoes"), "{text}");
        }
    }

    #[test]
    fn what_only_looks_like_a_prefix_stays() {
        for text in [
            "query:red",
            "a query: b",
            "querying: a",
            "Instruct: me",
            "task: write it down",
            "Represent the people",
        ] {
            assert_eq!(query(text).as_deref(), Ok(text), "{text}");
        }
    }

    #[test]
    fn a_text_with_a_documented_prefix_of_documents_is_not_remembered() {
        for text in [
            "passage: red shoes",
            "Passage: red shoes",
            "search_document: red shoes",
            "Represent the document for retrieval: red shoes",
            "title: none | text: red shoes",
            "検索文書: red shoes",
        ] {
            assert_eq!(query(text), Err(Skip::Document), "{text}");
        }
    }

    #[test]
    fn a_text_with_nothing_to_see_in_it_is_not_remembered() {
        for text in ["", "  \n", "\u{200b}", "query:  ", "query: \n"] {
            assert_eq!(query(text), Err(Skip::Empty), "{text:?}");
        }
    }

    #[test]
    fn prefixes_of_ones_own_count_before_what_is_documented_for_documents() {
        let own = Prefixes::new(["passage: ".to_owned(), "[* ] ".to_owned(), String::new()]);
        let read = |text: &str| own.query(Zeroizing::new(text.to_owned())).map(|text| text.to_string());
        assert_eq!(read("passage: a").as_deref(), Ok("a"));
        assert_eq!(read("[en ] a").as_deref(), Ok("a"));
        assert_eq!(read("query: a").as_deref(), Ok("query: a"));
        let lines = Prefixes::new(["Instruct: *\n\tQuery:".to_owned()]);
        let read = lines.query(Zeroizing::new("Instruct: find Query: a".to_owned()));
        assert_eq!(read.unwrap().as_str(), "a", "a client made a space of the line break");
    }

    #[test]
    fn some_texts_of_a_list_may_be_remembered_and_others_not() {
        let texts = Prefixes::default()
            .texts(["", "query: a", "passage: b", "c"].map(|text| Ok(Zeroizing::new(text.to_owned()))));
        let texts: Vec<_> = texts.unwrap().into_iter().map(|(at, text)| (at, text.to_string())).collect();
        assert_eq!(texts, [(1, "a".to_owned()), (3, "c".to_owned())]);
    }
}
