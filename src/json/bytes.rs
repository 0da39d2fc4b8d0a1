//! Runs of bytes that need no look one by one.
//!
//! Plain code that the compiler turns into the vector instructions which every processor of the target has; `memchr`
//! knows those that this one has besides.

/// How many bytes are looked at together in long runs.
const WIDE: usize = 32;
/// How many words of eight are tried before that: most strings end within.
const SHORT: usize = 4;

const ONES: u64 = u64::from_ne_bytes([0x01; 8]);
const HIGH: u64 = u64::from_ne_bytes([0x80; 8]);

/// Whether there are control characters, which JSON has only between values.
pub(super) fn has_controls(bytes: &[u8]) -> bool {
    bytes.iter().fold(u8::MAX, |least, &byte| least.min(byte)) < b' '
}

/// From `at` on, the place of the first byte that means something inside a JSON string: a quote, a backslash, or a
/// control character, which must not be there; else the end. `controls`: whether there may be any.
pub(super) fn plain_until(bytes: &[u8], at: usize, controls: bool) -> usize {
    let special = |byte: u8| (byte == b'"') | (byte == b'\\') | (byte < b' ');
    let mask = |word| equal(word, b'"') | equal(word, b'\\') | below(word, b' ');
    if controls {
        return until(bytes, at, special, mask);
    }
    match words_until(bytes, at, mask) {
        Ok(found) => found,
        Err(at) => {
            let rest = bytes.get(at..).unwrap_or_default();
            at + memchr::memchr2(b'"', b'\\', rest).unwrap_or(rest.len())
        }
    }
}

/// From `at` on, the place of the first byte that is no decimal digit; else the end.
pub(super) fn digits_until(bytes: &[u8], mut at: usize) -> usize {
    while let Some(word) = word_at(bytes, at) {
        // The high half of a digit is 3, and still is with 6 added.
        const HALVES: u64 = u64::from_ne_bytes([0xf0; 8]);
        const THREES: u64 = u64::from_ne_bytes([0x30; 8]);
        let sixes = word.wrapping_add(ONES * 6);
        if word & HALVES != THREES || sixes & HALVES != THREES {
            break;
        }
        at += 8;
    }
    while bytes.get(at).is_some_and(u8::is_ascii_digit) {
        at += 1;
    }
    at
}

/// The place of the first special byte. `mask` says the same of eight bytes at once: its lowest set bit is the high
/// bit of the first special one.
fn until(bytes: &[u8], at: usize, special: impl Fn(u8) -> bool, mask: impl Fn(u64) -> u64) -> usize {
    let mut at = match words_until(bytes, at, &mask) {
        Ok(found) => return found,
        Err(at) => at,
    };
    while let Some(wide) = bytes.get(at..).and_then(<[u8]>::first_chunk::<WIDE>)
        && !wide.iter().fold(false, |any, &byte| any | special(byte))
    {
        at += WIDE;
    }
    if let Ok(found) = words_until(bytes, at, &mask) {
        return found;
    }
    let rest = bytes.get(at..).unwrap_or_default();
    at + rest.iter().position(|&byte| special(byte)).unwrap_or(rest.len())
}

/// The place of the first special byte, if it is near; else where the search may go on.
fn words_until(bytes: &[u8], mut at: usize, mask: impl Fn(u64) -> u64) -> Result<usize, usize> {
    for _ in 0..SHORT {
        let Some(word) = word_at(bytes, at) else { break };
        let found = mask(word);
        if found != 0 {
            return Ok(at + found.trailing_zeros() as usize / 8);
        }
        at += 8;
    }
    Err(at)
}

fn word_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// The high bits of the bytes that are `byte`; above the first one there may be others.
fn equal(word: u64, byte: u8) -> u64 {
    let zeros = word ^ (ONES * u64::from(byte));
    zeros.wrapping_sub(ONES) & !zeros & HIGH
}

/// The high bits of the bytes below `byte`, which is at most 128; above the first one there may be others.
fn below(word: u64, byte: u8) -> u64 {
    word.wrapping_sub(ONES * u64::from(byte)) & !word & HIGH
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Long runs with something between them.
    fn runs() -> impl Strategy<Value = Vec<u8>> {
        let run = (prop_oneof![Just(b'a'), Just(b'0'), Just(0xc3), Just(0x7f), Just(b' ')], 0..90_usize);
        let runs = prop::collection::vec((run, any::<u8>()), 0..5);
        runs.prop_map(|runs| {
            runs.into_iter().flat_map(|((byte, n), odd)| [vec![byte; n], vec![odd]].concat()).collect()
        })
    }

    proptest! {
        #[test]
        fn runs_end_where_a_look_at_each_byte_says(bytes in runs(), at in 0..100_usize) {
            let end = |ends: fn(u8) -> bool| {
                let rest = bytes.get(at..).unwrap_or_default();
                at + rest.iter().position(|&byte| ends(byte)).unwrap_or(rest.len())
            };
            prop_assert_eq!(plain_until(&bytes, at, true), end(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f)));
            if !has_controls(&bytes) {
                prop_assert!(bytes.iter().all(|&byte| byte >= b' '));
                prop_assert_eq!(plain_until(&bytes, at, false), plain_until(&bytes, at, true));
            }
            prop_assert_eq!(digits_until(&bytes, at), end(|byte| !byte.is_ascii_digit()));
        }
    }
}
