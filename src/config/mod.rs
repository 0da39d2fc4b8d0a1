//! One YAML file, the environment and flags, made into plain settings; every problem is reported at once.
//!
//! Flags go before the environment, the environment before the file, the file before the defaults.

mod addresses;
mod boosts;
mod bounds;
mod definition;
mod differences;
mod elsewhere;
mod embeddings;
mod fingerprint;
#[cfg(test)]
mod fleet_tests;
mod grpc;
mod hints;
mod instructions;
mod kind;
mod limits;
mod list;
mod listener;
mod listener_tls;
mod made;
mod node;
mod opened;
mod origin;
mod out;
mod overlay;
mod problem;
mod provider_limits;
#[cfg(test)]
mod provider_tests;
mod published;
mod read;
mod read_embeddings;
mod read_fleet;
mod read_provider;
mod read_providers;
mod read_rerank;
mod read_rerank_api;
mod read_sign;
mod read_telemetry;
mod read_tenants;
mod read_tls;
mod render;
mod rerank;
mod rerank_api;
mod score;
mod section;
mod setting;
mod sign;
mod source;
mod tenants;
#[cfg(test)]
mod tests;
mod token;
#[cfg(test)]
mod traps_tests;
mod types;
mod values;
mod variables;
mod warnings;
mod words;

use std::{
    collections::HashMap,
    fs::File,
    io::{self, Read},
    path::Path,
};

pub use addresses::{OwnAddress, Target, is_at};
pub use definition::preset;
pub use differences::{Difference, Written, differences};
pub use embeddings::{EmbeddingMemoryConfig, EmbeddingsConfig, ServiceConfig};
pub use fingerprint::Fingerprint;
pub use grpc::GrpcListen;
pub use limits::{LimitsConfig, MemoryConfig};
pub use listener::{ListenerConfig, UpstreamConfig};
pub use listener_tls::ListenerTlsConfig;
pub use overlay::Flags;
pub use problem::{Problem, Problems};
pub use published::{page, reference, schema};
pub use render::{short_hash, to_yaml};
pub use rerank::{RerankConfig, RouteConfig};
pub use rerank_api::RerankApiConfig;
pub use sign::SignConfig;
pub use source::{Loaded, Source};
pub use tenants::{TenantConfig, TenantsConfig};
pub use types::{AdminConfig, CacheConfig, Config, RedisConfig, ShutdownConfig};
pub use words::{DialectChoice, PartialScores, WidenMode};

/// Settings types of the modules that use them.
pub use crate::{
    pipeline::{AllowList, Capture, FailOpen, Mode, QuerySource, RecordSettings, ScoreMode},
    upstream::HostHeader,
};

/// Makes a configuration of a file's text, the environment and flags.
///
/// The path names the file in problems; secret files are opened, nothing else is.
pub fn load(
    file: Option<(&Path, &str)>,
    env: &HashMap<String, String>,
    flags: &Flags,
) -> Result<Config, Problems> {
    load_written(file, env, flags).map(|(config, _)| config)
}

/// Like [`load`], with what was written where.
pub fn load_written(
    file: Option<(&Path, &str)>,
    env: &HashMap<String, String>,
    flags: &Flags,
) -> Result<(Config, Written), Problems> {
    let mut problems = Problems::default();
    let root = match file {
        Some((_, text)) => node::parse(text, &mut problems),
        None => node::Node::empty_map(),
    };
    if !problems.0.is_empty() {
        // What could not be parsed would only look like settings that are missing.
        return Err(problems);
    }
    let mut written = Written { root, file: file.map(|(path, _)| path.display().to_string()) };
    let config = read_tree(&mut written.root, env, flags)?;
    Ok((config, written))
}

fn read_tree(
    root: &mut node::Node,
    env: &HashMap<String, String>,
    flags: &Flags,
) -> Result<Config, Problems> {
    let mut problems = Problems::default();
    overlay::lay(root, env, flags, &mut problems);
    let config = read::config(root, env, &mut problems);
    problems.or(config)
}

/// Reads the file at `path`, if there is one, and loads it.
pub fn load_path(
    path: Option<&Path>,
    env: &HashMap<String, String>,
    flags: &Flags,
) -> Result<Config, Problems> {
    load_path_written(path, env, flags).map(|(config, _)| config)
}

/// Like [`load_path`], with what was written where.
pub fn load_path_written(
    path: Option<&Path>,
    env: &HashMap<String, String>,
    flags: &Flags,
) -> Result<(Config, Written), Problems> {
    let Some(path) = path else { return load_written(None, env, flags) };
    match read(path).map(String::from_utf8) {
        Ok(Ok(text)) if text.len() > bounds::MOST_BYTES => Err(unreadable(path, bounds::too_large())),
        Ok(Ok(text)) => load_written(Some((path, &text)), env, flags),
        Ok(Err(_)) => Err(unreadable(path, "the file is not UTF-8 text.".to_owned())),
        Err(error) => Err(unreadable(path, why_unreadable(path, &error))),
    }
}

/// The file's bytes, no more of them than show that there are too many.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(bounds::MOST_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn why_unreadable(path: &Path, error: &io::Error) -> String {
    let why = match error.kind() {
        _ if path.is_dir() => "it is a folder; name the file in it, such as rerankd.yaml",
        io::ErrorKind::NotFound => {
            "there is none of this name; --config or RERANKD_CONFIG names it, and without either the environment is \
             enough (RERANKD_UPSTREAM__URL)"
        }
        io::ErrorKind::PermissionDenied => "the user that rerankd runs as has no permission to read it",
        _ => return format!("the file cannot be read: {}.", error.kind()),
    };
    format!("the file cannot be read: {why}.")
}

fn unreadable(path: &Path, sentence: String) -> Problems {
    Problems(vec![Problem { path: path.display().to_string(), line: None, column: None, sentence }])
}
