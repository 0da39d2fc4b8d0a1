use std::{convert::Infallible, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use prometheus::{Registry, TextEncoder};
use tokio::{net::TcpListener, sync::Semaphore};

use super::Readiness;

/// Probes and scrapers need few; the rest waits in the kernel's queue.
const MAX_CONNECTIONS: usize = 64;
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);

/// What the admin listener tells.
#[derive(Clone)]
pub struct Admin {
    /// Everything counted.
    pub registry: Registry,
    /// For `/readyz`.
    pub readiness: Readiness,
    /// Called before each scrape, to bring gauges up to date.
    pub refresh: Arc<dyn Fn() + Send + Sync>,
    /// What `/readyz` says after its first line, in whole lines: which configuration is in force.
    pub about: Arc<dyn Fn() -> String + Send + Sync>,
}

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
            let admin = self.clone();
            tokio::spawn(async move {
                let service = service_fn(|request| {
                    let answer = admin.answer(&request);
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

    /// The answer to one request; hyper leaves the body out for HEAD.
    pub fn answer<B>(&self, request: &Request<B>) -> Response<Full<Bytes>> {
        match (request.method(), request.uri().path()) {
            (&Method::GET | &Method::HEAD, "/livez") => text(StatusCode::OK, "live\n"),
            (&Method::GET | &Method::HEAD, "/readyz") => self.readyz(),
            (&Method::GET | &Method::HEAD, "/metrics") => self.metrics(),
            (&Method::GET | &Method::HEAD, _) => text(StatusCode::NOT_FOUND, "not found\n"),
            _ => {
                let mut answer = text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n");
                answer.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
                answer
            }
        }
    }

    fn readyz(&self) -> Response<Full<Bytes>> {
        let about = (self.about)();
        match self.readiness.missing().as_slice() {
            [] => text(StatusCode::OK, format!("ready\n{about}")),
            missing => {
                let missing = missing.join(", ");
                text(StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {missing}\n{about}"))
            }
        }
    }

    fn metrics(&self) -> Response<Full<Bytes>> {
        (self.refresh)();
        match TextEncoder::new().encode_to_string(&self.registry.gather()) {
            Ok(body) => {
                let mut answer = text(StatusCode::OK, body);
                let kind = HeaderValue::from_static(prometheus::TEXT_FORMAT);
                answer.headers_mut().insert(header::CONTENT_TYPE, kind);
                answer
            }
            Err(_) => text(StatusCode::INTERNAL_SERVER_ERROR, "the metrics could not be written\n"),
        }
    }
}

fn text(status: StatusCode, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    answer.headers_mut().insert(header::CONTENT_TYPE, kind);
    answer
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpStream,
    };

    use super::*;

    async fn ask(address: std::net::SocketAddr, line: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("{line} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn probes_metrics_and_nothing_else_are_answered_over_a_socket() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let readiness = Readiness::new();
        let bound = readiness.condition("listener");
        let registry = crate::telemetry::new_registry().unwrap();
        let about = Arc::new(|| "configuration 0123abcd\n".to_owned());
        let admin = Admin { registry, readiness, refresh: Arc::new(|| ()), about };
        let server = tokio::spawn(admin.serve(listener));

        assert!(ask(address, "GET /livez").await.starts_with("HTTP/1.1 200"));
        let unready = ask(address, "GET /readyz").await;
        assert!(
            unready.starts_with("HTTP/1.1 503")
                && unready.ends_with("\r\n\r\nnot ready: listener\nconfiguration 0123abcd\n")
        );
        bound.set(true);
        let ready = ask(address, "GET /readyz?verbose").await;
        assert!(
            ready.starts_with("HTTP/1.1 200") && ready.ends_with("\r\n\r\nready\nconfiguration 0123abcd\n")
        );

        let metrics = ask(address, "GET /metrics").await;
        assert!(metrics.contains("content-type: text/plain; version=0.0.4"), "{metrics}");
        assert!(metrics.contains("rerankd_build_info{"));
        let head = ask(address, "HEAD /metrics").await;
        assert!(head.starts_with("HTTP/1.1 200") && head.ends_with("\r\n\r\n"));

        assert!(ask(address, "GET /other").await.starts_with("HTTP/1.1 404"));
        for line in ["POST /livez", "DELETE /metrics", "PUT /other"] {
            let refused = ask(address, line).await;
            assert!(refused.starts_with("HTTP/1.1 405") && refused.contains("allow: GET, HEAD"), "{refused}");
        }
        server.abort();
    }
}
