//! The configuration as a tree of texts, each knowing where it was written.
//!
//! Variables and flags are laid over the file in this form, so that one reader checks them all.

use saphyr::{LoadableYamlNode, MarkedYaml, Scalar, YamlData};

use super::{bounds, origin::Origin, problem::Problems};

#[derive(Clone)]
pub(super) struct Node {
    pub(super) origin: Origin,
    pub(super) value: Value,
}

#[derive(Clone)]
pub(super) enum Value {
    Null,
    Text(String),
    List(Vec<Node>),
    Map(Vec<MapEntry>),
}

#[derive(Clone)]
pub(super) struct MapEntry {
    pub(super) key: String,
    pub(super) origin: Origin,
    pub(super) node: Node,
}

impl Node {
    pub(super) fn empty_map() -> Self {
        Self { origin: Origin::Nowhere, value: Value::Map(Vec::new()) }
    }

    /// A scalar of the environment or of a flag; empty means unset.
    pub(super) fn named(name: &str, text: &str) -> Self {
        let value = match text.trim() {
            "" | "null" => Value::Null,
            text => Value::Text(text.to_owned()),
        };
        Self { origin: Origin::Named(name.to_owned()), value }
    }

    /// Puts `node` at `path`, making maps on the way; what is not a map stays for the reader to complain of.
    pub(super) fn set(&mut self, path: &[&str], node: Node) {
        let Some((key, rest)) = path.split_first() else {
            *self = node;
            return;
        };
        if matches!(self.value, Value::Null) {
            self.value = Value::Map(Vec::new());
        }
        let Value::Map(entries) = &mut self.value else { return };
        let index = match entries.iter().position(|entry| entry.key == *key) {
            Some(index) => index,
            None => {
                let child = Node { origin: node.origin.clone(), value: Value::Null };
                entries.push(MapEntry { key: (*key).to_owned(), origin: node.origin.clone(), node: child });
                entries.len() - 1
            }
        };
        if let Some(entry) = entries.get_mut(index) {
            entry.node.set(rest, node);
        }
    }

    /// Whether it is a map with this key.
    pub(super) fn has(&self, key: &str) -> bool {
        matches!(&self.value, Value::Map(entries) if entries.iter().any(|entry| entry.key == key))
    }

    pub(super) fn get_mut(&mut self, key: &str) -> Option<&mut Node> {
        match &mut self.value {
            Value::Map(entries) => entries.iter_mut().find(|e| e.key == key).map(|e| &mut e.node),
            _ => None,
        }
    }
}

/// Parses one YAML document.
pub(super) fn parse(text: &str, problems: &mut Problems) -> Node {
    if let Err((origin, sentence)) = bounds::check(text) {
        problems.add("", &origin, sentence);
        return Node::empty_map();
    }
    let mut documents = match MarkedYaml::load_from_str(text) {
        Ok(documents) => documents,
        Err(error) => {
            let mark = error.marker();
            let origin = Origin::File { line: mark.line().max(1), column: mark.col() + 1 };
            problems.add("", &origin, not_yaml(text, mark.line(), error.info()));
            return Node::empty_map();
        }
    };
    if documents.len() > 1 {
        let origin = origin_of(&documents[1]);
        problems.add("", &origin, "the file holds several YAML documents; write one.");
    }
    if documents.is_empty() {
        return Node::empty_map();
    }
    let source: Vec<char> = text.chars().collect();
    convert(&documents.swap_remove(0), &source, problems)
}

/// What the parser said, and what it most likely means for that line.
fn not_yaml(text: &str, line: usize, said: &str) -> String {
    let lines = || text.lines().enumerate().map(|(at, line)| (at + 1, line));
    let is_tabbed = |line: &str| line.trim_start_matches(' ').starts_with('\t');
    if let Some((at, _)) = lines().find(|(at, text)| at.abs_diff(line) <= 1 && is_tabbed(text)) {
        return format!("this is not YAML: line {at} is indented by a tab; YAML knows blanks only ({said}).");
    }
    let near = lines().find(|(at, _)| *at == line).map_or("", |(_, line)| line);
    let hint = match near.split_once(": ").map(|(_, value)| value.trim_start()) {
        Some(value) if value.starts_with(['*', '&', '%', '@', '`', '!', '|', '>']) => {
            " (a value that begins with such a sign stands in quotation marks: \"*\")"
        }
        Some(value) if value.contains(": ") => " (a value with `: ` in it stands in quotation marks)",
        _ => "",
    };
    format!("this is not YAML: {said}{hint}.")
}

fn origin_of(yaml: &MarkedYaml<'_>) -> Origin {
    Origin::File { line: yaml.span.start.line().max(1), column: yaml.span.start.col() + 1 }
}

fn convert(yaml: &MarkedYaml<'_>, source: &[char], problems: &mut Problems) -> Node {
    let origin = origin_of(yaml);
    let value = match &yaml.data {
        YamlData::Value(Scalar::Null) => Value::Null,
        YamlData::Value(Scalar::String(text)) => Value::Text(text.to_string()),
        YamlData::Value(Scalar::Boolean(value)) => Value::Text(value.to_string()),
        // As written: a collection named 007 is not named 7.
        YamlData::Value(Scalar::Integer(value)) => {
            Value::Text(written(yaml, source).unwrap_or_else(|| value.to_string()))
        }
        YamlData::Value(Scalar::FloatingPoint(value)) => {
            Value::Text(written(yaml, source).unwrap_or_else(|| value.to_string()))
        }
        YamlData::Sequence(items) => {
            Value::List(items.iter().map(|item| convert(item, source, problems)).collect())
        }
        YamlData::Mapping(pairs) => Value::Map(
            pairs
                .iter()
                .map(|(key, node)| {
                    let key_origin = origin_of(key);
                    let key = match convert(key, source, problems).value {
                        Value::Text(key) => key,
                        _ => {
                            problems.add("", &key_origin, "a key has to be a plain word.");
                            String::new()
                        }
                    };
                    MapEntry { key, origin: key_origin, node: convert(node, source, problems) }
                })
                .filter(|entry| !entry.key.is_empty())
                .collect(),
        ),
        _ => {
            problems.add("", &origin, "tags and aliases of this kind are not understood here.");
            Value::Null
        }
    };
    Node { origin, value }
}

fn written(yaml: &MarkedYaml<'_>, source: &[char]) -> Option<String> {
    let text: String = source.get(yaml.span.start.index()..yaml.span.end.index())?.iter().collect();
    let text = text.trim();
    (!text.is_empty() && text.parse::<f64>().is_ok()).then(|| text.to_owned())
}
