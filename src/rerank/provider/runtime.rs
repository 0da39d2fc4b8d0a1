//! A thread of its own for the connections of one provider.
//!
//! The workers that serve clients read no byte of a provider's: whatever it sends, and however long the client
//! library is busy with that in one go (an endless response, a decompression bomb, a flood of informational heads),
//! only calls to this very provider wait, and each no longer than its own timeout, which its caller enforces.

use std::sync::OnceLock;

use tokio::runtime::{Builder, Runtime};
use tokio_util::task::AbortOnDropHandle;

/// Looks up names; each of these may hang.
const BLOCKING_THREADS: usize = 4;

/// The thread, once there is something to do.
#[derive(Default)]
pub(super) struct ProviderRuntime(OnceLock<Option<Runtime>>);

impl ProviderRuntime {
    /// Runs this on the thread; cancels it if its caller is gone. `None` if it has panicked.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        match self.0.get_or_init(start) {
            Some(runtime) => AbortOnDropHandle::new(runtime.spawn(work)).await.ok(),
            // Without a thread it runs here, as well as possible.
            None => Some(work.await),
        }
    }
}

fn start() -> Option<Runtime> {
    let mut builder = Builder::new_multi_thread();
    let builder = builder.worker_threads(1).max_blocking_threads(BLOCKING_THREADS).thread_name("provider");
    builder.enable_all().build().inspect_err(|error| tracing::warn!(%error, "no thread for a provider")).ok()
}

impl Drop for ProviderRuntime {
    fn drop(&mut self) {
        // Nothing waits for what is running, and a drop must not block.
        if let Some(runtime) = self.0.take().flatten() {
            runtime.shutdown_background();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::mpsc, time::Duration};

    use super::*;

    const LONG: Duration = Duration::from_secs(10);

    #[tokio::test]
    async fn work_that_holds_its_thread_holds_up_nobody_else() {
        let runtime = ProviderRuntime::default();
        let (turn, turns) = mpsc::channel();
        // Returns no sooner than another task has had a hundred turns.
        let busy = runtime.run(async move { (0..100).all(|_| turns.recv_timeout(LONG).is_ok()) });
        let others = async {
            while turn.send(()).is_ok() {
                tokio::task::yield_now().await;
            }
        };
        let (done, ()) = tokio::join!(busy, others);
        assert_eq!(done, Some(true), "nobody else had a turn");
    }

    #[tokio::test]
    async fn a_deadline_is_kept_while_the_thread_is_held() {
        let runtime = ProviderRuntime::default();
        let (release, released) = mpsc::channel::<()>();
        let busy = runtime.run(async move { released.recv_timeout(LONG).is_ok() });
        assert!(tokio::time::timeout(Duration::from_millis(20), busy).await.is_err());
        drop(release);
    }

    #[tokio::test]
    async fn what_nobody_waits_for_is_ended() {
        let (runtime, (alive, ended)) = (ProviderRuntime::default(), tokio::sync::oneshot::channel::<()>());
        let call = runtime.run(async move {
            let _alive = alive;
            std::future::pending::<()>().await;
        });
        assert!(tokio::time::timeout(Duration::from_millis(20), call).await.is_err());
        assert!(ended.await.is_err());
    }
}
