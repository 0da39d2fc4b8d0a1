//! Text as a model should read it: no control characters, one kind of line break, no white space around.

use std::borrow::Cow;

use crate::json::bytes::text_until;

/// `text` without control characters and byte-order marks, with `\n` line breaks, trimmed as a whole and at
/// each line's end. Most texts are like this already: they are not copied.
pub(super) fn text<'a>(text: impl Into<Cow<'a, str>>) -> Cow<'a, str> {
    let text = text.into();
    match cleaned(&text) {
        Some(clean) => Cow::Owned(trimmed(clean)),
        None => match text {
            Cow::Borrowed(text) => Cow::Borrowed(text.trim()),
            Cow::Owned(text) => Cow::Owned(trimmed(text)),
        },
    }
}

fn trimmed(text: String) -> String {
    match text.trim() {
        trimmed if trimmed.len() == text.len() => text,
        trimmed => trimmed.to_owned(),
    }
}

/// What becomes of a character.
enum Change {
    Keep,
    Drop,
    /// A line break, written so or otherwise.
    Break,
}

/// The text with what has to change inside it; `None` where nothing has.
fn cleaned(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let ascii = text.is_ascii();
    let mut out = String::new();
    // Up to `done`, the text is in `out`, changed or not; before `at` it is known what becomes of it.
    let (mut done, mut at) = (0, 0);
    loop {
        at = text_until(bytes, at, ascii);
        let Some(c) = text.get(at..).and_then(|rest| rest.chars().next()) else { break };
        let end = at + c.len_utf8();
        let change = change(c, bytes.get(end) == Some(&b'\n'));
        let before = text.get(done..at).unwrap_or_default();
        let blank = match before.as_bytes().last() {
            Some(last) => matches!(last, b' ' | b'\t'),
            None => out.ends_with([' ', '\t']),
        };
        if matches!(change, Change::Keep) || (c == '\n' && !blank) {
            at = end;
            continue;
        }
        out.reserve(text.len() - done);
        out.push_str(before);
        if matches!(change, Change::Break) {
            out.truncate(out.trim_end_matches([' ', '\t']).len());
            out.push('\n');
        }
        (done, at) = (end, end);
    }
    if done == 0 {
        return None;
    }
    out.push_str(text.get(done..).unwrap_or_default());
    Some(out)
}

fn change(c: char, before_line_feed: bool) -> Change {
    match c {
        '\r' if before_line_feed => Change::Drop,
        // YAML 1.1 readers take the last two for line breaks as well.
        '\r' | '\n' | '\u{2028}' | '\u{2029}' => Change::Break,
        '\t' => Change::Keep,
        '\u{feff}' | '\u{fffe}' | '\u{ffff}' => Change::Drop,
        c if c.is_control() => Change::Drop,
        _ => Change::Keep,
    }
}

/// The same on one line, for keys.
pub(super) fn line(key: &str) -> Cow<'_, str> {
    match text(key) {
        clean if clean.contains(['\n', '\t']) => Cow::Owned(clean.replace(['\n', '\t'], " ")),
        clean => clean,
    }
}

/// The longest start of `text` that fits, cut between characters.
pub(super) fn cut(text: &str, max_bytes: usize) -> &str {
    let mut end = max_bytes.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].trim_end()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(text: &str) -> String {
        super::text(Cow::Borrowed(text)).into_owned()
    }

    /// Character by character.
    fn slow_text(text: &str) -> String {
        let mut out = String::new();
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            match c {
                '\r' if chars.peek() == Some(&'\n') => {}
                '\r' | '\n' | '\u{2028}' | '\u{2029}' => {
                    out.truncate(out.trim_end_matches([' ', '\t']).len());
                    out.push('\n');
                }
                '\t' => out.push('\t'),
                '\u{feff}' | '\u{fffe}' | '\u{ffff}' => {}
                c if c.is_control() => {}
                c => out.push(c),
            }
        }
        out.trim().to_owned()
    }

    proptest! {
        #[test]
        fn texts_are_cleaned_as_character_by_character(
            odd in "[a \t\r\n\u{0}\u{7f}\u{85}\u{a0}\u{2019}\u{2028}\u{2029}\u{feff}\u{fffe}\u{ff0c}é🙂]{0,40}",
            long in "([a-z ]{0,80}[\n\r\u{2028}é]){0,4}",
            any in any::<String>(),
        ) {
            for sample in [&odd, &long, &any] {
                prop_assert_eq!(text(sample), slow_text(sample));
                prop_assert_eq!(super::text(Cow::Owned(sample.clone())).into_owned(), slow_text(sample));
            }
        }
    }

    #[test]
    fn a_clean_text_is_not_copied() {
        let clean = " One line,\nanother — \"quoted\", caf\u{e9}.\n\tA third. ";
        assert!(matches!(super::text(Cow::Borrowed(clean)), Cow::Borrowed(text) if text == clean.trim()));
    }

    #[test]
    fn control_characters_go_and_line_breaks_become_one_kind() {
        assert_eq!(text(" a\u{0}b \r\nc\rd\u{2028}e\u{85}\u{feff} \t"), "ab\nc\nd\ne");
        assert_eq!(text("  \n\t "), "");
        assert_eq!(line("a\nb"), "a b");
    }

    #[test]
    fn a_cut_never_splits_a_character() {
        assert_eq!(cut("aé€🙂", 2), "a");
        assert_eq!(cut("aé€🙂", 9), "aé€");
        assert_eq!(cut("aé€🙂", 99), "aé€🙂");
        assert_eq!(cut("a", 0), "");
    }
}
