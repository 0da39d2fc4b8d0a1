//! `cache.redis`: Redis or Valkey as the second cache tier.

use std::path::PathBuf;

use super::{
    node::Value,
    problem::Problems,
    section::Section,
    types::RedisConfig,
    values::{self, readable_file},
};
use crate::fleet::{Address, is_prefix};

const KEYS: [&str; 7] = ["url", "timeout", "ca_file", "password_file", "cluster", "prefix", "share_limits"];

/// The map at `cache.redis`, with what is wrong with it and with the cache that it needs.
pub(super) fn redis(cache: &Section<'_>, problems: &mut Problems) -> Option<RedisConfig> {
    let node = cache.node("redis").filter(|node| !matches!(node.value, Value::Null))?;
    let section = Section::open(Some(node), cache.path_of("redis"), &KEYS, problems);
    if !cache.has("secret_file") {
        let sentence = "cache.redis needs a secret file, the same for all sidecars: under a random secret they \
                        would share nothing. Write 32 random bytes into a file and name it here.";
        cache.complain("secret_file", sentence, problems);
    }
    if !section.has("url") {
        section.complain("url", "Redis's URL is missing, such as redis://127.0.0.1:6379.", problems);
    }
    let mut to = RedisConfig::at(section.read("url", problems, address)?);
    cluster(&section, &mut to, problems);
    section.set("timeout", &mut to.timeout, problems, values::duration);
    section.set_option::<PathBuf>("ca_file", &mut to.ca_file, problems, values::certificate_file);
    section.set_option::<PathBuf>("password_file", &mut to.password_file, problems, readable_file);
    section.set("prefix", &mut to.prefix, problems, prefix);
    section.set("share_limits", &mut to.share_limits, problems, values::boolean);
    if to.ca_file.is_some() && !to.address.is_tls() {
        let sentence = "a CA file is only used with TLS; begin the URL with rediss://.";
        section.complain("ca_file", sentence, problems);
    }
    if to.password_file.is_some() && to.address.has_password() {
        section.complain("password_file", "the URL holds a password too; write it once.", problems);
    }
    Some(to)
}

fn cluster(section: &Section<'_>, to: &mut RedisConfig, problems: &mut Problems) {
    if section.read("cluster", problems, values::boolean) == Some(true) {
        match to.address.clone().as_cluster() {
            Ok(address) => to.address = address,
            Err(error) => section.complain("cluster", error.to_string(), problems),
        }
    }
}

/// Not quoted: it may hold a password.
fn address(text: &str) -> Result<Address, String> {
    Address::parse(text).map_err(|error| error.to_string())
}

fn prefix(text: &str) -> Result<String, String> {
    if is_prefix(text) {
        return Ok(text.to_owned());
    }
    Err(format!("`{text}` cannot be a prefix of keys; use 1 to 64 letters, digits and . _ - : /"))
}
