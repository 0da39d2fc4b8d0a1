//! Rejections of what is too large: how services word them, and the limit that they state.

use http::StatusCode;
use serde_json::Value;

use crate::rerank::StatedLimits;

/// The most bytes of an error that are read.
const MOST_BYTES: usize = 4096;

/// The members of an error that are the service's own words. Others may quote the query or a document.
const WORDS: [&str; 14] = [
    "error",
    "errors",
    "message",
    "msg",
    "detail",
    "details",
    "title",
    "description",
    "reason",
    "cause",
    "type",
    "code",
    "error_type",
    "loc",
];

/// What services say of a call, or of a text in it, that is too large; in small letters.
const PHRASES: [&str; 43] = [
    "too large",
    "too long",
    "too big",
    "too many tokens",
    "too many documents",
    "too many passages",
    "too many texts",
    "too many inputs",
    "too many items",
    "too_long",
    "too_large",
    "larger than the max",
    "longer than the max",
    "greater than the max",
    "more than the max",
    "exceeds the max",
    "exceeds max",
    "exceed the max",
    "exceeds maximum",
    "exceeded the max",
    "exceeds the limit",
    "exceeds the allowed",
    "exceeds the model",
    "context length",
    "context size",
    "context window",
    "context_length",
    "context_window",
    "contextwindow",
    "exceed_context",
    "max_model_len",
    "maximum model length",
    "sequence length",
    "token limit",
    "maximum allowed",
    "max allowed tokens",
    "batch size",
    "length limit exceeded",
    "should have at most",
    "must have less than",
    // What PyTorch says of a text that is longer than the model's positions.
    "size of tensor",
    "size of the tensor",
    "expected maxlength",
];

/// Whether a response of this status rejects what is too large.
pub(super) fn is_too_large(status: u16, said: &str) -> bool {
    if status == StatusCode::PAYLOAD_TOO_LARGE {
        return true;
    }
    // Servers give what the model's code throws as a fault of their own.
    let may = matches!(status, 400 | 422 | 424 | 500 | 502);
    may && (PHRASES.iter().any(|phrase| said.contains(phrase)) || said.contains("total max chunks"))
}

/// The words of an error in small letters; all of a body that is no JSON.
pub(super) fn words(body: &[u8]) -> String {
    let mut text = String::new();
    match serde_json::from_slice::<Value>(body) {
        Ok(Value::String(said)) => text.push_str(&said),
        Ok(error) => collect(&error, false, &mut text),
        Err(_) => text.push_str(&String::from_utf8_lossy(body.get(..MOST_BYTES).unwrap_or(body))),
    }
    text.to_lowercase()
}

/// `own`: the value is that of a member that is the service's own words.
fn collect(value: &Value, own: bool, text: &mut String) {
    if text.len() > MOST_BYTES {
        return;
    }
    match value {
        Value::String(said) if own => {
            text.extend(said.chars().take(MOST_BYTES));
            text.push_str(". ");
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, own, text)),
        Value::Object(members) => {
            for (name, value) in members {
                match (name.as_str(), value) {
                    ("loc", Value::Array(path)) => text.extend(place(path)),
                    (name, value) if WORDS.contains(&name) => collect(value, true, text),
                    // What is wrapped in something of another name is looked into.
                    (_, Value::Object(_)) if !own => collect(value, false, text),
                    _ => {}
                }
            }
        }
        _ => {}
    }
}

/// A path like `["body", "documents", 7]`, as a sentence of its own.
fn place(path: &[Value]) -> Option<String> {
    path.iter().rev().find_map(Value::as_u64).map(|at| format!("document at index {at}. "))
}

/// What a number counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Documents,
    Tokens,
    Bytes,
}

/// The limits that an error states, as far as they can be determined; `said` is in lower case.
pub(super) fn stated(said: &str) -> StatedLimits {
    let mut stated = StatedLimits { at: index(said), ..StatedLimits::default() };
    let words: Vec<&str> = said
        .split(|c: char| {
            c.is_whitespace() || matches!(c, '(' | ')' | ':' | '`' | '"' | '\'' | '=' | '[' | ']')
        })
        .filter(|word| !word.is_empty())
        .collect();
    let mut from = 0;
    for (at, word) in words.iter().enumerate() {
        if let Some(number) = number(word) {
            let before = words.get(from.max(at.saturating_sub(12))..at).unwrap_or_default();
            tell(&mut stated, number, before, words.get(at + 1).copied().unwrap_or_default(), said);
            from = at + 1;
        }
        // A sentence ends, and what it says of its numbers.
        if word.ends_with(['.', ';']) || *word == "not" {
            from = at + 1;
        }
    }
    stated
}

