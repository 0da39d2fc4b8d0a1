//! The names of keys in Redis. Nothing in them can be read back into a query or a document.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::QueryId;

/// Makes the names, all under one prefix.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    prefix: String,
}

impl Keys {
    pub(super) fn new(prefix: &str) -> Self {
        Self { prefix: prefix.to_owned() }
    }

    /// The scores of a query.
    pub(super) fn query(&self, id: &QueryId) -> String {
        format!("{}:q:{}", self.prefix, URL_SAFE_NO_PAD.encode(id))
    }

    /// The sealed text of the vector that has this name by a keyed hash.
    pub(super) fn text(&self, vector: &[u8; 16]) -> String {
        format!("{}:e:{}", self.prefix, URL_SAFE_NO_PAD.encode(vector))
    }

    /// Calls made and what is spent under the limits of `name`, which is a name of the configuration. One key: a
    /// cluster runs one script over keys of one slot only.
    pub(super) fn limits(&self, name: &str) -> String {
        format!("{}:l:{}", self.prefix, utf8_percent_encode(name, NON_ALPHANUMERIC))
    }

    /// How rare words are in a collection, which has this name by a keyed hash.
    pub(super) fn words(&self, collection: u64) -> String {
        format!("{}:w:{}", self.prefix, URL_SAFE_NO_PAD.encode(collection.to_le_bytes()))
    }

    /// A key of no meaning, each time on another node of a cluster.
    pub(super) fn probe(&self) -> String {
        format!("{}:p:{}", self.prefix, URL_SAFE_NO_PAD.encode(fastrand::u128(..).to_le_bytes()))
    }
}

/// Whether keys can begin with it. Braces would put all keys into one slot of a cluster.
pub fn is_prefix(text: &str) -> bool {
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | ':' | '/');
    (1..=64).contains(&text.len()) && text.chars().all(good)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_show_their_kind_and_no_text() {
        let keys = Keys::new("rerankd");
        assert_eq!(keys.query(&[255; 16]), "rerankd:q:_____________________w");
        assert_eq!(keys.text(&[0; 16]), "rerankd:e:AAAAAAAAAAAAAAAAAAAAAA");
        assert_eq!(keys.limits("my {co} here"), "rerankd:l:my%20%7Bco%7D%20here");
        assert_eq!(keys.words(u64::MAX), "rerankd:w:__________8");
        assert_ne!(keys.probe(), keys.probe());
    }

    #[test]
    fn a_prefix_cannot_put_all_keys_into_one_slot() {
        assert!(is_prefix("team-a:rerankd") && is_prefix("r"));
        assert!(!is_prefix("") && !is_prefix("{a}") && !is_prefix("a b") && !is_prefix(&"a".repeat(65)));
    }
}
