//! Lines of input files, and what is wrong with them. A problem names file, line and what was expected, and never quotes
//! what is there: it may be the text of a query.

use std::{collections::BTreeMap, fmt, io, marker::PhantomData, path::Path};

use serde::{
    Serialize,
    de::{Deserialize, Deserializer, MapAccess, Visitor},
};
use serde_json::value::RawValue;

/// A file that was read, so that a later reader can check whether it is the same one.
#[derive(Clone, Debug, Serialize)]
pub struct InputFile {
    /// What it holds.
    pub role: &'static str,
    /// Its name.
    pub name: String,
    /// Its size.
    pub bytes: usize,
    /// Its SHA-256 in hexadecimal digits, as `sha256sum` writes it.
    pub sha256: String,
}

/// A file that was read.
#[derive(Clone)]
pub struct Input {
    /// Its name in problems.
    pub name: String,
    /// What it holds.
    pub bytes: Vec<u8>,
}

impl Input {
    /// Reads it. Blocks on the disk.
    pub fn read(path: &Path) -> Result<Self, InputProblems> {
        let bytes = std::fs::read(path).map_err(|error| InputProblems::unreadable(path, &error))?;
        Ok(Self { name: path.display().to_string(), bytes })
    }

    /// What a report says of it.
    pub(super) fn described(&self, role: &'static str) -> InputFile {
        let digest = ring::digest::digest(&ring::digest::SHA256, &self.bytes);
        let sha256 = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        InputFile { role, name: self.name.clone(), bytes: self.bytes.len(), sha256 }
    }
}

/// What is wrong with one line of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputProblem {
    /// The file, as it was named.
    pub file: String,
    /// The line, from 1; 0 for the file as a whole.
    pub line: usize,
    /// What was expected.
    pub expected: String,
}

/// Everything that is wrong with the input, in the order of the lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InputProblems(pub Vec<InputProblem>);

impl InputProblems {
    /// `value`, or all that is wrong.
    pub fn or<T>(self, value: T) -> Result<T, Self> {
        if self.0.is_empty() { Ok(value) } else { Err(self) }
    }

    /// The problem of a file that cannot be read.
    pub fn unreadable(file: &Path, error: &io::Error) -> Self {
        let expected = format!("the file cannot be read: {}", error.kind());
        Self(vec![InputProblem { file: file.display().to_string(), line: 0, expected }])
    }
}

impl std::error::Error for InputProblems {}

impl fmt::Display for InputProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.file, self.expected),
            line => write!(f, "{}:{line}: {}", self.file, self.expected),
        }
    }
}

/// More than so many problems are counted only.
const MOST_REPORTED: usize = 50;

impl fmt::Display for InputProblems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, problem) in self.0.iter().take(MOST_REPORTED).enumerate() {
            write!(f, "{}{problem}", if at == 0 { "" } else { "\n" })?;
        }
        match self.0.len().checked_sub(MOST_REPORTED) {
            None | Some(0) => Ok(()),
            Some(more) => write!(f, "\nand {more} more"),
        }
    }
}

/// The lines of a text file that are not blank, with their numbers. What is not UTF-8 is `None`.
pub fn lines(bytes: &[u8]) -> impl Iterator<Item = (usize, Option<&str>)> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    bytes
        .split(|&byte| byte == b'\n')
        .enumerate()
        .map(|(at, line)| (at + 1, std::str::from_utf8(line.trim_ascii()).ok()))
        .filter(|(_, line)| *line != Some(""))
}

/// The members of a JSON object, unread; `Err` is what was expected.
pub struct Members<'a>(BTreeMap<String, &'a RawValue>);

impl<'a> Members<'a> {
    /// Of one line.
    pub fn read(line: &'a str) -> Result<Self, String> {
        if !line.starts_with('{') {
            return Err("expected a JSON object".to_owned());
        }
        let Pairs(members) = serde_json::from_str(line).map_err(|error| syntax(&error))?;
        let count = members.len();
        let members: BTreeMap<String, &RawValue> = members.into_iter().collect();
        if members.len() < count {
            return Err("expected each member once".to_owned());
        }
        Ok(Self(members))
    }

