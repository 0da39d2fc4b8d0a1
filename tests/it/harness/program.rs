//! The whole program in this process, from a configuration as a user writes it.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use rerankd::app::App;
use rerankd::config::{self, Flags};

use super::Wire;

/// Everything that a client may have held of the program.
const HELD: [&str; 4] = [
    "rerankd_client_connections",
    "rerankd_requests_in_flight",
    "rerankd_searches_in_flight",
    "rerankd_buffered_bytes",
];

/// Where the program listens; it stops with the test's runtime, or by `stop`.
pub struct Program {
    pub addr: SocketAddr,
    pub admin: SocketAddr,
    pub rerank_api: Option<SocketAddr>,
    pub embeddings: Option<SocketAddr>,
    app: App,
}

impl Program {
    /// One listener on a free port before `upstream`; `more` are further lines of the file, from the left margin.
    pub async fn before(upstream: SocketAddr, more: &str) -> Self {
        Self::start(&format!("{}{more}", listener(&format!("{{ url: \"http://{upstream}\" }}"))), &[]).await
    }

    /// The same with a key for Cohere.
    pub async fn with_key(upstream: SocketAddr, more: &str) -> Self {
        let yaml = format!("{}{more}", listener(&format!("{{ url: \"http://{upstream}\" }}")));
        Self::start(&yaml, &[("CO_API_KEY", "k")]).await
    }

    pub async fn start(yaml: &str, env: &[(&str, &str)]) -> Self {
        let env: HashMap<String, String> =
            env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let config = config::load(Some((Path::new("test.yaml"), yaml)), &env, &Flags::default());
        let mut config = config.unwrap_or_else(|problems| panic!("{problems}"));
        config.relays = super::relays();
        let app = App::start(&config).await.unwrap();
        Self {
            addr: app.listening[0],
            admin: app.admin,
            rerank_api: app.rerank_api,
            embeddings: app.embeddings,
            app,
        }
    }

    /// What `/metrics` says.
    pub async fn metrics(&self) -> String {
        let mut client = Wire::connect(self.admin).await;
        client.send("GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
        client.rest().await
    }

    /// The value of one series of `/metrics`, named as it is printed; of a name alone, the sum of all its series.
    pub async fn metric(&self, series: &str) -> u64 {
        let all = self.metrics().await;
        let value = |line: &str| {
            let rest = line.strip_prefix(series)?;
            let labels = rest.strip_prefix('{').and_then(|rest| rest.split_once("} "));
            labels.map(|(_, value)| value).or(rest.strip_prefix(' ')).map(str::to_owned)
        };
        let values: Vec<String> = all.lines().filter_map(value).collect();
        assert!(!values.is_empty(), "no {series} in {all}");
        values.iter().map(|value| value.parse::<u64>().expect("a whole number")).sum()
    }

    /// Waits until a series has come to a value, and gives it.
    pub async fn until(&self, series: &str, holds: impl Fn(u64) -> bool) -> u64 {
        let look = async {
            loop {
                let value = self.metric(series).await;
                if holds(value) {
                    return value;
                }
            }
        };
        match tokio::time::timeout(Duration::from_secs(60), look).await {
            Ok(value) => value,
            Err(_) => panic!("{series} stays at {}", self.metric(series).await),
        }
    }

    /// Waits until nothing that a client had is held any more.
    pub async fn until_all_is_given_back(&self) {
        for series in HELD {
            self.until(series, |held| held == 0).await;
        }
    }

    /// Sends one request on a connection of its own, and gives the whole response.
    pub async fn ask(&self, request: &str) -> String {
        let mut client = self.client().await;
        client.send(request).await;
        client.message().await.expect("a response")
    }

    /// The second address of the first listener.
    pub fn grpc(&self) -> SocketAddr {
        self.app.grpc_listening[0].expect("a second address")
    }

    /// Where the listeners listen, in the configuration's order.
    pub fn listening(&self) -> &[SocketAddr] {
        &self.app.listening
    }

    pub async fn client(&self) -> Wire {
        Wire::connect(self.addr).await
    }

    /// Tells clients to go elsewhere, as `rerankd drain` does.
    pub fn drain(&self) {
        self.app.drain();
    }

    /// Stops when every client has gone: then no connection to an upstream is left.
    pub async fn stop(self) {
        self.app.stop().await;
    }
}

/// The configuration's lines of one listener and an admin listener on free ports.
pub fn listener(upstream: &str) -> String {
    format!(
        "listeners:\n  - listen: 127.0.0.1:0\n    upstream: {upstream}\nadmin: {{ listen: 127.0.0.1:0 }}\n"
    )
}
