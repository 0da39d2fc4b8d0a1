//! [`Lines`]: one line a minute for each reason, with the number of those left out.

use std::{
    error::Error,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::{Duration, SystemTime},
};

use tokio::{runtime::Handle, time};

use crate::telemetry::chain;

/// At most one line for a reason in this time.
const EVERY: Duration = Duration::from_secs(60);

/// Lets one line a minute through for each reason, and counts the others. Clones share the counts. A number is never
/// lost: when the minute is over a timer writes one of the lines that were left out, with the number of the rest; what is
/// still left then is written when the last clone is dropped, or by [`Lines::flush`].
#[derive(Clone, Debug, Default)]
pub struct Lines(Arc<Shared>);

#[derive(Default)]
struct Shared(Mutex<Vec<Entry>>);

struct Entry {
    /// A word of a closed list.
    reason: &'static str,
    /// When the last line was written.
    at: time::Instant,
    /// Lines left out since then.
    left_out: u64,
    /// The first of them.
    pending: Option<Pending>,
}

/// Writes a line; it gets the number of those that were left out.
type Pending = Box<dyn FnOnce(Option<u64>) + Send>;

/// The peer that a line is about.
#[derive(Clone, Copy, Debug)]
pub struct Peer<'a> {
    /// Its role: `upstream`, `provider`.
    pub role: &'static str,
    /// Its name in the configuration; empty where it has none.
    pub name: &'a str,
    /// Scheme, host and port.
    pub address: &'a str,
}

/// What went wrong with a peer.
#[derive(Clone, Debug)]
pub struct Failure<'a> {
    /// The cause, in the word of metric, response and `explain`.
    pub cause: &'static str,
    /// The operator's remedy.
    pub remedy: &'static str,
    /// The anchor in the documentation.
    pub help: String,
    /// The system's message.
    pub error: &'a (dyn Error + 'static),
}

