//! Text as a model should read it: no control characters, one kind of line break, no white space around.

use std::borrow::Cow;

use crate::wire::{
    Kind, Value,
    json::{runs::until, unescape::escape},
};

/// The text of a string without control characters and byte-order marks, with `\n` line breaks, trimmed as a whole
/// and at each line's end. What is like this already is not copied. `None` for other values and where a lone surrogate
/// is in it.
pub(super) fn string(value: Value<'_>) -> Option<Cow<'_, str>> {
    if value.kind() != Kind::String {
        return None;
    }
    let quoted = match value {
        Value::Json(value) => value.text(),
        Value::Proto(value) => {
            return value.as_str().map(|whole| match whole {
                Cow::Borrowed(whole) => text(whole),
                Cow::Owned(whole) => Cow::Owned(text(&whole).into_owned()),
            });
        }
    };
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

fn as_it_is(rest: &str) -> Option<(Option<char>, usize)> {
    rest.chars().next().map(|c| (Some(c), c.len_utf8()))
}

/// How a character is rewritten.
#[derive(PartialEq)]
pub(super) enum Change {
    Keep,
    Drop,
    /// A line break, written so or otherwise.
    Break,
}

/// The text behind `written`, clean. `special` says which bytes begin what may have to change: U+0080–U+009F begin with
/// C2, U+2028 and U+2029 with E2, U+FEFF, U+FFFE and U+FFFF with EF. `read` gives the character there, if it is one, and
/// how long it is as it is written.
fn cleaned(
    written: &str,
    special: impl Fn(u8) -> bool,
    read: impl Fn(&str) -> Option<(Option<char>, usize)>,
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
        let Some(c) = c else {
            out.push_str(written.get(done..at)?);
            returned = returned.filter(|end| *end == at).map(|end| end + length);
            at += length;
            done = at;
            continue;
        };
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

pub(super) fn change(c: char) -> Change {
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
    text[..text.floor_char_boundary(max_bytes)].trim_end()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::json;

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

    /// Written as JSON, with halves of surrogate pairs strewn in.
    fn with_halves(text: &str, half: &str, at: &[prop::sample::Index]) -> String {
        let mut chars: Vec<String> = text.chars().map(|c| written(&c.to_string(), 0)).collect();
        for index in at {
            chars.insert(index.index(chars.len() + 1), format!("\"{half}\""));
        }
        let inner: String = chars.iter().map(|c| &c[1..c.len() - 1]).collect();
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
            half in prop::sample::select(&["\\ud800", "\\uDBFF", "\\udc00", "\\uDFFF"][..]),
            halves in prop::collection::vec(any::<prop::sample::Index>(), 0..5),
        ) {
            for sample in [&odd, &long, &any] {
                let json = with_halves(sample, half, &halves);
                let value = json::Value::parse(json.as_bytes()).unwrap();
                prop_assert_eq!(value.as_str(), Some(Cow::Borrowed(&**sample)));
                prop_assert_eq!(string(Value::Json(value)).map(Cow::into_owned), Some(slow_text(sample)), "{}", json);
                prop_assert_eq!(text(sample), slow_text(sample));
                for nth in 0..4 {
                    let json = written(sample, nth);
                    let value = json::Value::parse(json.as_bytes()).unwrap();
                    prop_assert_eq!(value.as_str(), Some(Cow::Borrowed(&**sample)));
                    prop_assert_eq!(string(Value::Json(value)).map(Cow::into_owned), Some(slow_text(sample)), "{}", json);
                }
            }
        }
    }

    #[test]
    fn a_clean_text_is_not_copied() {
        let clean = "\" One line, another — «quoted», caf\u{e9}. ，A third. \"";
        let value = Value::Json(json::Value::parse(clean.as_bytes()).unwrap());
        assert!(matches!(string(value), Some(Cow::Borrowed(text)) if text == clean.trim_matches(['"', ' '])));
    }

    #[test]
    fn what_is_no_string_or_no_text_is_none() {
        for json in ["1", "null", "{}", r#"["a"]"#] {
            assert_eq!(string(Value::Json(json::Value::parse(json.as_bytes()).unwrap())), None, "{json}");
        }
    }

    #[test]
    fn half_a_surrogate_pair_is_left_out_and_the_rest_stays() {
        for (json, left) in [
            (r#""red shoes \ud83d""#, "red shoes"),
            (r#""\ude00 red shoes""#, "red shoes"),
            (r#""red\uD83d shoes\udc00\ud800""#, "red shoes"),
            (r#""a\n\udc00\ud800""#, "a"),
            (r#""a\r\ud83d\nb""#, "a\nb"),
            (r#""\ud83d\ud83d\ude00\ude00""#, "\u{1f600}"),
            (r#""\ud83d""#, ""),
            (r#""\ud83d\u0000\ufeff \u2003""#, ""),
        ] {
            assert_eq!(
                string(Value::Json(json::Value::parse(json.as_bytes()).unwrap())).as_deref(),
                Some(left),
                "{json}"
            );
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
