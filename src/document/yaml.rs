//! A YAML emitter for flat documents: readable first, and still YAML.
//!
//! Raw UTF-8, no folding, quotes only where a reader would take a text for something else.

use std::borrow::Cow;

/// A value as it is written.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Scalar<'a> {
    /// A text, cleaned and not empty.
    Text(Cow<'a, str>),
    /// A number or boolean in its JSON spelling.
    AsIs(Cow<'a, str>),
}

impl<'a> Scalar<'a> {
    pub(super) fn into_text(self) -> Cow<'a, str> {
        match self {
            Self::Text(text) => text,
            Self::AsIs(text) => text,
        }
    }
}

/// `key: value` lines. Keys and texts have been through `clean`; keys have one line and are distinct.
pub(super) fn render(entries: &[(Cow<'_, str>, Scalar<'_>)]) -> String {
    with_head(entries).0
}

/// The same, and where the last of them begins.
pub(super) fn with_head(entries: &[(Cow<'_, str>, Scalar<'_>)]) -> (String, usize) {
    let mut out = String::with_capacity(entries.iter().map(|(key, scalar)| key.len() + room(scalar)).sum());
    let mut head = 0;
    for (key, scalar) in entries {
        if !out.is_empty() {
            out.push('\n');
        }
        head = out.len();
        one_line(&mut out, key);
        out.push_str(": ");
        match scalar {
            Scalar::AsIs(text) => out.push_str(text),
            Scalar::Text(text) if memchr::memchr(b'\n', text.as_bytes()).is_some() => block(&mut out, text),
            Scalar::Text(text) => one_line(&mut out, text),
        }
    }
    (out, head)
}

/// The bytes that a value takes, roughly.
fn room(scalar: &Scalar<'_>) -> usize {
    const AROUND: usize = 8;
    match scalar {
        Scalar::AsIs(text) => text.len() + AROUND,
        // A line in eighty bytes or so is set in by two.
        Scalar::Text(text) => text.len() + text.len() / 32 + AROUND,
    }
}

/// The text starts and ends with visible characters, so that it needs no indentation indicator.
fn block(out: &mut String, text: &str) {
    out.push_str("|-");
    let mut start = 0;
    for end in memchr::memchr_iter(b'\n', text.as_bytes()).chain([text.len()]) {
        let line = text.get(start..end).unwrap_or_default();
        out.push('\n');
        if !line.is_empty() {
            out.push_str("  ");
            out.push_str(line);
        }
        start = end + 1;
    }
}

fn one_line(out: &mut String, text: &str) {
    if is_plain(text) {
        out.push_str(text);
        return;
    }
    out.push('"');
    for c in text.chars() {
        if matches!(c, '"' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
}

/// Whether a reader of YAML 1.1 or 1.2 takes these characters for just this text (YAML 1.2.2 §7.3.3).
fn is_plain(text: &str) -> bool {
    let Some(first) = text.chars().next() else { return false };
    !"-?:,[]{}#&*!|>'\"%@`".contains(first)
        && !has_sign(text.as_bytes())
        && !text.ends_with(':')
        && !is_word(text)
        && !is_number_like(text)
}

/// Whether `: `, ` #` or a tab is in it.
fn has_sign(text: &[u8]) -> bool {
    memchr::memchr3_iter(b':', b'#', b'\t', text).any(|at| match text.get(at) {
        Some(b':') => text.get(at + 1) == Some(&b' '),
        Some(b'#') => at.checked_sub(1).and_then(|before| text.get(before)) == Some(&b' '),
        _ => true,
    })
}

/// The words of YAML 1.1 and 1.2 that are no strings.
fn is_word(text: &str) -> bool {
    const WORDS: [&str; 11] = ["null", "~", "true", "false", "yes", "no", "on", "off", "<<", "=", ".nan"];
    text.len() <= 5 && WORDS.iter().any(|word| text.eq_ignore_ascii_case(word))
}

/// Numbers in all bases, infinities, dates, times, and some texts besides: quotes cost little.
fn is_number_like(text: &str) -> bool {
    let start = text.starts_with(|c: char| c.is_ascii_digit() || "+.".contains(c));
    start && text.chars().all(|c| c.is_ascii_hexdigit() || "xXoO_.+-:tTzZ infINF".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> String {
        render(&[("k".into(), Scalar::Text(text.into()))])
    }

    #[test]
    fn readable_texts_stay_unquoted() {
        for text in
            ["Größe — 5 cm", "it's \"fine\"", "a:b c#d", "http://x.org/a?b", "v1.2", "陳美玲 🙂", "3 days"]
        {
            assert_eq!(line(text), format!("k: {text}"));
        }
    }

    #[test]
    fn what_would_be_read_as_something_else_is_quoted() {
        for text in
            ["42", "1e5", "yes", "Null", "- a", "a: b", "a #b", "2026-02-02T01:30:00Z", "x:", "[a]", "..."]
        {
            assert_eq!(line(text), format!("k: \"{text}\""));
        }
        assert_eq!(line("\"a\\b\""), r#"k: "\"a\\b\"""#);
    }

    #[test]
    fn several_lines_are_a_block_scalar() {
        assert_eq!(line("a: b\n\n  c\nd"), "k: |-\n  a: b\n\n    c\n  d");
    }
}
