//! Protobuf for people, without the names that only its schema has: `1: "docs"`, `3 {` … `}`.

use std::fmt::Write;

use bytes::Bytes;

use crate::wire::proto::{
    Content, Message,
    framing::{self, Frame},
};

/// How deep messages are shown; anything deeper, as bytes.
const DEEPEST: usize = 16;
/// Vectors look like messages now and then, with fields of numbers that no API has.
const HIGHEST: u32 = 1023;
/// The most bytes that are written as hexadecimal digits.
const DIGITS: usize = 64;

/// A message, with gRPC's prefix or without, one field a line. What is compressed is only told.
pub(super) fn shown(body: &Bytes) -> String {
    match framing::unframed(body) {
        Ok(Frame { compressed: true, message }) => format!("{} bytes, compressed", message.len()),
        _ => {
            let message = alone(body);
            fields(&message, 0).unwrap_or_else(|| digits(&message))
        }
    }
}

/// A message without its prefix, if it has one: none begins like one, since there is no field 0.
pub(super) fn alone(body: &Bytes) -> Bytes {
    framing::unframed(body).map_or_else(|_| body.clone(), |frame| frame.message)
}

/// The fields of a message; `None` if it is none.
fn fields(message: &[u8], depth: usize) -> Option<String> {
    let mut out = String::new();
    for field in Message::new(message).fields() {
        let field = field.ok().filter(|field| field.number <= HIGHEST)?;
        let (indent, number) = ("  ".repeat(depth), field.number);
        let _ = match field.content {
            Content::Varint(value) => writeln!(out, "{indent}{number}: {value}"),
            Content::Fixed32(bits) => writeln!(out, "{indent}{number}: {}", f32::from_bits(bits)),
            Content::Fixed64(bits) => writeln!(out, "{indent}{number}: {}", f64::from_bits(bits)),
            Content::Group(_) => return None,
            Content::Bytes(bytes) => match text(bytes) {
                Some(text) => writeln!(out, "{indent}{number}: {text:?}"),
                None => match inside(bytes, depth) {
                    Some(inside) => writeln!(out, "{indent}{number} {{\n{inside}{indent}}}"),
                    None => writeln!(out, "{indent}{number}: {}", numbers(bytes)),
                },
            },
        };
    }
    Some(out)
}

/// The fields of a message inside another one; the empty message, which is also the empty text, is a message.
fn inside(bytes: &[u8], depth: usize) -> Option<String> {
    if depth == DEEPEST { None } else { fields(bytes, depth + 1) }
}

/// What can be read as text, and is none of the messages that begin like one.
fn text(bytes: &[u8]) -> Option<&str> {
    let text = str::from_utf8(bytes).ok().filter(|text| !text.is_empty())?;
    let plain = |c: char| !c.is_control() || matches!(c, '\t' | '\n' | '\r');
    let begins = text.chars().next().is_some_and(|first| !first.is_control());
    (begins && text.chars().all(plain)).then_some(text)
}

/// Packed numbers look like bytes: those that can be a vector's are shown as one.
fn numbers(bytes: &[u8]) -> String {
    let likely = |number: f32| number == 0.0 || (1e-9..1e9).contains(&number.abs());
    match bytes.as_chunks::<4>() {
        (each, []) if each.iter().all(|&bytes| likely(f32::from_le_bytes(bytes))) => {
            let numbers: Vec<_> = each.iter().map(|&bytes| f32::from_le_bytes(bytes).to_string()).collect();
            format!("[{}]", numbers.join(", "))
        }
        _ => digits(bytes),
    }
}

fn digits(bytes: &[u8]) -> String {
    let mut out = String::from("0x");
    for byte in bytes.iter().take(DIGITS) {
        let _ = write!(out, "{byte:02x}");
    }
    if bytes.len() > DIGITS {
        let _ = write!(out, "… ({} bytes)", bytes.len());
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn framed(hex: &str) -> Bytes {
        let bytes: Vec<u8> =
            (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect();
        framing::framed(false, &bytes).unwrap()
    }

    #[test]
    fn a_search_is_shown_field_by_field() {
        let python = "0a03636f6c1a0e0a0c120a0a08cdcccc3dcdcc4c3e3dcdcc4c3e400a4804520208015a1312110a04746578740a096d6574612e6c616e67";
        let expected = "1: \"col\"\n3 {\n  1 {\n    2 {\n      1: [0.1, 0.2]\n    }\n  }\n}\n7: 0.2\n8: 10\n9: 4\n10 {\n  1: 1\n}\n\
                        11 {\n  2 {\n    1: \"text\"\n    1: \"meta.lang\"\n  }\n}\n";
        assert_eq!(shown(&framed(python)), expected);
    }

    #[test]
    fn what_is_no_message_is_shown_as_bytes() {
        assert_eq!(shown(&framed("07")), "0x07");
        assert_eq!(shown(&Bytes::from_static(b"\0\0")), "0x0000");
        assert_eq!(shown(&Bytes::from_static(b"\x01\0\0\0\x02ab")), "2 bytes, compressed");
        assert!(shown(&Bytes::from(vec![7; 100])).ends_with("07… (100 bytes)"));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_are_shown_without_a_panic(body: Vec<u8>) {
            shown(&Bytes::from(body.clone()));
            shown(&framing::framed(false, &body).unwrap());
        }
    }
}
