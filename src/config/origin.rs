//! [`Origin`]: where a value was written, so that a problem can say so.

/// Where a value was written.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Origin {
    File {
        line: usize,
        column: usize,
    },
    /// An environment variable or a flag.
    Named(String),
    Nowhere,
}
