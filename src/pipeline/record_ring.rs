//! [`RecordRing`]: the last searches, for the inspector. Bounded in number, bytes and work; a slow reader misses
//! some, and nothing waits for it.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::{
    sync::{Semaphore, broadcast},
    time::Instant,
};

use super::{Capture, SearchRecord};

/// Requests recorded per second; more are not: nobody could read them, and each takes time.
pub const MOST_PER_SECOND: u64 = 50;
/// Records being made at a time; each holds a response's bytes until it is done.
const PLACES: usize = 4;
/// Events by which a subscriber may lag before it misses some.
const BACKLOG: usize = 256;

/// What is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordSettings {
    /// How much of a search.
    pub capture: Capture,
    /// The most records of searches whose hits went through ranking, and as many of others.
    pub keep: usize,
    /// The most bytes of all records together, approximately.
    pub max_bytes: usize,
}

impl Default for RecordSettings {
    /// Scores alone of a hundred searches, 16 MiB.
    fn default() -> Self {
        Self { capture: Capture::Scores, keep: 100, max_bytes: 16 << 20 }
    }
}

/// How full a ring is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// Records.
    pub records: usize,
    /// The size of the records, approximately.
    pub bytes: usize,
    /// Searches that were not recorded since the start, because there were too many at a time.
    pub left_out: u64,
}

/// The last searches. A number identifies each within this process; later ones have larger numbers.
pub struct RecordRing {
    state: Mutex<State>,
    /// Second since `born`, and how many requests were recorded in it.
    rate: Mutex<(u64, u64)>,
    born: Instant,
    left_out: AtomicU64,
    places: Arc<Semaphore>,
    added: broadcast::Sender<u64>,
}

struct State {
    settings: RecordSettings,
    next: u64,
    /// Those whose hits went through ranking. Apart from the others, which may be many more.
    ranked: VecDeque<RingEntry>,
    others: VecDeque<RingEntry>,
    bytes: usize,
}

struct RingEntry {
    number: u64,
    bytes: usize,
    record: Arc<SearchRecord>,
}

/// A number and its record.
pub type Numbered = (u64, Arc<SearchRecord>);

impl RecordRing {
    /// An empty one.
    pub fn new(settings: RecordSettings) -> Self {
        let (ranked, others) = (VecDeque::new(), VecDeque::new());
        Self {
            state: Mutex::new(State { settings, next: 1, ranked, others, bytes: 0 }),
            rate: Mutex::default(),
            born: Instant::now(),
            left_out: AtomicU64::new(0),
            places: Arc::new(Semaphore::new(PLACES)),
            added: broadcast::Sender::new(BACKLOG),
        }
    }

    /// Applies new settings, also to records held already: text that is no longer wanted is dropped.
    pub fn configure(&self, settings: RecordSettings) {
        let mut state = self.lock();
        state.settings = settings;
        if settings.capture < Capture::Text {
            state.drop_text();
        }
        state.trim();
    }

    /// What is recorded.
    pub fn settings(&self) -> RecordSettings {
        self.lock().settings
    }

    /// Whether another record would be taken in this second.
    pub fn has_room(&self) -> bool {
        let (second, taken) = *self.lock_rate();
        second != self.second() || taken < MOST_PER_SECOND
    }

    /// Counts a search that is not recorded because there were too many at a time.
    pub fn leave_out(&self) {
        self.left_out.fetch_add(1, Ordering::Relaxed);
    }

    /// Makes records in a task of its own and adds them, or leaves them out if too many are being made. `brief`: making
    /// them takes less than to wake a thread for it.
    pub fn write(self: &Arc<Self>, brief: bool, make: impl FnOnce() -> Vec<SearchRecord> + Send + 'static) {
        let place = self.places.clone().try_acquire_owned().ok().filter(|_| self.take());
        let Some(place) = place else { return self.leave_out() };
        let ring = self.clone();
        // It starts when the caller's own task yields, and the response is on its way.
        tokio::spawn(async move {
            let records = move || {
                make().into_iter().for_each(|record| ring.push(record));
                drop(place);
            };
            match brief {
                true => records(),
                false => drop(tokio::task::spawn_blocking(records)),
            }
        });
    }

