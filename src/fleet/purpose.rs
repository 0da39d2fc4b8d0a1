use tokio::time::Instant;

use super::{
    Connection, Failure,
    connection::{self, QueuedCommand, Written},
    keys::Keys,
};

/// What a lane is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Reads,
    Writes,
}

/// Enough random keys to reach every node of a cluster.
const KEYS: usize = 32;
/// Time to live of a written probe, in milliseconds.
const STAYS: u64 = 1000;

impl Purpose {
    /// For logs and the metric label.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Purpose::Reads => "reads",
            Purpose::Writes => "writes",
        }
    }

    /// Does once what the lane is for: a Redis that answers a PING may still be unusable.
    pub(super) async fn probe(
        self,
        connection: &Connection,
        keys: &Keys,
        until: Instant,
    ) -> Result<(), Failure> {
        let keys: Vec<String> = (0..KEYS).map(|_| keys.probe()).collect();
        let failure = match self {
            Purpose::Reads => connection.values(&keys, until).await.1,
            Purpose::Writes => {
                let value = || Written::Score(connection::NO_SCORE);
                let entry = |key| QueuedCommand { key, value: value(), ttl: STAYS };
                let entries: Vec<QueuedCommand> = keys.into_iter().map(entry).collect();
                connection.write(&entries, until).await.1
            }
        };
        failure.map_or(Ok(()), Err)
    }
}