/// Takes in one number with the words before and after it.
fn tell(stated: &mut StatedLimits, number: usize, before: &[&str], after: &str, said: &str) {
    const LIMITS: [&str; 16] = [
        "maximum",
        "max",
        "most",
        "limit",
        "limited",
        "allowed",
        "less",
        "than",
        "up",
        "exceeds",
        "exceed",
        "available",
        ">",
        "current",
        "max_model_len",
        "only",
    ];
    let has = |names: &[&str]| {
        let bare = |word: &&str| names.contains(&word.trim_matches(|c: char| ",.;".contains(c)));
        before.iter().any(bare)
    };
    let of_call = has(&["batch", "request", "call", "total"]) && !said.contains("physical");
    let unit = unit_after(after).or_else(|| unit_before(&has, said));
    match unit {
        Some(Unit::Tokens) if !has(&LIMITS) => stated.had_tokens = stated.had_tokens.or(Some(number)),
        _ if !has(&LIMITS) => {}
        // Of the whole call: halves are known to help.
        Some(Unit::Tokens) if of_call => {}
        Some(Unit::Tokens) => stated.tokens = stated.tokens.or(Some(number)),
        Some(Unit::Documents) => stated.documents = stated.documents.or(Some(number)),
        Some(Unit::Bytes) if has(&["body", "payload", "request"]) => {}
        Some(Unit::Bytes) => stated.bytes = stated.bytes.or(Some(number)),
        None => {}
    }
}

fn unit_after(word: &str) -> Option<Unit> {
    match word.trim_end_matches(|c: char| ",.;>".contains(c)) {
        "tokens" | "token" => Some(Unit::Tokens),
        "documents" | "document" | "items" | "passages" | "texts" | "inputs" | "elements" | "chunks"
        | "records" | "pairs" | "sentences" => Some(Unit::Documents),
        "characters" | "chars" | "character" | "bytes" => Some(Unit::Bytes),
        _ => None,
    }
}

fn unit_before(has: &impl Fn(&[&str]) -> bool, said: &str) -> Option<Unit> {
    if said.contains("physical") && has(&["batch"]) {
        return Some(Unit::Tokens);
    }
    if has(&["batch"]) && has(&["size"]) {
        return Some(Unit::Documents);
    }
    if has(&["tokens", "token", "context", "length", "sequence", "max_model_len"]) {
        return Some(Unit::Tokens);
    }
    has(&["documents", "items", "passages", "texts", "chunks"]).then_some(Unit::Documents)
}

/// `512`, `512,`, `122,880`.
fn number(word: &str) -> Option<usize> {
    let digits: String = word.trim_end_matches(['.', ',', ';']).chars().filter(|c| *c != ',').collect();
    digits.parse().ok().filter(|number| *number > 0)
}

