//! A text under a key that its vector gives: nonce, ciphertext, tag. ChaCha20-Poly1305 (RFC 8439), which needs no
//! tables made of the key.

use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use zeroize::{Zeroize, Zeroizing};

const TAG: usize = 16;
/// Bytes of the nonce, which a sealed text begins with.
pub(super) const NONCE: usize = NONCE_LEN;
/// Bytes of a sealed text beside those of the text.
pub(super) const OVERHEAD: usize = NONCE_LEN + TAG;

/// Seals `text`. `None` where the system has no randomness.
///
/// The key belongs to one vector, which may be remembered with one text after another; hence a nonce, and by chance,
/// because the members of a fleet seal independently: two in 2^32 sealings of one vector would have to meet.
pub(super) fn seal(key: &[u8; 32], text: &str) -> Option<Vec<u8>> {
    let mut nonce = [0; NONCE_LEN];
    getrandom::fill(&mut nonce).ok()?;
    // Of its full size from the beginning: growing would leave a copy of the text behind.
    let mut sealed = Vec::with_capacity(OVERHEAD + text.len());
    sealed.extend_from_slice(&nonce);
    sealed.extend_from_slice(text.as_bytes());
    let tag = cipher(key)?.seal_in_place_separate_tag(
        Nonce::assume_unique_for_key(nonce),
        Aad::empty(),
        sealed.get_mut(NONCE_LEN..)?,
    );
    match tag {
        Ok(tag) => sealed.extend_from_slice(tag.as_ref()),
        Err(_) => {
            sealed.zeroize();
            return None;
        }
    }
    Some(sealed)
}

/// The text, or `None` where `sealed` was not sealed under this key.
pub(super) fn open(key: &[u8; 32], sealed: &[u8]) -> Option<Zeroizing<String>> {
    let (nonce, sealed) = sealed.split_first_chunk()?;
    let mut text = Zeroizing::new(sealed.to_vec());
    let opened =
        cipher(key)?.open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::empty(), &mut text).ok()?.len();
    text.truncate(opened);
    String::from_utf8(std::mem::take(&mut *text)).ok().map(Zeroizing::new)
}

fn cipher(key: &[u8; 32]) -> Option<LessSafeKey> {
    UnboundKey::new(&CHACHA20_POLY1305, key).ok().map(LessSafeKey::new)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_was_sealed_is_opened_by_its_key_and_by_no_other(key: [u8; 32], text: String, at in 0..32_usize) {
            let sealed = seal(&key, &text).unwrap();
            prop_assert_eq!(sealed.len(), OVERHEAD + text.len());
            prop_assert_eq!(&*open(&key, &sealed).unwrap(), &text);
            let mut other = key;
            other[at] ^= 1;
            prop_assert!(open(&other, &sealed).is_none());
        }

        #[test]
        fn other_bytes_are_no_text(key: [u8; 32], bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            prop_assert!(open(&key, &bytes).is_none());
        }
    }

    #[test]
    fn no_two_sealings_are_alike() {
        assert_ne!(seal(&[1; 32], "red shoes"), seal(&[1; 32], "red shoes"));
    }
}
