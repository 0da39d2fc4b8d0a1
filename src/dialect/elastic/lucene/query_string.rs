//! The syntax of `query_string` and of the parameter `q`.
//! Source: Lucene's `QueryParser.jj`, and the ranges that Elasticsearch reads into `>`, `>=`, `<` and `<=`.

use std::sync::Arc;

use super::{Found, MOST_BRACKETS, Mark, Rest, Words, unescaped};

/// Signs that end a term. `+` and `-` are letters inside one, and so are `&`, `|`, `<`, `>` and `=`.
const ENDS: [char; 11] = ['"', '(', ')', '[', ']', '{', '}', '^', '~', ':', '!'];

/// A field's name, in bytes.
const LONGEST_NAME: usize = 256;

/// The words that a query looks for, with the fields that it names.
pub(in crate::dialect) fn query_string(query: &str) -> Vec<Words> {
    let mut parser = Parser { rest: Rest(query), ..Parser::default() };
    while parser.step() {}
    parser.found.parts
}

/// A query whose signs all stand for themselves; Elasticsearch's `escape: true`.
pub(in super::super) fn escaped(query: &str) -> String {
    let mut text = String::with_capacity(query.len());
    for char in query.chars() {
        if ENDS.contains(&char) || "\\+-*?|&/".contains(char) {
            text.push('\\');
        }
        text.push(char);
    }
    text
}

/// What holds inside a pair of round brackets.
#[derive(Clone, Default)]
struct Group {
    field: Option<Arc<str>>,
    excluded: bool,
    /// What had been found before.
    start: Mark,
}

#[derive(Default)]
struct Parser<'a> {
    rest: Rest<'a>,
    found: Found,
    /// The group that is read, and those around it.
    group: Group,
    outer: Vec<Group>,
    /// What was said of the clause that comes next.
    excluded: bool,
    field: Option<Arc<str>>,
    /// There is no end of this kind any more: such a sign stands alone.
    no_quote: bool,
    no_range: bool,
    no_regex: bool,
}

impl<'a> Parser<'a> {
    /// Reads one clause, or a sign before it.
    fn step(&mut self) -> bool {
        self.rest.skip_space();
        let Some(first) = self.rest.peek() else { return false };
        match first {
            '+' => self.sign(false),
            '-' | '!' => self.sign(true),
            '(' => self.open(),
            ')' => self.close(),
            '"' => self.phrase(),
            '[' | '{' => self.range(),
            '/' if !self.no_regex => self.regex(),
            ']' | '}' | ':' => self.sign(self.excluded),
            '^' | '~' => {
                self.modifiers();
            }
            _ if self.rest.take("&&") || self.rest.take("||") => self.excluded = false,
            _ => self.term(),
        }
        true
    }

    fn sign(&mut self, excludes: bool) {
        self.rest.next();
        self.excluded = excludes;
    }

    /// What the clause that follows looks in.
    fn take_field(&mut self) -> Option<Arc<str>> {
        self.field.take().or_else(|| self.group.field.clone())
    }

    fn take_excluded(&mut self) -> bool {
        std::mem::take(&mut self.excluded) || self.group.excluded
    }

    fn open(&mut self) {
        self.rest.next();
        if self.outer.len() >= MOST_BRACKETS {
            self.found.give_up();
            self.rest = Rest("");
            return;
        }
        let group =
            Group { field: self.take_field(), excluded: self.take_excluded(), start: self.found.mark() };
        self.outer.push(std::mem::replace(&mut self.group, group));
    }

    fn close(&mut self) {
        self.rest.next();
        (self.excluded, self.field) = (false, None);
        let Some(outer) = self.outer.pop() else { return };
        let group = std::mem::replace(&mut self.group, outer);
        if self.modifiers() {
            self.found.back_to(group.start);
        }
    }

    fn phrase(&mut self) {
        self.rest.next();
        let text = if self.no_quote { None } else { self.rest.take_to(&['"']) };
        let Some(text) = text else {
            self.no_quote = true;
            return;
        };
        self.clause(&unescaped(text));
    }

    fn range(&mut self) {
        self.rest.next();
        let range = if self.no_range { None } else { self.rest.take_to(&[']', '}']) };
        match range {
            Some(_) => self.clause(""),
            None => self.no_range = true,
        }
    }

    fn regex(&mut self) {
        self.rest.next();
        match self.rest.take_to(&['/']) {
            Some(_) => self.clause(""),
            None => self.no_regex = true,
        }
    }

    /// The clause has been read: what stands behind it, and whether its words count.
    fn clause(&mut self, text: &str) {
        let (field, excluded) = (self.take_field(), self.take_excluded());
        let no_weight = self.modifiers();
        if !excluded && !no_weight {
            self.found.push(field, text);
        }
    }

    /// Fuzziness, slop and boost of what stands before them; whether that has a weight of 0.
    fn modifiers(&mut self) -> bool {
        let mut no_weight = false;
        loop {
            let mut after = Rest(self.rest.0);
            after.skip_space();
            let boost = match after.next() {
                Some('^') => true,
                Some('~') => false,
                _ => return no_weight,
            };
            self.rest = after;
            let number = self.rest.take_while(|c| c.is_ascii_digit() || matches!(c, '.' | '-'));
            no_weight |= boost && number.parse() == Ok(0.0);
        }
    }

    fn term(&mut self) {
        let term = self.read_term();
        match term {
            "AND" | "OR" => {
                self.excluded = false;
                return;
            }
            "NOT" => {
                self.excluded = true;
                return;
            }
            _ => {}
        }
        let mut after = Rest(self.rest.0);
        after.skip_space();
        if after.take(":") {
            self.rest = after;
            // Longer names are no field's.
            let name = if term.len() > LONGEST_NAME { String::new() } else { unescaped(term) };
            self.field = Some(name.into());
            return;
        }
        let range = term.starts_with(['<', '>']);
        self.clause(&if range { String::new() } else { word(term) });
    }

    /// As it is written, up to a sign that ends it. One sign at least.
    fn read_term(&mut self) -> &'a str {
        let text = self.rest.0;
        let mut escaped = false;
        let mut end = text.len();
        for (at, char) in text.char_indices() {
            match char {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                // A slash begins a regular expression wherever there is another one.
                '/' if !self.no_regex && at > 0 => {
                    let mut after = Rest(&text[at + 1..]);
                    if after.take_to(&['/']).is_some() {
                        end = at;
                        break;
                    }
                    self.no_regex = true;
                }
                char if at > 0 && (char.is_whitespace() || ENDS.contains(&char)) => {
                    end = at;
                    break;
                }
                _ => {}
            }
        }
        self.rest = Rest(&text[end..]);
        &text[..end]
    }
}

/// The word of a term: a star or question mark at its ends is taken off, and one inside makes it a pattern.
fn word(term: &str) -> String {
    let wild = ['*', '?'];
    let mut inner = term.trim_start_matches(wild);
    while let Some(shorter) = inner.strip_suffix(wild) {
        let backslashes = shorter.len() - shorter.trim_end_matches('\\').len();
        if backslashes % 2 == 1 {
            break;
        }
        inner = shorter;
    }
    let pattern = Rest(inner).take_to(&wild).is_some();
    if pattern { String::new() } else { unescaped(inner) }
}
