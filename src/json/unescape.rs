//! The text of a string, from how it is written.

use std::borrow::Cow;

/// The text of a well-formed string with its quotes. A lone surrogate makes it `None`.
pub(super) fn unquoted(quoted: &str, escaped: bool) -> Option<Cow<'_, str>> {
    let inner = quoted.get(1..quoted.len().checked_sub(1)?)?;
    if escaped { unescaped(inner).map(Cow::Owned) } else { Some(Cow::Borrowed(inner)) }
}

/// What stands between the quotes, without escapes.
fn unescaped(inner: &str) -> Option<String> {
    let mut out = String::with_capacity(inner.len());
    let mut rest = inner;
    while let Some(at) = memchr::memchr(b'\\', rest.as_bytes()) {
        out.push_str(rest.get(..at)?);
        let (c, length) = escape(rest.get(at..)?)?;
        out.push(c);
        rest = rest.get(at + length..)?;
    }
    out.push_str(rest);
    Some(out)
}

/// The character that the escape at the start of `rest` stands for, and how long the escape is. A lone surrogate makes
/// it `None`.
pub(crate) fn escape(rest: &str) -> Option<(char, usize)> {
    let c = match rest.as_bytes().get(1)? {
        b'n' => '\n',
        b't' => '\t',
        b'r' => '\r',
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'u' => return unicode(rest.get(1..)?).map(|(c, length)| (c, length + 1)),
        &same => char::from(same),
    };
    Some((c, 2))
}

/// The character of one `\uXXXX`, or of the two that make a pair; how long it is without the first backslash.
fn unicode(escape: &str) -> Option<(char, usize)> {
    let unit = |from: usize| u32::from_str_radix(escape.get(from..from + 4)?, 16).ok();
    let first = unit(1)?;
    if let Some(c) = char::from_u32(first) {
        return Some((c, 5));
    }
    let pair = escape.get(5..7) == Some("\\u") && (0xd800..0xdc00).contains(&first);
    let second = unit(7).filter(|second| pair && (0xdc00..0xe000).contains(second))?;
    let c = char::from_u32(0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00))?;
    Some((c, 11))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn escapes_are_read_as_serde_json_reads_them(
            pieces in prop::collection::vec(prop::sample::select(&[
                "a", "é🙂", "\\n", "\\t", "\\r", "\\b", "\\f", "\\\"", "\\\\", "\\/", "\\u0000", "\\u00e9", "\\uFFFF",
                "\\ud83d", "\\uDE00", "\\ud83d\\ude00", "\\uDBFF\\uDFFF", "long enough for more than a few words",
            ][..]), 0..8)
        ) {
            let quoted = format!("\"{}\"", pieces.concat());
            let theirs = serde_json::from_str::<String>(&quoted).ok();
            prop_assert_eq!(unquoted(&quoted, quoted.contains('\\')).map(Cow::into_owned), theirs);
        }
    }
}
