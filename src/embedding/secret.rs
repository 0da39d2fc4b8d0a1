use std::fmt;

use zeroize::{Zeroize, Zeroizing};

/// Components that are hashed in one go: as many bytes as BLAKE3's widest lanes take at once.
const AT_ONCE: usize = 2048;

/// What names and keys of vectors are made with. All members of a fleet have the same.
pub(super) struct VectorSecret {
    vectors: Zeroizing<[u8; 32]>,
    sketches: Zeroizing<[u8; 32]>,
}

impl VectorSecret {
    /// Of the secret that the score cache has, by derivations of its own.
    pub(super) fn new(secret: &[u8; 32]) -> Self {
        Self {
            vectors: Zeroizing::new(blake3::derive_key("rerankd embedding vectors", secret)),
            sketches: Zeroizing::new(blake3::derive_key("rerankd embedding sketches", secret)),
        }
    }

    /// What the names and keys of one tenant's vectors are made with: nobody else finds or opens what they name.
    pub(super) fn of_tenant(&self, tenant: &str) -> Self {
        let of = |key: &[u8; 32]| Zeroizing::new(*blake3::keyed_hash(key, tenant.as_bytes()).as_bytes());
        Self { vectors: of(&self.vectors), sketches: of(&self.sketches) }
    }

    /// Name and key of a vector: 128 and 256 bits of one keyed hash of its components and their number.
    ///
    /// Clients print and parse numbers in many ways, and some lose the sign of zero; what all of them keep is the
    /// value as a 32-bit float. So each component is taken as that, and -0 as 0.
    pub(super) fn exact(&self, vector: &[f32]) -> ([u8; 16], Zeroizing<[u8; 32]>) {
        let mut hasher = blake3::Hasher::new_keyed(&self.vectors);
        let mut bytes = Zeroizing::new([0; 4 * AT_ONCE]);
        for part in vector.chunks(AT_ONCE) {
            for (four, component) in bytes.as_chunks_mut().0.iter_mut().zip(part) {
                *four = (component + 0.0).to_le_bytes();
            }
            hasher.update(bytes.get(..4 * part.len()).unwrap_or_default());
        }
        hasher.update(&(vector.len() as u64).to_le_bytes());
        let (mut name, mut key) = ([0; 16], Zeroizing::new([0; 32]));
        let mut output = hasher.finalize_xof();
        output.fill(&mut name);
        output.fill(&mut *key);
        hasher.zeroize();
        output.zeroize();
        (name, key)
    }

    /// What is made of sketches is hashed with this.
    pub(super) fn of_sketches(&self) -> blake3::Hasher {
        blake3::Hasher::new_keyed(&self.sketches)
    }
}

impl fmt::Debug for VectorSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VectorSecret(..)")
    }
}
