//! The syntax of `simple_query_string`. Source: Lucene's `SimpleQueryParser`.

use super::{Found, MOST_BRACKETS, Words, unescaped};
use crate::wire::json::{Kind, Value};

/// Which signs mean something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Flags(u64);

impl Flags {
    const ALL: Flags = Flags(u64::MAX);
    const AND: u64 = 1;
    const NOT: u64 = 1 << 1;
    const OR: u64 = 1 << 2;
    const PREFIX: u64 = 1 << 3;
    const PHRASE: u64 = 1 << 4;
    const PRECEDENCE: u64 = 1 << 5;
    const ESCAPE: u64 = 1 << 6;
    const WHITESPACE: u64 = 1 << 7;
    const FUZZY: u64 = 1 << 8;
    const NEAR: u64 = 1 << 9;

    /// `"OR|AND|PREFIX"`, a number of bits, or everything where nothing is said.
    pub(in super::super) fn read(flags: Option<Value<'_>>) -> Self {
        let Some(flags) = flags.filter(|flags| !flags.is_null()) else { return Self::ALL };
        if flags.kind() == Kind::Number {
            return flags.as_u64().map_or(Self::ALL, Self);
        }
        let names = flags.as_str().unwrap_or_default();
        let bits = names.split('|').map(|name| match name.trim().to_ascii_uppercase().as_str() {
            "AND" => Self::AND,
            "NOT" => Self::NOT,
            "OR" => Self::OR,
            "PREFIX" => Self::PREFIX,
            "PHRASE" => Self::PHRASE,
            "PRECEDENCE" => Self::PRECEDENCE,
            "ESCAPE" => Self::ESCAPE,
            "WHITESPACE" => Self::WHITESPACE,
            "FUZZY" => Self::FUZZY,
            "NEAR" | "SLOP" => Self::NEAR,
            "NONE" => 0,
            _ => u64::MAX,
        });
        if names.trim().is_empty() { Self::ALL } else { Self(bits.fold(0, |all, bit| all | bit)) }
    }

    fn has(self, flag: u64) -> bool {
        self.0 & flag != 0
    }
}

/// The words that a query looks for.
pub(in super::super) fn simple_query_string(query: &str, flags: Flags) -> Vec<Words> {
    if memchr::memchr_iter(b'(', query.as_bytes()).count() > MOST_BRACKETS {
        return Vec::new();
    }
    let closing = if flags.has(Flags::PRECEDENCE) { closing(query, flags) } else { Vec::new() };
    let mut parser =
        Parser { query, flags, closing, at: 0, found: Found::default(), excluded: false, groups: Vec::new() };
    while parser.step() {}
    parser.found.parts
}

/// The opening brackets that are closed, in their order, and where.
fn closing(query: &str, flags: Flags) -> Vec<(usize, usize)> {
    let mut open = Vec::new();
    let mut pairs = Vec::new();
    let mut escaped = false;
    for (at, byte) in query.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if flags.has(Flags::ESCAPE) => escaped = true,
            b'(' => open.push(at),
            b')' => pairs.extend(open.pop().map(|start| (start, at))),
            _ => {}
        }
    }
    pairs.sort_unstable();
    pairs
}

struct Parser<'a> {
    query: &'a str,
    flags: Flags,
    closing: Vec<(usize, usize)>,
    at: usize,
    found: Found,
    /// The next clause is excluded; two signs in a row cancel each other.
    excluded: bool,
    /// Where the groups end that are being read, and whether they are excluded.
    groups: Vec<(usize, bool)>,
}

