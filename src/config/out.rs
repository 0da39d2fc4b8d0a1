//! [`Out`]: YAML, line by line.

use std::fmt::Write;

#[derive(Default)]
pub(super) struct Out(String);

impl Out {
    pub(super) fn into_text(self) -> String {
        self.0
    }

    pub(super) fn line(&mut self, indent: usize, text: &str) {
        // Writing to a String cannot fail.
        let _ = writeln!(self.0, "{:indent$}{text}", "");
    }

    /// What `print` writes, as an item of a list whose marks stand at `indent`.
    pub(super) fn item(&mut self, indent: usize, print: impl FnOnce(&mut Self)) {
        let start = self.0.len() + indent;
        print(self);
        if self.0.is_char_boundary(start) && self.0.get(start..start + 2) == Some("  ") {
            self.0.replace_range(start..start + 2, "- ");
        }
    }

    pub(super) fn set(&mut self, indent: usize, key: &str, value: impl std::fmt::Display) {
        let _ = writeln!(self.0, "{:indent$}{key}: {value}", "");
    }
}

/// A JSON string is a YAML one.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

pub(super) fn list(texts: &[String]) -> String {
    let texts: Vec<String> = texts.iter().map(|text| quoted(text)).collect();
    format!("[{}]", texts.join(", "))
}
