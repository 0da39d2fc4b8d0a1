//! The `inspector` section: what is kept of the last searches.

use super::words::CaptureLevel;

/// What is kept of the last searches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InspectorConfig {
    /// How much of each search.
    pub capture: CaptureLevel,
    /// How many searches.
    pub keep: usize,
    /// The most bytes of all of them together.
    pub max_bytes: usize,
}

impl Default for InspectorConfig {
    fn default() -> Self {
        Self { capture: CaptureLevel::Scores, keep: 100, max_bytes: 16 << 20 }
    }
}
