//! The program as it is installed: a process of its own.

use std::net::SocketAddr;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

const GUARD: Duration = Duration::from_secs(20);

/// A run that has ended.
pub struct Ended {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

/// `rerankd` with these arguments, and nothing in its environment but `env`.
fn command(args: &[&str], env: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rerankd"));
    command.args(args).env_clear().envs(env.iter().copied());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

/// Runs it to its end.
pub async fn run(args: &[&str], env: &[(&str, &str)]) -> Ended {
    let output = tokio::time::timeout(GUARD, command(args, env).output()).await;
    let output = output.expect("it does not end").unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ended { status: output.status, stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// A server that runs until it is told to stop.
pub struct Serving {
    /// In the configuration's order.
    pub listening: Vec<SocketAddr>,
    pub admin: SocketAddr,
    child: Child,
    /// Reads all that it says, so that it never has to wait for a reader.
    log: JoinHandle<String>,
}

impl Serving {
    /// Waits until it says where it listens.
    pub async fn start(args: &[&str], env: &[(&str, &str)]) -> Self {
        let args = [args, &["--log-format", "json"]].concat();
        let mut child = command(&args, env).spawn().unwrap();
        let (tell, mut told) = mpsc::unbounded_channel();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let log = tokio::spawn(async move {
            let mut all = String::new();
            while let Ok(Some(line)) = lines.next_line().await {
                all += &line;
                all.push('\n');
                tell.send(line).ok();
            }
            all
        });
        let mut listening = Vec::new();
        loop {
            let line = tokio::time::timeout(GUARD, told.recv()).await.expect("it says nothing");
            let Some(line) = line else { panic!("it ended early: {}", log.await.unwrap()) };
            let event: Value = serde_json::from_str(&line).unwrap_or_default();
            let listen = || event["listen"].as_str().unwrap().parse().unwrap();
            match event["message"].as_str() {
                Some("serving") => listening.push(listen()),
                Some("metrics and health") => return Self { listening, admin: listen(), child, log },
                _ => {}
            }
        }
    }

    /// Tells it to stop (SIGTERM) and waits for its end.
    pub async fn stop(mut self) -> Ended {
        let pid = self.child.id().unwrap();
        let told = Command::new("sh").arg("-c").arg(format!("kill -TERM {pid}")).status().await.unwrap();
        assert!(told.success());
        let rest = async {
            let stderr = self.log.await.unwrap();
            let mut stdout = String::new();
            self.child.stdout.take().unwrap().read_to_string(&mut stdout).await.unwrap();
            Ended { status: self.child.wait().await.unwrap(), stdout, stderr }
        };
        tokio::time::timeout(GUARD, rest).await.expect("it does not stop")
    }
}
