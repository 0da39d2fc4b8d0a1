//! The real binary, and the lines that it logs.

use std::{
    io::{BufRead, BufReader},
    net::SocketAddr,
    process::{Child, Command, Stdio},
    time::Duration,
};

use tokio::{sync::mpsc, time::timeout};

const GUARD: Duration = Duration::from_secs(20);

/// Killed when dropped.
pub struct Binary {
    child: Child,
    lines: mpsc::UnboundedReceiver<String>,
}

impl Binary {
    /// Starts it with these arguments and nothing in its environment but these variables.
    pub fn start(args: &[&str], env: &[(&str, &str)]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_rerankd"))
            .args(args)
            .env_clear()
            .envs(env.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let (send, lines) = mpsc::unbounded_channel();
        let stderr = BufReader::new(child.stderr.take().expect("a pipe"));
        std::thread::spawn(move || stderr.lines().map_while(Result::ok).try_for_each(|line| send.send(line)));
        Self { child, lines }
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

    /// Where it listens, once it says so.
    pub async fn listening(&mut self) -> SocketAddr {
        let line = self.line_with("serving").await;
        let rest = line.split("listen").nth(1).expect("an address");
        let address = rest.trim_start_matches(|c: char| !c.is_ascii_digit()).split(['"', ' ']).next();
        address.and_then(|address| address.parse().ok()).expect("an address")
    }
}

impl Drop for Binary {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
