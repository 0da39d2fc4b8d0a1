//! Text written as a JSON string, the parts that need no escape copied whole.

use super::runs::until;

const HEX: &[u8; 16] = b"0123456789abcdef";

/// Adds `text` in quotes, escaped as serde_json does it.
pub fn write_string(out: &mut Vec<u8>, text: &str) {
    let bytes = text.as_bytes();
    out.push(b'"');
    let mut done = 0;
    loop {
        let at = until(bytes, done, b'a', |byte| (byte == b'"') | (byte == b'\\') | (byte < b' '));
        out.extend_from_slice(bytes.get(done..at).unwrap_or_default());
        let Some(&byte) = bytes.get(at) else { break };
        escape(out, byte);
        done = at + 1;
    }
    out.push(b'"');
}

/// The escape of a quote, a backslash or a control character.
fn escape(out: &mut Vec<u8>, byte: u8) {
    let letter = match byte {
        b'"' | b'\\' => byte,
        0x8 => b'b',
        b'\t' => b't',
        b'\n' => b'n',
        0xc => b'f',
        b'\r' => b'r',
        _ => {
            let digit = |half: u8| HEX.get(usize::from(half)).copied().unwrap_or_default();
            return out.extend_from_slice(&[b'\\', b'u', b'0', b'0', digit(byte >> 4), digit(byte & 0xf)]);
        }
    };
    out.extend_from_slice(&[b'\\', letter]);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(text: &str) -> String {
        let mut out = Vec::new();
        write_string(&mut out, text);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn every_ascii_character_is_escaped_as_serde_json_escapes_it_wherever_it_stands() {
        for c in (0..=0x7f_u8).map(char::from) {
            // Before and behind it, every length up to more than what is looked at together.
            for (before, behind) in (0..70).flat_map(|n| [(n, 0), (n, 40), (0, n)]) {
                let text = format!("{}{c}{}", "a".repeat(before), "é".repeat(behind));
                assert_eq!(written(&text), serde_json::to_string(&text).unwrap());
            }
        }
    }

    proptest! {
        #[test]
        fn texts_are_written_as_serde_json_writes_them(
            odd in "[a\"\\\\/\u{0}\u{8}\t\n\u{c}\r\u{1f}\u{7f}\u{80}\u{2028}é🙂]{0,40}",
            long in "([a-z é]{0,80}[\"\\\\\n\u{1}]){0,5}",
            any in any::<String>(),
        ) {
            for text in [odd, long, any] {
                prop_assert_eq!(written(&text), serde_json::to_string(&text).unwrap());
            }
        }
    }
}
