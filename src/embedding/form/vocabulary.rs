//! [`Table`]: the bytes of a vocabulary's tokens, unpacked from a file that the program has in it.

use std::io::Read;

/// What is read of a packed table at once, in bytes.
const PIECE: usize = 4096;
/// The sign at the beginning of a table, and what stands there in all: the sign, how many tokens there are, the first id.
const SIGN: &[u8] = b"TKV1";
const HEAD: usize = 12;

/// The bytes of each token that stands for text, by its id: what stands for the end of a text or the like has later ids.
/// 1.2 MB and 2.2 MB are kept from the first text on that needs them.
#[derive(Default)]
pub(super) struct Table {
    bytes: Box<[u8]>,
    /// Where each token ends, and the next one begins.
    ends: Box<[u32]>,
}

impl Table {
    /// Of a file in this module's folder. Without a token where it is another one.
    pub(super) fn unpacked(packed: &[u8]) -> Self {
        let mut file = Vec::new();
        let read = brotli_decompressor::Decompressor::new(packed, PIECE).read_to_end(&mut file);
        read.ok().and_then(|_| Self::read(&file)).unwrap_or_default()
    }

    /// A table stands there as the lengths of all tokens, in the order of their ids, and behind them their bytes, those of
    /// the shortest first: so they pack better.
    fn read(file: &[u8]) -> Option<Self> {
        let head = file.strip_prefix(SIGN)?;
        let count = usize::try_from(u32::from_le_bytes(*head.first_chunk()?)).ok()?;
        let mut rest = file.get(HEAD..)?;
        let lengths: Vec<usize> = (0..count).map(|_| length(&mut rest)).collect::<Option<_>>()?;
        let longest = lengths.iter().max().map_or(0, |longest| longest + 1);
        let mut of_length = vec![0; longest];
        lengths.iter().for_each(|&length| of_length[length] += length);
        // Where the next token of each length stands.
        let mut next = vec![0; longest];
        for length in 1..longest {
            next[length] = next[length - 1] + of_length[length - 1];
        }
        let (mut bytes, mut ends) = (Vec::with_capacity(rest.len()), Vec::with_capacity(count));
        for length in lengths {
            let from = next[length];
            next[length] += length;
            bytes.extend_from_slice(rest.get(from..from + length)?);
            ends.push(u32::try_from(bytes.len()).ok()?);
        }
        Some(Self { bytes: bytes.into(), ends: ends.into() })
    }

    /// The bytes of a token, if there is one of this id.
    pub(super) fn token(&self, id: usize) -> Option<&[u8]> {
        let from = id.checked_sub(1).map_or(Some(0), |before| self.ends.get(before).copied())?;
        self.bytes.get(usize::try_from(from).ok()?..usize::try_from(*self.ends.get(id)?).ok()?)
    }

    /// How many tokens there are.
    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.ends.len()
    }
}

/// Takes a length: seven bits of it in each byte, the lowest first; the last byte has no eighth bit.
fn length(rest: &mut &[u8]) -> Option<usize> {
    let (mut length, mut shift) = (0_usize, 0);
    loop {
        let (&byte, after) = rest.split_first()?;
        *rest = after;
        length |= usize::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some(length);
        }
        shift += 7;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_no_table_has_no_tokens() {
        for file in [&b""[..], b"TKV1", b"TKV1\x01\0\0\0\0\0\0\0", b"TKV1\x01\0\0\0\0\0\0\0\x02a"] {
            assert!(Table::read(file).is_none());
            assert_eq!(Table::unpacked(file).count(), 0);
        }
        let table = Table::read(b"TKV1\x03\0\0\0\0\0\0\0\x02\x01\x02cabde").unwrap();
        let tokens: Vec<_> = (0..4).map(|id| table.token(id)).collect();
        assert_eq!(tokens, [Some(&b"ab"[..]), Some(b"c"), Some(b"de"), None]);
    }
}
