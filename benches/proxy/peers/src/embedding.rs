//! Responses of an embedding service, in OpenAI's shape: vectors of 1,536 numbers, all different.

use std::fmt::Write;

use crate::json;

/// Numbers of a vector.
pub const DIMENSIONS: usize = 1536;

/// The responses of a service with different vectors, as many as are asked for: with the vector in base64, and in digits.
pub fn embeddings(count: usize) -> Vec<[Vec<u8>; 2]> {
    let mut state = 0x9e37_79b9_7f4a_7c15;
    (0..count)
        .map(|_| {
            let vector: Vec<f32> = (0..DIMENSIONS).map(|_| next(&mut state)).collect();
            [json(&response(&quoted_base64(&vector))), json(&response(&digits(&vector)))]
        })
        .collect()
}

fn response(embedding: &str) -> String {
    format!(
        r#"{{"object":"list","data":[{{"object":"embedding","index":0,"embedding":{embedding}}}],"model":"text-embedding-3-small","usage":{{"prompt_tokens":8,"total_tokens":8}}}}"#
    )
}

/// Between -0.1 and 0.1 (xorshift: nothing hangs on how random it is).
fn next(state: &mut u64) -> f32 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    ((*state >> 40) as f32 / (1 << 24) as f32 - 0.5) / 5.0
}

/// As services print them: the shortest digits of a number of single precision.
fn digits(vector: &[f32]) -> String {
    let mut text = String::from("[");
    for (at, number) in vector.iter().enumerate() {
        let comma = if at == 0 { "" } else { "," };
        write!(text, "{comma}{number}").ok();
    }
    text + "]"
}

fn quoted_base64(vector: &[f32]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    // 1,536 numbers are 6,144 bytes, a multiple of three: there is nothing to fill up.
    let bytes: Vec<u8> = vector.iter().flat_map(|number| number.to_le_bytes()).collect();
    let letters = bytes.chunks_exact(3).flat_map(|three| {
        let bits = u32::from_be_bytes([0, three[0], three[1], three[2]]);
        [18, 12, 6, 0].map(|shift| char::from(LETTERS[(bits >> shift & 63) as usize]))
    });
    format!("\"{}\"", letters.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_holds_the_same_numbers_in_base64_and_in_digits() {
        assert_eq!(quoted_base64(&[1.0, -2.5, 0.1]), "\"AACAPwAAIMDNzMw9\"");
        assert_eq!(digits(&[1.0, -2.5, 0.1]), "[1,-2.5,0.1]");
        let [first, second] = [0, 1].map(|at| embeddings(2)[at].clone());
        assert!(first[0].len() > DIMENSIONS * 16 / 3 && first[0] != second[0] && first[1] != second[1]);
    }
}
