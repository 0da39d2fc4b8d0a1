//! `rerankd drain`: tells a server in another process to let its clients go.

use std::{
    io::{self, Write},
    thread,
    time::Duration,
};

use clap::Args;
use rustix::{
    io::Errno,
    process::{Pid, Signal, kill_process},
};

use super::{EXIT_FAILURE, EXIT_OK, serve::tell};
use crate::system::server::{self, NoServer};

pub(super) const AFTER: &str = "\
For the preStop hook of a container whose pod ends: from the moment the pod begins to end, and not only when rerankd's \
own turn comes. The server is told by SIGUSR1. It fails /readyz, closes each client's connection after the next response, which says so \
(HTTP/2: GOAWAY), and idle ones after two seconds; streams and tunnels go on. New connections are still served, one request each. That \
lasts until SIGTERM, which stops it as ever; what has passed counts towards shutdown.delay.

Exit codes:
  0  the server has been told
  1  it has not: there is none, there are several, or it is another user's
  2  the command line was not understood";

/// Whom to tell, and how long to wait.
#[derive(Clone, Debug, Default, Args)]
pub struct DrainArgs {
    /// The server's process [default: the one that runs `rerankd serve` as this user; in a container the container's own]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(i32).range(1..))]
    pub pid: Option<i32>,
    /// How long to wait then, such as 5s: a hook holds the container's SIGTERM back until it ends
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = humantime::parse_duration)]
    pub wait: Duration,
}

/// Why the server was not told.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    NoServer(#[from] NoServer),
    #[error("process {0} is another user's. Run this as the same user")]
    NotAllowed(i32),
    #[error("process {number} cannot be told")]
    Kill { number: i32, source: io::Error },
}

/// Tells the server, and waits; returns the exit code.
pub(super) fn drain(args: &DrainArgs) -> u8 {
    match tell_server(args.pid) {
        Ok(number) => {
            // Told is told, whether anybody reads it or not.
            let _ = writeln!(io::stdout(), "process {number} drains");
            thread::sleep(args.wait);
            EXIT_OK
        }
        Err(error) => {
            tell(&error);
            EXIT_FAILURE
        }
    }
}

fn tell_server(named: Option<i32>) -> Result<i32, Failure> {
    let signal = Signal::USR1;
    let number = match named {
        Some(number) => number,
        None => server::find(signal.as_raw())?.cast_signed(),
    };
    let gone = NoServer::Gone(number.cast_unsigned());
    server::check(number.cast_unsigned(), signal.as_raw())?;
    let process = Pid::from_raw(number).ok_or_else(|| gone.clone())?;
    match kill_process(process, signal) {
        Ok(()) => Ok(number),
        Err(Errno::PERM) => Err(Failure::NotAllowed(number)),
        Err(Errno::SRCH) => Err(gone.into()),
        Err(error) => Err(Failure::Kill { number, source: error.into() }),
    }
}
