//! The program as it is installed: a process of its own, and what it says on standard error.

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

/// A server that runs until it is told to stop; killed when dropped.
pub struct Process {
    /// In the configuration's order.
    pub listening: Vec<SocketAddr>,
    pub admin: SocketAddr,
    child: Child,
    lines: mpsc::UnboundedReceiver<String>,
    /// Reads all that it says, so that it never has to wait for a reader.
    log: JoinHandle<String>,
}

/// `rerankd` with these arguments, and nothing in its environment but `env`.
pub fn command(args: &[&str], env: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rerankd"));
    command.args(args).env_clear().envs(env.iter().copied());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

/// Runs it to its end.
pub async fn run(args: &[&str], env: &[(&str, &str)]) -> Ended {
    let output = timeout(GUARD, command(args, env).output()).await;
    let output = output.expect("it does not end").unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ended { status: output.status, stdout: text(output.stdout), stderr: text(output.stderr) }
}

impl Process {
    /// Waits until it says where it listens. It logs JSON unless `args` say otherwise.
    pub async fn start(args: &[&str], env: &[(&str, &str)]) -> Self {
        let own_format = args.contains(&"--log-format");
        let args = if own_format { args.to_vec() } else { [args, &["--log-format", "json"]].concat() };
        Self::watched(command(&args, env).spawn().unwrap()).await
    }

    /// A server that has been started already, its log piped here.
    pub async fn watched(mut child: Child) -> Self {
        let (tell, lines) = mpsc::unbounded_channel();
        let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
        let log = tokio::spawn(async move {
            let mut all = String::new();
            while let Ok(Some(line)) = said.next_line().await {
                all += &line;
                all.push('\n');
                tell.send(line).ok();
            }
            all
        });
        let nowhere = SocketAddr::from(([0, 0, 0, 0], 0));
        let mut process = Self { listening: Vec::new(), admin: nowhere, child, lines, log };
        loop {
            let line = process.line_with("listen").await;
            match address(&line) {
                Some(listen) if line.contains("metrics and health") => {
                    process.admin = listen;
                    return process;
                }
                Some(listen) if line.contains("serving") => process.listening.push(listen),
                _ => {}
            }
        }
    }

    /// The number of its process.
    pub fn number(&self) -> u32 {
        self.child.id().expect("it runs")
    }

    /// With the configuration of a folder.
    pub async fn of(folder: &Folder, args: &[&str]) -> Self {
        let path = folder.path("rerankd.yaml");
        Self::start(&[&["--config", path.to_str().unwrap()], args].concat(), &[]).await
    }

    /// The next log line that holds `part`.
    pub async fn line_with(&mut self, part: &str) -> String {
        loop {
            match timeout(GUARD, self.lines.recv()).await {
                Ok(Some(line)) if line.contains(part) => return line,
                Ok(Some(_)) => {}
                Ok(None) => panic!("ended without {part:?}"),
                Err(_) => panic!("no line with {part:?}"),
            }
        }
    }

    /// The next log line whose message begins with `message`.
    pub async fn said(&mut self, message: &str) -> Value {
        let line = self.line_with(&format!(r#""message":"{message}"#)).await;
        serde_json::from_str(&line).unwrap()
    }

    /// Sends a signal, such as `TERM`.
    pub async fn signal(&self, name: &str) {
        let pid = self.number();
        let sent = Command::new("sh").arg("-c").arg(format!("kill -{name} {pid}")).status().await.unwrap();
        assert!(sent.success());
    }

    /// The exit code, once it has ended; `None` if a signal ended it.
    pub async fn exit_code(mut self) -> Option<i32> {
        timeout(GUARD, self.child.wait()).await.expect("never ended").unwrap().code()
    }

    /// Tells it to stop and waits for its end.
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

/// What a log line of either format says in its field `listen`.
fn address(line: &str) -> Option<SocketAddr> {
    let rest = line.split("listen").nth(1)?.trim_start_matches(['=', '"', ':']);
    rest.split(['"', ' ']).next()?.parse().ok()
}
