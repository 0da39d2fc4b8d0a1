//! Texts that a client sends as token ids, as LangChain's default for OpenAI does.

use std::sync::OnceLock;

use zeroize::Zeroizing;

use super::{Skip, vocabulary::Table};
use crate::wire::{
    Kind,
    json::{Malformed, Scanner, Value},
};

/// What the ids of a model's tokens mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Vocabulary {
    /// cl100k_base: that of all of OpenAI's embedding models.
    Cl100k,
    /// o200k_base: that of its later models for chat.
    O200k,
}

static CL100K: OnceLock<Table> = OnceLock::new();
static O200K: OnceLock<Table> = OnceLock::new();

const PACKED_CL100K: &[u8] = include_bytes!("vocabulary/cl100k_base.tkv.br");
const PACKED_O200K: &[u8] = include_bytes!("vocabulary/o200k_base.tkv.br");

/// Beginnings of names, and what those of the models mean that have them; the first that fits counts.
const MODELS: [(&str, Option<Vocabulary>); 16] = [
    ("gpt-oss", None),
    ("o4-mini", Some(Vocabulary::O200k)),
    ("o3", Some(Vocabulary::O200k)),
    ("o1", Some(Vocabulary::O200k)),
    ("chatgpt-4o", Some(Vocabulary::O200k)),
    ("gpt-5", Some(Vocabulary::O200k)),
    ("gpt-4.5", Some(Vocabulary::O200k)),
    ("gpt-4.1", Some(Vocabulary::O200k)),
    ("gpt-4o", Some(Vocabulary::O200k)),
    ("gpt-4", Some(Vocabulary::Cl100k)),
    ("gpt-3.5", Some(Vocabulary::Cl100k)),
    ("gpt-35-turbo", Some(Vocabulary::Cl100k)),
    ("davinci-002", Some(Vocabulary::Cl100k)),
    ("babbage-002", Some(Vocabulary::Cl100k)),
    ("text-embedding-3", Some(Vocabulary::Cl100k)),
    ("text-embedding-ada", Some(Vocabulary::Cl100k)),
];

impl Vocabulary {
    /// That of a model by its name, also behind the name of its maker (`openai/text-embedding-3-small`); `None` for
    /// models whose ids are not known here.
    pub(super) fn of(model: &str) -> Option<Self> {
        let name = model.rsplit('/').next().unwrap_or_default();
        let name = name.strip_prefix("ft:").unwrap_or(name);
        MODELS.iter().find(|(beginning, _)| name.starts_with(beginning))?.1
    }

    fn table(self) -> &'static Table {
        match self {
            Self::Cl100k => CL100K.get_or_init(|| Table::unpacked(PACKED_CL100K)),
            Self::O200k => O200K.get_or_init(|| Table::unpacked(PACKED_O200K)),
        }
    }
}

/// Whether reading this request would unpack the vocabulary of embedding models first: it seems to have token ids, and is
/// the first one.
pub(super) fn would_unpack(request: &[u8]) -> bool {
    CL100K.get().is_none() && may_have_ids(request)
}

/// Whether an array of numbers may be in a request.
fn may_have_ids(request: &[u8]) -> bool {
    memchr::memchr_iter(b'[', request).any(|at| {
        let inside = request.get(at + 1..).unwrap_or_default().trim_ascii_start();
        inside.first().is_some_and(u8::is_ascii_digit)
    })
}

/// The text of a list of token ids; an error if one of them means no text, or all of them no valid one.
pub(super) fn text_of(ids: Value<'_>, vocabulary: Option<Vocabulary>) -> Result<Zeroizing<String>, Skip> {
    let vocabulary = vocabulary.ok_or(Skip::Tokens)?;
    let tokens = read(ids, vocabulary.table()).map_err(|_| Skip::Tokens)?;
    joined(&tokens).ok_or(Skip::Tokens)
}

/// The text of the token ids of a model of OpenAI's; `None` where the model is another, or one of them means no text.
pub fn text_of_ids(ids: &[u64], model: &str) -> Option<Zeroizing<String>> {
    let table = Vocabulary::of(model)?.table();
    let tokens: Option<Vec<_>> = ids.iter().map(|&id| table.token(usize::try_from(id).ok()?)).collect();
    joined(&tokens?)
}

fn joined(tokens: &[&[u8]]) -> Option<Zeroizing<String>> {
    // Room for all at once: a text that grew would leave copies of itself behind.
    let length = tokens.iter().map(|token| token.len()).sum();
    let mut text = Zeroizing::new(Vec::with_capacity(length));
    tokens.iter().for_each(|token| text.extend_from_slice(token));
    match String::from_utf8(std::mem::take(&mut *text)) {
        Ok(text) => Some(Zeroizing::new(text)),
        // Cut within a character, where a longer text was sent in parts.
        Err(error) => {
            drop(Zeroizing::new(error.into_bytes()));
            None
        }
    }
}

fn read(ids: Value<'_>, table: &'static Table) -> Result<Vec<&'static [u8]>, Malformed> {
    let mut tokens = Vec::new();
    let list = Scanner::whole(ids.text().as_bytes(), |scanner| {
        scanner.items(|scanner| {
            let id = scanner.skip()?.as_u64().and_then(|id| usize::try_from(id).ok());
            tokens.push(id.and_then(|id| table.token(id)).ok_or(Malformed)?);
            Ok(())
        })
    })?;
    list.map(|_| tokens).ok_or(Malformed)
}

/// Whether an array holds numbers, which in a place for a text are token ids.
pub(super) fn is_ids(array: Value<'_>) -> bool {
    array.first_items(1).is_some_and(|first| first.first().is_some_and(|first| first.kind() == Kind::Number))
}

