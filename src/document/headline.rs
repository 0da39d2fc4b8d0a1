//! A document's first words, for lists of documents.

use std::borrow::Cow;

/// A name for a document, on one line of at most `most` characters: the first value of one with several fields (its
/// title, where there is one), else how its text begins. What is longer ends in `…`.
pub fn headline(document: &str, most: usize) -> String {
    let (first, rest) = document.split_once('\n').unwrap_or((document, ""));
    let value = match first.split_once(": ") {
        Some((key, value)) if !key.is_empty() && !key.contains(char::is_whitespace) => value,
        _ => first,
    };
    // A value of several lines, and one that wants quotes, as a document's YAML has them.
    let text = match value {
        "|-" => Cow::Borrowed(rest.lines().find(|line| !line.trim().is_empty()).unwrap_or_default()),
        _ => unquoted(value),
    };
    let mut words = text.split_whitespace();
    let mut out = words.next().unwrap_or_default().to_owned();
    for word in words {
        if out.chars().count() > most {
            break;
        }
        out.push(' ');
        out.push_str(word);
    }
    match out.char_indices().nth(most) {
        None => out,
        Some(_) => out.chars().take(most.saturating_sub(1)).chain(['…']).collect(),
    }
}

fn unquoted(value: &str) -> Cow<'_, str> {
    let Some(inside) = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')) else {
        return Cow::Borrowed(value);
    };
    let mut out = String::with_capacity(inside.len());
    let mut chars = inside.chars();
    while let Some(c) = chars.next() {
        out.extend(if c == '\\' { chars.next() } else { Some(c) });
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_named_by_its_title_or_by_how_it_begins() {
        for (document, name) in [
            ("title: Descaling a kettle\ntext: White crust …", "Descaling a kettle"),
            ("title: \"a: \\\"b\\\"\"\ntext: x", "a: \"b\""),
            ("name: |-\n  First line\n  second\ntext: x", "First line"),
            ("Just a text, of one field: this.\nmore", "Just a text, of one field: this."),
            ("https://example.org/a", "https://example.org/a"),
            ("several \t blanks", "several blanks"),
            ("", ""),
            ("k: |-", ""),
            ("\"", "\""),
        ] {
            assert_eq!(headline(document, 90), name, "{document}");
        }
    }

    #[test]
    fn what_is_longer_is_cut_at_a_character() {
        assert_eq!(headline("陳陳陳 陳陳陳", 5), "陳陳陳 …");
        assert_eq!(headline(&"x".repeat(91), 90).chars().count(), 90);
        assert_eq!(headline("12345", 5), "12345");
    }
}