    /// That every member has one of these names.
    pub fn only(&self, known: &[&str]) -> Result<(), String> {
        let unknown = self.0.keys().any(|key| !known.contains(&key.as_str()));
        if unknown { Err(format!("expected no members but {}", known.join(", "))) } else { Ok(()) }
    }

    /// The bytes of a member that is there and not null.
    pub fn raw(&self, name: &str) -> Option<&'a str> {
        self.0.get(name).map(|raw| raw.get()).filter(|raw| *raw != "null")
    }

    /// A member as `T`; absent and null are `None`.
    pub fn get<T: serde::de::DeserializeOwned>(&self, name: &str, what: &str) -> Result<Option<T>, String> {
        let Some(raw) = self.raw(name) else { return Ok(None) };
        serde_json::from_str(raw).map(Some).map_err(|_| format!("expected `{name}` to be {what}"))
    }

    /// An id: a string, or a whole number.
    pub fn id(&self, name: &str) -> Result<Option<String>, String> {
        let wrong = || format!("expected `{name}` to be a string or a whole number");
        self.raw(name).map(|raw| id(raw).ok_or_else(wrong)).transpose()
    }
}

/// The members of a JSON object as they stand, one that comes twice too.
pub struct Pairs<T>(pub Vec<(String, T)>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Pairs<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(PairsVisitor(PhantomData))
    }
}

struct PairsVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for PairsVisitor<T> {
    type Value = Pairs<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut pairs = Vec::new();
        while let Some(pair) = map.next_entry()? {
            pairs.push(pair);
        }
        Ok(Pairs(pairs))
    }
}

/// An id as JSON has it: a string that is not blank, or a whole number.
pub fn id(raw: &str) -> Option<String> {
    if raw.parse::<u64>().is_ok() || raw.parse::<i64>().is_ok() {
        return Some(raw.to_owned());
    }
    serde_json::from_str::<String>(raw).ok().filter(|id| !id.trim().is_empty())
}

/// Where a line stops to be JSON. What the parser says of syntax quotes nothing; the rest of what it says might.
fn syntax(error: &serde_json::Error) -> String {
    format!("expected JSON: it breaks off or goes wrong at column {}", error.column())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blank_lines_are_counted_and_skipped() {
        let found: Vec<_> = lines(b"\xef\xbb\xbfa\r\n\n  \nb\n\xff\n").collect();
        assert_eq!(found, [(1, Some("a")), (4, Some("b")), (5, None)]);
    }

    #[test]
    fn no_problem_quotes_the_line() {
        for line in [r#"{"text": "secret"#, r#"["secret"]"#, r#"{"secret": 1} secret"#, "secret"] {
            let Err(problem) = Members::read(line) else { panic!("{line}") };
            assert!(problem.starts_with("expected") && !problem.contains("secret"), "{problem}");
        }
        let members = Members::read(r#"{"limit": "secret", "secret": 1, "id": [1], "n": null}"#).unwrap();
        for problem in [
            members.get::<u64>("limit", "a number").unwrap_err(),
            members.only(&["limit"]).unwrap_err(),
            members.id("id").unwrap_err(),
        ] {
            assert!(!problem.contains("secret"), "{problem}");
        }
        assert_eq!(members.get::<u64>("n", "a number"), Ok(None));
    }

    #[test]
    fn a_member_that_comes_twice_is_no_object_to_be_read() {
        let Err(problem) = Members::read(r#"{"id": "a", "text": "t", "id": "b"}"#) else { panic!("read") };
        assert_eq!(problem, "expected each member once");
    }

    #[test]
    fn ids_are_strings_or_whole_numbers() {
        assert_eq!(id("18446744073709551615").as_deref(), Some("18446744073709551615"));
        assert_eq!(id(r#""a-b""#).as_deref(), Some("a-b"));
        for bad in ["1.5", "\" \"", "true", "[1]"] {
            assert_eq!(id(bad), None, "{bad}");
        }
    }

    #[test]
    fn many_problems_are_cut_short() {
        let one = |line| InputProblem { file: "f".into(), line, expected: "expected x".into() };
        let text = InputProblems((1..=60).map(one).collect()).to_string();
        assert!(text.starts_with("f:1: expected x\nf:2:") && text.ends_with("\nand 10 more"), "{text}");
    }
}