impl Lines {
    /// Writes the line that `make` gives, or leaves it out; whether it was written. `make` is called only for a line that
    /// is written now or may be later; it must not call this.
    pub fn say<L>(&self, reason: &'static str, make: impl FnOnce() -> L) -> bool
    where
        L: FnOnce(Option<u64>) + Send + 'static,
    {
        let now = time::Instant::now();
        let mut entries = self.0.lock();
        let left_out = match entries.iter_mut().find(|entry| entry.reason == reason) {
            Some(entry) if now.saturating_duration_since(entry.at) < EVERY => {
                entry.left_out += 1;
                if entry.pending.is_none() {
                    entry.pending = Some(Box::new(make()));
                    let due = entry.at + EVERY;
                    drop(entries);
                    self.write_at(reason, due);
                }
                return false;
            }
            Some(entry) => {
                (entry.at, entry.pending) = (now, None);
                std::mem::take(&mut entry.left_out)
            }
            None => {
                entries.push(Entry { reason, at: now, left_out: 0, pending: None });
                0
            }
        };
        drop(entries);
        make()(some(left_out));
        true
    }

    /// Writes what was left out and is still pending.
    pub fn flush(&self) {
        self.0.write(|_| true);
    }

    /// Outside of a runtime there is no timer; the next line has the number then.
    fn write_at(&self, reason: &'static str, due: time::Instant) {
        let Ok(runtime) = Handle::try_current() else { return };
        let shared = Arc::downgrade(&self.0);
        runtime.spawn(async move {
            time::sleep_until(due).await;
            if let Some(shared) = Weak::upgrade(&shared) {
                shared.write(|entry| entry.reason == reason && entry.at + EVERY <= due);
            }
        });
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, which: impl Fn(&Entry) -> bool) {
        let now = time::Instant::now();
        let mut lines = Vec::new();
        for entry in self.lock().iter_mut().filter(|entry| which(entry)) {
            let left_out = std::mem::take(&mut entry.left_out);
            if let Some(line) = entry.pending.take() {
                entry.at = now;
                // The line that is written was one of them.
                lines.push((line, left_out.saturating_sub(1)));
            }
        }
        lines.into_iter().for_each(|(line, left_out)| line(some(left_out)));
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.write(|_| true);
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Lines").field(&self.lock().len()).finish()
    }
}

/// A field of the value `None` is not written.
fn some(left_out: u64) -> Option<u64> {
    (left_out > 0).then_some(left_out)
}

/// At most one line for each cause and minute: whom it is about, the metric's word for the cause, what to do, what the
/// system said, and how many failures of this cause have no line.
pub fn warn(lines: &Lines, peer: Peer<'_>, failure: &Failure<'_>) {
    lines.say(failure.cause, || {
        let Failure { cause, remedy, help, error } = failure.clone();
        let (role, name, address) = (peer.role, peer.name.to_owned(), peer.address.to_owned());
        let detail = chain(error);
        move |left_out: Option<u64>| {
            let name = (!name.is_empty()).then_some(name);
            tracing::warn!(name, address, cause, detail, left_out, help, "{role}: {remedy}");
        }
    });
}

/// The moment `wait` from now on, for a line: RFC 3339, UTC, with milliseconds.
pub fn after(wait: Duration) -> String {
    let until = SystemTime::now().checked_add(wait).unwrap_or(SystemTime::UNIX_EPOCH);
    humantime::format_rfc3339_millis(until).to_string()
}

/// Milliseconds of a line: three significant digits, more only before the point.
pub fn milliseconds(duration: Duration) -> f64 {
    let milliseconds = duration.as_secs_f64() * 1000.0;
    let factor = match milliseconds {
        ..10.0 => 100.0,
        ..100.0 => 10.0,
        _ => 1.0,
    };
    let factor = if milliseconds < 1.0 { 1000.0 } else { factor };
    (milliseconds * factor).round() / factor
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<(&'static str, u64)>>>);

    impl Written {
        fn say(&self, lines: &Lines, reason: &'static str) -> bool {
            let written = self.0.clone();
            lines.say(reason, move || {
                move |left_out: Option<u64>| written.lock().unwrap().push((reason, left_out.unwrap_or(0)))
            })
        }

        fn take(&self) -> Vec<(&'static str, u64)> {
            std::mem::take(&mut *self.0.lock().unwrap())
        }
    }

    /// Lets timers that are due run.
    async fn advance(seconds: u64) {
        time::sleep(Duration::from_secs(seconds)).await;
        tokio::task::yield_now().await;
    }

    #[tokio::test(start_paused = true)]
    async fn each_reason_has_one_line_a_minute_and_the_number_of_the_others_comes_when_it_is_over() {
        let (lines, written) = (Lines::default(), Written::default());
        assert!(written.say(&lines, "auth"));
        assert!(written.say(&lines, "no_query"), "another reason does not wait for this one");
        assert_eq!(written.take(), [("auth", 0), ("no_query", 0)]);
        for _ in 0..133 {
            assert!(!written.say(&lines, "auth"));
        }
        advance(59).await;
        assert_eq!(written.take(), []);
        advance(2).await;
        assert_eq!(written.take(), [("auth", 132)], "one of the 133 is the line itself");
        assert!(!written.say(&lines, "auth"), "that was this minute's line");
        advance(120).await;
        assert_eq!(written.take(), [("auth", 0)], "the last one has a line too");
        assert!(written.say(&lines, "auth"));
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_left_out_is_said_at_the_end_too() {
        let (lines, written) = (Lines::default(), Written::default());
        for _ in 0..4 {
            written.say(&lines, "auth");
        }
        assert_eq!(written.take(), [("auth", 0)]);
        lines.flush();
        assert_eq!(written.take(), [("auth", 2)]);
        written.say(&lines, "auth");
        drop(lines);
        assert_eq!(written.take(), [("auth", 0)]);
    }

    #[test]
    fn without_a_runtime_the_last_to_go_has_the_number() {
        let (lines, written) = (Lines::default(), Written::default());
        for _ in 0..3 {
            written.say(&lines.clone(), "auth");
        }
        drop(lines);
        assert_eq!(written.take(), [("auth", 0), ("auth", 1)]);
    }

    #[test]
    fn times_have_three_digits() {
        let of = |micros| milliseconds(Duration::from_micros(micros)).to_string();
        for (micros, text) in
            [(0, "0"), (12, "0.012"), (999, "0.999"), (1234, "1.23"), (12_345, "12.3"), (123_456, "123")]
        {
            assert_eq!(of(micros), text);
        }
        assert_eq!(of(1_234_567), "1235", "no digit before the point is lost");
    }
}
