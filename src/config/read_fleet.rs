//! `cache.redis`: Redis or Valkey as the second cache tier.

use super::{
    elsewhere, list, node::Value, problem::Problems, section::Section, setting, types::RedisConfig, values,
};
use crate::fleet::Address;

/// The map at `cache.redis`, with what is wrong with it and with the cache that it needs.
pub(super) fn redis(cache: &Section<'_>, problems: &mut Problems) -> Option<RedisConfig> {
    let node = cache.node("redis").filter(|node| !matches!(node.value, Value::Null))?;
    let section = Section::open(
        Some(node),
        cache.path_of("redis"),
        &setting::keys(list::REDIS),
        elsewhere::hint,
        problems,
    );
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
    setting::read(list::REDIS, &section, &mut to, problems);
    if to.fleet.ca_file.is_some() && !to.fleet.address.is_tls() {
        let sentence = "a CA file is only used with TLS; begin the URL with rediss://.";
        section.complain("ca_file", sentence, problems);
    }
    if to.fleet.password_file.is_some() && to.fleet.address.has_password() {
        section.complain("password_file", "the URL holds a password too; write it once.", problems);
    }
    Some(to)
}

fn cluster(section: &Section<'_>, to: &mut RedisConfig, problems: &mut Problems) {
    if section.read("cluster", problems, values::boolean) == Some(true) {
        match to.fleet.address.clone().as_cluster() {
            Ok(address) => to.fleet.address = address,
            Err(error) => section.complain("cluster", error.to_string(), problems),
        }
    }
}

/// Not quoted: it may hold a password.
fn address(text: &str) -> Result<Address, String> {
    Address::parse(text).map_err(|error| error.to_string())
}
