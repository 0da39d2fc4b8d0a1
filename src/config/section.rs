//! Reading one map of the tree: unknown keys, wrong shapes and bad values become problems, all of them.

use super::{
    hints,
    node::{MapEntry, Node, Value},
    origin::Origin,
    problem::Problems,
    values::nearest,
};

/// What is said of a key that stands in the wrong section, by the section's path and the key.
pub(super) type Elsewhere = fn(&str, &str) -> Option<String>;

pub(super) struct Section<'a> {
    pub(super) path: String,
    origin: Origin,
    entries: &'a [MapEntry],
    elsewhere: Elsewhere,
}

impl<'a> Section<'a> {
    /// The map at `node`, with a problem for every key that is not in `known`.
    pub(super) fn open(
        node: Option<&'a Node>,
        path: impl Into<String>,
        known: &[&str],
        elsewhere: Elsewhere,
        problems: &mut Problems,
    ) -> Self {
        let path = path.into();
        let origin = node.map_or(Origin::Nowhere, |node| node.origin.clone());
        let entries: &[MapEntry] = match node.map(|node| &node.value) {
            None | Some(Value::Null) => &[],
            Some(Value::Map(entries)) => entries,
            Some(_) => {
                problems.add(&path, &origin, no_map(&path));
                &[]
            }
        };
        let section = Self { path, origin, entries, elsewhere };
        for entry in entries.iter().filter(|entry| !known.contains(&entry.key.as_str())) {
            let path = section.path_of(&entry.key);
            let near = nearest(&entry.key, known);
            // One of several, or several of one.
            let same = near.is_some_and(|near| near.trim_end_matches('s') == entry.key.trim_end_matches('s'));
            let hint = match (elsewhere(&section.path, &entry.key).filter(|_| !same), near) {
                (Some(hint), _) => hint,
                (None, Some(near)) => format!("did you mean `{near}`?"),
                (None, None) => format!("known here: {}.", known.join(", ")),
            };
            problems.add(&path, &entry.origin, format!("unknown key `{}`; {hint}", entry.key));
        }
        section
    }