/// The document that an error names: `document at index 7`, `documents[7]`, `texts.7`.
fn index(said: &str) -> Option<usize> {
    const BEFORE: [&str; 16] = [
        "at index ",
        "index ",
        "documents[",
        "document[",
        "texts[",
        "inputs[",
        "input[",
        "passages[",
        "documents.",
        "texts.",
        "inputs.",
        "passages.",
        "document #",
        "document ",
        "passage ",
        "text ",
    ];
    BEFORE.iter().find_map(|before| {
        let (_, after) = said.split_once(before)?;
        let end = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
        after.get(..end)?.parse().ok()
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(body: &str) -> StatedLimits {
        stated(&words(body.as_bytes()))
    }

    #[test]
    fn every_services_words_for_too_large_are_known() {
        for (status, body) in [
            (413, ""),
            (413, "<html>Request Entity Too Large</html>"),
            (
                400,
                r#"{"error":{"message":"This model's maximum context length is 512 tokens. However, you requested 513 tokens."}}"#,
            ),
            (
                500,
                r#"{"error":{"code":500,"message":"input is too large to process. increase the physical batch size"}}"#,
            ),
            (
                500,
                r#"{"error":{"code":500,"message":"rpc error: code = Unknown desc = input is too large to process"}}"#,
            ),
            (500, "rpc error: input (992 tokens) is too large to process"),
            (400, r#"{"error":{"message":"litellm.ContextWindowExceededError: too long","type":null}}"#),
            (400, r#"{"error":{"type":"exceed_context_size_error","n_ctx":512}}"#),
            (
                422,
                r#"{"error":"`inputs` must have less than 512 tokens. Given: 600","error_type":"Validation"}"#,
            ),
            (
                422,
                r#"{"detail":[{"type":"too_long","loc":["body","documents"],"msg":"List should have at most 100 items after validation, not 150"}]}"#,
            ),
            (422, r#"{"error":"batch size 32 > maximum allowed batch size 16","error_type":"Validation"}"#),
            (
                400,
                r#"{"message":"invalid request: number of total max chunks (20000) must be less than 10000"}"#,
            ),
            (400, r#"{"message":"too many tokens: the query is too long"}"#),
            (
                500,
                r#"{"detail":"[address=0.0.0.0:1, pid=1] The sequence length 9000 is greater than the maximum"}"#,
            ),
            (
                500,
                r#"{"detail":"[address=a, pid=1] The size of tensor a (9000) must match the size of tensor b (512) at non-singleton dimension 1"}"#,
            ),
            (
                500,
                r#"{"detail":"The expanded size of the tensor (9000) must match the existing size (512) at non-singleton dimension 1."}"#,
            ),
            (
                400,
                r#"{"message":"Malformed input request: expected maxLength: 2048, actual: 9000, please reformat your input and try again."}"#,
            ),
            (400, r#""the input is too long""#),
            (400, r#"{"outer":{"error":{"message":"Input length exceeds the limit"}}}"#),
        ] {
            assert!(is_too_large(status, &words(body.as_bytes())), "{status} {body}");
        }
    }

    #[test]
    fn other_rejections_and_quoted_texts_are_none() {
        for (status, body) in [
            (400, r#"{"message":"a model parameter is required"}"#),
            (500, r#"{"detail":"CUDA out of memory"}"#),
            (503, r#"{"error":{"message":"Loading model, the context size is 512"}}"#),
            (429, r#"{"message":"too many tokens in this minute"}"#),
            (
                422,
                r#"{"detail":[{"loc":["body","query"],"msg":"field required","input":{"text":"a context length that is too long"}}]}"#,
            ),
            (401, "the key is too long"),
        ] {
            assert!(!is_too_large(status, &words(body.as_bytes())), "{status} {body}");
        }
    }

    #[test]
    fn a_limit_is_distinguished_from_what_was_sent() {
        let tokens =
            |tokens, had| StatedLimits { tokens: Some(tokens), had_tokens: had, ..StatedLimits::default() };
        let documents = |documents| StatedLimits { documents: Some(documents), ..StatedLimits::default() };
        for (body, wanted) in [
            (
                "This model's maximum context length is 512 tokens. However, you requested 513 tokens.",
                tokens(512, Some(513)),
            ),
            (
                "input (992 tokens) is too large to process. increase the physical batch size (current batch size: 512)",
                tokens(512, Some(992)),
            ),
            ("`inputs` must have less than 512 tokens. Given: 600", tokens(512, None)),
            (
                "request (9000 tokens) exceeds the available context size (8192 tokens), try increasing it",
                tokens(8192, Some(9000)),
            ),
            ("The decoder prompt is longer than the maximum model length of 8192.", tokens(8192, None)),
            ("batch size 32 > maximum allowed batch size 16", documents(16)),
            ("List should have at most 100 items after validation, not 150", documents(100)),
            ("Too many documents: at most 1,000 documents", documents(1000)),
            (
                "String should have at most 122880 characters",
                StatedLimits { bytes: Some(122_880), ..StatedLimits::default() },
            ),
            (
                "The max allowed tokens per submitted batch is 600000. Your batch has 745736 tokens",
                StatedLimits { had_tokens: Some(745_736), ..StatedLimits::default() },
            ),
            ("input is too large to process. increase the physical batch size", StatedLimits::default()),
        ] {
            assert_eq!(stated(&body.to_lowercase()), wanted, "{body}");
        }
        let loc = r#"{"detail":[{"loc":["body","documents",7],"msg":"String should have at most 2000 characters"}]}"#;
        assert_eq!(read(loc), StatedLimits { bytes: Some(2000), at: Some(7), ..StatedLimits::default() });
        assert_eq!(read(r#"{"message":"document at index 3 is too long"}"#).at, Some(3));
        assert_eq!(read(r#"{"message":"documents[12] is too long"}"#).at, Some(12));
    }

    proptest! {
        #[test]
        fn no_error_is_too_odd(body in "[ -~]{0,200}") {
            let _ = stated(&words(body.as_bytes()));
        }
    }
}