impl<'a> Parser<'a> {
    /// Reads one clause or sign.
    fn step(&mut self) -> bool {
        let Some(char) = self.query.get(self.at..).and_then(|rest| rest.chars().next()) else { return false };
        let is = |sign: char, flag: u64| char == sign && self.flags.has(flag);
        if is('-', Flags::NOT) {
            self.excluded = !self.excluded;
            self.at += 1;
            return true;
        }
        if is('(', Flags::PRECEDENCE) {
            self.open();
        } else if is(')', Flags::PRECEDENCE) {
            if self.groups.last().is_some_and(|(end, _)| *end == self.at) {
                self.groups.pop();
            }
            self.at += 1;
        } else if is('"', Flags::PHRASE) {
            self.phrase();
        } else if is('+', Flags::AND)
            || is('|', Flags::OR)
            || (self.is_space(char) && self.flags.has(Flags::WHITESPACE))
        {
            self.at += char.len_utf8();
        } else {
            self.token();
        }
        // Not even a space may stand between the sign and what it excludes.
        self.excluded = false;
        true
    }

    fn is_space(&self, char: char) -> bool {
        matches!(char, ' ' | '\t' | '\n' | '\r')
    }

    /// Where the group that is being read ends.
    fn end(&self) -> usize {
        self.groups.last().map_or(self.query.len(), |(end, _)| *end)
    }

    fn in_excluded(&self) -> bool {
        self.excluded || self.groups.last().is_some_and(|(_, excluded)| *excluded)
    }

    fn open(&mut self) {
        if let Ok(pair) = self.closing.binary_search_by_key(&self.at, |(start, _)| *start) {
            let excluded = self.in_excluded();
            self.groups.push((self.closing[pair].1, excluded));
        }
        self.at += 1;
    }

    fn phrase(&mut self) {
        let start = self.at + 1;
        let text = self.query.get(start..self.end()).unwrap_or_default();
        let Some(length) = self.length(text, |char| char == '"').filter(|length| *length < text.len()) else {
            // A quotation mark that stands alone is nothing.
            self.at = start;
            return;
        };
        self.push(&text[..length]);
        self.at = start + length + 1;
        let rest = self.query.get(self.at..self.end()).unwrap_or_default();
        if self.flags.has(Flags::NEAR)
            && let Some(slop) = rest.strip_prefix('~')
        {
            let digits = slop.len() - slop.trim_start_matches(|c: char| c.is_ascii_digit()).len();
            self.at += 1 + digits;
        }
    }

    fn token(&mut self) {
        let text = self.query.get(self.at..self.end()).unwrap_or_default();
        let flags = self.flags;
        let ends = |char: char| match char {
            '"' => flags.has(Flags::PHRASE),
            '|' => flags.has(Flags::OR),
            '+' => flags.has(Flags::AND),
            '(' | ')' => flags.has(Flags::PRECEDENCE),
            ' ' | '\t' | '\n' | '\r' => flags.has(Flags::WHITESPACE),
            _ => false,
        };
        let length = self.length(text, ends).unwrap_or(text.len());
        let mut word = &text[..length];
        if flags.has(Flags::FUZZY)
            && let Some((stem, number)) = word.rsplit_once('~')
            && !stem.ends_with('\\')
            && number.bytes().all(|byte| byte.is_ascii_digit())
        {
            word = stem;
        }
        if flags.has(Flags::PREFIX) && !word.ends_with("\\*") {
            word = word.strip_suffix('*').unwrap_or(word);
        }
        self.push(word);
        // Of a text that ends here there is one sign at least.
        self.at += length.max(1);
    }

    /// How much of `text` stands before the first such sign without a backslash before it.
    fn length(&self, text: &str, ends: impl Fn(char) -> bool) -> Option<usize> {
        let mut escaped = false;
        for (at, char) in text.char_indices() {
            match char {
                _ if escaped => escaped = false,
                '\\' if self.flags.has(Flags::ESCAPE) => escaped = true,
                char if ends(char) => return Some(at),
                _ => {}
            }
        }
        None
    }

    fn push(&mut self, text: &str) {
        if !self.in_excluded() {
            let text = if self.flags.has(Flags::ESCAPE) { unescaped(text) } else { text.to_owned() };
            self.found.push(None, &text);
        }
    }
}
