//! What holds for every form, whatever the texts, the numbers and the bytes.

use std::collections::BTreeSet;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use http::Method;
use proptest::{
    collection::{btree_set, vec},
    prelude::*,
    sample::{Index, select, subsequence},
};
use serde_json::{Value, json};

use super::{Asked, Form, Prefixes, Remember, Skip};
use crate::{
    embedding::{Memory, MemorySettings, Recalled},
    wire::json,
};

/// How a form's requests and responses are written.
struct Wire {
    form: Form,
    path: &'static str,
    /// The request with these texts.
    request: fn(&[String]) -> Value,
    /// The response with these vectors, which are JSON.
    response: fn(&[String]) -> String,
    /// Whether a call can have several texts.
    many: bool,
}

const WIRES: [Wire; 10] = [
    Wire {
        form: Form::OpenAi,
        path: "/v1/embeddings",
        request: |texts| json!({"input": texts, "model": "m"}),
        // The last first: an entry says itself which one it is.
        response: |vectors| {
            let entry =
                |(at, vector)| format!(r#"{{"object":"embedding","embedding":{vector},"index":{at}}}"#);
            let entries: Vec<_> = vectors.iter().enumerate().rev().map(entry).collect();
            format!(r#"{{"object":"list","data":[{}],"usage":{{"total_tokens":1}}}}"#, entries.join(","))
        },
        many: true,
    },
    Wire {
        form: Form::Cohere,
        path: "/v1/embed",
        request: |texts| json!({"texts": texts, "model": "m"}),
        response: |vectors| format!(r#"{{"id":"1","embeddings":[{}],"texts":["a"]}}"#, vectors.join(",")),
        many: true,
    },
    Wire {
        form: Form::Cohere,
        path: "/v2/embed",
        request: |texts| {
            let input = |text| json!({"content": [{"type": "text", "text": text}]});
            json!({"inputs": texts.iter().map(input).collect::<Vec<_>>(), "model": "m"})
        },
        response: |vectors| format!(r#"{{"embeddings":{{"float":[{}]}}}}"#, vectors.join(",")),
        many: true,
    },
    Wire {
        form: Form::Google,
        path: "/v1beta/models/m:embedContent",
        request: |texts| json!({"content": {"parts": [{"text": texts[0]}]}}),
        response: |vectors| format!(r#"{{"embedding":{{"values":{}}}}}"#, vectors[0]),
        many: false,
    },
    Wire {
        form: Form::Google,
        path: "/v1beta/models/m:batchEmbedContents",
        request: |texts| {
            let entry = |text| json!({"model": "models/m", "content": {"parts": [{"text": text}]}});
            json!({"requests": texts.iter().map(entry).collect::<Vec<_>>()})
        },
        response: |vectors| {
            let entries: Vec<_> = vectors.iter().map(|vector| format!(r#"{{"values":{vector}}}"#)).collect();
            format!(r#"{{"embeddings":[{}]}}"#, entries.join(","))
        },
        many: true,
    },
    Wire {
        form: Form::Google,
        path: "/v1/publishers/google/models/text-embedding-005:predict",
        request: |texts| json!({"instances": texts.iter().map(|text| json!({"content": text})).collect::<Vec<_>>()}),
        response: |vectors| {
            let entry = |vector| format!(r#"{{"embeddings":{{"statistics":{{}},"values":{vector}}}}}"#);
            format!(r#"{{"predictions":[{}]}}"#, vectors.iter().map(entry).collect::<Vec<_>>().join(","))
        },
        many: true,
    },
    Wire {
        form: Form::Ollama,
        path: "/api/embed",
        request: |texts| json!({"input": texts, "model": "m"}),
        response: |vectors| format!(r#"{{"model":"m","embeddings":[{}]}}"#, vectors.join(",")),
        many: true,
    },
    Wire {
        form: Form::Ollama,
        path: "/api/embeddings",
        request: |texts| json!({"prompt": texts[0], "model": "m"}),
        response: |vectors| format!(r#"{{"embedding":{}}}"#, vectors[0]),
        many: false,
    },
    Wire {
        form: Form::Tei,
        path: "/",
        request: |texts| json!({"inputs": texts}),
        response: |vectors| format!("[{}]", vectors.join(",")),
        many: true,
    },
    Wire {
        form: Form::OpenAi,
        path: "/v1/embeddings",
        request: |texts| json!({"input": texts[0], "model": "m"}),
        response: |vectors| format!(r#"{{"data":[{{"embedding":{}}}]}}"#, vectors[0]),
        many: false,
    },
];

impl Wire {
    fn asked(&self, request: &[u8]) -> Result<Asked, Skip> {
        let call = self.form.call(&Method::POST, self.path).unwrap();
        call.read(request, Remember::Auto, &Prefixes::default())
    }

    /// What a call gives, with its vectors printed so.
    fn pairs(&self, texts: &[String], vectors: &[String]) -> Vec<(String, Vec<f32>)> {
        let asked = self.asked((self.request)(texts).to_string().as_bytes()).unwrap();
        let mut pairs = Vec::new();
        let response = (self.response)(vectors);
        asked
            .pairs(response.as_bytes(), &mut |text, vector| pairs.push((text.to_owned(), vector.to_vec())))
            .unwrap();
        pairs.sort_by(|one, other| one.0.cmp(&other.0));
        pairs
    }
}

/// The ways in which printers write a number: shortest for 32 bits and for 64, with an exponent, with more digits than
/// anybody needs, with zeros behind, with the zeros of JavaScript and of Go.
const PRINTERS: [fn(f32) -> String; 8] = [
    |x| serde_json::to_string(&x).unwrap(),
    |x| serde_json::to_string(&f64::from(x)).unwrap(),
    |x| format!("{x:e}"),
    |x| format!("{:E}", f64::from(x)),
    |x| format!("{:.16e}", f64::from(x)),
    |x| format!("{:.60}", f64::from(x)),
    |x| if x == 0.0 { "0".to_owned() } else { format!("{x}") },
    |x| if x == 0.0 { "-0".to_owned() } else { format!("{:.24e}", f64::from(x)).replace('e', "000e") },
];

fn printed(vector: &[f32], printer: usize) -> String {
    let numbers: Vec<_> = vector.iter().map(|x| PRINTERS[printer](*x)).collect();
    format!("[{}]", numbers.join(","))
}

fn base64(vector: &[f32]) -> String {
    let bytes: Vec<u8> = vector.iter().flat_map(|x| x.to_le_bytes()).collect();
    format!("\"{}\"", BASE64_STANDARD.encode(bytes))
}

/// Any finite numbers, as often those of embeddings: below one, and zeros of both signs.
fn vector() -> impl Strategy<Value = Vec<f32>> {
    let any = any::<u32>().prop_map(f32::from_bits).prop_filter("finite", |x| x.is_finite());
    let component = prop_oneof![4 => -1f32..1.0, 2 => any, 1 => select(&[0.0, -0.0, 1.0, 5e-8][..])];
    vec(component, 2..24)
        .prop_filter("a zero vector names nothing", |vector| vector.iter().any(|x| *x != 0.0))
}

fn texts() -> impl Strategy<Value = Vec<String>> {
    btree_set("[a-z\\\\\"\\né🙂]{0,8}[a-z]", 1..8)
        .prop_map(|texts: BTreeSet<String>| texts.into_iter().collect())
}

/// Says of a request's texts that they are documents, in the way of its form.
fn mark_as_documents(request: &mut Value) {
    for list in ["requests", "instances"] {
        for entry in request.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            entry["taskType"] = json!("RETRIEVAL_DOCUMENT");
        }
    }
    request["input_type"] = json!("search_document");
}

proptest! {
    #[test]
    fn every_text_of_a_call_gets_its_own_vector(
        wire in 0..WIRES.len(),
        mut texts in texts(),
        vectors in vec(vector(), 8),
        printer in 0..=PRINTERS.len(),
    ) {
        let wire = &WIRES[wire];
        texts.truncate(if wire.many { texts.len() } else { 1 });
        let print = |vector: &Vec<f32>| if printer < PRINTERS.len() { printed(vector, printer) } else { base64(vector) };
        let written: Vec<_> = vectors.iter().take(texts.len()).map(print).collect();
        let expected: Vec<_> = texts.iter().cloned().zip(vectors).collect();
        prop_assert_eq!(wire.pairs(&texts, &written), expected);
    }

    #[test]
    fn a_vector_that_was_remembered_is_found_however_a_search_prints_it(
        wire in 0..WIRES.len(),
        vector in vector(),
        printers in (0..PRINTERS.len(), 0..PRINTERS.len()),
    ) {
        let memory = Memory::new(MemorySettings::default(), &[7; 32]);
        for (text, vector) in WIRES[wire].pairs(&["a question".to_owned()], &[printed(&vector, printers.0)]) {
            prop_assert!(memory.remember(&vector, &text));
        }
        let (search, mut read) = (printed(&vector, printers.1), Vec::new());
        prop_assert!(json::floats(json::Value::parse(search.as_bytes()).unwrap(), &mut read));
        prop_assert!(memory.recall(&read) == Recalled::Known("a question".to_owned().into()));
    }

    #[test]
    fn another_vector_is_never_found(
        wire in 0..WIRES.len(),
        vector in vector(),
        at in any::<Index>(),
        change in 0..5,
        other in any::<u32>(),
    ) {
        let mut another = vector.clone();
        let at = at.index(vector.len());
        match change {
            // The next number after it.
            0 => another[at] = f32::from_bits(another[at].to_bits() ^ 1),
            1 => another[at] = f32::from_bits(other),
            2 => another.push(0.0),
            3 => drop(another.pop()),
            _ => another.swap(0, at),
        }
        let zeros = |vector: &[f32]| vector.iter().map(|x| (x + 0.0).to_bits()).collect::<Vec<_>>();
        prop_assume!(zeros(&another) != zeros(&vector));
        let memory = Memory::new(MemorySettings::default(), &[7; 32]);
        for (text, vector) in WIRES[wire].pairs(&["a question".to_owned()], &[printed(&vector, 1)]) {
            prop_assert!(memory.remember(&vector, &text));
        }
        prop_assert!(memory.recall(&another) == Recalled::Unknown);
    }

    #[test]
    fn documents_and_long_lists_and_blank_texts_are_never_remembered(
        wire in (0..WIRES.len()).prop_filter("takes lists", |wire| WIRES[*wire].many),
        text in "[a-z]{1,8}",
        length in prop_oneof![17..40usize, 250..300usize],
        blank in "[ \\n\\t\u{200b}\u{a0}]{0,4}",
    ) {
        let read = |request: &Value| WIRES[wire].asked(request.to_string().as_bytes()).err();
        let long = (WIRES[wire].request)(&vec![text.clone(); length]);
        prop_assert_eq!(read(&long), Some(Skip::LongList));
        prop_assert_eq!(read(&(WIRES[wire].request)(&[blank])), Some(Skip::Empty));
        for texts in [1, length] {
            let mut marked = (WIRES[wire].request)(&vec![text.clone(); texts]);
            mark_as_documents(&mut marked);
            let skip = read(&marked);
            prop_assert!(matches!(skip, Some(Skip::Document | Skip::LongList)), "{:?}", skip);
        }
    }

    #[test]
    fn no_bytes_panic(bytes in vec(any::<u8>(), 0..64), wire in 0..WIRES.len()) {
        let wire = &WIRES[wire];
        let _ = wire.asked(&bytes);
        let asked = wire.asked((wire.request)(&["a".to_owned()]).to_string().as_bytes()).unwrap();
        prop_assert_eq!(asked.pairs(&bytes, &mut |_, _| ()), Err(Skip::BadResponse));
    }

    #[test]
    fn no_json_panics(
        pieces in vec(select(&PIECES[..]), 0..24),
        wire in 0..WIRES.len(),
        damaged in subsequence((0..160).collect::<Vec<usize>>(), 0..4),
    ) {
        let wire = &WIRES[wire];
        let mut bytes = pieces.concat().into_bytes();
        let _ = wire.asked(&bytes);
        let texts = ["a".to_owned()];
        let asked = wire.asked((wire.request)(&texts).to_string().as_bytes()).unwrap();
        let _ = asked.pairs(&bytes, &mut |_, _| ());
        for whole in [(wire.request)(&texts).to_string(), (wire.response)(&["[1,2]".to_owned()])] {
            bytes = whole.into_bytes();
            for at in &damaged {
                if let Some(byte) = bytes.get_mut(*at) {
                    *byte = PIECES[at % PIECES.len()].as_bytes()[0];
                }
            }
            let _ = wire.asked(&bytes);
            let _ = asked.pairs(&bytes, &mut |_, _| ());
        }
    }
}

/// What requests and responses are made of.
const PIECES: [&str; 30] = [
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"input\":",
    "\"texts\":",
    "\"prompt\":",
    "\"requests\":",
    "\"instances\":",
    "\"content\":",
    "\"parts\":",
    "\"text\":",
    "\"data\":",
    "\"embedding\":",
    "\"embeddings\":",
    "\"index\":",
    "\"values\":",
    "\"predictions\":",
    "\"model\":\"text-embedding-3-small\"",
    "\"a\"",
    "\"AACAPwAAAMA=\"",
    "1",
    "-0",
    "1e999",
    "null",
    "18446744073709551615",
    "[1,2]",
    "{\"text\":\"a\"}",
];
