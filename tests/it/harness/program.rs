//! The whole program in this process, from a configuration as a user writes it.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path;

use rerankd::app::App;
use rerankd::config::{self, Flags};

use super::Wire;

/// Where the program listens; it stops with the test's runtime, or by `stop`.
pub struct Program {
    pub addr: SocketAddr,
    pub admin: SocketAddr,
    _app: App,
}

impl Program {
    pub async fn start(yaml: &str, env: &[(&str, &str)]) -> Self {
        let env: HashMap<String, String> =
            env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let config = config::load(Some((Path::new("test.yaml"), yaml)), &env, &Flags::default());
        let config = config.unwrap_or_else(|problems| panic!("{problems}"));
        let app = App::start(&config).await.unwrap();
        Self { addr: app.listening[0], admin: app.admin, _app: app }
    }

    /// What `/metrics` says.
    pub async fn metrics(&self) -> String {
        let mut client = Wire::connect(self.admin).await;
        client.send("GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
        client.rest().await
    }
}

/// The configuration's lines of one listener and an admin listener on free ports.
pub fn listener(upstream: &str) -> String {
    format!(
        "listeners:\n  - listen: 127.0.0.1:0\n    upstream: {upstream}\nadmin: {{ listen: 127.0.0.1:0 }}\n"
    )
}
