//! The whole program in this process, with its configuration in a folder of its own.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use rerankd::app::{App, Reload, Reloader};
use rerankd::config::{Flags, Source};

use super::{Wire, body_of};

const FILE: &str = "rerankd.yaml";

/// The program, what keeps it in step with its files, and the files.
pub struct Watched {
    pub app: App,
    pub reloader: Reloader,
    pub folder: Folder,
}

/// A folder with the configuration and what it names.
pub struct Folder(tempfile::TempDir);

/// The whole response to one request on a connection of its own.
pub async fn ask(addr: SocketAddr, path: &str) -> String {
    let mut client = Wire::connect(addr).await;
    client.send(format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")).await;
    client.rest().await
}

impl Folder {
    /// With this configuration; `DIR` in it stands for the folder.
    pub fn new(yaml: &str) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        folder.configure(yaml);
        folder
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    /// Replaces the configuration.
    pub fn configure(&self, yaml: &str) {
        self.write(FILE, &yaml.replace("DIR", self.0.path().to_str().unwrap()));
    }

    /// The configuration in this folder.
    pub fn source(&self) -> Source {
        Source::new(Some(self.path(FILE)), HashMap::new(), Flags::default())
    }
}

impl Watched {
    pub async fn start(yaml: &str) -> Self {
        Self::start_in(Folder::new(yaml)).await
    }

    /// With a configuration, and the files that it names, that are there already.
    pub async fn start_in(folder: Folder) -> Self {
        let loaded = folder.source().load();
        let app = App::start(&loaded.config.unwrap()).await.unwrap();
        let reloader = app.reloader(folder.source(), loaded.fingerprint);
        Self { app, reloader, folder }
    }

    /// Replaces the configuration and has it looked at.
    pub async fn reload(&self, yaml: &str) -> Reload {
        self.folder.configure(yaml);
        self.reloader.check_now().await
    }

    /// A connection to the first listener.
    pub async fn client(&self) -> Wire {
        Wire::connect(self.app.listening[0]).await
    }

    /// The whole response of the admin listener.
    pub async fn admin(&self, path: &str) -> String {
        ask(self.app.admin, path).await
    }

    /// The value of a metric, given with its labels.
    pub async fn metric(&self, series: &str) -> String {
        let response = self.admin("/metrics").await;
        let value = body_of(&response).lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        value.unwrap_or_else(|| panic!("no {series} in {response}")).to_owned()
    }

    /// The hash of the active configuration.
    pub async fn hash(&self) -> String {
        let response = self.admin("/readyz").await;
        let rest = response.split_once("\nconfiguration ").expect("the active configuration").1;
        rest.split(' ').next().unwrap().to_owned()
    }
}
