//! The socket of the admin listener.

use std::{convert::Infallible, sync::Arc, time::Duration};

use http::Request;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    task::yield_now,
};

use super::{
    Admin, Ends,
    slot_stream::SlotStream,
    slots::{Slot, Slots},
};
use crate::trouble::Lines;

/// Probes, scrapers and a few readers need few; a new connection when all slots are taken gets that of the longest
/// idle one.
const MAX_CONNECTIONS: usize = 64;
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// For heads, and for responses on their way.
const BUFFER: usize = 16 << 10;

impl Admin {
    /// Serves `listener` until the future is dropped. Open connections end with the runtime.
    pub async fn serve(self, listener: TcpListener) {
        let (slots, admin) = (Slots::new(MAX_CONNECTIONS), Arc::new(self));
        let lines = Lines::default();
        loop {
            match listener.accept().await {
                // The client closed the connection before it was accepted.
                Ok((stream, _)) => {
                    if let Ok(ends) = ends(&stream) {
                        tokio::spawn(admin.clone().serve_one(stream, ends, slots.take()));
                    }
                }
                Err(error) => {
                    lines.say("accept", || {
                        let kind = error.kind();
                        move |left_out: Option<u64>| {
                            tracing::warn!(%kind, left_out, "the admin listener could not accept a connection");
                        }
                    });
                    // Out of file handles stays so for a while: do not spin.
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
            // The accepted connection is polled before the next one can take its slot.
            yield_now().await;
        }
    }

    async fn serve_one(self: Arc<Self>, stream: TcpStream, ends: Ends, slot: Slot) {
        let service = service_fn(|request: Request<Incoming>| {
            let admin = self.clone();
            async move { Ok::<_, Infallible>(admin.respond(ends, &request).await) }
        });
        let stream = SlotStream::new(stream, slot.place.clone());
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADER_TIMEOUT)
            .max_buf_size(BUFFER)
            .serve_connection(TokioIo::new(stream), service);
        tokio::select! {
            // A scraper that disconnects is not an event.
            _ = connection => {}
            () = slot.place.over() => {}
        }
    }
}

fn ends(stream: &TcpStream) -> std::io::Result<Ends> {
    Ok(Ends { peer: stream.peer_addr()?, local: stream.local_addr()? })
}

#[cfg(test)]
#[path = "server_tests.rs"]
mod tests;