    /// A permit for one of this second's records, if one is left.
    fn take(&self) -> bool {
        let second = self.second();
        let mut rate = self.lock_rate();
        if rate.0 != second {
            *rate = (second, 0);
        }
        let is_left = rate.1 < MOST_PER_SECOND;
        rate.1 += u64::from(is_left);
        is_left
    }

    fn second(&self) -> u64 {
        self.born.elapsed().as_secs()
    }

    fn lock_rate(&self) -> MutexGuard<'_, (u64, u64)> {
        self.rate.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a record, less what is not wanted now, and notifies the subscribers.
    pub fn push(&self, record: SearchRecord) {
        let mut state = self.lock();
        let settings = state.settings;
        let record = match settings.capture {
            Capture::Off => return,
            Capture::Scores if record.has_text() => record.without_text(),
            _ if record.bytes() > settings.max_bytes => record.without_text(),
            _ => record,
        };
        let bytes = record.bytes();
        if bytes > settings.max_bytes {
            return self.leave_out();
        }
        let number = state.next;
        state.next += 1;
        state.bytes += bytes;
        let of_its_kind = if record.lists.is_empty() { &mut state.others } else { &mut state.ranked };
        of_its_kind.push_back(RingEntry { number, bytes, record: Arc::new(record) });
        state.trim();
        drop(state);
        // An error means that there is no subscriber.
        let _ = self.added.send(number);
    }

    /// All records, the latest first.
    pub fn list(&self) -> Vec<Numbered> {
        let state = self.lock();
        let mut all: Vec<Numbered> = state
            .ranked
            .iter()
            .chain(&state.others)
            .map(|entry| (entry.number, entry.record.clone()))
            .collect();
        all.sort_by_key(|(number, _)| std::cmp::Reverse(*number));
        all
    }

    /// The record of this number, if it is still held.
    pub fn get(&self, number: u64) -> Option<Arc<SearchRecord>> {
        let state = self.lock();
        let mut all = state.ranked.iter().chain(&state.others);
        all.find(|entry| entry.number == number).map(|entry| entry.record.clone())
    }

    /// Subscribes to the numbers of records from now on. Numbers only: text is held nowhere but in the ring.
    pub fn subscribe(&self) -> broadcast::Receiver<u64> {
        self.added.subscribe()
    }

