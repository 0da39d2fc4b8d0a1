//! Text as a model should read it: no control characters, one kind of line break, no white space around.

/// `text` without control characters and byte-order marks, with `\n` line breaks, trimmed as a whole and at
/// each line's end.
pub(super) fn text(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\r' if chars.peek() == Some(&'\n') => {}
            // YAML 1.1 readers take these two for line breaks as well.
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
    match out.trim() {
        trimmed if trimmed.len() == out.len() => out,
        trimmed => trimmed.to_owned(),
    }
}

/// The same on one line, for keys.
pub(super) fn line(key: &str) -> String {
    text(key).replace(['\n', '\t'], " ")
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
    use super::*;

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
