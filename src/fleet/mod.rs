//! Redis or Valkey, which a fleet of sidecars shares: scores that one of them has paid for, and common limits.
//!
//! It never blocks a search: a round trip ends at its timeout, a breaker sends nothing to a slow, full or dead Redis,
//! a task of its own probes whether it is back, and writes wait in a bounded queue. Nothing here gives an error to a
//! search.

mod address;
mod breaker;
mod connection;
mod connector;
mod failure;
mod keys;
mod lane;
mod look;
mod metrics;
mod purpose;
mod scripts;
mod settings;
#[cfg(test)]
pub(crate) mod tests;
mod value;
mod writer;

use std::{
    fmt,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};

use futures_util::FutureExt;
use tokio::{
    runtime::Handle,
    sync::{Semaphore, mpsc, oneshot},
    time::Instant,
};
use tokio_util::task::AbortOnDropHandle;

pub use address::{Address, AddressError};
use connection::Connection;
use failure::Failure;
pub use keys::is_prefix;
pub use look::{Look, LookError, look};
pub use metrics::FleetMetrics;
pub use scripts::{Leave, Shared, SharedLimit, Wanted};
pub use settings::{FleetError, Settings};
pub use value::{DocumentId, QueryId};

use connector::Connector;
use keys::Keys;
use lane::{Dial, Lane};
use metrics::{Dropped, Operation};
use purpose::Purpose;
use scripts::Amendment;
use value::Found;
use writer::{Job, Text, Writer};

/// What the sidecars of a fleet share.
pub struct Fleet {
    reads: Arc<Lane>,
    writes: Arc<Lane>,
    queue: mpsc::Sender<Job>,
    /// Scores that there is room for in the queue.
    score_room: Arc<Semaphore>,
    /// Bytes of texts that there is room for in the queue.
    text_room: Arc<Semaphore>,
    keys: Keys,
    timeout: Duration,
    metrics: FleetMetrics,
    /// What the writer's task will be made of.
    idle: Mutex<Option<(Writer, mpsc::Receiver<Job>)>>,
    tasks: OnceLock<[AbortOnDropHandle<()>; 3]>,
}

impl Fleet {
    /// Ready to [`Fleet::connect`]. Blocks on the disk.
    pub fn new(settings: Settings, metrics: FleetMetrics) -> Result<Self, FleetError> {
        let reads = Connector::new(settings.clone(), settings.timeout);
        let writes = Connector::new(settings.clone(), write_timeout(settings.timeout));
        reads.check()?;
        Ok(Self::with(settings, [reads, writes].map(dial), metrics))
    }

    fn with(settings: Settings, [reads, writes]: [Dial; 2], metrics: FleetMetrics) -> Self {
        let (address, keys) = (settings.address.to_string(), Keys::new(&settings.prefix));
        let lane = |purpose, dial, max_wait| {
            Arc::new(Lane::new(purpose, address.clone(), dial, keys.clone(), max_wait, metrics.clone()))
        };
        let reads = lane(Purpose::Reads, reads, settings.timeout);
        let writes = lane(Purpose::Writes, writes, write_timeout(settings.timeout));
        let (queue, jobs) = mpsc::channel(writer::QUEUE);
        let score_room = Arc::new(Semaphore::new(writer::QUEUE));
        let writer = Writer {
            lane: writes.clone(),
            keys: keys.clone(),
            ttl: settings.ttl,
            score_room: score_room.clone(),
            metrics: metrics.clone(),
        };
        let idle = Mutex::new(Some((writer, jobs)));
        let tasks = OnceLock::new();
        let text_room = Arc::new(Semaphore::new(writer::TEXT_BYTES));
        let timeout = settings.timeout;
        Self { reads, writes, queue, score_room, text_room, keys, timeout, metrics, idle, tasks }
    }

