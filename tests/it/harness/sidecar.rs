//! The whole program between a database and a rerank service that a test scripts.

use std::{collections::HashMap, net::SocketAddr, path::Path};

use rerankd::{
    app::App,
    config::{self, Flags},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Duration, timeout},
};

use super::Scripted;

/// The key that the rerank service is called with.
const KEY: &str = "sekrit-key-123";

/// Stops when dropped.
pub struct Sidecar {
    pub service: Scripted,
    pub addr: SocketAddr,
    app: App,
}

impl Sidecar {
    /// In front of a database; `rerank` is the inside of that section, `more` whatever else the file has.
    pub async fn start(database: SocketAddr, service: Scripted, rerank: &str, more: &str) -> Self {
        Self::before(&format!("url: \"http://{database}\""), service, rerank, more).await
    }

    /// The same; `upstream` is the inside of that section.
    pub async fn before(upstream: &str, service: Scripted, rerank: &str, more: &str) -> Self {
        Self::listening(&format!("upstream: {{ {upstream} }}"), service, rerank, more).await
    }

    /// In front of a database, with `providers` beside the usual one: lines of that section.
    pub async fn with_providers(
        database: SocketAddr,
        service: Scripted,
        rerank: &str,
        providers: &str,
    ) -> Self {
        let usual =
            format!("providers:\n  cohere: {{ kind: cohere, base_url: \"http://{}\" }}\n", service.addr);
        let listener = format!("upstream: {{ url: \"http://{database}\" }}");
        Self::of(&listener, service, rerank, &format!("{usual}{providers}")).await
    }

    /// The same; `listener` are its settings.
    pub async fn listening(listener: &str, service: Scripted, rerank: &str, more: &str) -> Self {
        let provider = format!("cohere: {{ kind: cohere, base_url: \"http://{}\" }}", service.addr);
        Self::asking(listener, &provider, service, rerank, more).await
    }

    /// The same; `providers` are in that section.
    pub async fn asking(
        listener: &str,
        providers: &str,
        service: Scripted,
        rerank: &str,
        more: &str,
    ) -> Self {
        let more = format!("providers: {{ {providers} }}\n{more}");
        Self::of(listener, service, rerank, &more).await
    }

    async fn of(listener: &str, service: Scripted, rerank: &str, more: &str) -> Self {
        let yaml = format!(
            "listeners: [{{ listen: 127.0.0.1:0, {listener} }}]\n\
             admin: {{ listen: 127.0.0.1:0 }}\n\
             rerank: {{ {rerank} }}\n{more}"
        );
        let env = HashMap::from([("CO_API_KEY".to_owned(), KEY.to_owned())]);
        let mut config =
            config::load(Some((Path::new("test.yaml"), &yaml)), &env, &Flags::default()).unwrap();
        config.relays = super::relays();
        let app = App::start(&config).await.unwrap();
        Self { service, addr: app.listening[0], app }
    }

    /// What the admin listener tells somebody on this machine.
    pub async fn reported(&self, path: &str) -> String {
        let mut client = super::Wire::connect(self.app.admin).await;
        client.send(format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")).await;
        client.rest().await
    }

    /// The metrics as they are now.
    pub async fn metrics(&self) -> String {
        super::ask(self.app.admin, "/metrics").await
    }

    /// Sends these bytes on a connection of their own, which they must ask to be closed, and reads all that comes.
    pub async fn raw(&self, request: impl AsRef<[u8]>) -> Vec<u8> {
        let mut stream = TcpStream::connect(self.addr).await.unwrap();
        stream.write_all(request.as_ref()).await.unwrap();
        let mut response = Vec::new();
        let read = timeout(Duration::from_secs(60), stream.read_to_end(&mut response)).await;
        read.expect("the response did not end").unwrap();
        response
    }

    /// A `POST` of a JSON body with these header lines (each with its end).
    pub async fn post(&self, target: &str, headers: &str, body: &str) -> String {
        let length = body.len();
        let request = format!(
            "POST {target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}\
             content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        String::from_utf8(self.raw(request).await).expect("a text")
    }
}