    /// How full it is.
    pub fn held(&self) -> Held {
        let state = self.lock();
        let records = state.ranked.len() + state.others.len();
        Held { records, bytes: state.bytes, left_out: self.left_out.load(Ordering::Relaxed) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn drop_text(&mut self) {
        for entry in self.ranked.iter_mut().chain(&mut self.others) {
            if entry.record.has_text() {
                let record = entry.record.without_text();
                self.bytes -= entry.bytes;
                entry.bytes = record.bytes();
                self.bytes += entry.bytes;
                entry.record = Arc::new(record);
            }
        }
    }

    /// Drops the oldest until the rest is within the limits.
    fn trim(&mut self) {
        let keep = if self.settings.capture == Capture::Off { 0 } else { self.settings.keep };
        for entries in [&mut self.ranked, &mut self.others] {
            while entries.len() > keep {
                self.bytes -= entries.pop_front().map_or(0, |entry| entry.bytes);
            }
        }
        while self.bytes > self.settings.max_bytes {
            let number =
                |entries: &VecDeque<RingEntry>| entries.front().map_or(u64::MAX, |entry| entry.number);
            let ranked_first = number(&self.ranked) < number(&self.others);
            let oldest = if ranked_first { self.ranked.pop_front() } else { self.others.pop_front() };
            let Some(oldest) = oldest else { return };
            self.bytes -= oldest.bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::{
        pipeline::{
            Asked, DocumentRecord, HitRecord, ListRecord, Mode, NewPlace, Origin, Report, ScoredBy, Timings,
        },
        search::{HitId, KeepReason},
    };

    const MUCH: RecordSettings = RecordSettings { capture: Capture::Text, keep: 3, max_bytes: 1 << 20 };

    /// A record with that much text in its only document; none is a search that was not ranked.
    fn record(text: usize) -> SearchRecord {
        let hit = HitRecord {
            id: HitId::default(),
            from: 0,
            to: NewPlace::Response(0),
            database_score: None,
            relevance: None,
            scored_by: ScoredBy::Provider,
            boosted: None,
            passage: None,
            document: Some(DocumentRecord { text: "x".repeat(text).into(), cut: false }),
        };
        SearchRecord {
            started: SystemTime::UNIX_EPOCH,
            origin: Origin::default(),
            asked: Some(Asked {
                collections: Vec::new(),
                limit: 1,
                offset: 0,
                window: None,
                widened_to: None,
                mode: Mode::On,
                sample: 1.0,
                query: Some("q".into()),
            }),
            report: Report::kept(KeepReason::NoText),
            timings: Timings::default(),
            status: Some(200),
            failure: None,
            lists: if text == 0 { Vec::new() } else { vec![ListRecord { hits: vec![hit] }] },
        }
    }

    fn numbers(ring: &RecordRing) -> Vec<u64> {
        ring.list().into_iter().map(|(number, _)| number).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_are_kept_and_searches_that_were_not_ranked_push_no_ranked_ones_out() {
        let ring = RecordRing::new(MUCH);
        let mut added = ring.subscribe();
        for text in [1, 1, 1, 1, 0, 0, 0, 0] {
            ring.push(record(text));
        }
        assert_eq!(numbers(&ring), [8, 7, 6, 4, 3, 2]);
        assert!(ring.get(1).is_none() && ring.get(2).is_some());
        assert_eq!(added.recv().await.unwrap(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn bytes_are_bounded_the_oldest_go_first_and_one_that_is_too_large_loses_its_text() {
        let ring = RecordRing::new(RecordSettings { keep: 100, max_bytes: 10_000, ..MUCH });
        for _ in 0..5 {
            ring.push(record(3000));
        }
        assert_eq!(numbers(&ring), [5, 4]);
        assert!(ring.held().bytes <= 10_000);
        ring.push(record(20_000));
        assert!(!ring.get(6).unwrap().has_text());
        ring.configure(RecordSettings { keep: 100, max_bytes: 100, ..MUCH });
        ring.push(record(1));
        assert_eq!(ring.held(), Held { records: 0, bytes: 0, left_out: 1 });
    }

    #[tokio::test(start_paused = true)]
    async fn text_that_is_no_longer_wanted_is_gone_also_what_was_under_way() {
        let ring = RecordRing::new(MUCH);
        ring.push(record(50));
        assert!(ring.get(1).unwrap().has_text());
        ring.configure(RecordSettings { capture: Capture::Scores, ..MUCH });
        ring.push(record(50));
        assert!(ring.list().iter().all(|(_, record)| !record.has_text()));
        assert_eq!(ring.held().bytes, ring.list().iter().map(|(_, record)| record.bytes()).sum::<usize>());
        ring.configure(RecordSettings { capture: Capture::Off, ..MUCH });
        ring.push(record(50));
        assert_eq!(ring.held(), Held { records: 0, bytes: 0, left_out: 0 });
    }

    #[tokio::test(start_paused = true)]
    async fn so_many_a_second_are_recorded_and_no_more() {
        let ring = Arc::new(RecordRing::new(MUCH));
        let taken = || (0..200).filter(|_| ring.has_room() && ring.take()).count();
        assert_eq!(taken(), 50);
        assert!(!ring.take() && !ring.has_room());
        ring.write(true, || panic!("there is no room"));
        assert_eq!(ring.held().left_out, 1);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(ring.has_room());
        assert_eq!(taken(), 50);
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_subscriber_misses_some_and_holds_nobody_up() {
        let ring = RecordRing::new(MUCH);
        let mut slow = ring.subscribe();
        for _ in 0..2 * BACKLOG {
            ring.push(record(1));
        }
        assert!(matches!(slow.recv().await, Err(broadcast::error::RecvError::Lagged(_))));
    }
}
