use std::fmt;

use super::origin::Origin;

/// One thing that is wrong with the configuration. It never holds the value of a secret or of a URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The dotted path of the setting, with the variable or flag that gave it where it is not the file.
    pub path: String,
    /// Line in the file, from 1.
    pub line: Option<usize>,
    /// Column in the file, from 1.
    pub column: Option<usize>,
    /// What is wrong and what to write instead.
    pub sentence: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let (Some(line), Some(column)) = (self.line, self.column) {
            write!(f, "{line}:{column} ")?;
        }
        write!(f, "{}: {}", self.path, self.sentence)
    }
}

/// Every problem of a configuration, in the order of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq, thiserror::Error)]
pub struct Problems(pub Vec<Problem>);

impl Problems {
    /// Notes one more.
    pub(super) fn add(&mut self, path: &str, origin: &Origin, sentence: impl Into<String>) {
        let path = if path.is_empty() { "configuration" } else { path };
        let (line, column, path) = match origin {
            Origin::File { line, column } => (Some(*line), Some(*column), path.to_owned()),
            Origin::Named(name) if name == path => (None, None, path.to_owned()),
            Origin::Named(name) => (None, None, format!("{path} ({name})")),
            Origin::Nowhere => (None, None, path.to_owned()),
        };
        self.0.push(Problem { path, line, column, sentence: sentence.into() });
    }

    /// `value` if there are no problems, or all of them, sorted by place.
    pub(super) fn or<T>(mut self, value: T) -> Result<T, Problems> {
        if self.0.is_empty() {
            return Ok(value);
        }
        self.0.sort_by_key(|problem| (problem.line.unwrap_or(usize::MAX), problem.column));
        Err(self)
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, problem) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}
