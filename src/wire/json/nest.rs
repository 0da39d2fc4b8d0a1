//! [`Nest`]: which objects and arrays a value stands in.

/// What the current value stands in, from the outside in: one bit each, set for objects.
pub(super) struct Nest {
    /// The innermost levels, below the highest bit that is set.
    bits: u64,
    /// Those before them, 63 each.
    outer: Vec<u64>,
}

impl Nest {
    #[inline(always)]
    pub(super) fn new() -> Self {
        Self { bits: 1, outer: Vec::new() }
    }

    #[inline(always)]
    pub(super) fn push(&mut self, object: bool) {
        if self.bits >> 63 == 1 {
            self.outer.push(self.bits);
            self.bits = 1;
        }
        self.bits = self.bits << 1 | u64::from(object);
    }

    #[inline(always)]
    pub(super) fn pop(&mut self) {
        self.bits >>= 1;
        if self.bits == 1 {
            self.bits = self.outer.pop().unwrap_or(1);
        }
    }

    #[inline(always)]
    pub(super) fn innermost_is_object(&self) -> Option<bool> {
        (self.bits != 1).then_some(self.bits & 1 == 1)
    }
}
