//! Text in a header, as clients send it: encoded in one of several ways, or not at all.

use std::borrow::Cow;

use percent_encoding::{percent_decode, percent_decode_str};

/// The text that a value means.
///
/// Bytes that are no UTF-8 are Latin-1, as `fetch` of JavaScript writes them; Windows-1252, which has characters where
/// Latin-1 has none. A `+` is a space where only form encoding, which writes spaces so, would give this value.
pub(super) fn text(raw: &[u8]) -> String {
    let text = match std::str::from_utf8(raw) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(raw.iter().map(|&byte| windows_1252(byte)).collect()),
    };
    match text {
        Cow::Borrowed(text) if is_form_encoded(text) => decoded(&text.replace('+', " ")),
        text => decoded(&text),
    }
}

/// Percent-decoded: a `%` that starts no escape stands for itself, and what would not be UTF-8 was not encoded.
fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8().map_or_else(|_| text.to_owned(), Cow::into_owned)
}

/// The same of an entry of `baggage`, where a `+` is one.
pub(super) fn baggage(raw: &[u8]) -> Option<String> {
    let text = percent_decode(raw).decode_utf8().map(Cow::into_owned);
    text.or_else(|_| String::from_utf8(raw.to_vec())).ok()
}

/// Whether each `+` of a value stands for a space. With a space in it, as it is or as `%20`, none does. With other
/// escapes all do: who encodes otherwise escapes the `+` as well. Without any, a value of several words looks like
/// `red+shoes`; what looks like `C++`, `A+` or `1+1=2` is meant so.
fn is_form_encoded(text: &str) -> bool {
    if !text.contains('+') || text.contains("%20") {
        return false;
    }
    let bytes = text.as_bytes();
    let is_escape = |at: usize| {
        let digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_hexdigit);
        digit(at + 1) && digit(at + 2)
    };
    let (mut escapes, mut apart) = (false, true);
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            b'%' if is_escape(at) => escapes = true,
            b'+' => {
                let beside =
                    |at: Option<usize>| at.and_then(|at| bytes.get(at)).is_some_and(|b| is_of_word(*b));
                apart &= beside(at.checked_sub(1)) && beside(Some(at + 1));
            }
            byte if is_of_word(*byte) || b"*-._~".contains(byte) => {}
            // Form encoding escapes all others.
            _ => return false,
        }
    }
    escapes || apart
}

fn is_of_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
}

fn windows_1252(byte: u8) -> char {
    const HIGH: [char; 32] = [
        '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž', '\u{8f}',
        '\u{90}', '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}', 'ž', 'Ÿ',
    ];
    let high = byte.checked_sub(0x80).and_then(|at| HIGH.get(usize::from(at)));
    high.copied().unwrap_or(char::from(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_usual_encoding_is_read_as_it_was_meant() {
        for (raw, meant) in [
            // quote, encodeURIComponent
            ("caf%C3%A9%20au%20lait", "café au lait"),
            ("C%2B%2B%20tutorial", "C++ tutorial"),
            ("C++%20tutorial", "C++ tutorial"),
            ("C%2B%2B", "C++"),
            // quote_plus, URLSearchParams
            ("red+shoes", "red shoes"),
            ("caf%C3%A9+au+lait", "café au lait"),
            ("C%2B%2B+tutorial", "C++ tutorial"),
            ("what%3F++", "what?  "),
            ("wi-fi+6e+router_2.0*", "wi-fi 6e router_2.0*"),
            // As it is.
            ("red shoes", "red shoes"),
            ("C++ tutorial", "C++ tutorial"),
            ("a+b c+d", "a+b c+d"),
            ("C++", "C++"),
            ("A+", "A+"),
            ("+1", "+1"),
            ("1+1=2", "1+1=2"),
            ("caf\u{e9}+bar", "caf\u{e9}+bar"),
            ("100% wool", "100% wool"),
            ("50%+", "50%+"),
            ("你好+世界", "你好+世界"),
            ("%FF", "%FF"),
            ("caf\u{e9}%20au lait", "caf\u{e9} au lait"),
        ] {
            assert_eq!(text(raw.as_bytes()), meant, "{raw}");
        }
    }

    #[test]
    fn what_is_no_utf8_is_latin1() {
        assert_eq!(text(b"caf\xe9 au lait"), "café au lait");
        assert_eq!(text(b"Gr\xf6\xdfe"), "Größe");
        assert_eq!(text(b"\x93red\x94 \x80 5 \x96 10"), "“red” € 5 – 10");
        assert_eq!(text(b"caf\xe9%20%C3%A9"), "café é");
        assert_eq!(text(b"caf\xe9 100%E9"), "café 100%E9");
    }

    #[test]
    fn a_plus_of_baggage_is_one() {
        assert_eq!(baggage(b"red%20shoes+").as_deref(), Some("red shoes+"));
        assert_eq!(baggage(b"\xe9"), None);
    }
}
