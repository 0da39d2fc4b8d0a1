//! The user's words in a query text, by the syntax that it is written in.

use super::definition::{Syntax, Text};
use crate::{dialect::elastic::lucene, search::NativeText};

/// The most searches in one GraphQL query whose argument is looked for; each look may go to the query's end.
const MOST_INSPECTED: usize = 32;

/// How a parameter is looked up by name.
pub(super) type LookUp<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The words of `text`.
pub(super) fn native(of: &Text, text: &str, parameter: LookUp<'_>) -> NativeText {
    let trimmed = text.trim();
    if trimmed.is_empty() || of.none.iter().any(|none| none == trimmed) {
        return NativeText::None;
    }
    match of.syntax {
        Syntax::Plain => NativeText::One(text.to_owned()),
        Syntax::Lucene => of_lucene(trimmed),
        Syntax::Solr => of_solr(of, trimmed, parameter),
        Syntax::GraphQl => of_graphql(trimmed),
    }
}

fn of_lucene(text: &str) -> NativeText {
    let words = lucene::query_string(text);
    let words: Vec<&str> = words.iter().map(|words| words.text.as_str()).collect();
    if words.is_empty() { NativeText::None } else { NativeText::One(words.join(" ")) }
}

/// Solr's: local parameters say by which parser it is read, and maybe where it stands.
fn of_solr(of: &Text, text: &str, parameter: LookUp<'_>) -> NativeText {
    let Some(local) = text.strip_prefix("{!") else {
        return by_parser(&parameter("defType").unwrap_or_default(), text);
    };
    let Some(end) = end_of_local(local) else { return NativeText::None };
    let (parameters, rest) = (local.get(..end).unwrap_or_default(), local.get(end + 1..).unwrap_or_default());
    let parser = local_value(parameters, "type").unwrap_or_else(|| first_word(parameters).to_owned());
    let text = match local_value(parameters, "v") {
        Some(value) => match value.strip_prefix('$') {
            Some(name) => parameter(name).unwrap_or_default(),
            None => value,
        },
        None => rest.to_owned(),
    };
    let trimmed = text.trim();
    if trimmed.is_empty() || trimmed.starts_with("{!") || of.none.iter().any(|none| none == trimmed) {
        return NativeText::None;
    }
    by_parser(&parser, trimmed)
}

fn by_parser(parser: &str, text: &str) -> NativeText {
    match parser {
        "dismax" | "edismax" => plain_words(text),
        "" | "lucene" => of_lucene(text),
        "field" | "text" | "simple" => NativeText::One(text.to_owned()),
        // Vectors, filters, functions, joins: nothing in them is what a user has typed.
        _ => NativeText::None,
    }
}

/// What a user types into a box of words: `+`, `-` and quotation marks at words are theirs.
fn plain_words(text: &str) -> NativeText {
    if text == "*" || text == "*:*" { NativeText::None } else { of_lucene_or_plain(text) }
}

fn of_lucene_or_plain(text: &str) -> NativeText {
    match of_lucene(text) {
        NativeText::None => NativeText::One(text.to_owned()),
        words => words,
    }
}

/// The text that a search in GraphQL looks for: `query` of `bm25` and `hybrid`, or the one of `concepts`. One that is in
/// a variable is not seen.
fn of_graphql(text: &str) -> NativeText {
    let mut found = NativeText::None;
    let mut inspected = 0;
    for (call, argument) in [("bm25", "query"), ("hybrid", "query"), ("nearText", "concepts")] {
        for (at, _) in text.match_indices(call) {
            let after = text.get(at + call.len()..).unwrap_or_default().trim_start();
            let Some(inside) =
                after.strip_prefix(':').map(str::trim_start).and_then(|rest| rest.strip_prefix('{'))
            else {
                continue;
            };
            inspected += 1;
            if inspected > MOST_INSPECTED {
                return NativeText::Several;
            }
            // None follows later either.
            let Some((_, value)) = inside.split_once(argument) else { break };
            let value = value.trim_start().strip_prefix(':').unwrap_or_default();
            let value = value.trim_start().trim_start_matches('[').trim_start();
            if let Some((literal, rest)) = string(value) {
                match rest.trim_start().starts_with(',') && argument == "concepts" && rest.contains(['"']) {
                    true if rest.trim_start_matches(',').trim_start().starts_with('"') => {
                        return NativeText::Several;
                    }
                    _ => found.add(literal.into()),
                }
            }
        }
    }
    found
}

