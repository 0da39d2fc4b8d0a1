//! The whole program in front of one database, and what it says of itself.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use rerankd::{
    app::App,
    config::{self, Flags},
};

use super::Wire;

/// A running program.
pub struct Program {
    app: App,
}

impl Program {
    /// With `yaml` for everything but the listener, its upstream and the admin address. It has a key for Cohere.
    pub async fn before(database: SocketAddr, yaml: &str) -> Self {
        let yaml = format!(
            "listeners:\n  - {{ listen: 127.0.0.1:0, upstream: {{ url: \"http://{database}\" }} }}\n\
             admin: {{ listen: 127.0.0.1:0 }}\n{yaml}"
        );
        let env = HashMap::from([("CO_API_KEY".to_owned(), "k".to_owned())]);
        let config = config::load(Some((Path::new("test.yaml"), &yaml)), &env, &Flags::default()).unwrap();
        Self { app: App::start(&config).await.unwrap() }
    }

    pub fn address(&self) -> SocketAddr {
        self.app.listening[0]
    }

    pub fn admin(&self) -> SocketAddr {
        self.app.admin
    }

    pub async fn client(&self) -> Wire {
        Wire::connect(self.address()).await
    }

    /// Sends one request on a connection of its own, and gives the whole answer.
    pub async fn ask(&self, request: &str) -> String {
        let mut client = self.client().await;
        client.send(request).await;
        client.message().await.expect("an answer")
    }

    /// The value of a metric without labels, or with them as they are printed.
    pub async fn metric(&self, name: &str) -> u64 {
        let mut client = Wire::connect(self.app.admin).await;
        client.send("GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
        let all = client.rest().await;
        let line = all.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {name} in {all}")).parse().expect("a whole number")
    }

    /// Waits until a metric has come to a value.
    pub async fn until(&self, name: &str, holds: impl Fn(u64) -> bool) -> u64 {
        let look = async {
            loop {
                let value = self.metric(name).await;
                if holds(value) {
                    return value;
                }
            }
        };
        match tokio::time::timeout(Duration::from_secs(10), look).await {
            Ok(value) => value,
            Err(_) => panic!("{name} stays at {}", self.metric(name).await),
        }
    }

    /// Waits until nothing that a client had is held any more.
    pub async fn until_all_is_given_back(&self) {
        for name in [
            "rerankd_client_connections",
            "rerankd_requests_in_flight",
            "rerankd_searches_in_flight",
            "rerankd_buffered_bytes",
        ] {
            self.until(name, |held| held == 0).await;
        }
    }
}

/// A search of the collection `docs` by a text in the header.
pub fn search(body: &str) -> String {
    format!(
        "POST /collections/docs/points/query HTTP/1.1\r\nhost: x\r\nx-rerank-query: zebra\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// An answer of Qdrant's with so many hits, each with a text of `length` letters.
pub fn hits(count: u64, length: usize) -> String {
    let text = "x".repeat(length);
    let hit =
        |id: u64| format!(r#"{{"id":{id},"version":0,"score":0.5,"payload":{{"text":"{id} {text}"}}}}"#);
    let hits: Vec<String> = (0..count).map(hit).collect();
    format!(r#"{{"result":{{"points":[{}]}},"status":"ok","time":0.001}}"#, hits.join(","))
}
