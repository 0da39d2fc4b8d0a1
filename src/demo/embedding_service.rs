//! [`DemoEmbeddings`]: a server on the loopback interface that embeds texts as OpenAI's does.

use std::{io, net::SocketAddr};

use super::listening::{Interface, Listening};

/// A running toy of an embedding service; it ends, with its connections, when dropped.
#[derive(Debug)]
pub struct DemoEmbeddings(Listening);

impl DemoEmbeddings {
    /// Listens on a free port of 127.0.0.1. Needs a Tokio runtime.
    pub async fn start() -> io::Result<Self> {
        Listening::open(Interface::Embedding).await.map(Self)
    }

    /// What OpenAI's clients call their base URL.
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.addr())
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.0.addr()
    }
}
