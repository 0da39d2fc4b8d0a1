//! The words that the two query syntaxes look for: no operators, ranges or patterns, and nothing that they exclude.

mod query_string;
mod simple;

use std::sync::Arc;

pub(super) use query_string::escaped;
pub(in crate::dialect) use query_string::query_string;
pub(super) use simple::{Flags, simple_query_string};

/// A query that goes from field to field more often is a program's, not a question.
const MOST_PARTS: usize = 256;
/// The same of one with more brackets.
const MOST_BRACKETS: usize = 1024;

/// Words that stand together, and the field that they name: none where the query does not say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::dialect) struct Words {
    pub(in crate::dialect) field: Option<Arc<str>>,
    pub(in crate::dialect) text: String,
}

/// The words found so far.
#[derive(Default)]
struct Found {
    parts: Vec<Words>,
    given_up: bool,
}

/// How far the words had come at some moment.
#[derive(Clone, Copy, Default)]
struct Mark {
    parts: usize,
    last: usize,
}

impl Found {
    fn push(&mut self, field: Option<Arc<str>>, text: &str) {
        let text = text.trim();
        // What is left of operators that stand alone; a letter of any script, or a picture, is a word.
        if self.given_up || !text.chars().any(|c| !c.is_ascii_punctuation() && !c.is_whitespace()) {
            return;
        }
        if let Some(last) = self.parts.last_mut().filter(|last| last.field == field) {
            last.text.push(' ');
            last.text.push_str(text);
        } else if self.parts.len() < MOST_PARTS {
            self.parts.push(Words { field, text: text.to_owned() });
        } else {
            self.give_up();
        }
    }

    fn mark(&self) -> Mark {
        Mark { parts: self.parts.len(), last: self.parts.last().map_or(0, |part| part.text.len()) }
    }

    /// Takes back what has come since then.
    fn back_to(&mut self, mark: Mark) {
        self.parts.truncate(mark.parts);
        if let Some(last) = self.parts.last_mut() {
            last.text.truncate(mark.last);
        }
    }

    /// No user has written this.
    fn give_up(&mut self) {
        (self.parts, self.given_up) = (Vec::new(), true);
    }
}

/// What is left of a query, read from the front.
#[derive(Default)]
struct Rest<'a>(&'a str);

impl<'a> Rest<'a> {
    fn peek(&self) -> Option<char> {
        self.0.chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let mut chars = self.0.chars();
        let next = chars.next();
        self.0 = chars.as_str();
        next
    }

    fn take(&mut self, prefix: &str) -> bool {
        let rest = self.0.strip_prefix(prefix);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    fn skip_space(&mut self) {
        self.0 = self.0.trim_start();
    }

    /// What comes first as long as it is of this kind.
    fn take_while(&mut self, is: impl Fn(char) -> bool) -> &'a str {
        let end = self.0.find(|c| !is(c)).unwrap_or(self.0.len());
        let (taken, rest) = self.0.split_at(end);
        self.0 = rest;
        taken
    }

    /// What stands before one of these signs, if there is one without a backslash before it; the sign goes too.
    fn take_to(&mut self, ends: &[char]) -> Option<&'a str> {
        let mut escaped = false;
        // A sign between quotation marks ends nothing but the quotation.
        let mut quoted = false;
        for (at, char) in self.0.char_indices() {
            match char {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                end if !quoted && ends.contains(&end) => {
                    let taken = &self.0[..at];
                    self.0 = &self.0[at + end.len_utf8()..];
                    return Some(taken);
                }
                '"' => quoted = !quoted,
                _ => {}
            }
        }
        None
    }
}

/// The text without its backslashes.
fn unescaped(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        match char {
            '\\' => plain.extend(escaped_char(&mut chars)),
            other => plain.push(other),
        }
    }
    plain
}

/// What stands for itself after a backslash; `\u0041` is a letter by its number.
fn escaped_char(chars: &mut std::str::Chars<'_>) -> Option<char> {
    let first = chars.next()?;
    let digits = chars.as_str().get(..4).filter(|_| first == 'u');
    let by_number = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok()).and_then(char::from_u32);
    if by_number.is_some() {
        chars.nth(3);
    }
    Some(by_number.unwrap_or(first))
}

#[cfg(test)]
mod tests;
