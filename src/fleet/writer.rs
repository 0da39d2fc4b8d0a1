//! Background writes: scores wait in a bounded queue and are sent in batches.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{OwnedSemaphorePermit, mpsc, oneshot},
    time::{Instant, timeout_at},
};

use super::{
    FleetMetrics, ScoreId,
    connection::{QueuedCommand, Written},
    keys::Keys,
    lane::Lane,
    metrics::{Dropped, Operation},
    scripts::Amendment,
    value,
};

/// The most scores and texts in the queue; scores take about half a megabyte.
pub(super) const QUEUE: usize = 16_384;
/// The most bytes of texts in the queue.
pub(super) const TEXT_BYTES: usize = 1 << 20;
/// The most scores in one batch.
pub(super) const BATCH: usize = 512;
/// How long the first of a batch waits for others.
const LINGER: Duration = Duration::from_millis(5);

/// Something to be written.
pub(super) enum Job {
    Score(ScoreId, f32),
    Text(Text),
    Amend(Amendment),
    /// Answered when all that came before is written or dropped.
    Flush(oneshot::Sender<()>),
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
    pub(super) metrics: FleetMetrics,
}

impl Writer {
    pub(super) async fn run(self, mut queue: mpsc::Receiver<Job>) {
        while let Some(first) = queue.recv().await {
            let batch = gather(first, &mut queue).await;
            self.metrics.queue(queue.len());
            self.write(batch).await;
        }
    }

    async fn write(&self, batch: Vec<Job>) {
        let (mut scores, mut texts) = (Vec::new(), Vec::new());
        let (mut amendments, mut waiting) = (Vec::new(), Vec::new());
        for job in batch {
            match job {
                Job::Score(id, score) => scores.push(QueuedCommand {
                    key: self.keys.score(&id),
                    value: Written::Score(value::encode(&id, score)),
                    ttl: jittered(self.ttl, fastrand::f64()),
                }),
                Job::Text(text) => texts.push(QueuedCommand {
                    key: self.keys.text(&text.name),
                    value: Written::Text(text.sealed),
                    ttl: jittered(text.ttl, EXACTLY),
                }),
                Job::Amend(amendment) => amendments.push(amendment),
                Job::Flush(done) => waiting.push(done),
            }
        }
        // First, since a search by their vectors may be on its way.
        if !texts.is_empty() {
            self.set(&texts).await;
        }
        if !scores.is_empty() {
            let written = self.set(&scores).await;
            self.metrics.written(written);
        }
        for amendment in amendments {
            self.amend(amendment).await;
        }
        for done in waiting {
            // The receiver may have gone.
            let _ = done.send(());
        }
    }

    /// Writes entries, counts those that could not be written, and returns how many were.
    async fn set(&self, entries: &[QueuedCommand]) -> usize {
        let until = Instant::now() + self.lane.max_wait;
        let Some(pass) = self.lane.enter(Operation::Set) else {
            self.metrics.dropped(Dropped::Away, entries.len());
            return 0;
        };
        let (mut written, failure) = pass.connection.write(entries, until).await;
        pass.end(failure);
        if let Some(pass) = self.lane.enter_again(failure, Operation::Set, until).await {
            let (again, failure) = pass.connection.write(entries, until).await;
            pass.end(failure);
            written = again;
        }
        self.metrics.dropped(Dropped::Failed, entries.len() - written.min(entries.len()));
        written
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

/// `first` and what comes within [`LINGER`], up to [`BATCH`]; a flush ends the wait.
async fn gather(first: Job, queue: &mut mpsc::Receiver<Job>) -> Vec<Job> {
    let until = Instant::now() + LINGER;
    let mut batch = vec![first];
    while batch.len() < BATCH && !matches!(batch.last(), Some(Job::Flush(_))) {
        match timeout_at(until, queue.recv()).await {
            Ok(Some(job)) => batch.push(job),
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

    fn scores(count: usize) -> (mpsc::Sender<Job>, mpsc::Receiver<Job>) {
        let (sender, receiver) = mpsc::channel(QUEUE);
        for _ in 0..count {
            assert!(sender.try_send(Job::Score([0; 16], 0.5)).is_ok());
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
        let (_sender, mut queue) = scores(BATCH + 3);
        assert_eq!(gathered(&mut queue).await, (BATCH, 0));
        assert_eq!(gathered(&mut queue).await, (3, 5));
    }

    #[tokio::test(start_paused = true)]
    async fn scores_that_come_within_five_milliseconds_go_together() {
        let (sender, mut queue) = scores(1);
        let later = async {
            for _ in 0..4 {
                tokio::time::sleep(Duration::from_millis(2)).await;
                assert!(sender.try_send(Job::Score([0; 16], 0.5)).is_ok());
            }
        };
        let ((together, took), ()) = tokio::join!(gathered(&mut queue), later);
        assert_eq!((together, took), (3, 5));
    }

    #[tokio::test(start_paused = true)]
    async fn a_flush_does_not_wait_for_others() {
        let (sender, mut queue) = scores(2);
        let (done, _wait) = oneshot::channel();
        assert!(sender.try_send(Job::Flush(done)).is_ok());
        assert_eq!(gathered(&mut queue).await, (3, 0));
    }
}
