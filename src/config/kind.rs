//! [`Kind`]: what the value of a setting may be: how it is checked, printed, described and put into a JSON schema.

use std::sync::LazyLock;

use serde_json::{Value as Json, json};

use super::{
    boosts, hints,
    out::quoted,
    values::{self, size_words, whole},
};
use crate::rerank::HttpKind;

/// What a value may be.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    /// `true` or `false`.
    Bool,
    /// A whole number within these bounds.
    Whole(u64, u64),
    /// A relevance score, 0 to 1.
    Score,
    /// A number.
    Number,
    /// A share over 0, up to 1; also in percent.
    Share,
    /// A duration over zero.
    Duration,
    /// A duration, maybe of zero.
    Delay,
    /// A timeout; zero or null is unlimited.
    MaxWait,
    /// A size in bytes, from a least to a most one.
    Size(u64, u64),
    /// A size in bytes, or 0 to switch something off.
    SizeOrOff,
    /// One of these words.
    Word(&'static [&'static str]),
    /// The kind of a provider.
    Provider,
    /// A word of on, shadow, off; YAML 1.1's booleans are understood.
    Switch(&'static [&'static str]),
    /// An IP address with a port.
    Address,
    /// A URL with http:// or https://.
    Url,
    /// A URL of Redis. It may hold a password.
    RedisUrl,
    /// A file that can be read.
    File,
    /// A PEM file with certificates.
    Certificate,
    /// A PEM file with a private key.
    PrivateKey,
    /// A path below which a database is found.
    PathPrefix,
    /// A host name.
    ServerName,
    /// A name; not several.
    Name,
    /// Any text that its reader checks.
    Text,
    /// A pattern of collections.
    Pattern,
    /// The pattern of a route.
    RoutePattern,
    /// A pattern of ids.
    IdPattern,
    /// A dotted path.
    Dotted,
    /// A field of a document.
    FieldName,
    /// What keys of Redis begin with.
    KeyPrefix,
    /// What stands before a text; `*` is wild.
    TextPrefix,
    /// auto, `*` or names of fields.
    Fields,
    /// What becomes of scores: a word, or how both orders are fused.
    ScoreMode,
    /// What hits' fields add to relevance.
    Boosts,
    /// A list of values.
    List(&'static Kind),
    /// A section that is off by default.
    Section,
}

impl Kind {
    /// The text as a field takes it; `None` for null. Otherwise the sentence for the operator.
    pub(super) fn normal(self, text: &str) -> Result<Option<String>, String> {
        let as_is = Ok(Some(text.to_owned()));
        match self {
            Self::Bool => values::boolean(text).map(|value| Some(value.to_string())),
            Self::Whole(least, most) => whole(least, most)(text).map(|value| Some(value.to_string())),
            Self::Score => values::score(text).map(|value| Some(value.to_string())),
            Self::Number => values::number(text).map(|value| Some(value.to_string())),
            Self::Share => values::share(text).map(|value| Some(value.to_string())),
            Self::Duration => values::duration(text).and(as_is),
            Self::Delay => values::duration_or_none(text).and(as_is),
            Self::MaxWait => {
                let time = values::duration_or_none(text)?;
                Ok((!time.is_zero()).then(|| text.to_owned()))
            }
            Self::Size(least, most) => values::size(text, least, most).map(|size| Some(size.to_string())),
            Self::SizeOrOff => values::bytes_or_none(text).map(|size| Some(size.to_string())),
            Self::Word(words) => one_of(text, words),
            Self::Switch(words) => {
                let text = match text {
                    "true" if words.contains(&"on") => "on",
                    "false" => "off",
                    text => text,
                };
                one_of(text, words)
            }
            Self::Address => values::address(text).and(as_is),
            Self::Url => values::url(text).and(as_is),
            Self::File => values::readable_file(text).and(as_is),
            Self::Certificate => values::certificate_file(text).and(as_is),
            Self::PrivateKey => values::private_key_file(text).and(as_is),
            Self::PathPrefix => values::path_prefix(text).and(as_is),
            Self::ServerName => values::server_name(text).and(as_is),
            Self::Name => values::name(text).map(Some),
            Self::Pattern => values::glob(text).map(Some),
            Self::RoutePattern => values::route_glob(text).map(Some),
            Self::IdPattern => values::id_glob(text).map(Some),
            Self::Dotted => values::dotted(text).map(Some),
            Self::FieldName => values::field(text).map(Some),
            Self::KeyPrefix => values::key_prefix(text).map(Some),
            Self::TextPrefix => values::text_prefix(text).map(Some),
            Self::Provider => one_of(text, &KINDS),
            Self::RedisUrl
            | Self::Text
            | Self::Fields
            | Self::ScoreMode
            | Self::Boosts
            | Self::List(_)
            | Self::Section => as_is,
        }
    }

    /// What a field holds, as a file would say it.
    pub(super) fn words(self, text: &str) -> String {
        match self {
            Self::Size(..) | Self::SizeOrOff => text.parse().map_or_else(|_| text.to_owned(), size_words),
            Self::Share => text.parse().map_or_else(|_| text.to_owned(), share_words),
            Self::Bool
            | Self::Whole(..)
            | Self::Score
            | Self::Number
            | Self::Duration
            | Self::Delay
            | Self::MaxWait
            | Self::Word(_)
            | Self::Provider
            | Self::Switch(_)
            | Self::ScoreMode
            | Self::Boosts
            | Self::Address => text.to_owned(),
            Self::Fields if text == "auto" => text.to_owned(),
            Self::PathPrefix if text.is_empty() => "null".to_owned(),
            _ => quoted(text),
        }
    }

