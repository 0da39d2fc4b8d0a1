//! A gRPC search as it is typed: its method, and its message in any form that is at hand.

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;

use crate::wire::proto::framing::{framed, unframed};

/// The service whose methods are searches.
const SERVICE: &str = "qdrant.Points";

/// The path of a method: `Query`, `qdrant.Points/Query` and `/qdrant.Points/Query` are the same.
pub(super) fn path(method: &str) -> String {
    match method.trim_start_matches('/') {
        name if name.contains('/') => format!("/{name}"),
        name => format!("/{SERVICE}/{name}"),
    }
}

/// The body of a call: the message as hexadecimal or base64 text or as its bytes, with or without the five bytes that
/// gRPC puts before it. `None` where it is too long for one message.
pub(super) fn body(typed: &Bytes) -> Option<Bytes> {
    let bytes = decoded(typed).unwrap_or_else(|| typed.clone());
    // No message begins with a byte of 0 or 1, as what is framed does: there is no field 0.
    if unframed(&bytes).is_ok() { Some(bytes) } else { framed(false, &bytes) }
}

/// What a text stands for. A message of bytes is no such text: it has control characters.
fn decoded(typed: &[u8]) -> Option<Bytes> {
    let text = str::from_utf8(typed).ok()?;
    let mut text: String = text.split_whitespace().collect();
    if text.len() >= 2 && text.is_char_boundary(2) && text[..2].eq_ignore_ascii_case("0x") {
        text.drain(..2);
    }
    if text.is_empty() {
        return None;
    }
    hexadecimal(&text).or_else(|| STANDARD.decode(&text).ok()).map(Bytes::from)
}

fn hexadecimal(text: &str) -> Option<Vec<u8>> {
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else { return None };
    let digit = |digit: u8| char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    pairs.iter().map(|&[high, low]| Some(digit(high)? << 4 | digit(low)?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_method_is_named_with_or_without_its_service() {
        for method in ["Query", "qdrant.Points/Query", "/qdrant.Points/Query"] {
            assert_eq!(path(method), "/qdrant.Points/Query");
        }
    }

    #[test]
    fn a_message_is_read_in_every_form_that_is_at_hand() {
        const MESSAGE: &[u8] = b"\x0a\x04demo\x40\x05";
        const FRAMED: &[u8] = b"\0\0\0\0\x08\x0a\x04demo\x40\x05";
        for typed in [
            MESSAGE,
            FRAMED,
            b"0a0464656d6f4005",
            b"0x0A0464656D6F4005\n",
            b"0a04 6465 6d6f\n4005\n",
            b"00000000080a0464656d6f4005",
            b"CgRkZW1vQAU=",
            b"AAAAAAgKBGRlbW9ABQ==\n",
        ] {
            let body = body(&Bytes::from_static(typed)).unwrap();
            assert_eq!(body, FRAMED, "{}", String::from_utf8_lossy(typed));
        }
        assert_eq!(body(&Bytes::new()).unwrap(), &b"\0\0\0\0\0"[..]);
        let compressed = Bytes::from_static(b"\x01\0\0\0\x02ab");
        assert_eq!(body(&compressed), Some(compressed), "as it is");
    }
}
