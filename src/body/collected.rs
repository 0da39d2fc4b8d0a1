use bytes::Bytes;

use crate::bounds::{Permit, counted};

/// The smallest buffer for a body of unknown length.
const FIRST_BUFFER: usize = 16 << 10;
/// A body that declares no more gets its whole buffer with its second piece.
const STEP: usize = 64 << 10;
/// Smaller buffers are doubled, larger ones grow by half.
const LARGE: usize = 1 << 20;

/// The bytes of a body that is being read. A single chunk is kept unchanged; many small ones become one buffer, since each on its own
/// would cost more than its bytes.
pub struct Collected {
    bytes: Chunks,
    permit: Permit,
    declared: Option<usize>,
    limit: usize,
}

enum Chunks {
    One(Bytes),
    Many(Vec<u8>),
}

impl Collected {
    /// Nothing yet. Of a body that declares its length, and of which at most `limit` bytes are to be collected.
    pub fn new(permit: Permit, declared: Option<usize>, limit: usize) -> Self {
        Self { bytes: Chunks::One(Bytes::new()), permit, declared, limit }
    }

    /// How many bytes there are.
    pub fn len(&self) -> usize {
        match &self.bytes {
            Chunks::One(bytes) => bytes.len(),
            Chunks::Many(buffer) => buffer.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds a chunk; gives it back if the budget has no room for it.
    pub fn push(&mut self, data: Bytes) -> Result<(), Bytes> {
        let length = self.len() + data.len();
        match &mut self.bytes {
            _ if data.is_empty() => {}
            Chunks::One(first) if first.is_empty() => {
                if self.permit.units() < length && !self.permit.resize(length) {
                    return Err(data);
                }
                *first = data;
            }
            Chunks::Many(buffer) if length <= buffer.capacity() => buffer.extend_from_slice(&data),
            _ => {
                if !self.grow(length) {
                    return Err(data);
                }
                return self.push(data);
            }
        }
        Ok(())
    }

    /// Moves what there is to a buffer with room for `length` bytes and more to come.
    fn grow(&mut self, length: usize) -> bool {
        let (least, most) = match self.declared {
            Some(declared) => (STEP, declared),
            None => (FIRST_BUFFER, self.limit),
        };
        let more = if length < LARGE { length } else { length / 2 };
        let capacity = length.saturating_add(more).max(least).min(most).max(length);
        // While it is copied, the old buffer is there as well.
        let old = match &self.bytes {
            Chunks::One(first) => first.len(),
            Chunks::Many(buffer) => buffer.capacity(),
        };
        if !self.permit.resize(capacity.saturating_add(old)) {
            return false;
        }
        let mut larger = Vec::with_capacity(capacity);
        match &self.bytes {
            Chunks::One(first) => larger.extend_from_slice(first),
            Chunks::Many(buffer) => larger.extend_from_slice(buffer),
        }
        self.bytes = Chunks::Many(larger);
        self.permit.shrink(capacity);
        true
    }

    /// All of them; they hold their permit.
    pub fn finish(mut self) -> Bytes {
        let bytes = match self.bytes {
            Chunks::One(bytes) => {
                self.permit.shrink(bytes.len());
                bytes
            }
            Chunks::Many(buffer) => Bytes::from(buffer),
        };
        counted(bytes, self.permit)
    }
}