    /// The bounds or choices, for people; empty where the help says it or there are none.
    pub(super) fn bounds(self) -> String {
        /// A bound that no value reaches is not worth showing.
        const FAR: u64 = 1_000_000_000;
        match self {
            Self::Whole(least, most) if most < FAR => format!("{least} to {most}"),
            Self::Score => "0 to 1".to_owned(),
            Self::Number => format!("-{0} to {0}", values::MOST_NUMBER),
            Self::Share => "over 0, up to 1 (or in %)".to_owned(),
            Self::Size(least, most) if most < FAR => format!("{} to {}", size_words(least), size_words(most)),
            Self::MaxWait => "0s or null: unlimited".to_owned(),
            _ => String::new(),
        }
    }

    /// The choices.
    pub(super) fn choices(self) -> &'static [&'static str] {
        match self {
            Self::Word(words) | Self::Switch(words) => words,
            Self::Provider => &KINDS,
            Self::ScoreMode => &SCORE_WORDS,
            Self::List(kind) => kind.choices(),
            _ => &[],
        }
    }

    /// The JSON schema of a value. It rejects nothing that the reader takes; the reader may reject more.
    pub(super) fn schema(self) -> Json {
        let text = || json!({ "type": ["string", "null"] });
        let pattern = |pattern: &str| json!({ "type": ["string", "null"], "pattern": pattern });
        let number = |least: f64, most: f64, pattern: &str| {
            json!({ "anyOf": [
                { "type": "number", "minimum": least, "maximum": most },
                { "type": "string", "pattern": pattern },
                { "type": "null" },
            ] })
        };
        match self {
            Self::Bool => json!({ "enum": [true, false, "true", "false", null] }),
            Self::Whole(least, most) => json!({ "anyOf": [
                { "type": "integer", "minimum": least, "maximum": most },
                { "type": "string", "pattern": "^[0-9_+]+$" },
                { "type": "null" },
            ] }),
            Self::Score => number(0.0, 1.0, "^[0-9.eE+-]+$"),
            Self::Number => number(-values::MOST_NUMBER, values::MOST_NUMBER, "^[0-9.eE+-]+$"),
            Self::Share => number(0.0, 1.0, "^[0-9.eE+-]+ *%?$"),
            Self::Duration => pattern("^[0-9]+(\\.[0-9]+)? *[a-zA-Zµ]+[0-9a-zA-Zµ. ]*$"),
            Self::Delay | Self::MaxWait => pattern("^(0|[0-9]+(\\.[0-9]+)? *[a-zA-Zµ]+[0-9a-zA-Zµ. ]*)$"),
            Self::Size(..) | Self::SizeOrOff => json!({ "anyOf": [
                { "type": "integer", "minimum": 0 },
                { "type": "string", "pattern": "^[0-9][0-9.]* *([kKmMgGtTpP][iI]?)?[bB]?$" },
                { "type": "null" },
            ] }),
            Self::Word(words) => {
                json!({ "enum": words.iter().map(|word| json!(word)).chain([Json::Null]).collect::<Vec<_>>() })
            }
            Self::Provider => Kind::Word(&KINDS).schema(),
            Self::ScoreMode => {
                let positive = json!({ "type": ["number", "string", "null"], "minimum": 0 });
                let fuse = json!({ "enum": ["rrf", "linear", null] });
                let fused = json!({
                    "type": "object",
                    "additionalProperties": false,
                    "properties": { "fuse": fuse, "k": positive, "weight": positive },
                });
                json!({ "anyOf": [Kind::Word(&SCORE_WORDS).schema(), fused] })
            }
            Self::Boosts => boosts::schema(),
            Self::Switch(words) => {
                let booleans = [json!(true), json!(false), json!("true"), json!("false"), Json::Null];
                json!({ "enum": words.iter().map(|word| json!(word)).chain(booleans).collect::<Vec<_>>() })
            }
            Self::Url => pattern("^https?://"),
            Self::RedisUrl => pattern("^rediss?(\\+[a-z]+)?://"),
            Self::Fields | Self::List(_) => json!({ "anyOf": [
                { "type": "array", "items": { "type": ["string", "number", "boolean"] } },
                { "type": ["string", "number", "null"] },
            ] }),
            Self::Name
            | Self::Text
            | Self::Pattern
            | Self::RoutePattern
            | Self::IdPattern
            | Self::FieldName => {
                json!({ "type": ["string", "number", "boolean", "null"] })
            }
            _ => text(),
        }
    }
}

/// What becomes of scores, in one word.
pub(super) const SCORE_WORDS: [&str; 4] = ["keep", "replace", "rrf", "linear"];

/// The words of every kind of provider.
pub(super) static KINDS: LazyLock<Vec<&'static str>> =
    LazyLock::new(|| HttpKind::ALL.iter().map(|kind| kind.as_str()).chain(["lexical"]).collect());

fn one_of(text: &str, words: &[&'static str]) -> Result<Option<String>, String> {
    match values::word(text, words, |word| word) {
        Ok(word) => Ok(Some(word.to_owned())),
        Err(sentence) => Err(match hints::dialect(text).filter(|_| words.contains(&"elasticsearch")) {
            Some(hint) => format!("`{text}` is not one of {}. {hint}", words.join(", ")),
            None => sentence,
        }),
    }
}

/// In percent where that is a whole number; what is read back is the same.
fn share_words(share: f64) -> String {
    let percent = (share * 100.0).round();
    if percent / 100.0 == share { format!("{percent}%") } else { share.to_string() }
}
