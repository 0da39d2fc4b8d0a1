//! Vectors as services write them.

use base64::{Engine as _, alphabet, engine};

use crate::wire::{
    Kind, MOST_COMPONENTS,
    json::{Value, floats},
};

/// A vector of one component is no name of anything: all of one length are equal.
const LEAST: usize = 2;

/// Standard base64 with or without padding.
const BASE64: engine::GeneralPurpose = engine::GeneralPurpose::new(
    &alphabet::STANDARD,
    engine::GeneralPurposeConfig::new()
        .with_decode_padding_mode(engine::DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// What a base64 string is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Element {
    /// 32-bit floats, little-endian.
    #[default]
    Float,
    /// Bytes with a sign: `int8`, and `binary` with eight components in each.
    Signed,
    /// Bytes without: `uint8`, and `ubinary` with eight components in each.
    Unsigned,
}

impl Element {
    /// By the word in a request (`output_dtype`, `embedding_type`).
    pub(super) fn read(word: &str) -> Self {
        match word {
            "int8" | "binary" => Self::Signed,
            "uint8" | "ubinary" => Self::Unsigned,
            _ => Self::Float,
        }
    }
}

/// Reads vectors one after the other, in the same memory.
#[derive(Default)]
pub(super) struct Reader {
    numbers: Vec<f32>,
    bytes: Vec<u8>,
}

impl Reader {
    /// The components of an array of numbers or a base64 string; `None` for anything else, and for a vector that no
    /// text can be known by: one that is not finite, all zero, or of next to no components.
    pub(super) fn read(&mut self, value: Value<'_>, element: Element) -> Option<&[f32]> {
        self.numbers.clear();
        match value.kind() {
            Kind::Array => floats(value, &mut self.numbers).then_some(())?,
            Kind::String => self.decode(&value.as_str()?, element)?,
            _ => return None,
        }
        let numbers = self.numbers.as_slice();
        let names = (LEAST..=MOST_COMPONENTS).contains(&numbers.len())
            && numbers.iter().all(|number| number.is_finite())
            && numbers.iter().any(|number| *number != 0.0);
        names.then_some(numbers)
    }

    fn decode(&mut self, text: &str, element: Element) -> Option<()> {
        self.bytes.clear();
        BASE64.decode_vec(text.as_bytes(), &mut self.bytes).ok()?;
        match element {
            Element::Float => {
                let (floats, []) = self.bytes.as_chunks() else { return None };
                self.numbers.extend(floats.iter().map(|bytes| f32::from_le_bytes(*bytes)));
            }
            Element::Signed => {
                self.numbers.extend(self.bytes.iter().map(|byte| f32::from(byte.cast_signed())))
            }
            Element::Unsigned => self.numbers.extend(self.bytes.iter().map(|byte| f32::from(*byte))),
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, element: Element) -> Option<Vec<f32>> {
        Reader::default().read(Value::parse(text.as_bytes()).unwrap(), element).map(<[f32]>::to_vec)
    }

    #[test]
    fn base64_is_read_as_what_was_asked_for() {
        let (floats, bytes) = (r#""AACAPwAAAMA=""#, r#""AX//""#);
        assert_eq!(read(floats, Element::Float), Some(vec![1.0, -2.0]));
        assert_eq!(read(r#""AACAPwAAAMA""#, Element::Float), Some(vec![1.0, -2.0]), "without padding");
        assert_eq!(read(r#""AACAPwAAAMA\u003d""#, Element::Float), Some(vec![1.0, -2.0]), "with an escape");
        assert_eq!(read(bytes, Element::Signed), Some(vec![1.0, 127.0, -1.0]));
        assert_eq!(read(bytes, Element::Unsigned), Some(vec![1.0, 127.0, 255.0]));
        assert_eq!(read(bytes, Element::Float), None, "three bytes are no floats");
        assert_eq!(read(r#""no base64!""#, Element::Float), None);
    }

    #[test]
    fn what_names_no_text_is_no_vector() {
        for text in ["[]", "[1]", "[0,-0.0]", "[1e39,1]", r#""AACAfwAAgD8=""#, "null", "{}", "[[1,2],[3,4]]"]
        {
            assert_eq!(read(text, Element::Float), None, "{text}");
        }
    }
}
