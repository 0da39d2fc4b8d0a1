//! The real binary, and what it says on standard error.

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStderr, Command};
use tokio::time::timeout;

use super::Folder;

const GUARD: Duration = Duration::from_secs(30);

/// A running `rerankd`; killed when dropped.
pub struct Process {
    pub listening: SocketAddr,
    pub admin: SocketAddr,
    child: Child,
    log: Lines<BufReader<ChildStderr>>,
}

impl Process {
    /// With the configuration of a folder, which has one listener.
    pub async fn start(folder: &Folder, arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_rerankd"))
            .arg("--config")
            .arg(folder.path("rerankd.yaml"))
            .args(["--log-format", "json"])
            .args(arguments)
            .env_clear()
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let log = BufReader::new(child.stderr.take().unwrap()).lines();
        let nowhere = SocketAddr::from(([0, 0, 0, 0], 0));
        let mut process = Self { listening: nowhere, admin: nowhere, child, log };
        process.listening = process.said("serving").await["listen"].as_str().unwrap().parse().unwrap();
        process.admin = process.said("metrics and health").await["listen"].as_str().unwrap().parse().unwrap();
        process
    }

    /// The next log line whose message begins with `message`.
    pub async fn said(&mut self, message: &str) -> Value {
        let said = async {
            while let Some(line) = self.log.next_line().await.unwrap() {
                let line: Value = serde_json::from_str(&line).unwrap_or_default();
                if line["message"].as_str().is_some_and(|text| text.starts_with(message)) {
                    return line;
                }
            }
            panic!("ended without saying {message:?}");
        };
        timeout(GUARD, said).await.unwrap_or_else(|_| panic!("never said {message:?}"))
    }

    /// Sends a signal, such as `TERM`.
    pub async fn signal(&self, name: &str) {
        let pid = self.child.id().expect("it runs");
        let sent = Command::new("sh").arg("-c").arg(format!("kill -{name} {pid}")).status().await.unwrap();
        assert!(sent.success());
    }

    /// The exit code, once it has ended; `None` if a signal ended it.
    pub async fn exit_code(mut self) -> Option<i32> {
        timeout(GUARD, self.child.wait()).await.expect("never ended").unwrap().code()
    }
}
