//! One YAML file, the environment and flags, made into plain settings; every problem is told at once.
//!
//! Flags go before the environment, the environment before the file, the file before the defaults.

mod limits;
mod node;
mod origin;
mod overlay;
mod problem;
mod read;
mod read_limits;
mod read_providers;
mod read_rerank;
mod render;
mod section;
#[cfg(test)]
mod tests;
mod types;
mod values;
mod words;

use std::{collections::HashMap, path::Path};

pub use limits::{LimitsConfig, MemoryConfig};
pub use overlay::Flags;
pub use problem::{Problem, Problems};
pub use render::to_yaml;
pub use types::{
    AdminConfig, AllowList, CacheConfig, Config, ListenerConfig, ProviderConfig, ProviderKind, RerankConfig,
    RouteConfig, UpstreamConfig,
};
pub use words::{DialectChoice, FailOpen, HostMode, Mode, QuerySource, ScoreMode, WidenMode};

/// Makes a configuration of a file's text, the environment and flags.
///
/// The path names the file in problems; secret files are opened, nothing else is.
pub fn load(
    file: Option<(&Path, &str)>,
    env: &HashMap<String, String>,
    flags: &Flags,
) -> Result<Config, Problems> {
    let mut problems = Problems::default();
    let mut root = match file {
        Some((_, text)) => node::parse(text, &mut problems),
        None => node::Node::empty_map(),
    };
    if !problems.0.is_empty() {
        // What could not be parsed would only look like settings that are missing.
        return problems.or(Config::default());
    }
    overlay::lay(&mut root, env, flags, &mut problems);
    let config = read::config(&root, env, &mut problems);
    problems.or(config)
}

/// Reads the file at `path`, if there is one, and loads it.
pub fn load_path(
    path: Option<&Path>,
    env: &HashMap<String, String>,
    flags: &Flags,
) -> Result<Config, Problems> {
    let Some(path) = path else { return load(None, env, flags) };
    match std::fs::read(path).map(String::from_utf8) {
        Ok(Ok(text)) => load(Some((path, &text)), env, flags),
        Ok(Err(_)) => Err(unreadable(path, "the file is not UTF-8 text.".to_owned())),
        Err(error) => Err(unreadable(path, format!("the file cannot be read: {}.", error.kind()))),
    }
}

fn unreadable(path: &Path, sentence: String) -> Problems {
    Problems(vec![Problem { path: path.display().to_string(), line: None, column: None, sentence }])
}
