//! Background writes: scores wait in a bounded queue and are sent in batches.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot},
    time::{Instant, timeout_at},
};

use super::{
    DocumentId, FleetMetrics, QueryId,
    connection::{Push, QueuedCommand},
    keys::Keys,
    lane::Lane,
    metrics::{Dropped, Operation},
    scripts::Amendment,
    value,
};

/// The most scores in the queue, which take about half a megabyte, and the most other jobs.
pub(super) const QUEUE: usize = 16_384;
/// The most bytes of texts in the queue.
pub(super) const TEXT_BYTES: usize = 1 << 20;
/// At so many scores a batch is full.
pub(super) const BATCH: usize = 512;
/// How long the first of a batch waits for others.
const LINGER: Duration = Duration::from_millis(5);

/// Something to be written.
pub(super) enum Job {
    Scores(Scores),
    Text(Text),
    Amend(Amendment),
    /// Answered when all that came before is written or dropped.
    Flush(oneshot::Sender<()>),
}

/// Scores of one query: one chunk.
pub(super) struct Scores {
    pub(super) query: QueryId,
    pub(super) scores: Vec<(DocumentId, f32)>,
    /// Of [`QUEUE`], one for each.
    pub(super) _room: OwnedSemaphorePermit,
}

/// The sealed text of a vector.
pub(super) struct Text {
    /// The vector's.
    pub(super) name: [u8; 16],
    pub(super) sealed: Vec<u8>,
    pub(super) ttl: Duration,
    /// Of [`TEXT_BYTES`].
    pub(super) _room: OwnedSemaphorePermit,
}

/// Takes jobs from the queue until its other end is gone.
pub(super) struct Writer {
    pub(super) lane: Arc<Lane>,
    pub(super) keys: Keys,
    pub(super) ttl: Duration,
    /// [`QUEUE`] permits.
    pub(super) score_room: Arc<Semaphore>,
    pub(super) metrics: FleetMetrics,
}

impl Writer {
    pub(super) async fn run(self, mut queue: mpsc::Receiver<Job>) {
        while let Some(first) = queue.recv().await {
            let batch = gather(first, &mut queue).await;
            self.write(batch).await;
        }
    }

    async fn write(&self, batch: Vec<Job>) {
        let (mut scores, mut texts) = (Vec::new(), Vec::new());
        let (mut amendments, mut waiting) = (Vec::new(), Vec::new());
        for job in batch {
            match job {
                Job::Scores(job) => scores.push(self.push(&job)),
                Job::Text(text) => texts.push(QueuedCommand {
                    key: self.keys.text(&text.name),
                    value: text.sealed,
                    ttl: jittered(text.ttl, EXACTLY),
                }),
                Job::Amend(amendment) => amendments.push(amendment),
                Job::Flush(done) => waiting.push(done),
            }
        }
        self.metrics.queue(QUEUE - self.score_room.available_permits());
        // First, since a search by their vectors may be on its way.
        if !texts.is_empty() {
            self.set(&texts).await;
        }
        if !scores.is_empty() {
            self.push_all(&scores).await;
        }
        for amendment in amendments {
            self.amend(amendment).await;
        }
        for done in waiting {
            // The receiver may have gone.
            let _ = done.send(());
        }
    }

    fn push(&self, job: &Scores) -> Push {
        let ttl = jittered(self.ttl, fastrand::f64());
        let seconds = u32::try_from(ttl.div_ceil(1000)).unwrap_or(u32::MAX);
        let chunk = value::encode(&job.query, value::now().saturating_add(seconds), &job.scores);
        Push { key: self.keys.query(&job.query), chunk, scores: job.scores.len(), ttl }
    }

    /// Writes scores, and counts those that could not be written.
    async fn push_all(&self, pushes: &[Push]) {
        let until = Instant::now() + self.lane.max_wait;
        let all: usize = pushes.iter().map(|push| push.scores).sum();
        let Some(pass) = self.lane.enter(Operation::Set) else {
            return self.metrics.dropped(Dropped::Away, all);
        };
        let (mut written, failure) = pass.connection.push(pushes, until).await;
        pass.end(failure);
        if let Some(pass) = self.lane.enter_again(failure, Operation::Set, until).await {
            let (again, failure) = pass.connection.push(pushes, until).await;
            pass.end(failure);
            written = again;
        }
        self.metrics.written(written);
        self.metrics.dropped(Dropped::Failed, all - written.min(all));
    }

