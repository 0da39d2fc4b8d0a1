use futures_util::future::join_all;
use redis::{Cmd, RedisError, Value, aio::MultiplexedConnection, cluster_async::ClusterConnection};
use tokio::time::{Instant, timeout_at};

use super::{Failure, value::MOST_CHUNKS};

/// An open connection, used by many at once. Clones are the same one.
#[derive(Clone)]
pub(super) enum Connection {
    Single(MultiplexedConnection),
    Cluster(ClusterConnection),
}

/// A command that sets one key.
pub(super) struct QueuedCommand {
    pub(super) key: String,
    pub(super) value: Vec<u8>,
    /// In milliseconds.
    pub(super) ttl: u64,
}

/// A command that adds to one list.
pub(super) struct Push {
    pub(super) key: String,
    pub(super) chunk: Vec<u8>,
    /// How many scores are in it.
    pub(super) scores: usize,
    /// Of the whole list, from now on, in milliseconds.
    pub(super) ttl: u64,
}

impl Connection {
    /// The values of `keys`, in one round trip; failed and late ones count as missing.
    ///
    /// A cluster answers key by key, since two keys seldom have one slot: what its healthy nodes know is of use while
    /// another is down, so that only a timeout or a failure of most keys is an error.
    pub(super) async fn values(
        &self,
        keys: &[String],
        until: Instant,
    ) -> (Vec<Option<Vec<u8>>>, Option<Failure>) {
        match self {
            Connection::Single(_) => {
                let mut command = redis::cmd("MGET");
                command.arg(keys);
                match self.run(&command, until).await.and_then(|response| values(response, keys.len())) {
                    Ok(values) => (values, None),
                    Err(failure) => (vec![None; keys.len()], Some(failure)),
                }
            }
            Connection::Cluster(_) => {
                let responses = self.run_all(keys.iter().map(|key| get(key)).collect(), until).await;
                let responses: Vec<_> =
                    responses.into_iter().map(|response| response.and_then(value)).collect();
                let failure = late(&responses).or_else(|| most(&responses));
                (responses.into_iter().map(Result::unwrap_or_default).collect(), failure)
            }
        }
    }

    /// Writes `entries` in one round trip. Returns how many were written, and the reason if most were not.
    pub(super) async fn write(&self, entries: &[QueuedCommand], until: Instant) -> (usize, Option<Failure>) {
        let responses = match self {
            Connection::Single(connection) => {
                let mut pipe = redis::pipe();
                for entry in entries {
                    pipe.add_command(set(entry));
                }
                let mut connection = connection.clone();
                let asked = pipe.ignore_errors().query_async(&mut connection);
                let responses: Result<Vec<Result<Value, RedisError>>, Failure> = in_time(until, asked).await;
                match responses {
                    Ok(responses) => responses.into_iter().map(|a| a.map_err(|e| Failure::of(&e))).collect(),
                    Err(failure) => return (0, Some(failure)),
                }
            }
            Connection::Cluster(_) => self.run_all(entries.iter().map(set).collect(), until).await,
        };
        let responses: Vec<_> = responses.into_iter().map(|response| response.and_then(okay)).collect();
        (responses.iter().flatten().count(), most(&responses))
    }

    /// The chunks of a list, the oldest first: one key, and so one slot of a cluster.
    pub(super) async fn chunks(&self, key: &str, until: Instant) -> Result<Vec<Vec<u8>>, Failure> {
        let mut command = redis::cmd("LRANGE");
        command.arg(key).arg(0).arg(-1);
        match self.run(&command, until).await? {
            Value::Array(items) => {
                items.into_iter().map(|item| value(item)?.ok_or(Failure::Garbage)).collect()
            }
            _ => Err(Failure::Garbage),
        }
    }

    /// Adds to lists, in one round trip. Returns how many scores were written, and the reason if most lists were not.
    pub(super) async fn push(&self, pushes: &[Push], until: Instant) -> (usize, Option<Failure>) {
        let responses = join_all(pushes.iter().map(|push| self.push_one(push, until))).await;
        let written = pushes.iter().zip(&responses).filter(|(_, response)| response.is_ok());
        (written.map(|(push, _)| push.scores).sum(), most(&responses))
    }

    /// As a transaction: a list without a time to live would stay for ever.
    async fn push_one(&self, push: &Push, until: Instant) -> Result<(), Failure> {
        let Push { key, chunk, ttl, .. } = push;
        let mut pipe = redis::pipe();
        pipe.atomic();
        pipe.cmd("RPUSH").arg(key).arg(chunk);
        pipe.cmd("LTRIM").arg(key).arg(-(MOST_CHUNKS as i64)).arg(-1);
        pipe.cmd("PEXPIRE").arg(key).arg(*ttl);
        let response: Value = match self.clone() {
            Connection::Single(mut connection) => in_time(until, pipe.query_async(&mut connection)).await,
            Connection::Cluster(mut connection) => in_time(until, pipe.query_async(&mut connection)).await,
        }?;
        match response {
            Value::Array(items) if items.last() == Some(&Value::Int(1)) => Ok(()),
            _ => Err(Failure::Garbage),
        }
    }

    /// Runs one command.
    pub(super) async fn run(&self, command: &Cmd, until: Instant) -> Result<Value, Failure> {
        match self.clone() {
            Connection::Single(mut connection) => in_time(until, command.query_async(&mut connection)).await,
            Connection::Cluster(mut connection) => in_time(until, command.query_async(&mut connection)).await,
        }
    }

    /// Runs commands concurrently, each with its own result, all with one deadline.
    async fn run_all(&self, commands: Vec<Cmd>, until: Instant) -> Vec<Result<Value, Failure>> {
        join_all(commands.iter().map(|command| self.run(command, until))).await
    }
}

async fn in_time<T>(
    until: Instant,
    asked: impl Future<Output = Result<T, RedisError>>,
) -> Result<T, Failure> {
    match timeout_at(until, asked).await {
        Ok(response) => response.map_err(|error| Failure::of(&error)),
        Err(_) => Err(Failure::Timeout),
    }
}

fn get(key: &str) -> Cmd {
    let mut command = redis::cmd("GET");
    command.arg(key);
    command
}

fn set(entry: &QueuedCommand) -> Cmd {
    let mut command = redis::cmd("SET");
    command.arg(&entry.key).arg(&entry.value).arg("PX").arg(entry.ttl);
    command
}

/// The response to an MGET of `count` keys.
fn values(response: Value, count: usize) -> Result<Vec<Option<Vec<u8>>>, Failure> {
    match response {
        Value::Array(items) if items.len() == count => items.into_iter().map(value).collect(),
        _ => Err(Failure::Garbage),
    }
}

fn value(item: Value) -> Result<Option<Vec<u8>>, Failure> {
    match item {
        Value::BulkString(bytes) => Ok(Some(bytes)),
        Value::Nil => Ok(None),
        _ => Err(Failure::Garbage),
    }
}

fn okay(response: Value) -> Result<(), Failure> {
    match response {
        Value::Okay => Ok(()),
        _ => Err(Failure::Garbage),
    }
}

fn late<T>(responses: &[Result<T, Failure>]) -> Option<Failure> {
    responses.iter().any(|response| matches!(response, Err(Failure::Timeout))).then_some(Failure::Timeout)
}

/// A failure, if more than half of the responses are one.
pub(super) fn most<T>(responses: &[Result<T, Failure>]) -> Option<Failure> {
    let failures = || responses.iter().filter_map(|response| response.as_ref().err().copied());
    failures().last().filter(|_| failures().count() * 2 > responses.len())
}
