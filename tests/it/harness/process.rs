//! The program as it is installed: a process of its own, and what it says.

use std::net::SocketAddr;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::Folder;

const GUARD: Duration = Duration::from_secs(30);

/// A run that has ended.
pub struct Ended {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

/// `rerankd` with these arguments, and nothing in its environment but `env`. Killed when dropped.
fn command(args: &[&str], env: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rerankd"));
    command.args(args).env_clear().envs(env.iter().copied());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

/// Runs it to its end.
pub async fn run(args: &[&str], env: &[(&str, &str)]) -> Ended {
    let output = timeout(GUARD, command(args, env).output()).await.expect("it does not end").unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ended { status: output.status, stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// A server; killed when dropped.
pub struct Process {
    /// Where the first listener listens.
    pub listening: SocketAddr,
    /// Where all of them do, in the configuration's order.
    pub listeners: Vec<SocketAddr>,
    pub admin: SocketAddr,
    child: Child,
    lines: mpsc::UnboundedReceiver<String>,
    /// Reads all that it says, so that it never has to wait for a reader.
    log: JoinHandle<String>,
}

impl Process {
    /// With the configuration of a folder and these arguments more; its log is JSON.
    pub async fn configured(folder: &Folder, args: &[&str]) -> Self {
        let file = folder.path("rerankd.yaml");
        let own = ["--config", file.to_str().unwrap(), "--log-format", "json"];
        Self::start(&[&own, args].concat(), &[]).await
    }

    /// Waits until it says where it listens, in either format.
    pub async fn start(args: &[&str], env: &[(&str, &str)]) -> Self {
        let mut child = command(args, env).spawn().unwrap();
        let (tell, mut lines) = mpsc::unbounded_channel();
        let mut stderr = BufReader::new(child.stderr.take().unwrap()).lines();
        let log = tokio::spawn(async move {
            let mut all = String::new();
            while let Ok(Some(line)) = stderr.next_line().await {
                all += &line;
                all.push('\n');
                tell.send(line).ok();
            }
            all
        });
        let mut listeners = Vec::new();
        let admin = loop {
            let line = timeout(GUARD, lines.recv()).await.expect("it says nothing");
            let Some(line) = line else { panic!("it ended early: {}", log.await.unwrap()) };
            let Some(address) = address(&line) else { continue };
            if line.contains("metrics and health") {
                break address;
            }
            listeners.push(address);
        };
        let listening = *listeners.first().expect("a listener");
        Self { listening, listeners, admin, child, lines, log }
    }

    /// The next log line that holds `part`.
    pub async fn line_with(&mut self, part: &str) -> String {
        loop {
            match timeout(GUARD, self.lines.recv()).await {
                Ok(Some(line)) if line.contains(part) => return line,
                Ok(Some(_)) => {}
                Ok(None) => panic!("ended without saying {part:?}"),
                Err(_) => panic!("never said {part:?}"),
            }
        }
    }

    /// The next line of a JSON log whose message begins with `message`.
    pub async fn said(&mut self, message: &str) -> Value {
        loop {
            let line: Value = serde_json::from_str(&self.line_with(message).await).unwrap_or_default();
            if line["message"].as_str().is_some_and(|text| text.starts_with(message)) {
                return line;
            }
        }
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

    /// Tells it to stop and waits for its end: all that it has ever said.
    pub async fn stop(mut self) -> Ended {
        self.signal("TERM").await;
        let rest = async {
            let stderr = self.log.await.unwrap();
            let mut stdout = String::new();
            self.child.stdout.take().unwrap().read_to_string(&mut stdout).await.unwrap();
            Ended { status: self.child.wait().await.unwrap(), stdout, stderr }
        };
        timeout(GUARD, rest).await.expect("it does not stop")
    }
}

/// The address in a line that tells where something listens.
fn address(line: &str) -> Option<SocketAddr> {
    let tells = line.contains("serving") || line.contains("metrics and health");
    let rest = line.split("listen").nth(1).filter(|_| tells)?;
    let address =
        rest.trim_start_matches(|c: char| !c.is_ascii_digit() && c != '[').split(['"', ' ', ',']).next();
    address?.parse().ok()
}
