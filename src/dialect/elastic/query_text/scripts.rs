//! What a script computes scores from.

use crate::wire::json::{Kind, Value};

/// What is known of a script.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Script {
    /// It reads the score of the query.
    pub(super) uses_score: bool,
    /// It compares vectors.
    pub(super) vector: bool,
    /// It is not in the request, so it is unknown.
    pub(super) unknown: bool,
}

/// Functions of Elasticsearch and OpenSearch that compare vectors.
const COMPARISONS: [&str; 16] = [
    "cosineSimilarity",
    "cosineSimilaritySparse",
    "dotProduct",
    "dotProductSparse",
    "l1norm",
    "l2norm",
    "l1normSparse",
    "l2normSparse",
    "hamming",
    "l1Norm",
    "l2Squared",
    "lInfNorm",
    "innerProduct",
    "hammingbit",
    "maxSimDotProduct",
    "maxSimInvHamming",
];

/// Reads a script as it stands in a request: a text, or an object with the text or the name of a stored one.
pub(super) fn read(script: Option<Value<'_>>) -> Script {
    let Some(script) = script else { return Script::default() };
    let source = match script.kind() {
        Kind::Object => script.get("source").or_else(|| script.get("inline")),
        _ => Some(script),
    };
    let Some(source) = source.and_then(Value::as_str) else {
        return Script { unknown: true, ..Script::default() };
    };
    // OpenSearch's own language has one word, and that ranks by vectors.
    if script.get("lang").and_then(Value::as_str).is_some_and(|lang| lang == "knn") {
        return Script { vector: true, ..Script::default() };
    }
    of_source(&source)
}

/// Looks at the names in a source, past its comments, its quoted texts and the members of other things.
fn of_source(source: &str) -> Script {
    let mut script = Script::default();
    let mut rest = source;
    let mut before = ' ';
    while let Some(char) = rest.chars().next() {
        if rest.starts_with("//") {
            rest = rest.split_once('\n').map_or("", |(_, after)| after);
        } else if rest.starts_with("/*") {
            rest = rest.split_once("*/").map_or("", |(_, after)| after);
        } else if matches!(char, '\'' | '"') {
            rest = after_quote(&rest[1..], char);
            before = char;
        } else if is_of_name(char) {
            let end = rest.find(|c| !is_of_name(c)).unwrap_or(rest.len());
            let (name, after) = rest.split_at(end);
            // `params._score` is something else, but `maxSim.dotProduct` may be written so.
            script.uses_score |= before != '.' && name == "_score";
            script.vector |= COMPARISONS.contains(&name);
            (rest, before) = (after, 'a');
        } else {
            rest = &rest[char.len_utf8()..];
            before = if char.is_whitespace() { before } else { char };
        }
    }
    script
}

fn is_of_name(char: char) -> bool {
    char.is_alphanumeric() || matches!(char, '_' | '$')
}

fn after_quote(text: &str, quote: char) -> &str {
    let mut escaped = false;
    for (at, char) in text.char_indices() {
        match char {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            end if end == quote => return &text[at + 1..],
            _ => {}
        }
    }
    ""
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_read_for_the_score_and_for_vectors() {
        let (score, vector) =
            (Script { uses_score: true, ..Script::default() }, Script { vector: true, ..Script::default() });
        let both = Script { uses_score: true, vector: true, unknown: false };
        for (source, expected) in [
            ("_score * doc['likes'].value", score),
            ("return Math.log(1 + _score);", score),
            ("cosineSimilarity(params.v,'e')+1.0", vector),
            ("1/(1.0 + l2Squared(params.query_value, doc['vector_field']))", vector),
            (
                "double value = dotProduct(params.query_vector, 'v'); return sigmoid(1, Math.E, -value);",
                vector,
            ),
            ("0.3*_score + cosineSimilarity(params.v, 'e')", both),
            ("doc['popularity_score'].value", Script::default()),
            ("doc['_score'].value + doc.my_score.value", Script::default()),
            ("params._score + params . _score", Script::default()),
            ("// _score\n1 /* _score */", Script::default()),
            ("doc['it\\'s _score'].value", Script::default()),
            ("'unclosed _score", Script::default()),
            ("/* unclosed _score", Script::default()),
            ("é_score + 1", Script::default()),
        ] {
            assert_eq!(of_source(source), expected, "{source}");
        }
    }

    #[test]
    fn every_form_of_a_script_is_understood() {
        for (json, uses_score, vector, unknown) in [
            (r#""_score""#, true, false, false),
            (r#"{"source":"_score"}"#, true, false, false),
            (r#"{"inline":"_score"}"#, true, false, false),
            (r#"{"source":"knn_score","lang":"knn","params":{}}"#, false, true, false),
            (r#"{"source":"_score","lang":"expression"}"#, true, false, false),
            (r#"{"id":"mine"}"#, false, false, true),
            (r#"{"stored":"mine"}"#, false, false, true),
            (r#"{"source":{"a":1}}"#, false, false, true),
        ] {
            let script = read(Value::parse(json.as_bytes()).ok());
            assert_eq!(script, Script { uses_score, vector, unknown }, "{json}");
        }
    }
}