#[cfg(test)]
mod tests {
    use base64::prelude::{BASE64_STANDARD, Engine as _};

    use super::*;

    fn text(ids: &str, vocabulary: Option<Vocabulary>) -> Result<String, Skip> {
        text_of(Value::parse(ids.as_bytes()).unwrap(), vocabulary).map(|text| text.to_string())
    }

    #[test]
    fn a_text_is_read_from_its_token_ids() {
        let cl100k = "[5269, 656,358,636,264,198,69583,369,264,3389,5542]";
        assert_eq!(
            text(cl100k, Some(Vocabulary::Cl100k)).as_deref(),
            Ok("how do I get a\nrefund for a late train")
        );
        assert_eq!(text("[24912,2375]", Some(Vocabulary::O200k)).as_deref(), Ok("hello world"));
        assert_eq!(text("[]", Some(Vocabulary::Cl100k)).as_deref(), Ok(""));
    }

    #[test]
    fn every_text_comes_back_from_the_ids_that_a_client_makes_of_it() {
        for (encoding, vocabulary) in [("cl100k_base", Vocabulary::Cl100k), ("o200k_base", Vocabulary::O200k)]
        {
            let encoding = tiktoken::get_encoding(encoding).unwrap();
            for original in
                ["Wie komme ich an mein Geld?", "東京の天気は？ 🙂🏳️‍🌈", "a\n\n  b\t\"c\" {d}", "<|endoftext|>"]
            {
                let ids = serde_json::to_string(&encoding.encode(original)).unwrap();
                assert_eq!(text(&ids, Some(vocabulary)).as_deref(), Ok(original), "{vocabulary:?}");
            }
        }
    }

    #[test]
    fn ids_that_mean_no_text_give_none() {
        for ids in [
            // Beyond the last token, and the end of a text.
            "[5269,100256]",
            "[5269,100257]",
            "[4294967296]",
            "[18446744073709551616]",
            "[-1]",
            "[1.5]",
            "[5269,\"a\"]",
            // Half of a character.
            "[9468]",
        ] {
            assert_eq!(text(ids, Some(Vocabulary::Cl100k)), Err(Skip::Tokens), "{ids}");
        }
        assert_eq!(text("[5269]", None), Err(Skip::Tokens), "an unknown model");
    }

    #[test]
    fn only_a_request_that_seems_to_have_token_ids_unpacks_a_vocabulary() {
        for ids in [r#"{"input":[[64]]}"#, r#"{"input":[ 64]}"#, "{\"input\":[\n  [\n64"] {
            assert!(may_have_ids(ids.as_bytes()), "{ids}");
        }
        for none in ["", "[", r#"{"input":["64"]}"#, r#"{"input":"a","dimensions":64}"#] {
            assert!(!may_have_ids(none.as_bytes()), "{none}");
        }
        Vocabulary::Cl100k.table();
        assert!(!would_unpack(b"[64]"), "it is unpacked once");
    }

    #[test]
    fn a_models_vocabulary_is_known_by_its_name() {
        for model in ["text-embedding-3-small", "text-embedding-ada-002", "openai/text-embedding-3-large"] {
            assert_eq!(Vocabulary::of(model), Some(Vocabulary::Cl100k), "{model}");
        }
        assert_eq!(Vocabulary::of("gpt-4o-mini"), Some(Vocabulary::O200k));
        for model in
            ["", "bge-m3", "text-embedding-004", "text-embedding-nomic-embed-text-v1.5", "ada", "qwen3"]
        {
            assert_eq!(Vocabulary::of(model), None, "{model}");
        }
    }

    #[test]
    fn names_mean_what_the_tokenizers_own_list_says() {
        for name in [
            "ada",
            "davinci",
            "babbage-002",
            "davinci-002",
            "gpt-2",
            "gpt-3",
            "gpt-3.5-turbo-0125",
            "gpt-35-turbo",
            "gpt-4",
            "gpt-4-turbo",
            "gpt-4.1-mini",
            "gpt-4.5-preview",
            "gpt-4o-mini",
            "gpt-5",
            "gpt-5.4-mini",
            "gpt-oss-120b",
            "chatgpt-4o-latest",
            "o1",
            "o3-mini",
            "o4-mini",
            "o4",
            "ft:gpt-4o:org::1",
            "ft:gpt-3.5-turbo",
            "text-embedding-3-small",
            "text-embedding-ada-002",
            "text-embedding-004",
            "text-embedding-v3",
            "text-ada-001",
            "text-davinci-003",
            "code-davinci-002",
            "text-search-ada-doc-001",
            "mistral-embed",
            "",
        ] {
            let theirs = match tiktoken::model_to_encoding(name) {
                Some("cl100k_base") => Some(Vocabulary::Cl100k),
                Some("o200k_base") => Some(Vocabulary::O200k),
                _ => None,
            };
            assert_eq!(Vocabulary::of(name), theirs, "{name}");
        }
    }

    #[test]
    fn the_tables_are_those_that_openai_publishes() {
        // SHA-256 of the files, as OpenAI's own tokenizer checks them.
        for (vocabulary, published) in [
            (Vocabulary::Cl100k, "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7"),
            (Vocabulary::O200k, "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d"),
        ] {
            let (table, mut file) = (vocabulary.table(), String::new());
            for id in 0..table.count() {
                file += &format!("{} {id}\n", BASE64_STANDARD.encode(table.token(id).unwrap()));
            }
            let digest = ring::digest::digest(&ring::digest::SHA256, file.as_bytes());
            let digest: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(digest, published);
        }
    }
}