/// The string that a text begins with, and what follows it.
fn string(text: &str) -> Option<(String, &str)> {
    let inner = text.strip_prefix('"')?;
    let mut escaped = false;
    let end = inner.char_indices().find(|(_, c)| {
        let ends = *c == '"' && !escaped;
        escaped = *c == '\\' && !escaped;
        ends
    })?;
    let literal = serde_json::from_str(text.get(..end.0 + 2)?).ok()?;
    Some((literal, inner.get(end.0 + 1..)?))
}

/// Where local parameters end, quotation marks regarded.
fn end_of_local(text: &str) -> Option<usize> {
    let mut quote = None;
    for (at, byte) in text.bytes().enumerate() {
        match (quote, byte) {
            (Some(open), byte) if open == byte => quote = None,
            (Some(_), _) => {}
            (None, b'"' | b'\'') => quote = Some(byte),
            (None, b'}') => return Some(at),
            _ => {}
        }
    }
    None
}

fn first_word(parameters: &str) -> &str {
    let word = parameters.split_whitespace().next().unwrap_or_default();
    if word.contains('=') { "" } else { word }
}

/// The value of a local parameter.
fn local_value(parameters: &str, name: &str) -> Option<String> {
    let mut rest = parameters;
    while let Some(at) = rest.find(name) {
        let starts = rest.get(..at).is_some_and(|before| before.is_empty() || before.ends_with(' '));
        let after = rest.get(at + name.len()..)?;
        match after.strip_prefix('=') {
            Some(value) if starts => {
                let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''));
                return Some(match quote {
                    Some(quote) => value.get(1..)?.split(quote).next()?.to_owned(),
                    None => value.split_whitespace().next().unwrap_or_default().to_owned(),
                });
            }
            _ => rest = after,
        }
    }
    None
}

/// The list of numbers in a text, in square brackets.
pub(super) fn bracketed(text: &str) -> Option<&str> {
    let start = text.find('[')?;
    let end = start + text.get(start..)?.find(']')?;
    text.get(start..=end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn solr(text: &str, parameters: &[(&str, &str)]) -> NativeText {
        let of = Text { syntax: Syntax::Solr, none: vec!["*:*".to_owned()], ..Text::default() };
        let find = |name: &str| {
            parameters.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        };
        native(&of, text, &find)
    }

    #[test]
    fn the_words_of_a_solr_query_are_those_that_somebody_looks_for() {
        let one = |text: &str| NativeText::One(text.to_owned());
        assert_eq!(solr("text:(train refund)", &[]), one("train refund"));
        assert_eq!(solr("train refund", &[("defType", "edismax")]), one("train refund"));
        assert_eq!(solr("{!edismax qf=text v=$qq}", &[("qq", "late train")]), one("late train"));
        assert_eq!(solr("{!type=dismax qf='a b'}late train", &[]), one("late train"));
        assert_eq!(solr("{!lucene df=text v='late train'}", &[]), one("late train"));
        for none in
            ["*:*", "{!knn f=v topK=5}[0.3,0.2]", "{!term f=id}7", "{!edismax v=$qq}", "{!broken", "  "]
        {
            assert_eq!(solr(none, &[]), NativeText::None, "{none}");
        }
    }

    #[test]
    fn the_text_of_a_graphql_search_is_its_argument() {
        let of = |text: &str| of_graphql(text);
        let one = |text: &str| NativeText::One(text.to_owned());
        assert_eq!(
            of(r#"{ Get { Docs(bm25: {query: "train \"x\"", properties: ["t"]}, limit: 5) { n } } }"#),
            one("train \"x\"")
        );
        assert_eq!(of(r#"{Get{Docs(hybrid:{alpha:0.5,query:"late"}){n}}}"#), one("late"));
        assert_eq!(of(r#"{Get{Docs(nearText:{concepts:["late train"]}){n}}}"#), one("late train"));
        assert_eq!(of(r#"{Get{Docs(nearText:{concepts:["a", "b"]}){n}}}"#), NativeText::Several);
        let searches = |count: usize| of(&"bm25:{query:\"late\"}".repeat(count));
        assert_eq!((searches(32), searches(33)), (one("late"), NativeText::Several), "each costs a look");
        for none in [
            "{Get{Docs(nearVector:{vector:[0.1]}){query}}}",
            "query($q:String){Get{Docs(bm25:{query:$q}){n}}}",
        ] {
            assert_eq!(of(none), NativeText::None, "{none}");
        }
    }

    #[test]
    fn a_vector_in_a_text_is_what_stands_in_square_brackets() {
        assert_eq!(bracketed("v:([0.3,0.2], k:5)"), Some("[0.3,0.2]"));
        assert_eq!(bracketed("{!knn f=v topK=5}[1,2]"), Some("[1,2]"));
        assert_eq!(bracketed("]["), None);
    }
}
