//! A look at Redis for `rerankd check --connect`: its product, and whether it permits what we need.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use redis::Value;
use tokio::time::{Instant, timeout_at};

use super::{Connection, Connector, Failure, Settings, keys::Keys, purpose::Purpose};

/// What was found of a Redis that can be reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    /// Product and version, as far as it says.
    pub product: String,
    /// The time of one `PING`, on an open connection.
    pub took: Duration,
    /// Why scores cannot be read, if they cannot.
    pub no_reads: Option<LookError>,
    /// Why they cannot be written.
    pub no_writes: Option<LookError>,
    /// Why scripts do not run, if they do not: shared limits need them.
    pub no_scripts: Option<LookError>,
    /// Its clock.
    pub clock: Option<SystemTime>,
}

/// Why it cannot be used: a sentence, and the remedy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct LookError(&'static str, &'static str);

impl LookError {
    /// The remedy, as a whole sentence.
    pub fn remedy(&self) -> &'static str {
        self.1
    }
}

impl From<Failure> for LookError {
    fn from(failure: Failure) -> Self {
        Self(failure.as_str(), failure.remedy())
    }
}

/// Connects as the server would, and reads its facts, within the timeout `within`.
pub async fn look(settings: Settings, within: Duration) -> Result<Look, LookError> {
    let until = Instant::now() + within;
    let keys = Keys::new(&settings.prefix);
    let connector = Connector::new(settings, within);
    let opened = timeout_at(until, connector.connect()).await;
    let connection = opened.unwrap_or(Err(Failure::Timeout))?;
    let begun = Instant::now();
    connection.run(&redis::cmd("PING"), until).await?;
    let took = begun.elapsed();
    let mut info = redis::cmd("INFO");
    info.arg("server");
    // A user may lack the permission to read it: that is no fault.
    let product = connection.run(&info, until).await.ok().and_then(|said| product(&said));
    let no_reads = Purpose::Reads.probe(&connection, &keys, until).await.err().map(LookError::from);
    let no_writes = Purpose::Writes.probe(&connection, &keys, until).await.err().map(LookError::from);
    let mut script = redis::cmd("EVAL");
    script.arg("return 1").arg(0);
    let no_scripts = connection.run(&script, until).await.err().map(LookError::from);
    let clock = clock(&connection, until).await;
    let product = product.unwrap_or_else(|| "Redis".to_owned());
    Ok(Look { product, took, no_reads, no_writes, no_scripts, clock })
}

async fn clock(connection: &Connection, until: Instant) -> Option<SystemTime> {
    let said = connection.run(&redis::cmd("TIME"), until).await.ok()?;
    let mut words = Vec::new();
    texts(&said, &mut words);
    Some(UNIX_EPOCH + Duration::from_secs(words.first()?.parse().ok()?))
}

/// The product of the first server that `INFO server` names; a cluster's nodes answer together.
fn product(said: &Value) -> Option<String> {
    let mut reported = Vec::new();
    texts(said, &mut reported);
    let field = |name: &str| {
        let mut lines = reported.iter().flat_map(|text| text.lines());
        lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':').map(|value| value.trim().to_owned()))
    };
    let valkey = field("valkey_version").map(|version| format!("Valkey {version}"));
    valkey.or_else(|| field("redis_version").map(|version| format!("Redis {version}")))
}

/// Every text in a response, in its order.
fn texts(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::BulkString(bytes) => found.push(String::from_utf8_lossy(bytes).into_owned()),
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => found.push(text.clone()),
        Value::Array(values) | Value::Set(values) => values.iter().for_each(|each| texts(each, found)),
        Value::Map(pairs) => pairs.iter().for_each(|(_, each)| texts(each, found)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulk(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    #[test]
    fn a_server_is_known_by_its_own_version_also_in_a_cluster() {
        let redis = bulk("# Server\r\nredis_version:7.2.4\r\nredis_mode:standalone\r\n");
        // Valkey also states the version of Redis that it was forked from.
        let valkey =
            bulk("# Server\r\nredis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:8.1.0\r\n");
        assert_eq!(product(&redis).as_deref(), Some("Redis 7.2.4"));
        assert_eq!(product(&valkey).as_deref(), Some("Valkey 8.1.0"));
        let cluster = Value::Map(vec![(bulk("10.0.0.1:6379"), valkey)]);
        assert_eq!(product(&cluster).as_deref(), Some("Valkey 8.1.0"));
        assert_eq!(product(&Value::Okay), None);
    }
}
