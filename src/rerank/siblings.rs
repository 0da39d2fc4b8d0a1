use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, oneshot},
    time::{Instant, timeout_at},
};

/// The calls that are made for one request. They may be more than a provider's permits: then they wait for permits
/// that their own siblings hold, and for no others. Clones are the same.
#[derive(Clone, Default)]
pub struct Siblings(Arc<Mutex<Vec<Held>>>);

/// What the siblings hold of one provider's permits.
struct Held {
    /// Which provider: the address of its semaphore.
    of: usize,
    places: usize,
    waiting: VecDeque<oneshot::Sender<Slot>>,
}

/// A permit of a provider. When it is released, a waiting sibling gets it next.
pub(super) struct Slot {
    permit: Option<OwnedSemaphorePermit>,
    siblings: Option<Siblings>,
    of: usize,
}

impl Siblings {
    /// A free permit, or a sibling's as soon as it is released, until then; `None` if there is none to be had.
    pub(super) async fn place(
        siblings: Option<&Self>,
        free: &Arc<Semaphore>,
        until: Instant,
    ) -> Option<Slot> {
        let of = Arc::as_ptr(free).addr();
        let Some(siblings) = siblings else {
            let permit = free.clone().try_acquire_owned().ok()?;
            return Some(Slot { permit: Some(permit), siblings: None, of });
        };
        let next = siblings.take(free, of)?;
        match next {
            Ok(place) => Some(place),
            Err(next) => timeout_at(until, next).await.ok()?.ok(),
        }
    }

    fn take(&self, free: &Arc<Semaphore>, of: usize) -> Option<Result<Slot, oneshot::Receiver<Slot>>> {
        let mut all = self.lock();
        let permit = free.clone().try_acquire_owned().ok();
        let at = all.iter().position(|held| held.of == of);
        match (permit, at) {
            (Some(permit), at) => {
                let at = at.unwrap_or_else(|| {
                    all.push(Held { of, places: 0, waiting: VecDeque::new() });
                    all.len() - 1
                });
                all.get_mut(at)?.places += 1;
                Some(Ok(Slot { permit: Some(permit), siblings: Some(self.clone()), of }))
            }
            (None, Some(at)) => {
                let held = all.get_mut(at).filter(|held| held.places > 0)?;
                let (give, next) = oneshot::channel();
                held.waiting.push_back(give);
                Some(Err(next))
            }
            (None, None) => None,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Held>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let (Some(permit), Some(siblings)) = (self.permit.take(), self.siblings.take()) else { return };
        let mut all = siblings.lock();
        let Some(held) = all.iter_mut().find(|held| held.of == self.of) else { return };
        let mut place = Slot { permit: Some(permit), siblings: Some(siblings.clone()), of: self.of };
        while let Some(next) = held.waiting.pop_front() {
            match next.send(place) {
                Ok(()) => return,
                // It has gone meanwhile.
                Err(back) => place = back,
            }
        }
        held.places = held.places.saturating_sub(1);
        // Not to be handed on twice.
        place.siblings = None;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(1)
    }

    #[tokio::test(start_paused = true)]
    async fn siblings_wait_for_each_other_and_nobody_waits_for_others() {
        let (free, family, others) = (Arc::new(Semaphore::new(1)), Siblings::default(), Siblings::default());
        let first = Siblings::place(Some(&family), &free, soon()).await.unwrap();
        assert!(Siblings::place(Some(&others), &free, soon()).await.is_none());
        assert!(Siblings::place(None, &free, soon()).await.is_none());
        let second = tokio::spawn({
            let (family, free) = (family.clone(), free.clone());
            async move { Siblings::place(Some(&family), &free, soon()).await }
        });
        tokio::task::yield_now().await;
        drop(first);
        assert!(Siblings::place(None, &free, soon()).await.is_none(), "the place stays in the family");
        let second = second.await.unwrap();
        assert!(second.is_some());
        drop(second);
        assert!(Siblings::place(None, &free, soon()).await.is_some());
        assert!(family.lock().iter().all(|held| held.places == 0));
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_left_keeps_no_place_from_the_next() {
        let (free, family) = (Arc::new(Semaphore::new(1)), Siblings::default());
        let first = Siblings::place(Some(&family), &free, soon()).await;
        let begun = Instant::now();
        assert!(Siblings::place(Some(&family), &free, soon()).await.is_none());
        assert_eq!(begun.elapsed(), Duration::from_secs(1), "no longer than its time");
        // One that was handed the permit, and is dropped before it has looked.
        let unseen = family.take(&free, Arc::as_ptr(&free).addr());
        drop(first);
        assert_eq!(free.available_permits(), 0);
        drop(unseen);
        assert_eq!(free.available_permits(), 1);
        assert!(family.lock().iter().all(|held| held.places == 0));
    }
}
