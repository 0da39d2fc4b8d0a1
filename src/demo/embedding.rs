//! A toy embedding: words hashed into a few dimensions.
//!
//! Poor on purpose, with collisions and no idea of meaning: what a first stage gets wrong is what a reranker
//! is for.

/// The number of dimensions.
pub const DIMENSIONS: usize = 16;

/// The embedding of a text, of length 1; zeros where there are no words.
pub fn embed(text: &str) -> Vec<f32> {
    let mut vector = vec![0.0_f32; DIMENSIONS];
    for word in text.split(|c: char| !c.is_alphanumeric()).filter(|word| word.chars().count() > 3) {
        let hash = fnv1a(&word.to_lowercase());
        let sign = if hash & 1 == 0 { 1.0 } else { -1.0 };
        vector[(hash >> 32) as usize % DIMENSIONS] += sign;
    }
    let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
    if length > 0.0 {
        vector.iter_mut().for_each(|x| *x /= length);
    }
    vector
}

/// The cosine of the angle between two vectors; 0 where one has no length.
pub(super) fn cosine(a: &[f32], b: &[f32]) -> f32 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f32>();
    let lengths = (dot(a, a) * dot(b, b)).sqrt();
    let cosine = dot(a, b) / lengths;
    if cosine.is_finite() { cosine } else { 0.0 }
}

/// FNV-1a, 64 bits: the same on every machine and in every version.
fn fnv1a(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_embedding_has_length_1_and_ignores_case() {
        let vector = embed("Bread goes STALE");
        assert!((vector.iter().map(|x| x * x).sum::<f32>() - 1.0).abs() < 1e-6);
        assert_eq!(vector, embed("bread, goes stale"));
        assert_eq!(embed(""), vec![0.0; DIMENSIONS]);
    }

    #[test]
    fn cosine_is_1_for_equal_directions_and_0_without_one() {
        assert_eq!(cosine(&[1.0, 0.0], &[2.0, 0.0]), 1.0);
        assert_eq!(cosine(&[1.0, 0.0], &[0.0, 0.0]), 0.0);
    }
}
