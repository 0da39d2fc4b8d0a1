//! Finding a text by a vector that is nearly the one remembered: scaled, cut (Matryoshka) and normalised again, or
//! rounded.
//!
//! No key can be derived from a changed vector, so this is a fuzzy commitment (Juels, Wattenberg, "A fuzzy commitment
//! scheme", 1999; secure sketches: Dodis et al., 2004). The first components, divided by their root mean square, lie in
//! bins of width [`BIN`]. What is stored is where inside its bin each lies, which says nothing of which bin it is in.
//! Who comes with a vector near enough gets the same bins, and of them the key that opens the vector's own. Where the
//! vector is kept in its place by the signs of more components, so that few have to be compared.
//!
//! With 32 components the bins hold some 250 bits, with 16 half of that, with 8 (vectors under 64 components, which
//! nobody searches with in earnest) a quarter.

use zeroize::{Zeroize, Zeroizing};

use super::secret::VectorSecret;

/// The most components that are compared.
const COMPARED: usize = 32;
/// Width of a bin, as a part of the root mean square of the compared components.
const BIN: f64 = 8e-3;
/// The largest deviation of a component, after the best scale, that is still the same vector; of the same unit. A
/// quarter of a bin, so that where the deviation is allowed the bins are found again.
const DEVIATION: f64 = 2e-3;
/// How many vectors have one place: how many texts whose vectors have the same signs are kept.
pub(super) const NEIGHBOURS: u64 = 8;
/// Numbers of components whose signs make a place.
const SIGNS: [usize; 4] = [8, 16, 32, 64];

/// What vectors like this one are found and told by.
pub(super) struct Sketch {
    /// The first of [`NEIGHBOURS`] places.
    pub(super) place: u64,
    /// The components that are compared, in bins.
    components: Zeroizing<Vec<f64>>,
}

/// The sketches to look for a vector by, the one to remember it by first; none of a vector that is too short, or whose
/// first components are zero.
///
/// A vector is remembered by the signs of a quarter of its components at most, and 64: one that was cut to no less is
/// found. So a short one that is looked for may be there by more signs than it would be remembered by.
pub(super) fn sketches(secret: &VectorSecret, vector: &[f32]) -> Vec<Sketch> {
    let quarter = vector.len() / 4;
    let own = SIGNS.iter().rposition(|&signs| signs <= quarter).unwrap_or(0);
    let classes = SIGNS.iter().skip(own).take_while(|&&signs| signs <= vector.len());
    classes.filter_map(|&signs| sketch(secret, vector.get(..signs)?)).collect()
}

fn sketch(secret: &VectorSecret, first: &[f32]) -> Option<Sketch> {
    let compared = first.get(..first.len().min(COMPARED))?;
    let squares: f64 = compared.iter().map(|&x| f64::from(x) * f64::from(x)).sum();
    let unit = BIN * (squares / compared.len() as f64).sqrt();
    if !unit.is_normal() {
        return None;
    }
    let components = Zeroizing::new(compared.iter().map(|&x| f64::from(x) / unit).collect());
    let signs = first.iter().fold(0_u64, |signs, &x| signs << 1 | u64::from(x > 0.0));
    let mut hasher = secret.of_sketches();
    hasher.update(b"place").update(&[first.len() as u8]).update(&signs.to_le_bytes());
    let mut place = [0; 8];
    hasher.finalize_xof().fill(&mut place);
    Some(Sketch { place: u64::from_le_bytes(place) & !(NEIGHBOURS - 1), components })
}

impl Sketch {
    /// What stands behind a text that was sealed under `key` with this nonce: the key again, for who has the bins, and
    /// where in its bin each component lies.
    pub(super) fn tail(&self, secret: &VectorSecret, nonce: &[u8], key: &[u8; 32]) -> Vec<u8> {
        let offsets: Vec<u8> = self.components.iter().map(|&x| written(x - x.round())).collect();
        let bins = self.bins(&offsets);
        let mut tail = lock(secret, nonce, &offsets, &bins, key).to_vec();
        tail.extend_from_slice(&offsets);
        tail
    }

    /// The length of the tail of a record in this place.
    pub(super) fn tail_bytes(&self) -> usize {
        32 + self.components.len()
    }

    /// The key of a text that was remembered for a vector like this one, by its nonce and tail.
    pub(super) fn key(
        &self,
        secret: &VectorSecret,
        nonce: &[u8],
        tail: &[u8],
    ) -> Option<Zeroizing<[u8; 32]>> {
        let (locked, offsets) = tail.split_first_chunk()?;
        if offsets.len() != self.components.len() {
            return None;
        }
        let bins = self.bins(offsets);
        let there = bins.iter().zip(offsets).map(|(&bin, &offset)| f64::from(bin) + read(offset));
        near(&self.components, there).then(|| lock(secret, nonce, offsets, &bins, locked))
    }

    fn bins(&self, offsets: &[u8]) -> Zeroizing<Vec<i16>> {
        let bin = |(&x, &offset): (&f64, &u8)| (x - read(offset)).round() as i16;
        Zeroizing::new(self.components.iter().zip(offsets).map(bin).collect())
    }
}

/// Of the components here and there, in bins: whether at the best scale none deviates more than is allowed.
fn near(here: &[f64], there: impl Iterator<Item = f64> + Clone) -> bool {
    let (mut both, mut own) = (0.0, 0.0);
    for (here, there) in here.iter().zip(there.clone()) {
        both += here * there;
        own += here * here;
    }
    let scale = both / own;
    here.iter().zip(there).all(|(here, there)| (here * scale - there).abs() <= DEVIATION / BIN)
}

/// An offset from the middle of a bin, from -0.5 to 0.5, in a byte: to a thirty thousandth of the root mean square.
fn written(offset: f64) -> u8 {
    ((offset + 0.5) * 255.0).round() as u8
}

fn read(offset: u8) -> f64 {
    f64::from(offset) / 255.0 - 0.5
}

/// `key` locked by the bins, or unlocked again. The nonce makes each lock another one.
fn lock(
    secret: &VectorSecret,
    nonce: &[u8],
    offsets: &[u8],
    bins: &[i16],
    key: &[u8; 32],
) -> Zeroizing<[u8; 32]> {
    let mut hasher = secret.of_sketches();
    hasher.update(b"lock").update(nonce).update(&[offsets.len() as u8]).update(offsets);
    for bin in bins {
        hasher.update(&bin.to_le_bytes());
    }
    let mut pad = Zeroizing::new([0; 32]);
    hasher.finalize_xof().fill(&mut *pad);
    hasher.zeroize();
    for (pad, key) in pad.iter_mut().zip(key) {
        *pad ^= key;
    }
    pad
}

#[cfg(test)]
#[path = "tolerant_tests.rs"]
mod tests;