    /// The section at `key`, with problems as of [`Self::open`].
    pub(super) fn inside(&self, key: &str, known: &[&str], problems: &mut Problems) -> Section<'a> {
        Section::open(self.node(key), self.path_of(key), known, self.elsewhere, problems)
    }

    /// An item of the list at `key` as a section, with problems as of [`Self::open`].
    pub(super) fn item(
        &self,
        (key, at): (&str, usize),
        item: &'a Node,
        known: &[&str],
        problems: &mut Problems,
    ) -> Section<'a> {
        Section::open(Some(item), format!("{}[{at}]", self.path_of(key)), known, self.elsewhere, problems)
    }

    /// The section at `key`, whose problems with keys have been noted already.
    pub(super) fn again(&self, key: &str) -> Section<'a> {
        let node = self.node(key);
        let entries: &[MapEntry] = match node.map(|node| &node.value) {
            Some(Value::Map(entries)) => entries,
            _ => &[],
        };
        let origin = node.map_or(Origin::Nowhere, |node| node.origin.clone());
        Section { path: self.path_of(key), origin, entries, elsewhere: self.elsewhere }
    }

    pub(super) fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    pub(super) fn entries(&self) -> &'a [MapEntry] {
        self.entries
    }

    /// The value of `key`, also if it is null.
    pub(super) fn node(&self, key: &str) -> Option<&'a Node> {
        self.entries.iter().find(|entry| entry.key == key).map(|entry| &entry.node)
    }

    /// Whether `key` has a value that is not null.
    pub(super) fn has(&self, key: &str) -> bool {
        self.node(key).is_some_and(|node| !matches!(node.value, Value::Null))
    }

    /// A problem with the value of `key`, or with the section if the key is not written.
    pub(super) fn complain(&self, key: &str, sentence: impl Into<String>, problems: &mut Problems) {
        let origin = self.node(key).map_or(&self.origin, |node| &node.origin);
        problems.add(&self.path_of(key), origin, sentence);
    }

    /// The parsed scalar at `key`; null and absent are the same.
    pub(super) fn read<T>(
        &self,
        key: &str,
        problems: &mut Problems,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        match &self.node(key)?.value {
            Value::Null => None,
            Value::Text(text) => match self.meant(key, text).and_then(&parse) {
                Ok(value) => Some(value),
                Err(sentence) => {
                    self.complain(key, sentence, problems);
                    None
                }
            },
            Value::List(_) | Value::Map(_) => {
                self.complain(key, "this has to be one value, not a list or a map.", problems);
                None
            }
        }
    }

    /// The text, unless it cannot be any value.
    fn meant<'t>(&self, key: &str, text: &'t str) -> Result<&'t str, String> {
        let origin = self.node(key).map_or(&self.origin, |node| &node.origin);
        hints::not_a_value(text, origin).map_or(Ok(text), |sentence| Err(sentence.to_owned()))
    }

    /// Replaces `slot` if `key` has a good value.
    pub(super) fn set<T>(
        &self,
        key: &str,
        slot: &mut T,
        problems: &mut Problems,
        parse: impl Fn(&str) -> Result<T, String>,
    ) {
        if let Some(value) = self.read(key, problems, parse) {
            *slot = value;
        }
    }

    /// Like `set`; a written null empties the slot, so that a route can undo what the base sets.
    pub(super) fn set_option<T>(
        &self,
        key: &str,
        slot: &mut Option<T>,
        problems: &mut Problems,
        parse: impl Fn(&str) -> Result<T, String>,
    ) {
        match self.node(key) {
            Some(node) if matches!(node.value, Value::Null) => *slot = None,
            _ => {
                if let Some(value) = self.read(key, problems, parse) {
                    *slot = Some(value);
                }
            }
        }
    }

    /// Replaces `slot` by the list at `key`; one scalar is a list of one, of the environment a comma list.
    pub(super) fn set_list<T>(
        &self,
        key: &str,
        slot: &mut Vec<T>,
        problems: &mut Problems,
        parse: impl Fn(&str) -> Result<T, String>,
    ) {
        let Some(node) = self.node(key) else { return };
        let path = self.path_of(key);
        if let Value::Text(text) = &node.value
            && let Some(sentence) = hints::not_a_value(text, &node.origin)
        {
            return problems.add(&path, &node.origin, sentence);
        }
        // (path, where, text), or None for what is no text
        let items: Vec<(String, &Origin, Option<&str>)> = match &node.value {
            Value::Null => return,
            Value::Text(text) if matches!(node.origin, Origin::Named(_)) => {
                text.split(',').map(|text| (path.clone(), &node.origin, Some(text.trim()))).collect()
            }
            Value::Text(text) => vec![(path, &node.origin, Some(text.as_str()))],
            Value::List(items) => items
                .iter()
                .enumerate()
                .map(|(i, item)| match &item.value {
                    Value::Text(text) => (format!("{path}[{i}]"), &item.origin, Some(text.as_str())),
                    _ => (format!("{path}[{i}]"), &item.origin, None),
                })
                .collect(),
            Value::Map(_) => vec![(path, &node.origin, None)],
        };
        let mut values = Vec::new();
        for (path, origin, text) in items {
            let meant = text.map(|text| match hints::not_a_value(text, origin) {
                Some(sentence) => Err(sentence.to_owned()),
                None => parse(text),
            });
            match meant {
                Some(Ok(value)) => values.push(value),
                Some(Err(sentence)) => problems.add(&path, origin, sentence),
                None => problems.add(&path, origin, "this has to be a list of texts, such as [a, b]."),
            }
        }
        *slot = values;
    }
}

/// What to write where a map belongs.
fn no_map(path: &str) -> &'static str {
    match path {
        "providers" => {
            "this has to be a map from names to settings, such as `cohere: {}`; which of them are asked, and in what \
             order, says rerank.providers."
        }
        _ if path.ends_with(".upstream") => {
            "this has to be a map of settings: write the URL below it, as `url: http://…` (with its scheme)."
        }
        "tenants" => "this has to be a map of settings: the tenants stand below it in `names`.",
        "embeddings.services" => {
            "this has to be a map from names to settings, such as `azure: { url: https://…, form: openai }`."
        }
        _ if path.starts_with("embeddings.services.") => {
            "this has to be a map of settings: write the URL below it, as `url: https://…`."
        }
        _ if path.ends_with("].tls") || path == "rerank_api.tls" || path == "embeddings.tls" => {
            "this has to be a map of settings: TLS needs `cert_file` and `key_file`."
        }
        _ => "this has to be a map of settings (`key: value` lines).",
    }
}
