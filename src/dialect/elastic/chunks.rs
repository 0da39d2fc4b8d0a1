//! `chunk_rescorer` of a `text_similarity_reranker` (Elasticsearch 9.2): long texts are cut, and their best chunks are read.

use super::settings;
use crate::{
    search::Chunks,
    wire::json::{Kind, Value},
};

/// Elasticsearch counts words; with the space behind it, an English one has about six letters.
const BYTES_PER_WORD: u64 = 6;
/// What a sentence has about, where one is repeated.
const SENTENCE: usize = 150;
/// More than any text that is read.
const MOST_WORDS: u64 = 10_000;

/// What it says; `None` where it is nothing that Elasticsearch takes.
pub(super) fn read(rescorer: Value<'_>) -> Option<Chunks> {
    if rescorer.kind() != Kind::Object {
        return None;
    }
    let size = match filled(rescorer, "size") {
        Some(size) => usize::try_from(settings::whole(size)?).ok().filter(|size| *size > 0)?,
        None => 1,
    };
    let Some(cut) = filled(rescorer, "chunking_settings") else {
        return Some(Chunks { size, bytes: None, overlap: None });
    };
    let words = |name: &str| match filled(cut, name) {
        Some(number) => settings::whole(number).map(Some),
        None => Some(None),
    };
    let bytes = |words: u64| usize::try_from(words.min(MOST_WORDS) * BYTES_PER_WORD).unwrap_or(usize::MAX);
    let strategy = match filled(cut, "strategy") {
        Some(strategy) => Some(strategy.as_str()?),
        None => None,
    };
    let overlap = match strategy.as_deref() {
        Some("none") => return Some(Chunks { size: 0, bytes: None, overlap: None }),
        Some("word") => words("overlap")?.map(bytes),
        Some("recursive") => Some(0),
        _ => words("sentence_overlap")?.map(|sentences| if sentences == 0 { 0 } else { SENTENCE }),
    };
    Some(Chunks { size, bytes: words("max_chunk_size")?.map(bytes), overlap })
}

fn filled<'a>(object: Value<'a>, key: &str) -> Option<Value<'a>> {
    object.get(key).filter(|value| !value.is_null())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_of(json: &str) -> Option<Chunks> {
        read(Value::parse(json.as_bytes()).unwrap())
    }

    #[test]
    fn words_become_bytes_and_what_is_not_said_is_left_open() {
        let chunks = |size, bytes, overlap| Some(Chunks { size, bytes, overlap });
        for (json, expected) in [
            ("{}", chunks(1, None, None)),
            (r#"{"size":3}"#, chunks(3, None, None)),
            (r#"{"size":2,"chunking_settings":{"max_chunk_size":100}}"#, chunks(2, Some(600), None)),
            (
                r#"{"chunking_settings":{"strategy":"sentence","max_chunk_size":250,"sentence_overlap":0}}"#,
                chunks(1, Some(1500), Some(0)),
            ),
            (
                r#"{"chunking_settings":{"strategy":"word","max_chunk_size":250,"overlap":20}}"#,
                chunks(1, Some(1500), Some(120)),
            ),
            (r#"{"size":9,"chunking_settings":{"strategy":"none"}}"#, chunks(0, None, None)),
            (r#"{"size":0}"#, None),
            (r#"{"size":"x"}"#, None),
            ("7", None),
            (r#"{"chunking_settings":{"max_chunk_size":-1}}"#, None),
        ] {
            assert_eq!(read_of(json), expected, "{json}");
        }
    }
}