    /// Writes texts, and counts those that could not be written.
    async fn set(&self, entries: &[QueuedCommand]) {
        let until = Instant::now() + self.lane.max_wait;
        let Some(pass) = self.lane.enter(Operation::Set) else {
            return self.metrics.dropped(Dropped::Away, entries.len());
        };
        let (mut written, failure) = pass.connection.write(entries, until).await;
        pass.end(failure);
        if let Some(pass) = self.lane.enter_again(failure, Operation::Set, until).await {
            let (again, failure) = pass.connection.write(entries, until).await;
            pass.end(failure);
            written = again;
        }
        self.metrics.dropped(Dropped::Failed, entries.len() - written.min(entries.len()));
    }

    async fn amend(&self, amendment: Amendment) {
        let Some(pass) = self.lane.enter(Operation::Amend) else {
            self.metrics.dropped(Dropped::Away, 1);
            return;
        };
        let response =
            pass.connection.run(&amendment.command(&self.keys), Instant::now() + self.lane.max_wait).await;
        pass.end(response.as_ref().err().copied());
        if response.is_err() {
            self.metrics.dropped(Dropped::Failed, 1);
        }
    }
}

/// `first` and what comes within [`LINGER`], until there are [`BATCH`] scores; a flush ends the wait.
async fn gather(first: Job, queue: &mut mpsc::Receiver<Job>) -> Vec<Job> {
    let until = Instant::now() + LINGER;
    let scores = |job: &Job| if let Job::Scores(job) = job { job.scores.len() } else { 1 };
    let (mut count, mut batch) = (scores(&first), vec![first]);
    while count < BATCH && !matches!(batch.last(), Some(Job::Flush(_))) {
        match timeout_at(until, queue.recv()).await {
            Ok(Some(job)) => {
                count += scores(&job);
                batch.push(job);
            }
            Ok(None) | Err(_) => break,
        }
    }
    batch
}

/// Where [`jittered`] changes nothing.
const EXACTLY: f64 = 0.5;

/// `ttl` give or take a tenth, in milliseconds; `at` is from 0 to 1.
fn jittered(ttl: Duration, at: f64) -> u64 {
    // Redis adds it to the time of day in a signed number.
    const LONGEST: f64 = (1_u64 << 52) as f64;
    (ttl.as_secs_f64() * 1000.0 * (0.9 + 0.2 * at)).clamp(1.0, LONGEST) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_of_one_moment_do_not_end_at_one_moment() {
        let ttl = Duration::from_secs(100);
        assert_eq!([0.0, 0.5, 1.0].map(|at| jittered(ttl, at)), [90_000, 100_000, 110_000]);
        assert_eq!(jittered(Duration::from_nanos(1), 0.0), 1);
        assert!(jittered(Duration::MAX, 1.0) < i64::MAX as u64 / 1024);
    }

    fn job(count: usize) -> Job {
        let room = Arc::new(Semaphore::new(count)).try_acquire_many_owned(count as u32).unwrap();
        Job::Scores(Scores { query: [0; 16], scores: vec![([0; 12], 0.5); count], _room: room })
    }

    fn queue(jobs: &[usize]) -> (mpsc::Sender<Job>, mpsc::Receiver<Job>) {
        let (sender, receiver) = mpsc::channel(QUEUE);
        for count in jobs {
            assert!(sender.try_send(job(*count)).is_ok());
        }
        (sender, receiver)
    }

    async fn gathered(queue: &mut mpsc::Receiver<Job>) -> (usize, u128) {
        let started = Instant::now();
        let first = queue.recv().await.unwrap();
        let batch = gather(first, queue).await;
        (batch.len(), started.elapsed().as_millis())
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_batch_goes_at_once_and_the_rest_after_five_milliseconds() {
        let (_sender, mut queue) = queue(&[BATCH - 20, 20, 50, 1]);
        assert_eq!(gathered(&mut queue).await, (2, 0));
        assert_eq!(gathered(&mut queue).await, (2, 5));
    }

    #[tokio::test(start_paused = true)]
    async fn scores_that_come_within_five_milliseconds_go_together() {
        let (sender, mut queue) = queue(&[1]);
        let later = async {
            for _ in 0..4 {
                tokio::time::sleep(Duration::from_millis(2)).await;
                assert!(sender.try_send(job(1)).is_ok());
            }
        };
        let ((together, took), ()) = tokio::join!(gathered(&mut queue), later);
        assert_eq!((together, took), (3, 5));
    }

    #[tokio::test(start_paused = true)]
    async fn a_flush_does_not_wait_for_others() {
        let (sender, mut queue) = queue(&[1, 1]);
        let (done, _wait) = oneshot::channel();
        assert!(sender.try_send(Job::Flush(done)).is_ok());
        assert_eq!(gathered(&mut queue).await, (3, 0));
    }
}
