//! The socket of the admin listener.

use std::{convert::Infallible, sync::Arc, time::Duration};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};

use super::{Admin, Ends};

/// Probes, scrapers and a few readers need few; the rest waits in the kernel's queue.
const MAX_CONNECTIONS: usize = 64;
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);

impl Admin {
    /// Answers on `listener` for ever; drop the future to stop. Open connections end with the runtime.
    pub async fn serve(self, listener: TcpListener) {
        let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        loop {
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
            let stream = match listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(kind = %error.kind(), "the admin listener could not accept");
                    // Out of file handles stays so for a while: do not spin.
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            // Who hung up already is no longer there to be answered.
            let Ok(ends) = ends(&stream) else { continue };
            let admin = self.clone();
            tokio::spawn(async move {
                let service = service_fn(|request| {
                    let answer = admin.answer(ends, &request);
                    async { Ok::<_, Infallible>(answer) }
                });
                // A scraper that hangs up is no event.
                let _ = http1::Builder::new()
                    .timer(TokioTimer::new())
                    .header_read_timeout(HEADER_TIMEOUT)
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
                drop(place);
            });
        }
    }
}

fn ends(stream: &TcpStream) -> std::io::Result<Ends> {
    Ok(Ends { peer: stream.peer_addr()?, local: stream.local_addr()? })
}

#[cfg(test)]
#[path = "server_tests.rs"]
mod tests;
