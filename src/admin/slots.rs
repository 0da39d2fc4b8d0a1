//! [`Slots`]: the connections to the admin listener. When all slots are taken, a new connection gets the slot of the
//! longest idle one: a probe never waits for clients that send nothing, or read nothing.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::Notify,
    time::{Instant, sleep_until},
};

/// Timeout of a client that accepts no byte of its response.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

/// All slots. Clones share them.
#[derive(Clone)]
pub(super) struct Slots {
    most: usize,
    taken: Arc<Mutex<Vec<Arc<Place>>>>,
}

/// One connection's slot; free again when it is dropped.
pub(super) struct Slot {
    pub(super) place: Arc<Place>,
    slots: Slots,
}

/// The state of a connection.
pub(super) struct Place {
    start: Instant,
    /// When a byte moved last, in milliseconds since `start`; one more than twice that while bytes wait to be
    /// accepted.
    moved: AtomicU64,
    given_up: Notify,
}

impl Slots {
    /// This many slots, all free.
    pub(super) fn new(most: usize) -> Self {
        Self { most, taken: Arc::default() }
    }

    /// A slot; if all are taken, that of the longest idle connection, which is closed.
    pub(super) fn take(&self) -> Slot {
        let (moved, given_up) = (AtomicU64::new(0), Notify::new());
        let place = Arc::new(Place { start: Instant::now(), moved, given_up });
        let mut taken = self.lock();
        if taken.len() >= self.most {
            let stillest = taken.iter().enumerate().min_by_key(|(_, place)| place.moved());
            if let Some((at, _)) = stillest {
                taken.remove(at).given_up.notify_one();
            }
        }
        taken.push(place.clone());
        Slot { place, slots: self.clone() }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Place>>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.slots.lock().retain(|place| !Arc::ptr_eq(place, &self.place));
    }
}

impl Place {
    /// Notes that bytes moved, or that some wait for the client to accept them.
    pub(super) fn note(&self, blocked: bool) {
        let now = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX >> 1);
        match blocked {
            // The time since they wait is what counts.
            true => drop(self.moved.fetch_or(1, Ordering::Relaxed)),
            false => self.moved.store(now << 1, Ordering::Relaxed),
        }
    }

    fn moved(&self) -> Instant {
        self.start + Duration::from_millis(self.moved.load(Ordering::Relaxed) >> 1)
    }

    /// Ends when the connection has to close: its slot was reassigned, or its client accepts nothing.
    pub(super) async fn over(&self) {
        tokio::select! {
            () = self.given_up.notified() => {}
            () = self.stalled() => {}
        }
    }

    async fn stalled(&self) {
        loop {
            let blocked = self.moved.load(Ordering::Relaxed) & 1 == 1;
            let (now, since) = (Instant::now(), self.moved());
            let until = if blocked { since + WRITE_TIMEOUT } else { now + WRITE_TIMEOUT / 10 };
            if until <= now {
                return;
            }
            sleep_until(until.min(now + WRITE_TIMEOUT / 10)).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{sleep, timeout};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    async fn is_over(slot: &Slot) -> bool {
        timeout(Duration::ZERO, slot.place.over()).await.is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_has_been_still_for_longest_makes_room() {
        let slots = Slots::new(2);
        let silent = slots.take();
        sleep(SECOND).await;
        let busy = slots.take();
        sleep(SECOND).await;
        let third = slots.take();
        assert!(is_over(&silent).await && !is_over(&busy).await && !is_over(&third).await);
        sleep(SECOND).await;
        busy.place.note(false);
        let fourth = slots.take();
        assert!(is_over(&third).await && !is_over(&busy).await && !is_over(&fourth).await);
        drop(busy);
        let fifth = slots.take();
        assert!(!is_over(&fourth).await && !is_over(&fifth).await, "a seat that was left is free");
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_nothing_is_let_go_and_who_only_waits_is_not() {
        let slots = Slots::new(9);
        let (blocked, idle) = (slots.take(), slots.take());
        blocked.place.note(true);
        let start = Instant::now();
        blocked.place.over().await;
        assert_eq!(start.elapsed(), WRITE_TIMEOUT);
        assert!(timeout(100 * SECOND, idle.place.over()).await.is_err());
        // Bytes that move now and then are enough.
        blocked.place.note(false);
        let slow = async {
            for _ in 0..20 {
                blocked.place.note(false);
                blocked.place.note(true);
                sleep(9 * SECOND).await;
            }
        };
        tokio::select! { () = blocked.place.over() => panic!("it moves"), () = slow => {} }
    }
}
