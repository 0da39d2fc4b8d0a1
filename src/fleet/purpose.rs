use futures_util::future::join_all;
use tokio::time::Instant;

use super::{
    Connection, Failure,
    connection::{Push, most},
    keys::Keys,
};

/// What a lane is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Reads,
    Writes,
}

/// Enough random keys to reach every node of a cluster.
const CLUSTER_KEYS: usize = 32;
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
        let count = if matches!(connection, Connection::Cluster(_)) { CLUSTER_KEYS } else { 1 };
        let keys: Vec<String> = (0..count).map(|_| keys.probe()).collect();
        let failure = match self {
            Purpose::Reads => most(&join_all(keys.iter().map(|key| connection.chunks(key, until))).await),
            Purpose::Writes => {
                // What is no chunk in any version.
                let push = |key| Push { key, chunk: vec![0], scores: 0, ttl: STAYS };
                connection.push(&keys.into_iter().map(push).collect::<Vec<_>>(), until).await.1
            }
        };
        failure.map_or(Ok(()), Err)
    }
}
