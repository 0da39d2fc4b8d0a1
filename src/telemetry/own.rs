//! Which lines are this program's own.

use tracing::Metadata;

/// Whether a line is this program's own.
pub(super) fn is_own(metadata: &Metadata<'_>) -> bool {
    let module = metadata.target();
    module == "rerankd" || module.starts_with("rerankd::")
}
