//! The `shutdown` section.

use super::{problem::Problems, section::Section, types::ShutdownConfig, values};

pub(super) fn shutdown(top: &Section<'_>, problems: &mut Problems) -> ShutdownConfig {
    let mut shutdown = ShutdownConfig::default();
    let section = Section::open(top.node("shutdown"), "shutdown", &["delay", "grace"], problems);
    section.set("delay", &mut shutdown.delay, problems, values::duration_or_none);
    section.set("grace", &mut shutdown.grace, problems, values::duration_or_none);
    shutdown
}
