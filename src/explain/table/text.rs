//! Text of other people's on a terminal: no control character of it gets there.

use std::{fmt::Write, time::Duration};

use super::WIDTH;

/// A text without control characters but line breaks and tabs; those are written as escapes.
pub(super) fn quoted(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() && !matches!(c, '\n' | '\t') || is_bidi(c) {
            shown.extend(c.escape_unicode());
        } else {
            shown.push(c);
        }
    }
    shown
}

/// These would turn the direction of what stands around them.
fn is_bidi(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The beginning of a text on one line, control characters as escapes.
pub(super) fn one_line(text: &str, most: usize) -> String {
    let mut words = String::new();
    for word in text.split_whitespace() {
        if !words.is_empty() {
            words.push(' ');
        }
        words.push_str(&quoted(word));
        if words.len() > most.saturating_mul(4) {
            break;
        }
    }
    if words.chars().count() <= most {
        return words;
    }
    words.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

/// A text line by line behind a bar, to its end or to so many characters.
pub(super) fn block(out: &mut String, text: &str, most: Option<usize>) {
    let end = most.and_then(|most| text.char_indices().nth(most)).map_or(text.len(), |(end, _)| end);
    let shown = quoted(text.get(..end).unwrap_or_default());
    // An empty text is a line too.
    for line in shown.split('\n') {
        let _ = writeln!(out, "    | {}", line.trim_end_matches('\r'));
    }
    if end < text.len() {
        let _ = writeln!(out, "    … {} bytes more: --full", text.len() - end);
    }
}

/// A sentence behind a label, its further lines as far to the right; words that are too long stand out.
pub(super) fn wrapped(out: &mut String, label: &str, sentence: &str) {
    let indent = label.chars().count();
    let mut line = label.to_owned();
    for word in sentence.split(' ') {
        let blank = line.chars().count() <= indent;
        if !blank && line.chars().count() + 1 + word.chars().count() > WIDTH {
            let _ = writeln!(out, "{line}");
            line = " ".repeat(indent);
        } else if !blank {
            line.push(' ');
        }
        line.push_str(word);
    }
    let _ = writeln!(out, "{line}");
}

/// The same sentence with a capital.
pub(super) fn capital(sentence: &str) -> String {
    let mut chars = sentence.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

pub(super) fn millis(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1e3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_escape_of_a_document_reaches_the_terminal() {
        let shown = quoted("a\u{1b}[31mred\u{7}\n\tb\u{202e}c");
        assert_eq!(shown, "a\\u{1b}[31mred\\u{7}\n\tb\\u{202e}c");
    }

    #[test]
    fn a_block_is_whole_or_says_how_much_is_missing() {
        let mut out = String::new();
        block(&mut out, "one\ntwo é", Some(5));
        assert_eq!(out, "    | one\n    | t\n    … 5 bytes more: --full\n");
        out.clear();
        block(&mut out, "one\ntwo é", None);
        assert_eq!(out, "    | one\n    | two é\n");
    }

    #[test]
    fn a_sentence_is_wrapped_behind_its_label() {
        let mut out = String::new();
        wrapped(&mut out, "label ", "word ".repeat(50).trim_end());
        let lines: Vec<&str> = out.lines().collect();
        assert_eq!(lines.len(), 3);
        assert!(lines[0].starts_with("label word") && lines[1].starts_with("      word"), "{out}");
        assert!(lines.iter().all(|line| line.len() <= WIDTH), "{out}");
    }

    #[test]
    fn a_line_is_cut_on_characters() {
        assert_eq!(one_line("  a\n\n b  ", 5), "a b");
        assert_eq!(one_line("ééééé é", 4), "ééé…");
    }
}
