//! What a command says on its two streams. Whoever reads may stop (`rerankd demo | head`): that is no failure.

use std::{
    fmt,
    io::{self, Write},
};

/// A line on standard error; lost where standard error is closed.
pub(super) fn say(line: fmt::Arguments<'_>) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// Whether the reader has gone away: the command is then done, and well.
pub(super) fn is_cut_off(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::BrokenPipe
}
