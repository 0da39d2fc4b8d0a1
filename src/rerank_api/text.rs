//! Texts with half a character in them.

use std::fmt;

use serde::de::{Deserializer, Error, Visitor};

use crate::json::Value;

/// The text of a JSON string that may hold lone surrogates, which JavaScript makes where it cuts a text inside a
/// character. They become U+FFFD, as in Cohere's own reader; `None` for what is no string.
pub(super) fn lossy(value: Value<'_>) -> Option<String> {
    struct Lossy;
    impl Visitor<'_> for Lossy {
        type Value = String;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a string")
        }

        // serde_json writes a lone surrogate as the three bytes that UTF-8 does not allow.
        fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<String, E> {
            Ok(String::from_utf8_lossy(bytes).replace("\u{fffd}\u{fffd}\u{fffd}", "\u{fffd}"))
        }
    }
    serde_json::Deserializer::from_str(value.text()).deserialize_bytes(Lossy).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Option<String> {
        lossy(Value::parse(json.as_bytes()).unwrap())
    }

    #[test]
    fn half_a_character_becomes_the_replacement_character() {
        assert_eq!(read(r#""cut \ud83d""#).unwrap(), "cut \u{fffd}");
        assert_eq!(read(r#""\ude00 a \ud83d\ude00 \ud83d b\n""#).unwrap(), "\u{fffd} a 😀 \u{fffd} b\n");
        assert_eq!(read(r#""plain""#).unwrap(), "plain");
        assert_eq!(read("[1]"), None);
    }
}
