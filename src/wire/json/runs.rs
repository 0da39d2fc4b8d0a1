//! Runs of bytes that need not be read one by one.
//!
//! Plain code that the compiler turns into the vector instructions which every processor of the target has.

/// How many bytes are compared at once.
const WIDE: usize = 32;

/// From `at` on, the place of the first byte that is `special`; else the end. `filler` is a byte that is not.
pub(crate) fn until(bytes: &[u8], mut at: usize, filler: u8, special: impl Fn(u8) -> bool) -> usize {
    let mut rest = bytes.get(at..).unwrap_or_default();
    while let Some((wide, behind)) = rest.split_first_chunk::<WIDE>() {
        if let Some(found) = first(wide, &special) {
            return at + found;
        }
        at += WIDE;
        rest = behind;
    }
    let mut last = [filler; WIDE];
    if let Some(begin) = last.get_mut(..rest.len()) {
        begin.copy_from_slice(rest);
    }
    at + first(&last, &special).unwrap_or(rest.len())
}

fn first(wide: &[u8; WIDE], special: impl Fn(u8) -> bool) -> Option<usize> {
    let found = wide.map(|byte| if special(byte) { u8::MAX } else { 0 });
    let mut places = found.as_chunks().0.iter().map(|half| u128::from_le_bytes(*half)).enumerate();
    let (at, half) = places.find(|(_, half)| *half != 0)?;
    Some(at * 16 + half.trailing_zeros() as usize / 8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_special_byte_is_found_wherever_it_stands() {
        let special = |byte| byte == b'"' || byte >= 0x80;
        for length in 0..100 {
            assert_eq!(until(&vec![b'a'; length], 0, b' ', special), length);
            for (found, from) in (0..length).flat_map(|found| (0..=found).map(move |from| (found, from))) {
                let mut bytes = vec![b'a'; length];
                bytes[found] = b'"';
                bytes[found + 1..].fill(0xff);
                bytes[..from].fill(0xff);
                assert_eq!(until(&bytes, from, b' ', special), found, "{length} {from}");
            }
        }
        assert_eq!(until(b"abc", 9, b' ', special), 9);
    }
}
