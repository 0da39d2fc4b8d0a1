//! [`Changes`]: what is changed of one search.

use crate::{search::Strip, wire::json::Edits};

/// Changes to one search.
#[derive(Default)]
pub(super) struct Changes {
    pub(super) body: Edits,
    /// Parameters to set, unescaped.
    pub(super) params: Vec<(&'static str, String)>,
    pub(super) strip: Strip,
}