    /// Starts to connect, in tasks that end with the fleet. Until then, and outside a Tokio runtime, all is a miss.
    pub fn connect(&self) {
        let Ok(runtime) = Handle::try_current() else { return };
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((writer, jobs)) = idle {
            let tasks = [
                runtime.spawn(self.reads.clone().keep()),
                runtime.spawn(self.writes.clone().keep()),
                runtime.spawn(writer.run(jobs)),
            ];
            // It is empty: only the taker of the writer comes here.
            let _ = self.tasks.set(tasks.map(AbortOnDropHandle::new));
        }
    }

    /// After [`Fleet::connect`]: waits until it has connected or failed to, but not longer than `within`. For
    /// commands that read once; a server does not wait.
    pub async fn tried(&self, within: Duration) {
        futures_util::future::join(self.reads.tried(within), self.writes.tried(within)).await;
    }

    /// The scores that the fleet knows of some documents of a query, in their order, in one round trip. Whatever goes
    /// wrong is a miss.
    pub async fn scores(&self, query: &QueryId, documents: &[DocumentId]) -> Vec<Option<f32>> {
        if documents.is_empty() {
            return Vec::new();
        }
        let Some(chunks) = self.chunks(&self.keys.query(query)).await else {
            return vec![None; documents.len()];
        };
        let Found { scores, damaged } = value::find(query, documents, &chunks, value::now());
        let found = scores.iter().flatten().count();
        let others = documents.len() - found;
        let (missing, damaged) = if damaged { (0, others) } else { (others, 0) };
        self.metrics.scores(found, missing, damaged);
        scores
    }

    async fn chunks(&self, key: &str) -> Option<Vec<Vec<u8>>> {
        let until = Instant::now() + self.timeout;
        let pass = self.reads.enter(Operation::Get)?;
        let chunks = pass.connection.chunks(key, until).await;
        let failure = chunks.as_ref().err().copied();
        pass.end(failure);
        let Some(pass) = self.reads.enter_again(failure, Operation::Get, until).await else {
            return Some(chunks.unwrap_or_default());
        };
        let chunks = pass.connection.chunks(key, until).await;
        pass.end(chunks.as_ref().err().copied());
        Some(chunks.unwrap_or_default())
    }

    async fn values(&self, keys: &[String]) -> Option<Vec<Option<Vec<u8>>>> {
        let until = Instant::now() + self.timeout;
        let pass = self.reads.enter(Operation::Get)?;
        let (values, failure) = pass.connection.values(keys, until).await;
        pass.end(failure);
        let Some(pass) = self.reads.enter_again(failure, Operation::Get, until).await else {
            return Some(values);
        };
        let (values, failure) = pass.connection.values(keys, until).await;
        pass.end(failure);
        Some(values)
    }

    /// Queues scores of a query to be written in the background; what the queue cannot hold is dropped.
    pub fn remember(&self, query: QueryId, mut scores: Vec<(DocumentId, f32)>) {
        scores.retain(|(_, score)| score.is_finite());
        if !self.writes.is_usable() {
            return self.metrics.dropped(Dropped::Away, scores.len());
        }
        let mut dropped = 0;
        for part in scores.chunks(value::MOST_SCORES) {
            let wanted = u32::try_from(part.len()).unwrap_or(u32::MAX);
            let room = self.score_room.clone().try_acquire_many_owned(wanted).ok();
            let queued = room.is_some_and(|room| {
                let scores = writer::Scores { query, scores: part.to_vec(), _room: room };
                self.queue.try_send(Job::Scores(scores)).is_ok()
            });
            dropped += if queued { 0 } else { part.len() };
        }
        self.metrics.dropped(Dropped::Full, dropped);
        self.metrics.queue(writer::QUEUE - self.score_room.available_permits());
    }

    /// What the fleet knows of the vectors of these names, in their order, in one round trip: sealed texts. Whatever goes
    /// wrong is a miss.
    pub async fn texts(&self, names: &[[u8; 16]]) -> Vec<Option<Vec<u8>>> {
        let keys: Vec<String> = names.iter().map(|name| self.keys.text(name)).collect();
        match self.values(&keys).await {
            Some(values) => values,
            None => vec![None; names.len()],
        }
    }

