//! Text as a model should read it: no control characters, one kind of line break, no white space around.

use std::borrow::Cow;

use crate::json::{Kind, Value, runs::until, unescape::escape};

/// The text of a JSON string without control characters and byte-order marks, with `\n` line breaks, trimmed as a whole
/// and at each line's end. What is like this already is not copied. `None` for other values and where a lone surrogate
/// is in it.
pub(super) fn string(value: Value<'_>) -> Option<Cow<'_, str>> {
    let quoted = value.text();
    if value.kind() != Kind::String {
        return None;
    }
    let inner = quoted.get(1..quoted.len().checked_sub(1)?)?;
    // No control characters stand there as they are, but for one.
    let special = |byte| (byte == b'\\') | (byte == 0x7f) | (byte == 0xc2) | (byte == 0xe2) | (byte == 0xef);
    cleaned(inner, special, |rest| if rest.starts_with('\\') { escape(rest) } else { as_it_is(rest) })
}

/// The same of a text that stands as it is.
pub(super) fn text(text: &str) -> Cow<'_, str> {
    let control = |byte| (byte < b' ') | (byte == 0x7f);
    let special = |byte| control(byte) | (byte == 0xc2) | (byte == 0xe2) | (byte == 0xef);
    cleaned(text, special, as_it_is).unwrap_or_default()
}

fn as_it_is(rest: &str) -> Option<(char, usize)> {
    rest.chars().next().map(|c| (c, c.len_utf8()))
}

/// What becomes of a character.
#[derive(PartialEq)]
enum Change {
    Keep,
    Drop,
    /// A line break, written so or otherwise.
    Break,
}

/// The text behind `written`, clean. `special` says which bytes begin what may have to change: U+0080–U+009F begin with
/// C2, U+2028 and U+2029 with E2, U+FEFF, U+FFFE and U+FFFF with EF. `read` gives the character there, and how long it
/// is as it is written.
fn cleaned(
    written: &str,
    special: impl Fn(u8) -> bool,
    read: impl Fn(&str) -> Option<(char, usize)>,
) -> Option<Cow<'_, str>> {
    let mut out = String::new();
    // Up to `done`, the text is in `out`; before `at` it is known what becomes of it.
    let (mut done, mut at) = (0, 0);
    // Where the last carriage return ends: a line feed there is the same line break.
    let mut returned = None;
    loop {
        at = until(written.as_bytes(), at, b'a', &special);
        let Some(rest) = written.get(at..).filter(|rest| !rest.is_empty()) else { break };
        let (c, length) = read(rest)?;
        let change = if c == '\n' && returned == Some(at) { Change::Drop } else { change(c) };
        // As it is written, a character is as long as it is; an escape is longer.
        if change == Change::Keep && length == c.len_utf8() {
            at += length;
            continue;
        }
        if out.capacity() == 0 {
            out.reserve(written.len());
        }
        out.push_str(written.get(done..at)?);
        match change {
            Change::Keep => out.push(c),
            Change::Drop => {}
            Change::Break => {
                out.truncate(out.trim_end_matches([' ', '\t']).len());
                out.push('\n');
            }
        }
        at += length;
        done = at;
        returned = (c == '\r').then_some(at);
    }
    if done == 0 {
        return Some(Cow::Borrowed(written.trim()));
    }
    out.push_str(written.get(done..)?);
    out.truncate(out.trim_end().len());
    out.drain(..out.len() - out.trim_start().len());
    Some(Cow::Owned(out))
}

fn change(c: char) -> Change {
    match c {
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
        super::text(text).into_owned()
    }

    /// Written as JSON; every `odd`th character as `\uXXXX`.
    fn written(text: &str, odd: usize) -> String {
        let character = |(at, c): (usize, char)| match c {
            c if odd > 0 && at.is_multiple_of(odd) => {
                let units = c.encode_utf16(&mut [0; 2]).to_vec();
                units.iter().map(|unit| format!("\\u{unit:04x}")).collect()
            }
            c => {
                let quoted = serde_json::to_string(&c).unwrap();
                quoted[1..quoted.len() - 1].to_owned()
            }
        };
        let inner: String = text.chars().enumerate().map(character).collect();
        format!("\"{inner}\"")
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
                for nth in 0..4 {
                    let json = written(sample, nth);
                    let value = Value::parse(json.as_bytes()).unwrap();
                    prop_assert_eq!(value.as_str(), Some(Cow::Borrowed(&**sample)));
                    prop_assert_eq!(string(value).map(Cow::into_owned), Some(slow_text(sample)), "{}", json);
                }
            }
        }
    }

    #[test]
    fn a_clean_text_is_not_copied() {
        let clean = "\" One line, another — «quoted», caf\u{e9}. ，A third. \"";
        let value = Value::parse(clean.as_bytes()).unwrap();
        assert!(matches!(string(value), Some(Cow::Borrowed(text)) if text == clean.trim_matches(['"', ' '])));
    }

    #[test]
    fn what_is_no_string_or_no_text_is_none() {
        for json in ["1", "null", "{}", r#"["a"]"#, r#""a \ud800 b""#, r#""a\n\udc00\ud800""#] {
            assert_eq!(string(Value::parse(json.as_bytes()).unwrap()), None, "{json}");
        }
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
