//! How one score is written in Redis: version, score, check; nine bytes.

/// The sixteen bytes of a keyed hash that name a score.
pub type ScoreId = [u8; 16];

/// What is written for one score.
pub(super) type Value = [u8; 9];

/// Incremented when the layout changes: what another version wrote counts as missing.
const VERSION: u8 = 1;

pub(super) fn encode(id: &ScoreId, score: f32) -> Value {
    let mut value = [VERSION, 0, 0, 0, 0, 0, 0, 0, 0];
    let (body, check) = value.split_at_mut(5);
    body[1..].copy_from_slice(&score.to_le_bytes());
    check.copy_from_slice(&checked(id, body));
    value
}

/// The score in `value`, or `None` for what is damaged, of another version or of another id.
pub(super) fn decode(id: &ScoreId, value: &[u8]) -> Option<f32> {
    let value: &Value = value.try_into().ok()?;
    let [version, a, b, c, d, check @ ..] = value;
    if *version != VERSION || *check != checked(id, &[*version, *a, *b, *c, *d]) {
        return None;
    }
    Some(f32::from_le_bytes([*a, *b, *c, *d])).filter(|score| score.is_finite())
}

/// The id is part of it, so that a response which belongs to another question can give no score.
fn checked(id: &ScoreId, body: &[u8]) -> [u8; 4] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(id).update(body);
    let mut check = [0; 4];
    hasher.finalize_xof().fill(&mut check);
    check
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_finite_score_comes_back(id: ScoreId, bits: u32) {
            let score = f32::from_bits(bits);
            let read = decode(&id, &encode(&id, score));
            prop_assert_eq!(read.map(f32::to_bits), score.is_finite().then_some(bits));
        }

        #[test]
        fn a_damaged_value_is_no_score(id: ScoreId, score: f32, at in 0..9_usize, flip in 1..=255_u8) {
            let mut value = encode(&id, score);
            value[at] ^= flip;
            prop_assert_eq!(decode(&id, &value), None);
        }

        #[test]
        fn the_value_of_another_id_is_no_score(id: ScoreId, at in 0..16_usize, flip in 1..=255_u8) {
            let value = encode(&id, 0.5);
            let mut other = id;
            other[at] ^= flip;
            prop_assert_eq!(decode(&other, &value), None);
        }

        #[test]
        fn other_bytes_are_no_score(id: ScoreId, bytes in prop::collection::vec(any::<u8>(), 0..20)) {
            prop_assert_eq!(decode(&id, &bytes), None);
        }
    }

    #[test]
    fn another_version_is_no_score_even_if_its_check_is_right() {
        let id = [7; 16];
        let mut value = encode(&id, 0.5);
        value[0] = VERSION + 1;
        let check = checked(&id, &value[..5]);
        value[5..].copy_from_slice(&check);
        assert_eq!(decode(&id, &value), None);
    }

    #[test]
    fn the_layout_stands() {
        assert_eq!(encode(&[0; 16], 0.5)[..5], [1, 0, 0, 0, 63]);
    }
}
