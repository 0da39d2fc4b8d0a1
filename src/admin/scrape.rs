//! [`Scrape`]: all metrics as text. Only one is written at a time, and not by the thread that answers probes;
//! requests that arrive meanwhile share the next one.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use bytes::Bytes;
use prometheus::{Registry, TextEncoder};
use tokio::{sync::Mutex, task::spawn_blocking};

/// What `/metrics` is made of. Clones share it.
#[derive(Clone)]
pub struct Scrape {
    registry: Registry,
    /// Called before each, to update gauges.
    refresh: Arc<dyn Fn() + Send + Sync>,
    asked: Arc<AtomicU64>,
    written: Arc<Mutex<Written>>,
}

#[derive(Default)]
struct Written {
    /// The requests that had arrived when it began.
    for_asked: u64,
    text: Option<Bytes>,
}

impl Scrape {
    /// Of everything in `registry`, after `refresh`.
    pub fn new(registry: Registry, refresh: impl Fn() + Send + Sync + 'static) -> Self {
        Self { registry, refresh: Arc::new(refresh), asked: Arc::default(), written: Arc::default() }
    }

    /// All metrics, the gauges updated.
    pub(super) fn refreshed(&self) -> &Registry {
        (self.refresh)();
        &self.registry
    }

    /// The text, as of now or a little later; `None` if it cannot be written.
    pub(super) async fn text(&self) -> Option<Bytes> {
        let asked = self.asked.fetch_add(1, Ordering::Relaxed) + 1;
        let mut written = self.written.clone().lock_owned().await;
        if written.for_asked >= asked {
            return written.text.clone();
        }
        let this = self.clone();
        // It is finished even if the client disconnects meanwhile, so that there are never two at a time.
        let writing = spawn_blocking(move || {
            written.for_asked = this.asked.load(Ordering::Relaxed);
            let text = TextEncoder::new().encode_to_string(&this.refreshed().gather());
            written.text = text.ok().map(Bytes::from);
            written.text.clone()
        });
        writing.await.ok().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn many_who_ask_at_once_share_a_few_and_each_sees_what_was_counted_before() {
        let registry = Registry::new();
        let scrapes = prometheus::IntCounter::new("scrapes", "How often it was written.").unwrap();
        registry.register(Box::new(scrapes.clone())).unwrap();
        let counted = scrapes.clone();
        // The first is not done before all have asked.
        let (open, gate) = std::sync::mpsc::channel::<()>();
        let gate = std::sync::Mutex::new(gate);
        let scrape = Scrape::new(registry, move || {
            let _ = gate.lock().unwrap().recv();
            counted.inc();
        });
        let all = futures_util::future::join_all((0..1000).map(|_| scrape.text()));
        let opened = async {
            while scrape.asked.load(Ordering::Relaxed) < 1000 {
                tokio::task::yield_now().await;
            }
            drop(open);
        };
        let (all, ()) = tokio::join!(all, opened);
        assert!(all.iter().all(Option::is_some));
        assert!(scrapes.get() <= 2, "{}", scrapes.get());
        for _ in 0..3 {
            let before = scrapes.get();
            let text = scrape.text().await.unwrap();
            assert_eq!(scrapes.get(), before + 1, "an old one is no response");
            assert!(std::str::from_utf8(&text).unwrap().contains(&format!("\nscrapes {}\n", before + 1)));
        }
    }
}
