//! The text of a string, from how it is written.

use std::borrow::Cow;

/// The text of a well-formed string with its quotes. `half` stands for each half of a surrogate pair, which is no
/// character: chunkers that cut between UTF-16 units leave them behind.
pub(super) fn unquoted<'a>(quoted: &'a str, escaped: bool, half: &str) -> Option<Cow<'a, str>> {
    let inner = quoted.get(1..quoted.len().checked_sub(1)?)?;
    if escaped { unescaped(inner, half).map(Cow::Owned) } else { Some(Cow::Borrowed(inner)) }
}

/// What stands between the quotes, without escapes.
fn unescaped(inner: &str, half: &str) -> Option<String> {
    let mut out = String::with_capacity(inner.len());
    let mut rest = inner;
    while let Some(at) = memchr::memchr(b'\\', rest.as_bytes()) {
        out.push_str(rest.get(..at)?);
        let (c, length) = escape(rest.get(at..)?)?;
        match c {
            Some(c) => out.push(c),
            None => out.push_str(half),
        }
        rest = rest.get(at + length..)?;
    }
    out.push_str(rest);
    Some(out)
}

/// The character that the escape at the start of `rest` stands for, `None` for half a surrogate pair; and how long the
/// escape is.
pub(crate) fn escape(rest: &str) -> Option<(Option<char>, usize)> {
    let c = match rest.as_bytes().get(1)? {
        b'n' => '\n',
        b't' => '\t',
        b'r' => '\r',
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'u' => return unicode(rest.get(1..)?).map(|(c, length)| (c, length + 1)),
        &same => char::from(same),
    };
    Some((Some(c), 2))
}

/// The character of one `\uXXXX`, or of the two that make a pair; how long it is without the first backslash.
fn unicode(escape: &str) -> Option<(Option<char>, usize)> {
    let unit = |from: usize| u32::from_str_radix(escape.get(from..from + 4)?, 16).ok();
    let first = unit(1)?;
    if let Some(c) = char::from_u32(first) {
        return Some((Some(c), 5));
    }
    let pair = escape.get(5..7) == Some("\\u") && (0xd800..0xdc00).contains(&first);
    let Some(second) = unit(7).filter(|second| pair && (0xdc00..0xe000).contains(second)) else {
        return Some((None, 5));
    };
    let c = char::from_u32(0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00))?;
    Some((Some(c), 11))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PIECES: [&str; 21] = [
        "a",
        "é🙂",
        "\\n",
        "\\t",
        "\\r",
        "\\b",
        "\\f",
        "\\\"",
        "\\\\",
        "\\/",
        "\\u0000",
        "\\u00e9",
        "\\uFFFF",
        "\\ud83d",
        "\\uDE00",
        "\\ud83d\\ude00",
        "\\uDBFF\\uDFFF",
        "long enough for more than a few words",
        "\\ud800",
        "u",
        "d800",
    ];

    /// The UTF-16 of a piece as serde_json reads it, which takes no halves.
    fn units(piece: &str) -> Vec<u16> {
        match serde_json::from_str::<String>(&format!("\"{piece}\"")) {
            Ok(text) => text.encode_utf16().collect(),
            Err(_) => vec![u16::from_str_radix(&piece[2..], 16).unwrap()],
        }
    }

    proptest! {
        #[test]
        fn escapes_are_read_as_utf16_and_halves_of_pairs_are_left_out(
            pieces in prop::collection::vec(prop::sample::select(&PIECES[..]), 0..8)
        ) {
            let quoted = format!("\"{}\"", pieces.concat());
            let all: Vec<u16> = pieces.iter().flat_map(|piece| units(piece)).collect();
            let decoded = || char::decode_utf16(all.iter().copied());
            let escaped = quoted.contains('\\');
            let text: String = decoded().filter_map(Result::ok).collect();
            prop_assert_eq!(unquoted(&quoted, escaped, "").map(Cow::into_owned), Some(text));
            let name: String = decoded().map(|c| c.unwrap_or('\u{fffd}')).collect();
            prop_assert_eq!(unquoted(&quoted, escaped, "\u{fffd}").map(Cow::into_owned), Some(name));
        }
    }
}
