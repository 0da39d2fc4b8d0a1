//! [`Workers`]: threads with a runtime each. A client's connection is dealt to one of them, and whatever is done for
//! it, up to the connection to the database, is done there: on a request's way nothing waits for another core.

use std::{
    cell::Cell,
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use tokio::{
    net::TcpStream,
    runtime::{Builder, Handle},
};
use tokio_util::sync::{CancellationToken, DropGuard};

thread_local! {
    static PLACE: Cell<usize> = const { Cell::new(0) };
}

/// The number of this thread's worker, from 1; 0 if it is none.
pub fn place() -> usize {
    PLACE.get()
}

/// The threads that serve clients. They end when the last clone is dropped, and what is open there with them.
#[derive(Clone, Debug, Default)]
pub struct Workers(Option<Arc<Threads>>);

#[derive(Debug)]
struct Threads {
    workers: Vec<Worker>,
    _until: DropGuard,
}

#[derive(Debug)]
struct Worker {
    runtime: Handle,
    /// How many connections it has.
    open: Arc<AtomicUsize>,
}

/// One of a worker's connections, until it is dropped.
struct Open(Arc<AtomicUsize>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Workers {
    /// No threads: a connection is served by the runtime that accepted it.
    pub fn here() -> Self {
        Self::default()
    }

    /// Starts this many threads.
    pub fn start(count: usize) -> io::Result<Self> {
        let until = CancellationToken::new();
        let workers = (1..=count).map(|place| Worker::start(place, until.clone()));
        let workers = workers.collect::<io::Result<_>>()?;
        Ok(Self(Some(Arc::new(Threads { workers, _until: until.drop_guard() }))))
    }

    /// How many threads there are.
    pub fn count(&self) -> usize {
        self.0.as_ref().map_or(0, |threads| threads.workers.len())
    }

    /// Has a connection served by the worker with the fewest open ones, until what `serve` makes of it has ended.
    pub fn serve<F>(&self, stream: TcpStream, serve: impl FnOnce(TcpStream) -> F + Send + 'static)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let Some(worker) = self.0.as_ref().and_then(|threads| threads.least_busy()) else {
            tokio::spawn(serve(stream));
            return;
        };
        // Registered with the runtime that accepted it; it has to be registered anew with the worker's.
        let Ok(stream) = stream.into_std() else { return };
        worker.open.fetch_add(1, Ordering::Relaxed);
        let open = Open(worker.open.clone());
        worker.runtime.spawn(async move {
            let _open = open;
            if let Ok(stream) = TcpStream::from_std(stream) {
                serve(stream).await;
            }
        });
    }
}

impl Threads {
    fn least_busy(&self) -> Option<&Worker> {
        self.workers.iter().min_by_key(|worker| worker.open.load(Ordering::Relaxed))
    }
}

impl Worker {
    fn start(place: usize, until: CancellationToken) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        thread::Builder::new().name(format!("worker-{place}")).spawn(move || {
            PLACE.set(place);
            runtime.block_on(until.cancelled());
            // A name lookup that hangs must not block the thread.
            runtime.shutdown_background();
        })?;
        Ok(Self { runtime: handle, open: Arc::default() })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
        sync::mpsc,
    };

    use super::*;

    /// Connects and has the other end served.
    async fn connect(workers: &Workers, tell: mpsc::UnboundedSender<usize>) -> TcpStream {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (served, _) = listener.accept().await.unwrap();
        workers.serve(served, move |mut stream| async move {
            tell.send(place()).unwrap();
            let mut byte = [0];
            while stream.read(&mut byte).await.unwrap() > 0 {
                stream.write_all(&byte).await.unwrap();
            }
        });
        client
    }

    #[tokio::test]
    async fn connections_are_dealt_evenly_and_a_free_place_is_taken_again() {
        let workers = Workers::start(2).unwrap();
        assert_eq!(workers.count(), 2);
        let (tell, mut reported) = mpsc::unbounded_channel();
        let (mut clients, mut of_place) = (Vec::new(), HashMap::new());
        for _ in 0..6 {
            clients.push(connect(&workers, tell.clone()).await);
            *of_place.entry(reported.recv().await.unwrap()).or_insert(0) += 1;
        }
        assert_eq!(of_place, HashMap::from([(1, 3), (2, 3)]));
        for client in &mut clients {
            client.write_all(b"x").await.unwrap();
            assert_eq!(client.read_u8().await.unwrap(), b'x');
        }
    }

    #[tokio::test]
    async fn without_threads_a_connection_stays_where_it_was_accepted() {
        let (tell, mut reported) = mpsc::unbounded_channel();
        let _client = connect(&Workers::here(), tell).await;
        assert_eq!(reported.recv().await, Some(0));
    }

    #[tokio::test]
    async fn what_is_open_ends_with_the_workers() {
        let workers = Workers::start(1).unwrap();
        let (tell, mut reported) = mpsc::unbounded_channel();
        let mut client = connect(&workers, tell).await;
        assert_eq!(reported.recv().await, Some(1));
        drop(workers);
        assert_eq!(client.read(&mut [0]).await.unwrap_or(0), 0);
    }
}
