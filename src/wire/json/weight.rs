//! [`reading_bytes`] and [`page_bytes`]: the memory that reading a body may take beside the body.

use fearless_simd::{Level, Simd, dispatch, prelude::*, u8x32};

use super::hits::{Field, Hit, MOST_NOTED};

/// What is held for an object: of a hit its places, three times while the list of them grows; of its fields at most the
/// places of all that are noted.
const OBJECT: usize = if 3 * size_of::<Hit>() > FIELDS { 3 * size_of::<Hit>() } else { FIELDS };
const FIELDS: usize = MOST_NOTED * size_of::<Field>();

/// The most memory that the places of the hits of a response take while they are found, in bytes.
pub fn page_bytes(response: &[u8]) -> usize {
    let objects = dispatch!(Level::new(), simd => count(simd, response, b'{'));
    // The list of one object's fields may be there twice for a moment.
    objects.saturating_mul(OBJECT).saturating_add(FIELDS)
}

/// How often a byte stands in `body`. Four blocks are compared in a row, and as many rows are added up as a lane can count.
#[inline(always)]
fn count(simd: impl Simd, body: &[u8], byte: u8) -> usize {
    const ROW: usize = 4 * HALF;
    let (sign, one, none) = (u8x32::splat(simd, byte), u8x32::splat(simd, 1), u8x32::splat(simd, 0));
    let (rows, rest) = body.as_chunks::<ROW>();
    let mut count = rest.iter().filter(|&&each| each == byte).count();
    for rows in rows.chunks(usize::from(u8::MAX) / 4) {
        let mut sums = none;
        for row in rows {
            for block in row.as_chunks().0 {
                sums += u8x32::load_array_ref(simd, block).simd_eq(sign).select(one, none);
            }
        }
        let lanes: [u8; HALF] = sums.into();
        count += lanes.iter().map(|&lane| usize::from(lane)).sum::<usize>();
    }
    count
}

/// The signs after which a part of a request is found.
const SIGNS: [u8; 4] = [b'[', b',', b':', b'{'];
/// How many bytes are compared at once; two of them are counted together.
const HALF: usize = 32;

/// The most memory that is held at a time for the parts that are found in a request's `body`, in bytes. `search`: what
/// is held for one search of a batch.
pub fn reading_bytes(body: &[u8], search: usize) -> usize {
    // What a part takes: a scratch byte while a bracket is open, two references to an element, those and the key of a
    // member, and a search of a batch.
    let signs = dispatch!(Level::new(), simd => counts(simd, body));
    let parts = signs.into_iter().zip([4, 76, 80, search]);
    parts.fold(0, |sum, (count, bytes)| count.saturating_mul(bytes).saturating_add(sum))
}

/// How often each sign stands in `body`.
#[inline(always)]
fn counts(simd: impl Simd, body: &[u8]) -> [usize; 4] {
    let mut counts = [0; 4];
    let (blocks, rest) = body.as_chunks::<{ 2 * HALF }>();
    for block in blocks {
        let (Some(first), Some(second)) = (block.first_chunk(), block.last_chunk()) else { continue };
        let (first, second) = (u8x32::load_array_ref(simd, first), u8x32::load_array_ref(simd, second));
        for (count, sign) in counts.iter_mut().zip(SIGNS) {
            let sign = u8x32::splat(simd, sign);
            let there = first.simd_eq(sign).to_bitmask() | second.simd_eq(sign).to_bitmask() << HALF;
            *count += there.count_ones() as usize;
        }
    }
    for (count, sign) in counts.iter_mut().zip(SIGNS) {
        *count += rest.iter().filter(|&&byte| byte == sign).count();
    }
    counts
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn signs_are_counted_one_by_one(
            part in prop::collection::vec(prop::sample::select(&b"[],:{}a\xdb\xfb"[..]), 1..70), times in 1..400_usize
        ) {
            let body = part.repeat(times);
            for level in [Level::baseline(), Level::new()] {
                let found = dispatch!(level, simd => counts(simd, &body));
                prop_assert_eq!(found, SIGNS.map(|sign| body.iter().filter(|&&byte| byte == sign).count()));
                let one_by_one = SIGNS.map(|sign| dispatch!(level, simd => count(simd, &body, sign)));
                prop_assert_eq!(one_by_one, found);
            }
        }
    }

    #[test]
    fn many_small_parts_weigh_more_than_one_large_text() {
        let text = format!(r#"{{"text":"{}"}}"#, "word ".repeat(2000));
        assert!(reading_bytes(text.as_bytes(), 700) < 2000);
        assert_eq!(reading_bytes(&[b','; 1000], 700), 76_000);
        let numbers = format!("[{}0]", "0,".repeat(5000));
        assert!(reading_bytes(numbers.as_bytes(), 700) > 25 * numbers.len());
    }
}
