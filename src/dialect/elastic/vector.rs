//! The vectors of kNN queries and scripts, in every form in which requests write them.

use base64::{Engine, prelude::BASE64_STANDARD};

use crate::wire::{
    MOST_COMPONENTS,
    json::{Kind, Value, floats},
};

/// How many components distinguish one vector from another.
const HEAD: usize = 16;

/// Reads the components of a vector into `into`; `false` where it is none. A text is bytes to base 16, or big-endian
/// `f32`s to base 64 (Elasticsearch 9.4).
pub(super) fn components(vector: Value<'_>, into: &mut Vec<f32>) -> bool {
    if vector.kind() != Kind::String {
        return floats(vector, into);
    }
    into.clear();
    let Some(text) = vector.as_str() else { return false };
    match bytes_to_base_16(&text) {
        Some(bytes) => into.extend(bytes),
        None => into.extend(floats_to_base_64(&text).unwrap_or_default()),
    }
    let read = !into.is_empty() && into.len() <= MOST_COMPONENTS && into.iter().all(|x| x.is_finite());
    if !read {
        into.clear();
    }
    read
}

/// The first components; none where it is no vector.
pub(super) fn head(vector: Value<'_>) -> Vec<f64> {
    if let Some(first) = vector.first_items(HEAD) {
        return first.into_iter().map_while(Value::as_f64).collect();
    }
    let mut all = Vec::new();
    components(vector, &mut all);
    all.into_iter().take(HEAD).map(f64::from).collect()
}

fn bytes_to_base_16(text: &str) -> Option<Vec<f32>> {
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else { return None };
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let byte = |pair: &[u8; 2]| {
        let byte = u8::try_from(digit(pair[0])? << 4 | digit(pair[1])?).ok()?;
        Some(f32::from(byte.cast_signed()))
    };
    pairs.iter().map(byte).collect()
}

fn floats_to_base_64(text: &str) -> Option<Vec<f32>> {
    let bytes = BASE64_STANDARD.decode(text).ok()?;
    let (floats, []) = bytes.as_chunks::<4>() else { return None };
    Some(floats.iter().map(|&bytes| f32::from_be_bytes(bytes)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Option<Vec<f32>> {
        let mut components_read = Vec::new();
        components(Value::parse(json.as_bytes()).unwrap(), &mut components_read).then_some(components_read)
    }

    #[test]
    fn every_form_of_a_vector_is_read() {
        assert_eq!(read("[0.5,-2]"), Some(vec![0.5, -2.0]));
        assert_eq!(read("\"PwAAAMAAAAA=\""), Some(vec![0.5, -2.0]), "big-endian, to base 64");
        assert_eq!(read("\"7fFF80\""), Some(vec![127.0, -1.0, -128.0]), "bytes, to base 16");
        for none in ["\"\"", "\"AAA=\"", "\"some words\"", "\"f\"", "{}", "null", "\"f4AAAA==\""] {
            assert_eq!(read(none), None, "{none}");
        }
    }

    #[test]
    fn the_first_components_are_those_of_any_form() {
        let of = |json: &str| head(Value::parse(json.as_bytes()).unwrap());
        assert_eq!(of("\"PwAAAMAAAAA=\""), [0.5, -2.0]);
        assert_eq!(of(&format!("[{}1]", "1,".repeat(40))).len(), HEAD);
        assert!(of("7").is_empty());
    }
}
