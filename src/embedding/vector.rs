use std::fmt;

use zeroize::Zeroizing;

use super::{seal, secret::VectorSecret, tolerant::Sketch};

/// What the memory needs of a vector in place of the vector: its name, and the key that opens its text.
pub(super) struct Imprint {
    /// What its text is found under, anywhere.
    name: [u8; 16],
    /// What its text is sealed with.
    pub(super) key: Zeroizing<[u8; 32]>,
    /// Where vectors like it are looked for, and how they are told; only of a tolerant memory.
    pub(super) sketches: Vec<Sketch>,
}

impl Imprint {
    /// Of a vector, with its sketches where the memory is tolerant.
    pub(super) fn of(secret: &VectorSecret, vector: &[f32], sketches: Vec<Sketch>) -> Self {
        let (name, key) = secret.exact(vector);
        Self { name, key, sketches }
    }

    pub(super) fn name(&self) -> [u8; 16] {
        self.name
    }

    /// The text, if it was sealed for this vector.
    pub(super) fn open(&self, sealed: &[u8]) -> Option<Zeroizing<String>> {
        seal::open(&self.key, sealed)
    }
}

impl fmt::Debug for Imprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Imprint(..)")
    }
}

/// Whether a vector can say which text it is of: it has a component that is not zero, and none that is no number. (A
/// service that fails or is given nothing may answer with zeros for every text.)
pub(super) fn tells_texts_apart(vector: &[f32]) -> bool {
    vector.iter().any(|&component| component != 0.0) && vector.iter().all(|component| component.is_finite())
}
