//! How far a run is, on standard error: a bar on a terminal, plain lines elsewhere.

use std::{
    io::{IsTerminal, Write},
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};

/// Between two plain lines.
const EVERY: Duration = Duration::from_secs(10);

/// How far a run is.
pub struct Progress {
    bar: Option<ProgressBar>,
    begun: Instant,
    reported: Instant,
    /// Done by an earlier run.
    before: usize,
    done: usize,
    all: usize,
}

impl Progress {
    /// Of `all` queries, `done` are.
    pub fn new(done: usize, all: usize) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(all as u64).with_position(done as u64);
            let style = ProgressStyle::with_template("{wide_bar} {pos}/{len} queries, {per_sec}, {eta} left");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar.reset_eta();
            bar
        });
        let now = Instant::now();
        Self { bar, begun: now, reported: now, before: done, done, all }
    }

    /// One more is done.
    pub fn step(&mut self) {
        self.done += 1;
        if let Some(bar) = &self.bar {
            return bar.inc(1);
        }
        if self.done == self.all || self.reported.elapsed() >= EVERY {
            self.reported = Instant::now();
            let line = line(self.done - self.before, self.done, self.all, self.begun.elapsed());
            // Standard error may be closed.
            let _ = writeln!(std::io::stderr(), "{line}");
        }
    }

    /// Takes the bar away.
    pub fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn line(of_this_run: usize, done: usize, all: usize, took: Duration) -> String {
    let rate = of_this_run as f64 / took.as_secs_f64().max(1e-3);
    let left = all.saturating_sub(done) as f64 / rate.max(1e-3);
    format!("{done} of {all} queries, {rate:.1} a second, {left:.0} s left")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_line_has_rate_and_time_left() {
        assert_eq!(line(10, 30, 50, Duration::from_secs(5)), "30 of 50 queries, 2.0 a second, 10 s left");
        assert!(!line(0, 0, 0, Duration::ZERO).contains("NaN"));
    }
}
