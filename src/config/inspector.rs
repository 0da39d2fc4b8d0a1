//! The `inspector` section: what is kept of the last searches.

use super::{
    problem::Problems,
    render::Out,
    section::Section,
    values::{self, whole},
    words::CaptureLevel,
};

/// What is kept of the last searches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InspectorConfig {
    /// How much of each.
    pub capture: CaptureLevel,
    /// How many.
    pub keep: usize,
    /// The most bytes of all of them together.
    pub max_bytes: usize,
}

impl Default for InspectorConfig {
    fn default() -> Self {
        Self { capture: CaptureLevel::Scores, keep: 100, max_bytes: 16 << 20 }
    }
}

/// Reads the section.
pub(super) fn read(top: &Section<'_>, problems: &mut Problems) -> InspectorConfig {
    let mut to = InspectorConfig::default();
    let section =
        Section::open(top.node("inspector"), "inspector", &["capture", "keep", "max_bytes"], problems);
    section.set("capture", &mut to.capture, problems, CaptureLevel::read);
    section.set("keep", &mut to.keep, problems, whole(1, 10_000));
    section.set("max_bytes", &mut to.max_bytes, problems, values::memory);
    to
}

/// Writes the section as it is read.
pub(super) fn render(out: &mut Out, each: &InspectorConfig) {
    out.line(0, "inspector:");
    out.set(2, "capture", each.capture.as_str());
    out.set(2, "keep", each.keep);
    out.set(2, "max_bytes", each.max_bytes);
}
