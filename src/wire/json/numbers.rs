//! Many numbers of a list checked at once, as vectors are written.

use fearless_simd::{Simd, prelude::*, u8x32};

/// How many bytes are compared at once; a block has two of them.
const HALF: usize = 32;

/// How many of the bytes from the comma at `at` on are commas with numbers behind them and certainly well-formed: another
/// comma follows. 0 where reading byte by byte has to tell.
#[inline(always)]
pub(super) fn well_formed(simd: impl Simd, text: &[u8], at: usize) -> usize {
    let Some(block) = text.get(at..at + 2 * HALF) else { return 0 };
    let (Some(first), Some(second)) = (block.first_chunk(), block.last_chunk()) else { return 0 };
    let (first, second) = (u8x32::load_array_ref(simd, first), u8x32::load_array_ref(simd, second));
    let one = |sign: u8| {
        let sign = u8x32::splat(simd, sign);
        first.simd_eq(sign).to_bitmask() | second.simd_eq(sign).to_bitmask() << HALF
    };
    let (zero, nine) = (u8x32::splat(simd, b'0'), u8x32::splat(simd, 9));
    let digits =
        (first - zero).simd_le(nine).to_bitmask() | (second - zero).simd_le(nine).to_bitmask() << HALF;
    let signs = Signs {
        commas: one(b','),
        spaces: one(b' '),
        minuses: one(b'-'),
        points: one(b'.'),
        zeros: one(b'0'),
        digits,
    };
    signs.well_formed()
}

/// Which bytes of a block are what: a bit each, the first byte's the lowest. The block begins with a comma behind a value.
#[derive(Clone, Copy, Debug, Default)]
struct Signs {
    commas: u64,
    spaces: u64,
    minuses: u64,
    points: u64,
    zeros: u64,
    /// Zeros too.
    digits: u64,
}

impl Signs {
    /// As the function of this name. More white space, an exponent and the list's end are read byte by byte.
    #[inline(always)]
    fn well_formed(self) -> usize {
        let known = self.commas | self.spaces | self.minuses | self.points | self.digits;
        // Up to the last comma before anything else.
        let plain = (!known & known.wrapping_add(1)).wrapping_sub(1);
        let end = 63 - (self.commas & plain | 1).leading_zeros();
        let upto = u64::MAX >> (63 - end);
        let [commas, spaces, minuses, points, zeros, digits] =
            [self.commas, self.spaces, self.minuses, self.points, self.zeros, self.digits]
                .map(|of| of & upto);

        let behind_comma = commas << 1 & upto;
        let starts = behind_comma & !spaces | spaces << 1 & upto;
        let whole = starts & digits | minuses << 1;
        let fraction = points << 1;
        // Adding to the first digit of a run carries to what stands behind the run.
        let behind_whole = digits.wrapping_add(whole) & !digits;
        let behind_fraction = digits.wrapping_add(fraction) & !digits;
        let odd = spaces & !behind_comma
            | starts & !(minuses | digits)
            | minuses & !starts
            | (whole | fraction) & !digits
            | points & !behind_whole
            | digits & !(digits << 1) & !(whole | fraction)
            | (zeros & whole) << 1 & digits
            | behind_whole & !(points | commas)
            | behind_fraction & !commas;
        if odd == 0 { end as usize } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn signs(block: &str) -> Signs {
        let of = |is: fn(u8) -> bool| {
            block.bytes().take(64).enumerate().fold(0, |bits, (at, byte)| bits | u64::from(is(byte)) << at)
        };
        Signs {
            commas: of(|byte| byte == b','),
            spaces: of(|byte| byte == b' '),
            minuses: of(|byte| byte == b'-'),
            points: of(|byte| byte == b'.'),
            zeros: of(|byte| byte == b'0'),
            digits: of(|byte| byte.is_ascii_digit()),
        }
    }

    #[test]
    fn numbers_as_vectors_are_written_are_taken_up_to_the_last_comma() {
        for (block, taken) in [
            (",0.5,-0.25,7,", 12),
            (", 0.5, -0.25, 7, ", 15),
            (",0.5", 0),
            (",0.5]", 0),
            (",1,2]", 2),
            (",1,2e5,3,", 2),
            (",1, 2\n,3,", 2),
            (",-0.0,10,", 8),
        ] {
            assert_eq!(signs(block).well_formed(), taken, "{block}");
        }
        let long = ",0.123456789".repeat(9);
        assert_eq!(signs(&long).well_formed(), 60);
        assert_eq!(signs(&",1".repeat(40)).well_formed(), 62);
    }

    proptest! {
        #[test]
        fn what_is_taken_is_what_serde_json_takes(
            pieces in prop::collection::vec(
                prop::sample::select(&[",", ",", ", ", "-", "0", "7", "10", "0.5", ".", "12.25", " ", "e5", "]"][..]), 0..40)
        ) {
            let block = format!(",{}", pieces.concat());
            let taken = signs(&block).well_formed();
            prop_assert_eq!(&block[taken..=taken], ",");
            let list = format!("[0{}]", &block[..taken]);
            prop_assert!(serde_json::from_str::<Vec<f64>>(&list).is_ok(), "{}", list);
        }
    }
}