    /// Queues the sealed text of a vector to be written in the background, for `ttl`; it is dropped where the queue has no
    /// room for it.
    pub fn share_text(&self, name: [u8; 16], sealed: Vec<u8>, ttl: Duration) {
        if !self.writes.is_usable() {
            self.metrics.dropped(Dropped::Away, 1);
            return;
        }
        let bytes = u32::try_from(sealed.len()).unwrap_or(u32::MAX);
        let room = self.text_room.clone().try_acquire_many_owned(bytes).ok();
        let queued = room.is_some_and(|room| {
            self.queue.try_send(Job::Text(Text { name, sealed, ttl, _room: room })).is_ok()
        });
        if !queued {
            self.metrics.dropped(Dropped::Full, 1);
        }
    }

    /// Takes a permit for one call of `name` within the limits of `wanted`, all of them in one round trip, or takes
    /// nothing.
    ///
    /// Calls are counted by the second, so that no 60 seconds see more than allowed (a token bucket lets up to
    /// twice as many through in its first minute); a call is forgotten after 60 to 61 seconds. Search units or tokens
    /// are counted by the minute and the day of UTC.
    pub async fn take(&self, name: &str, wanted: &Wanted) -> Shared {
        let command = scripts::take(&self.keys, name, wanted);
        let Some(pass) = self.writes.enter(Operation::Take) else { return Shared::Away };
        let response = pass.connection.run(&command, Instant::now() + self.timeout).await;
        let response = response.and_then(|response| scripts::taken(name, wanted, &response));
        pass.end(response.as_ref().err().copied());
        response.unwrap_or(Shared::Away)
    }

    /// Returns the permit of a call that was not made, in the background.
    pub fn give_back(&self, leave: &Leave) {
        self.amend(leave.give_back());
    }

    /// Replaces the estimate by the bill, in the background.
    pub fn settle(&self, leave: &Leave, billed: f64) {
        self.amend(leave.settle(billed));
    }

    /// What the fleet knows of the words of a collection; none where it knows nothing or Redis is unreachable. It is
    /// large, and no search waits for it: it uses the lane of writes.
    pub async fn words(&self, collection: u64) -> Option<Vec<u8>> {
        let mut command = redis::cmd("GET");
        command.arg(self.keys.words(collection));
        match self.run_for_words(&command).await? {
            redis::Value::BulkString(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// Shares with the fleet what is known of the words of a collection, for `ttl`.
    pub async fn tell_words(&self, collection: u64, known: &[u8], ttl: Duration) {
        let mut command = redis::cmd("SET");
        let ttl = u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX);
        command.arg(self.keys.words(collection)).arg(known).arg("PX").arg(ttl);
        let _ = self.run_for_words(&command).await;
    }

    async fn run_for_words(&self, command: &redis::Cmd) -> Option<redis::Value> {
        let pass = self.writes.enter(Operation::Words)?;
        let response = pass.connection.run(command, Instant::now() + write_timeout(self.timeout)).await;
        pass.end(response.as_ref().err().copied());
        response.ok()
    }

    /// Waits until what was to be written is written or dropped, but not longer than `within`.
    pub async fn flush(&self, within: Duration) {
        let (done, wait) = oneshot::channel();
        let flushed = async {
            if self.queue.send(Job::Flush(done)).await.is_ok() {
                // The writer only goes with its runtime.
                let _ = wait.await;
            }
        };
        // What is not written by then is lost, as scores may be.
        let _ = tokio::time::timeout(within, flushed).await;
    }

    fn amend(&self, amendment: Option<Amendment>) {
        if let Some(amendment) = amendment
            && self.queue.try_send(Job::Amend(amendment)).is_err()
        {
            self.metrics.dropped(Dropped::Full, 1);
        }
    }
}

impl fmt::Debug for Fleet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fleet").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}

/// Timeout of a batch of writes: no search waits for it.
fn write_timeout(timeout: Duration) -> Duration {
    timeout.max(Duration::from_millis(250))
}

fn dial(connector: Connector) -> Dial {
    let connector = Arc::new(connector);
    Arc::new(move || {
        let connector = connector.clone();
        async move { connector.connect().await }.boxed()
    })
}
